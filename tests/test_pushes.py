"""Pushing what was published here to another index: never twice, never over anything else, and told where people have to settle it (N7)."""

from __future__ import annotations

import hashlib
from typing import Any

import attrs
import pytest

from pypidaemon.archives.rules import Rules
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.explaining import explain
from pypidaemon.forms import FileBytes, FileEnds, FormReader
from pypidaemon.globs import Globs
from pypidaemon.indexes.private import Private
from pypidaemon.inspection.inline import InlineInspector
from pypidaemon.model import File, Filename, FileRecord, NormalizedName, Standing, UpstreamPage
from pypidaemon.pushes import form
from pypidaemon.pushes.pushing import AGAIN, Declined, Pushing
from pypidaemon.services.pushing import FIRST, LONGEST, SHORTEST, PushService
from pypidaemon.testing.archives import core_metadata, make_sdist, make_wheel
from pypidaemon.uploads import read_upload
from pypidaemon.upstreams.uploading import Form, Verdict, addresses
from tests.fakes import page
from tests.gear import now, waiting
from tests.house import House, Inspectors

ACME, BETA = NormalizedName("acme"), NormalizedName("beta")
WHEEL, WHEEL_BYTES = make_wheel("acme", "1.0")
SDIST, SDIST_BYTES = make_sdist("acme", "1.0")


@attrs.define
class Home:
    """The index at home, as it answers."""

    to: str = "https://home.example/"
    pages: dict[str, UpstreamPage] = attrs.field(factory=dict)
    asked: list[str] = attrs.field(factory=list)
    forms: list[bytes] = attrs.field(factory=list)
    kinds: list[str] = attrs.field(factory=list)
    verdict: Verdict = Verdict(200, "OK")
    down: bool = False

    async def page(self, name: NormalizedName) -> UpstreamPage | None:
        self.asked.append(name)
        if self.down:
            raise UpstreamUnavailable("home", "it refuses connections")
        return self.pages.get(name)

    async def upload(self, filename: Filename, kind: str, head: bytes, content: Any, tail: bytes) -> Verdict:
        self.asked.append(filename)
        self.kinds.append(kind)
        data = await content.read(0, 1 << 20)
        self.forms.append(head + data + tail)
        if self.verdict.status == 200:
            name = filename.partition("-")[0]
            known = self.pages[name].files if name in self.pages else ()
            self.has(name, *known, File(filename, hashes=(("sha256", hashlib.sha256(data).hexdigest()),)))
        return self.verdict

    def has(self, name: str, *files: File) -> None:
        self.pages[name] = page(name, *files)


@attrs.define
class Netbook:
    house: House = attrs.field(factory=House)
    home: Home = attrs.field(factory=Home)
    private: Private = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.private = self.house.with_private()

    def publish(self, name: NormalizedName, filename: str, data: bytes, **more: Any) -> FileRecord:
        async def put() -> str:
            draft = await self.house.blobs.draft()
            await draft.write(data)
            return await draft.commit(None)

        digest = now(put())
        standing = more.pop("standing", Standing.SHOWN)
        file = File(Filename(filename), hashes=(("sha256", digest),), size=len(data), **more)
        made = FileRecord(file, "1.0", "ann", standing)
        now(self.house.records.files.record("private", name, made, "add"))
        self.house.announcements.announce(name)
        return made

    def pushing(self, label: str = "home", **more: Any) -> Pushing:
        inspector = InlineInspector(Rules())
        return Pushing(label, self.private, self.house.records, self.home, inspector, self.house.clock, Globs(("*",)), **more)

    def service(self) -> PushService:
        house = self.house
        return PushService(
            "home", self.private, self.home.to, house.records, house.clock, house.clock, None, house.announcements, Inspectors(),  # type: ignore[arg-type]  # threads are not used
            destination=self.home,
        )  # fmt: skip


