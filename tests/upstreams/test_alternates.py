"""Others that stand in for an upstream: for its pages and for its files, and only for what it would have said (M18, N6, F31, F35)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import closing
from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pypidaemon import passage
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IHealth, IPlaces, IStandIns
from pypidaemon.model import File, Filename, NormalizedName, NotModified, UpstreamNames, UpstreamPage, Validators
from pypidaemon.settings import Secret
from pypidaemon.spool import Spool, Want
from pypidaemon.testing import TestIndex
from pypidaemon.transfers import SMALL
from pypidaemon.upstreams.blame import COOLDOWN, Blame
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.upstreams.pypi import PypiUpstream
from pypidaemon.upstreams.strangers import Strangers
from pypidaemon.upstreams.unasked import OFFLINE, Unasked
from pypidaemon.whereabouts import OnePlace, whereabouts
from tests import network
from tests.fakes import FakeUpstream, file
from tests.gear import inline, later, now, waiting
from tests.hosts import Hosts, entity_tag
from tests.upstreams.parts import Identity, page, serve, started, whole

ALPHA = NormalizedName("alpha")
SDIST = Filename("alpha-1.0.tar.gz")
DATA = b"alpha one"
MAIN, OTHER, FILES = "index.example", "other.example", "files.example"
LARGE = bytes(range(256)) * ((SMALL + (1 << 18)) // 256)


@attrs.define
class Scene:
    """An upstream with one other index and one other host of files; all three have the same file, the host below a folder."""

    settings: dict[str, Any] = attrs.field(factory=dict)
    data: bytes = DATA
    clock: Clock = attrs.field(factory=Clock)
    hosts: Hosts = attrs.field(init=False)
    upstream: HttpUpstream = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock.advance(1_780_000_000.0)
        self.hosts = Hosts(self.clock)
        for name in (MAIN, OTHER):
            self.hosts.host(name).add("alpha", (SDIST, self.data))
        path = next(iter(self.hosts.host(MAIN).bodies))
        self.hosts.host(FILES).bodies[f"/pypi/web{path}"] = self.data
        given = {"mirrors": (f"http://{OTHER}/simple",), "file_mirrors": (f"http://{FILES}/pypi/web",), **self.settings}
        self.upstream = HttpUpstream(
            label="pypi",
            url=f"http://{MAIN}/simple/",
            clock=self.clock,
            reactor=self.clock,
            cpu=inline,  # type: ignore[arg-type]  # as everywhere
            records=Identity(),
            agent=self.hosts,
            random=lambda: 0.5,
            **given,
        )

    @property
    def file(self) -> File:
        """The entry as the upstream's own page has it."""
        url = next(iter(self.hosts.host(MAIN).bodies))
        return attrs.evolve(file(SDIST, self.data), url=f"http://{MAIN}{url}")

    def breaks(self, *names: str, wrong: network.Answering = network.refused) -> None:
        """From now on these hosts do that."""
        for name in names:
            self.hosts.host(name).wrong = wrong

    def fetch(self, entry: File | None = None) -> bytes:
        """The bytes of the file from wherever, unverified."""

        async def fetched() -> bytes:
            return await whole(await self.upstream.places(ALPHA, entry or self.file, "").fetch(0))

        return now(fetched())


@attrs.define
class Hall(Scene):
    """With a spool, so that what comes is verified and transfers go on."""

    blobs: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    spool: Spool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.spool = Spool(self.blobs, self.clock, random=lambda: 0.5)

    def want(self) -> Want:
        places = self.upstream.places(ALPHA, self.file, "")
        size = len(self.data)
        return Want("alpha", places.fetch, self.file.digest, size, origin="pypi", doubted=places.doubted, blame=places.blame)

    def read(self) -> bytes:
        """The verified bytes, once they are here; the clock is moved on meanwhile."""

        async def whole_file() -> bytes:
            content = await self.spool.open(self.want())
            found = b""
            try:
                while piece := await content.read(len(found), 1 << 20):
                    found += piece
            finally:
                content.close()
            return found

        reading = later(whole_file())
        for _ in range(400):
            if not waiting(reading):
                break
            self.clock.advance(0.25)
        return now(reading)


def test_they_provide_what_they_promise() -> None:
    scene = Scene()
    for upstream in (scene.upstream, Guarded(scene.upstream, ())):
        verifyObject(IStandIns, upstream)
        verifyObject(IHealth, upstream.line)
        verifyObject(IPlaces, upstream.places(ALPHA, scene.file, ""))
    verifyObject(IPlaces, OnePlace(scene.upstream, scene.file.url))


def test_M18_another_index_stands_in_for_a_page() -> None:
    scene = Scene()
    scene.breaks(MAIN)
    said = now(scene.upstream.stand_in(ALPHA))
    assert [entry.filename for entry in said.files] == [SDIST]
    assert scene.hosts.asked == [f"{OTHER}/simple/alpha/"]


def test_M18_the_next_is_asked_where_one_does_not_help_and_a_dead_one_costs_its_time_once() -> None:
    scene = Scene({"mirrors": ("http://dead.example/simple/", f"http://{OTHER}/simple/")})
    scene.breaks("dead.example", wrong=network.silent)
    waits = later(scene.upstream.stand_in(ALPHA))
    scene.clock.advance(1.9)
    assert waiting(waits)
    scene.clock.advance(0.2)
    assert now(waits).files
    asked = scene.hosts.count("dead.example")
    for name in ("b", "c", "d"):
        scene.hosts.host(OTHER).add(name, (f"{name}-1.0.tar.gz", b"x"))
        assert now(scene.upstream.stand_in(NormalizedName(name))).files
    assert scene.hosts.count("dead.example") == asked


def test_F40_one_that_was_dead_is_used_again_soon_after_it_is_back() -> None:
    scene = Scene({"mirrors": ("http://dead.example/simple/", f"http://{OTHER}/simple/")})
    scene.breaks("dead.example")
    now(scene.upstream.stand_in(ALPHA))
    scene.hosts.host("dead.example").wrong = None
    scene.hosts.host("dead.example").add("alpha", (SDIST, DATA))
    states = []
    for _ in range(30):
        scene.clock.advance(1.0)
        # What is known of the other's page would do, so that it is another name each time.
        later(scene.upstream.stand_in(ALPHA)).addErrback(lambda _: None)
        states.append(scene.upstream.hosts["dead.example"].state)
    assert states[-1] == "up"


def test_M18_law_10_an_absence_elsewhere_is_known_for_none() -> None:
    """Whoever asks for it is told of it; what it means is another's business."""
    scene = Scene()
    scene.breaks(MAIN)
    for _ in range(5):
        with pytest.raises(NoSuchProject):
            now(scene.upstream.stand_in(NormalizedName("nothing")))
    assert scene.hosts.count(OTHER) == 1
    scene.breaks(OTHER)
    with pytest.raises(UpstreamUnavailable):
        now(scene.upstream.stand_in(NormalizedName("nobody")))


def test_F52_made_up_names_are_not_passed_on_without_end() -> None:
    scene = Scene()
    guarded = Guarded(scene.upstream, (), None, Strangers("pypi", scene.clock, 20))
    scene.breaks(MAIN)
    refused = []

    async def asked(number: int) -> None:
        passage.note((), "192.0.2.1")
        await guarded.stand_in(NormalizedName(f"made-up-{number}"))

    for number in range(100):
        later(asked(number)).addErrback(lambda failed: refused.append(failed.type))
    assert scene.hosts.count(OTHER) <= 25
    assert len(refused) == 100


def listed(scene: Scene, upstream: Any = None, validators: Validators | None = None) -> str | None:
    """The list of who stands in, None where it is confirmed."""

    async def take(said: UpstreamNames | NotModified) -> str | None:
        if isinstance(said, NotModified):
            return None
        with closing(said.body):
            return (await whole(said.body)).decode()

    return now((upstream or scene.upstream).stand_in_names(Validators() if validators is None else validators, take))