def test_what_is_lacking_there_is_sent_as_an_uploader_would_and_no_second_time() -> None:
    netbook = Netbook()
    metadata = core_metadata("acme", "1.0")
    beside = hashlib.sha256(metadata).hexdigest()

    async def put() -> None:
        draft = await netbook.house.blobs.draft()
        await draft.write(metadata)
        await draft.commit(None)

    now(put())
    netbook.publish(ACME, WHEEL, WHEEL_BYTES, core_metadata=beside, path=f"aa/bb/{'c' * 60}/{WHEEL}")
    netbook.publish(ACME, SDIST, SDIST_BYTES)
    done = now(netbook.pushing().run())
    assert done.pushed == [f"{WHEEL} was pushed", f"{SDIST} was pushed"]
    for kind, body, filename, data in zip(netbook.home.kinds, netbook.home.forms, (WHEEL, SDIST), (WHEEL_BYTES, SDIST_BYTES), strict=True):
        reader = FormReader(kind)
        events = [*reader.feed(body), *reader.end()]
        fields = [(one.name, one.value) for one in events if hasattr(one, "value")]
        upload = read_upload(fields, filename)
        assert (upload.name, upload.version, upload.filename) == (ACME, "1.0", filename)
        assert dict(upload.digests)["sha256"] == hashlib.sha256(data).hexdigest()
        assert b"".join(one.data for one in events if isinstance(one, FileBytes)) == data
        assert isinstance(events[-1], FileEnds)
        assert dict(fields)["metadata_version"] == "2.1"
    netbook.home.asked.clear()
    assert now(netbook.pushing().run()).there == 2
    assert netbook.home.asked == []
    # Whoever orders it, or has forgotten, looks there: what is there is not sent again.
    netbook.home.has("acme", *(record.file for record in now(netbook.house.records.files.page("private", ACME))[1]))
    for again in (netbook.pushing(anew=True), netbook.pushing("")):
        assert (now(again.run()).there, netbook.home.asked[-1]) == (2, "acme")


def test_a_conflict_is_told_and_nothing_sent_and_so_are_orders_that_no_upload_carries() -> None:
    netbook = Netbook()
    here = netbook.publish(ACME, WHEEL, WHEEL_BYTES)
    other = File(Filename(WHEEL), hashes=(("sha256", "0" * 64),), size=3)
    yanked = netbook.publish(BETA, "beta-1.0.tar.gz", b"beta", yanked="it eats files")
    hidden = netbook.publish(BETA, "beta-0.9.tar.gz", b"older", standing=Standing.HIDDEN)
    netbook.publish(BETA, "beta-0.8.tar.gz", b"oldest", standing=Standing.DELETED)
    by_size = netbook.publish(BETA, "beta-0.7.tar.gz", b"no digest there")
    by_md5 = netbook.publish(BETA, "beta-0.6.tar.gz", b"md5")
    netbook.home.has("acme", other)
    netbook.home.has(
        "beta",
        attrs.evolve(yanked.file, yanked=None),
        hidden.file,
        attrs.evolve(by_size.file, hashes=(), size=1),
        attrs.evolve(by_md5.file, hashes=(("md5", hashlib.md5(b"md5").hexdigest()),)),
    )
    done = now(netbook.pushing().run())
    assert done.pushed == []
    assert done.conflicts == [
        f"{WHEEL} has other bytes there: sha256:{'0' * 64}, and not sha256:{here.file.digest}",
        f"beta-0.7.tar.gz has other bytes there: sha256:unknown, and not sha256:{by_size.file.digest}",
    ]
    assert done.differs == ["beta-0.9.tar.gz is hidden here, and offered there", "beta-1.0.tar.gz is yanked here, and not there"]
    assert done.there == 2
    facts = dict(now(explain(netbook.private, ACME)).facts)
    assert "has other bytes there" in facts["pushed by home to https://home.example/"]
    # It is looked at again when anything changed, or after a day.
    netbook.home.asked.clear()
    assert now(netbook.pushing().run()).conflicts == done.conflicts
    assert netbook.home.asked == []
    netbook.house.clock.advance(AGAIN + 1)
    netbook.home.pages.pop("acme")
    assert now(netbook.pushing().run()).pushed == [f"{WHEEL} was pushed"]


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (Verdict(403, "no"), "refuses our credentials"),
        (Verdict(503, "later", 7.0), "takes no uploads now"),
        (Verdict(302, ""), "takes no uploads now"),
    ],
)
def test_who_takes_nothing_is_left_alone(verdict: Verdict, words: str) -> None:
    netbook = Netbook()
    netbook.publish(ACME, WHEEL, WHEEL_BYTES)
    netbook.home.verdict = verdict
    with pytest.raises(Declined, match=words) as raised:
        now(netbook.pushing().run())
    assert raised.value.wait == verdict.hold