def test_M18_a_list_comes_from_the_first_whose_list_comes_whole() -> None:
    scene = Scene({"mirrors": (f"http://{OTHER}/simple/", "http://third.example/simple/")})
    for name, said in ((OTHER, b"other"), ("third.example", b"third")):
        scene.hosts.host(name).pages["/simple/"] = said
    for upstream in (scene.upstream, Guarded(scene.upstream, ())):
        assert listed(scene, upstream) == "other"
    scene.breaks(OTHER, wrong=network.truncated)
    assert listed(scene) == "third"
    scene.breaks(OTHER, wrong=network.silent)
    asking = later(scene.upstream.stand_in_names(Validators(), _nothing))
    assert waiting(asking)
    scene.clock.advance(scene.upstream.patience)
    assert now(asking) is None
    asked = scene.hosts.count(f"{OTHER}/simple/")
    assert listed(scene) == "third"
    assert scene.hosts.count(f"{OTHER}/simple/") == asked
    scene.breaks("third.example")
    with pytest.raises(UpstreamUnavailable):
        listed(scene)


async def _nothing(said: UpstreamNames | NotModified) -> None:
    if isinstance(said, UpstreamNames):
        said.body.close()


def test_M18_a_list_is_confirmed_by_nobody_but_who_gave_it() -> None:
    scene = Scene()
    scene.hosts.host(OTHER).pages["/simple/"] = b"other"
    own = Validators('"5"', None, f"http://{OTHER}/simple/")
    assert listed(scene, validators=own) is None
    for other in ("", f"http://{MAIN}/simple/"):
        assert listed(scene, validators=attrs.evolve(own, source=other)) == "other"


@pytest.mark.parametrize("upstream", ["none stand in", "off line", "it has no such capability"])
def test_N1_a_list_that_nobody_may_be_asked_for_is_unavailable(upstream: str) -> None:
    scene = Scene({"mirrors": ()} if upstream == "none stand in" else {})
    offline = Unasked(OFFLINE) if upstream == "off line" else None
    inner: Any = FakeUpstream() if upstream == "it has no such capability" else scene.upstream
    with pytest.raises(UpstreamUnavailable):
        listed(scene, Guarded(inner, (), offline))
    assert not scene.hosts.asked


def test_M18_whoever_stands_in_may_have_a_part_alone() -> None:
    scene = Scene({"mirrors": ("http://part.example/simple/", f"http://{OTHER}/simple/")})
    scene.hosts.host("part.example")
    assert now(scene.upstream.stand_in(ALPHA)).files


def test_S50_who_stands_in_gets_no_credentials() -> None:
    scene = Scene({"username": "me", "password": Secret("s3cret")})
    scene.breaks(MAIN, wrong=network.status(500))
    scene.hosts.host(OTHER).bodies.clear()
    now(scene.upstream.stand_in(ALPHA))
    assert scene.fetch() == DATA
    with pytest.raises(UpstreamUnavailable):
        now(scene.upstream.fetch_page(ALPHA, Validators()))
    sent = zip(scene.hosts.asked, scene.hosts.headers, strict=True)
    assert {asked.partition("/")[0]: fields.hasHeader("Authorization") for asked, fields in sent} == {
        MAIN: True,
        OTHER: False,
        FILES: False,
    }


def test_N6_a_file_comes_from_the_page_s_own_url_as_long_as_that_helps() -> None:
    scene = Scene()
    assert scene.fetch() == DATA
    assert scene.hosts.asked == [f"{MAIN}{next(iter(scene.hosts.host(MAIN).bodies))}"]


@pytest.mark.parametrize("wrong", [network.refused, network.status(500), network.status(404), network.untrusted])
def test_M18_N6_a_file_comes_from_the_same_path_of_another_host_and_then_from_another_index(wrong: network.Answering) -> None:
    scene = Scene()
    scene.breaks(MAIN, wrong=wrong)
    assert scene.fetch() == DATA
    assert scene.hosts.asked[-1].startswith(f"{FILES}/pypi/web/packages/")
    scene.breaks(FILES, wrong=wrong)
    assert scene.fetch() == DATA
    assert scene.hosts.asked[-1].startswith(f"{OTHER}/packages/")


def test_M18_what_the_upstream_said_of_it_is_raised_where_nobody_has_it() -> None:
    scene = Scene()
    scene.breaks(MAIN, FILES, OTHER, wrong=network.status(404))
    with pytest.raises(NoSuchFile):
        scene.fetch()
    scene.breaks(MAIN)
    with pytest.raises(UpstreamUnavailable, match="refuses connections"):
        scene.fetch()


def test_M18_a_file_of_another_index_is_known_by_its_sha256_alone() -> None:
    scene = Scene({"file_mirrors": ()})
    scene.hosts.host(OTHER).bodies.clear()
    scene.hosts.host(OTHER).add("alpha", (SDIST, b"other bytes under this name"), ("alpha-1.0.zip", DATA))
    scene.breaks(MAIN)
    assert scene.fetch() == DATA


def test_M18_what_has_no_sha256_comes_from_nowhere_else() -> None:
    scene = Scene()
    scene.breaks(MAIN)
    for entry in (attrs.evolve(scene.file, hashes=()), attrs.evolve(scene.file, hashes=(("md5", hashlib.md5(DATA).hexdigest()),))):
        with pytest.raises(UpstreamUnavailable):
            now(whereabouts(scene.upstream, ALPHA, entry, entry.digest).fetch(0))
    with pytest.raises(UpstreamUnavailable):
        now(whereabouts(scene.upstream, ALPHA, attrs.evolve(scene.file, core_metadata=""), None, ".metadata").fetch(0))
    assert scene.hosts.count(FILES) + scene.hosts.count(OTHER) == 0


def test_M18_a_sidecar_comes_from_elsewhere_too() -> None:
    scene = Scene()
    sidecar = b"Metadata-Version: 2.1\n"
    [path] = scene.hosts.host(FILES).bodies
    scene.hosts.host(FILES).bodies[f"{path}.metadata"] = sidecar
    scene.breaks(MAIN)
    digest = hashlib.sha256(sidecar).hexdigest()
    entry = attrs.evolve(scene.file, core_metadata=digest)
    assert now(_all(whereabouts(scene.upstream, ALPHA, entry, digest, ".metadata"))) == sidecar  # type: ignore[arg-type]  # a digest


async def _all(places: Any) -> bytes:
    return await whole(await places.fetch(0))


def test_M18_a_silent_host_is_left_for_the_next_and_costs_its_time_once() -> None:
    scene = Scene()
    scene.breaks(MAIN, wrong=network.silent)
    first = later(_all(scene.upstream.places(ALPHA, scene.file, "")))
    scene.clock.advance(1.9)
    assert waiting(first)
    scene.clock.advance(0.2)
    assert now(first) == DATA
    assert scene.fetch() == DATA


def test_whoever_waits_is_told_only_when_the_last_is_doubted() -> None:
    scene = Scene({"mirrors": ()})
    scene.breaks(MAIN, FILES, wrong=network.silent)
    places = scene.upstream.places(ALPHA, scene.file, "")
    fetching, told = later(places.fetch(0)), later(places.doubted())
    scene.clock.advance(2.1)
    assert waiting(told)
    scene.clock.advance(2.1)
    assert "in time" in now(told).cause
    assert waiting(fetching)
    scene.clock.advance(10.0)
    with pytest.raises(UpstreamUnavailable):
        now(fetching)


def test_all_who_want_a_file_share_how_far_the_asking_has_got() -> None:
    scene = Scene()
    places = scene.upstream.places(ALPHA, scene.file, "")
    assert scene.upstream.places(ALPHA, scene.file, "") is places
    assert scene.upstream.places(ALPHA, scene.file, ".metadata") is not places