def test_what_is_refused_is_told_and_a_rehearsal_sends_nothing() -> None:
    netbook = Netbook()
    netbook.publish(ACME, WHEEL, b"no archive at all")
    assert now(netbook.pushing(rehearsal=True).run()).pushed == [f"{WHEEL} would be pushed"]
    assert netbook.home.forms == []
    netbook.home.verdict = Verdict(400, "Invalid distribution")
    assert now(netbook.pushing().run()).refused == [f"{WHEEL} is refused there (400): Invalid distribution"]
    assert b'name="metadata_version"\r\n\r\n2.1\r\n' in netbook.home.forms[0]


def test_the_service_pushes_what_is_new_and_tries_again_when_home_is_back() -> None:
    netbook = Netbook()
    clock = netbook.house.clock
    service = netbook.service()
    service.startService()
    netbook.home.down = True
    netbook.publish(ACME, WHEEL, WHEEL_BYTES)
    clock.advance(FIRST)
    assert service.state()["trouble"] == "it refuses connections"
    # An upload does not make it ask earlier; the time between grows.
    netbook.publish(BETA, "beta-1.0.tar.gz", b"beta")
    for wait in (SHORTEST, 2 * SHORTEST, 4 * SHORTEST):
        before = len(netbook.home.asked)
        clock.advance(wait - 1)
        assert len(netbook.home.asked) == before
        clock.advance(1)
        # Of both projects, since one alone might be the reason.
        assert len(netbook.home.asked) == before + 2
    netbook.home.down = False
    clock.advance(LONGEST)
    state = service.state()
    assert (state["trouble"], state["pushed_in_all"], len(state["pushed"])) == ("", 2, 2)
    netbook.publish(ACME, SDIST, SDIST_BYTES)
    clock.advance(FIRST)
    assert service.measures() == {"pushed": 3, "failed": 4, "conflicts": 0}
    number = service.begin()
    assert service.state()["run"] == number
    now(service.stopService())
    with pytest.raises(PypidaemonError, match="has stopped"):
        service.begin()


@pytest.mark.parametrize(
    ("to", "upload", "simple"),
    [
        ("https://home.example/", "https://home.example/legacy/", "https://home.example/simple/"),
        ("https://home.example/legacy", "https://home.example/legacy/", "https://home.example/simple/"),
        ("http://home:3141/index/x/simple/", "http://home:3141/index/x/legacy/", "http://home:3141/index/x/simple/"),
    ],
)
def test_where_an_index_takes_uploads(to: str, upload: str, simple: str) -> None:
    assert addresses(to) == (upload, simple)
    with pytest.raises(ValueError, match=r"^to: "):
        addresses("ftp://home.example/")


class Line:
    """A connection that asks its producer to wait whenever it was given something."""

    def __init__(self) -> None:
        self.data = b""
        self.form: Form | None = None

    def write(self, data: bytes) -> None:
        self.data += data
        assert self.form is not None
        self.form.pauseProducing()