def test_S26_M18_bytes_that_are_wrong_in_one_place_are_had_from_the_next() -> None:
    hall = Hall()
    hall.breaks(MAIN)
    for path in hall.hosts.host(FILES).bodies:
        hall.hosts.host(FILES).bodies[path] = b"alpha two"
    assert hall.read() == DATA
    assert (hall.spool.corrupt, hall.spool.landed, hall.spool.failed) == (1, 1, 0)
    assert hall.hosts.asked[-1].startswith(OTHER)


def test_S26_F53_so_it_is_where_there_is_no_room_for_them() -> None:
    hall = Hall()
    [path] = hall.hosts.host(MAIN).bodies
    hall.hosts.host(MAIN).bodies[path] = b"alpha two"
    content = now(hall.spool.passing.open(hall.want()))
    assert now(content.read(0, 100)) == DATA
    for name in (FILES, OTHER):
        for path in hall.hosts.host(name).bodies:
            hall.hosts.host(name).bodies[path] = b"alpha six"
    with pytest.raises(CorruptContent):
        now(hall.spool.passing.open(hall.want()))


def test_S26_where_all_are_wrong_it_is_refused_and_the_next_who_asks_does_not_loop() -> None:
    hall = Hall()
    for name in (MAIN, FILES, OTHER):
        for path in hall.hosts.host(name).bodies:
            hall.hosts.host(name).bodies[path] = b"alpha two"
    for _ in range(2):
        before = len(hall.hosts.asked)
        with pytest.raises(CorruptContent):
            hall.read()
        assert len(hall.hosts.asked) - before <= 4


def test_S26_who_has_had_some_of_wrong_bytes_is_not_given_the_rest_of_others() -> None:
    hall = Hall(data=LARGE)
    [path] = hall.hosts.host(MAIN).bodies
    hall.hosts.host(MAIN).bodies[path] = b"X" + LARGE[1:]
    hall.hosts.slow[MAIN] = 600_000

    async def some() -> bytes:
        content = await hall.spool.open(hall.want())
        found = b""
        try:
            while piece := await content.read(len(found), 1 << 16):
                found += piece
        except CorruptContent:
            return found
        raise AssertionError("it ended well")

    reading = later(some())
    hall.clock.advance(1.0)
    assert 0 < len(now(reading)) < len(LARGE)
    assert hall.read() == LARGE
    assert hall.hosts.asked[-1].startswith(FILES)


@pytest.mark.parametrize("fault", ["cut", "stalled"])
def test_F31_F35_a_transfer_that_breaks_off_goes_on_where_it_was_and_in_another_place_if_need_be(fault: str) -> None:
    hall = Hall(data=LARGE)
    getattr(hall.hosts, fault)[MAIN] = 500_000
    assert hall.read() == LARGE
    ranges = [
        (asked.partition("/")[0], (fields.getRawHeaders("Range") or [""])[0], (fields.getRawHeaders("If-Range") or [""])[0])
        for asked, fields in zip(hall.hosts.asked, hall.hosts.headers, strict=True)
    ]
    assert ranges == [
        (MAIN, "", ""),
        (MAIN, "bytes=500000-", entity_tag(MAIN, LARGE)),
        (FILES, "bytes=1000000-", ""),
    ]


def test_F13_a_file_that_changed_meanwhile_comes_anew_and_is_held_against_what_came_before() -> None:
    hall = Hall({"mirrors": (), "file_mirrors": ()}, data=LARGE)
    hall.hosts.cut[MAIN] = 600_000
    reading = later(hall.spool.open(hall.want()))
    content = now(reading)
    hall.hosts.cut.clear()
    [path] = hall.hosts.host(MAIN).bodies
    hall.hosts.host(MAIN).bodies[path] = LARGE[:100] + b"X" + LARGE[101:]
    hall.clock.advance(1.0)
    with pytest.raises(CorruptContent):
        now(content.read(len(LARGE) - 1, 10))


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [({}, None), ({"mirrors": (), "file_mirrors": ()}, network.status(500))],
    ids=["bodies break off", "errors"],
)
def test_G11_F47_a_thousand_misses_while_everything_fails_are_at_most_1100_requests_to_any_host(
    settings: dict[str, Any], wrong: network.Answering | None
) -> None:
    """None: the heads of answers are good, and each body breaks off, which is what nothing but the earnings bounds."""
    hall = Hall(settings)
    names = (MAIN, OTHER, FILES)
    contents = [b"%d" % number * 9 for number in range(1000)]
    entries = [attrs.evolve(file("alpha-1.tar.gz", content), size=None) for content in contents]
    for entry, content in zip(entries, contents, strict=True):
        for name, folder in ((MAIN, ""), (FILES, "/pypi/web"), (OTHER, "")):
            hall.hosts.host(name).bodies[f"{folder}/packages/{entry.path}"] = content
    for name in names:
        hall.hosts.host(name).wrong = wrong
        hall.hosts.cut[name] = 1
    failed = []
    for number, entry in enumerate(entries):
        places = whereabouts(hall.upstream, ALPHA, attrs.evolve(entry, url=f"http://{MAIN}/packages/{entry.path}"), entry.digest)
        want = Want(str(number), places.fetch, entry.digest, origin="pypi", doubted=places.doubted, blame=places.blame)
        later(hall.spool.open(want)).addErrback(failed.append)
        hall.clock.advance(0.3)
    for _ in range(400):
        hall.clock.advance(0.25)
    assert len(failed) == 1000
    for name in names:
        assert hall.hosts.count(f"{name}/") <= 1100
    if wrong is None:
        assert hall.hosts.count() <= 1100
        assert hall.spool.tries.denied


def test_where_nobody_stands_in_all_is_as_it_was() -> None:
    scene = Scene({"mirrors": (), "file_mirrors": ()})
    assert scene.upstream.line is scene.upstream.health
    assert isinstance(scene.upstream.places(ALPHA, scene.file, ""), OnePlace)
    with pytest.raises(UpstreamUnavailable):
        now(scene.upstream.stand_in(ALPHA))
    assert scene.hosts.asked == []


def test_the_line_is_up_while_anybody_is() -> None:
    scene = Scene()
    line, heard = scene.upstream.line, []
    line.listen(lambda: heard.append(line.state))
    scene.breaks(MAIN)
    with pytest.raises(UpstreamUnavailable):
        now(scene.upstream.fetch_page(ALPHA, Validators()))
    doubted = later(line.doubted())
    assert (line.state, line.cause, scene.upstream.health.state) == ("up", "", "down")
    assert line.may_ask()
    assert waiting(doubted)
    scene.breaks(OTHER)
    with pytest.raises(UpstreamUnavailable):
        now(scene.upstream.stand_in(NormalizedName("beta")))
    assert (line.state, line.cause) == ("down", "it refuses connections")
    assert now(doubted) is None
    assert 1 <= line.retry_after() <= 60
    assert line.since == scene.clock.seconds()
    # Once for who stands in, of whom what was heard before counts no longer.
    assert heard == ["up", "up", "down"]


def test_the_health_of_every_host_is_told() -> None:
    scene = Scene()
    scene.breaks(FILES)
    scene.breaks(MAIN, wrong=network.status(404))
    scene.fetch()
    assert {host: health.state for host, health in scene.upstream.hosts.items()} == {MAIN: "up", OTHER: "up", FILES: "down"}
    assert Guarded(scene.upstream, ()).hosts == scene.upstream.hosts


def test_law_3_nobody_who_stands_in_hears_of_a_reserved_name() -> None:
    scene = Scene()
    with pytest.raises(NoSuchProject):
        now(Guarded(scene.upstream, ("alp*",)).stand_in(ALPHA))
    assert scene.hosts.asked == []


def test_N1_offline_nobody_is_asked() -> None:
    scene = Scene()
    guarded = Guarded(scene.upstream, (), Unasked(OFFLINE, "offline"))
    assert guarded.line.state == "offline"
    with pytest.raises(UpstreamUnavailable, match=OFFLINE):
        now(guarded.stand_in(ALPHA))
    with pytest.raises(UpstreamUnavailable, match=OFFLINE):
        now(guarded.places(ALPHA, scene.file, "").fetch(0))
    assert scene.hosts.asked == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"mirrors": (f"http://{MAIN}/simple",)}, "mirrors: names the index itself"),
        ({"file_mirrors": ("http://bad_host-/",)}, "file-mirrors: the host of the URL"),
    ],
)
def test_a_wrong_one_is_refused_in_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Scene(settings)