def test_a_form_is_sent_no_faster_than_the_line_takes_it() -> None:
    house = House()

    async def put() -> Any:
        draft = await house.blobs.draft()
        await draft.write(b"x" * 200_000)
        return await house.blobs.open(await draft.commit(None))

    for stops in (False, True):
        line = Line()
        line.form = Form(b"head", now(put()), b"tail")
        assert line.form.length == 200_008
        done = line.form.startProducing(line)  # type: ignore[arg-type]  # a part of one
        assert (waiting(done), line.data) == (True, b"head")
        line.form.resumeProducing()
        assert len(line.data) == 4 + 65536
        if stops:
            line.form.stopProducing()
            assert len(line.data) == 4 + 65536
            continue
        while waiting(done):
            line.form.resumeProducing()
        assert line.data == b"head" + b"x" * 200_000 + b"tail"


def test_a_form_of_metadata_that_cannot_be_read_says_what_the_record_does() -> None:
    record = FileRecord(File(Filename(WHEEL), hashes=(("sha256", "0" * 64),)), "1.0")
    for raw in (
        None,
        b"\xff\xfe\x00",
        b"Name: Acme\nKeywords: a,b\nProject-URL: Home, https://x.example\nPlatform: any\nMetadata-Version: 2.4\n",
    ):
        said = dict(form.fields(ACME, record, raw))
        assert (said["version"], said["sha256_digest"], said["filetype"]) == ("1.0", "0" * 64, "bdist_wheel")
    assert (said["name"], said["metadata_version"], said["project_urls"], said["platform"]) == (
        "Acme",
        "2.4",
        "Home, https://x.example",
        "any",
    )
    assert said["keywords"] == "a,b"


def test_nothing_is_remembered_that_cannot_be_read() -> None:
    netbook = Netbook()
    netbook.publish(ACME, WHEEL, WHEEL_BYTES)
    for body in (b"{", b"[]", b'{"home": 3}'):
        now(netbook.house.records.documents.keep("push:private", ACME, "push", body, 0.0))
        netbook.home.pages.clear()
        assert len(now(netbook.pushing().run()).pushed) == 1


def test_one_file_that_is_lost_here_holds_up_no_other() -> None:
    netbook = Netbook()
    lost = netbook.publish(ACME, WHEEL, WHEEL_BYTES)
    netbook.publish(BETA, "beta-1.0.tar.gz", b"beta")
    assert lost.file.digest is not None
    now(netbook.house.blobs.remove(lost.file.digest))
    done = now(netbook.pushing().run())
    assert done.refused == [f"{WHEEL} was not sent: private: the bytes of {WHEEL} are missing from the store"]
    assert done.pushed == ["beta-1.0.tar.gz was pushed"]


@pytest.mark.parametrize("forbidden", [True, False])
def test_one_project_that_home_does_not_take_holds_up_no_other(forbidden: bool) -> None:
    """It is somebody else's there, or its page cannot be had there now; so for the others more is tried, and then later again."""
    netbook = Netbook()
    for name in (ACME, BETA):
        netbook.publish(name, f"{name}-1.0.tar.gz", b"bytes of " + name.encode())

    class Choosy(Home):
        async def page(self, name: NormalizedName) -> UpstreamPage | None:
            if name == ACME and not forbidden:
                raise UpstreamUnavailable("home", "503 Service Unavailable")
            return await Home.page(self, name)

        async def upload(self, filename: Filename, kind: str, head: bytes, content: Any, tail: bytes) -> Verdict:
            return (
                Verdict(403, "not yours") if filename.startswith("acme") else await Home.upload(self, filename, kind, head, content, tail)
            )

    netbook.home = Choosy()
    with pytest.raises(PypidaemonError, match="not yours" if forbidden else "503"):
        now(netbook.pushing().run())
    assert netbook.home.asked[-2:] == ["beta", "beta-1.0.tar.gz"]


def test_whoever_takes_nothing_at_all_is_not_asked_about_everything() -> None:
    netbook = Netbook()
    for number in range(10):
        netbook.publish(NormalizedName(f"p{number}"), f"p{number}-1.0.tar.gz", b"bytes")
    netbook.home.down = True
    with pytest.raises(UpstreamUnavailable):
        now(netbook.pushing().run())
    assert len(netbook.home.asked) == 3