def test_the_public_index_may_have_others_too() -> None:
    clock = Clock()
    hosts = Hosts(clock)
    hosts.host(OTHER).add("alpha", (SDIST, DATA))
    upstream = PypiUpstream(
        label="pypi",
        mirrors=(f"https://{OTHER}/simple/",),
        clock=clock,
        reactor=clock,
        cpu=inline,  # type: ignore[arg-type]  # as everywhere
        records=Identity(),
        agent=hosts,
    )
    verifyObject(IStandIns, upstream)
    said = now(upstream.stand_in(ALPHA))
    assert isinstance(said, UpstreamPage)
    assert set(upstream.hosts) >= {OTHER}
    assert now(_all(upstream.places(ALPHA, attrs.evolve(said.files[0], url="https://gone.example/x"), ""))) == DATA
    assert upstream.line.state == "up"
    now(upstream.stopService())  # type: ignore[arg-type]  # it has something to end


def test_F15_blame_is_for_a_while_and_for_so_many() -> None:
    clock = Clock()
    blame = Blame(clock)
    blame.note("a", "x")  # type: ignore[arg-type]  # any text will do
    has: Callable[..., bool] = blame.has
    assert has("a", "x")
    assert not has("a", "y")
    assert not has("b", "x")
    clock.advance(COOLDOWN + 1)
    assert not has("a", "x")
    for number in range(10_001):
        blame.note(str(number), "x")  # type: ignore[arg-type]  # as above
    assert has("10000", "x")
    assert not has("0", "x")


class OverSockets(TestCase):
    """By way of the real agent, which trusts the hosts that the configuration names."""

    async def test_M18_N6_pages_and_files_come_from_those_that_are_there(self) -> None:
        index, other = TestIndex(), TestIndex()
        wheel, _ = (one.add("thing", "1.0", size=50_000) for one in (index, other))
        gone, there = serve(self, index), serve(self, other)
        upstream = started(self, gone.simple, mirrors=(there.simple,), file_mirrors=(there.url,))
        said = page(await upstream.fetch_page(NormalizedName("thing"), Validators()))
        entry = next(one for one in said.files if one.filename == wheel)
        await gone.stop()
        with pytest.raises(UpstreamUnavailable):
            await upstream.fetch_page(NormalizedName("thing"), Validators())
        assert [one.filename for one in (await upstream.stand_in(NormalizedName("thing"))).files] == [wheel]
        body = await upstream.places(NormalizedName("thing"), entry, "").fetch(1000)
        assert await whole(body) == index.data("thing", wheel)[1000:]


@pytest.mark.parametrize("wrong", [MAIN, FILES])
def test_S26_F35_where_several_had_a_part_in_wrong_bytes_each_is_asked_for_all_of_them(wrong: str) -> None:
    """Or the one that has the right ones would be left alone for the sake of a part that came from elsewhere (M18)."""
    hall = Hall({"mirrors": ()}, data=bytes(range(250)) * 4)
    bodies = hall.hosts.host(wrong).bodies
    [path] = bodies
    bodies[path] = bytes(1000)
    hall.hosts.cut[MAIN] = 300
    assert hall.read() == hall.data
    assert hall.spool.failed == 0
    assert hall.hosts.count() <= 8


def test_S26_F35_where_both_are_wrong_it_is_over() -> None:
    hall = Hall({"mirrors": ()}, data=bytes(range(250)) * 4)
    for name in (MAIN, FILES):
        for path in hall.hosts.host(name).bodies:
            hall.hosts.host(name).bodies[path] = bytes(1000)
    hall.hosts.cut[MAIN] = 300
    with pytest.raises((CorruptContent, UpstreamUnavailable)):
        hall.read()
    assert hall.hosts.count() <= 9
