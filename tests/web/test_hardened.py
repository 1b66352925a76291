"""The whole door under what an adversary, a race or a bad day does to it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest

from pypidaemon.blueprints import plan
from pypidaemon.errors import PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.model import File, NormalizedName, ProjectStatus
from pypidaemon.testing.archives import make_wheel
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.health import Health
from pypidaemon.volume import Space
from pypidaemon.waits import Bell
from pypidaemon.web import failures
from tests.fakes import FakeBody, FakeUpstream, file, page
from tests.gear import later, now, waiting
from tests.house import House

ALPHA = NormalizedName("alpha")
METADATA = b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\nSummary: hello\nRequires-Dist: idna\n\n"


def status(house: House, path: str, **headers: str) -> int:
    """What a client is told."""
    try:
        return house.get(path, **headers).status
    except PypidaemonError as error:
        return failures.answer(error, "0" * 16, path.startswith("/packages")).status


class Over:
    """A part with some of its methods replaced by a test's."""

    def __init__(self, inner: Any, **replaced: Any) -> None:
        self.__dict__.update(replaced, inner=inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def house() -> House:
    """An upstream with one sdist."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"))
    return house


def reserve(house: House, *globs: str) -> None:
    """The owner reserves names and restarts."""
    house.reserved = globs
    house.proxy = house.new_proxy("pypi", Guarded(house.upstream, globs))  # type: ignore[arg-type]  # an upstream around one
    house.open({"pypi": house.proxy}, "pypi")


@pytest.mark.parametrize("down", [False, True])
def test_S39_a_reserved_name_is_absent_whatever_was_remembered_of_it(down: bool) -> None:
    """Its page, its files, its row in the history, at any age and with upstream down."""
    house = House()
    made = house.upstream.add("acme-lib", ("acme_lib-9.0.tar.gz", b"stranger"))
    assert house.body(house.get(f"/packages/{made.files[0].path}")) == b"stranger"
    reserve(house, "acme-*")
    if down:
        house.clock.advance(10 * 86400)
        house.upstream.health.doubt()
    assert status(house, "/simple/acme-lib/") == 404
    assert status(house, "/pypi/acme-lib/json") == 404
    assert status(house, f"/packages/{made.files[0].path}") == 404
    assert now(house.proxy.changes(0)) == []


def test_S39_a_reserved_name_never_seen_is_absent_while_upstream_is_down() -> None:
    """So that a private index after it can answer."""
    house = House()
    reserve(house, "acme-*")
    house.upstream.health.doubt()
    assert status(house, "/simple/acme-lib/") == 404


def test_a_reserved_name_takes_no_probe() -> None:
    """Or whoever polls one would keep the upstream down for all."""
    house = House()
    house.upstream.health = Health(house.clock, lambda: 0.5)  # type: ignore[assignment]  # the real one
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"a"))
    reserve(house, "acme-*")
    house.upstream.health.failed("down")  # type: ignore[attr-defined]  # the real one
    house.clock.advance(2)
    assert status(house, "/simple/acme-lib/") == 404
    status(house, "/simple/alpha/")
    assert house.upstream.asked == ["page alpha"]


def offered(house: House, data: bytes, serial: int, name: str = "alpha-1.0.tar.gz", **more: object) -> File:
    """Let upstream offer these bytes under that name."""
    entry = file(name, data, **more)
    house.upstream.bodies[entry.url] = data
    house.upstream.pages["alpha"] = page("alpha", entry, serial=serial)
    return entry


def test_S28_a_wheel_whose_bytes_change_stays_the_first_one_with_its_own_metadata() -> None:
    """Its sidecar was made here, so its bytes are known here."""
    house = House()
    name, one = make_wheel("alpha", "1.0", requires=["idna"])
    _, two = make_wheel("alpha", "1.0", requires=["six"])
    house.body(house.get(f"/packages/{offered(house, one, 10, name).path}"))
    offered(house, two, 11, name)
    house.clock.advance(3600)
    shown = now(house.proxy.project_page(ALPHA)).files[0]
    assert shown.digest == hashlib.sha256(one).hexdigest()
    document = house.body(house.get(f"/packages/{shown.path}.metadata"))
    assert document == zipfile.ZipFile(io.BytesIO(one)).read("alpha-1.0.dist-info/METADATA")
    assert house.body(house.get(f"/packages/{shown.path}")) == one


def test_S29_a_pin_holds_also_when_upstream_begins_to_state_a_hash() -> None:
    """Of other bytes."""
    house = House()
    url = "https://files.example/a/alpha-1.0.tar.gz"
    offered(house, b"\x1f\x8bone", 10, hashes=(), path="", url=url)
    path = "/packages/by-name/pypi/alpha/alpha-1.0.tar.gz"
    assert house.body(house.get(path)) == b"\x1f\x8bone"
    offered(house, b"EVIL", 11, path="", url=url)
    house.clock.advance(3600)
    assert house.body(house.get(path)) == b"\x1f\x8bone"


def with_sidecar(house: House, document: bytes = METADATA) -> File:
    """A wheel with a sidecar upstream."""
    entry = offered(house, b"wheel", 10, "alpha-1.0-py3-none-any.whl", core_metadata=hashlib.sha256(document).hexdigest())
    house.upstream.bodies[f"{entry.url}.metadata"] = document
    return entry


def legacy(house: House) -> dict[str, Any]:
    """The legacy document's info."""
    document: dict[str, dict[str, Any]] = json.loads(house.body(house.get("/pypi/alpha/json")))
    return document["info"]


def test_law_8_an_outage_does_not_degrade_the_legacy_document_for_good() -> None:
    """A resolver would see a project without dependencies."""
    house = House()
    entry = with_sidecar(house)
    house.upstream.bodies[f"{entry.url}.metadata"] = UpstreamUnavailable("pypi", "it is down")
    house.upstream.bodies[entry.url] = UpstreamUnavailable("pypi", "it is down")
    assert legacy(house)["requires_dist"] is None
    house.upstream.bodies[f"{entry.url}.metadata"] = METADATA
    assert legacy(house)["requires_dist"] == ["idna"]


def test_a_long_description_is_whole_in_the_legacy_document() -> None:
    """A content may give less than it is asked for at a time."""
    house = House()
    with_sidecar(house, METADATA + b"x" * (700 * 1024))
    assert len(legacy(house)["description"]) == 700 * 1024


def test_S91_a_project_whose_files_name_no_version_has_no_legacy_document(house: House) -> None:
    """Old indexes have such files; the simple page shows them."""
    house.upstream.add("alpha", ("alpha.zip", b"one"), ("beta-1.0.tar.gz", b"two"), serial=11)
    assert status(house, "/pypi/alpha/json") == 404
    assert status(house, "/pypi/alpha/1.0/json") == 404
    assert status(house, "/simple/alpha/") == 200


def test_an_upstream_that_is_down_is_asked_for_one_sidecar_of_a_release_at_most() -> None:
    """A release has up to a hundred wheels."""
    house = House()
    entries = [
        file(f"alpha-1.0-cp3{n}-cp3{n}-linux_x86_64.whl", b"%d" % n, core_metadata=hashlib.sha256(b"m%d" % n).hexdigest())
        for n in range(40)
    ]
    for entry in entries:
        for url in (entry.url, f"{entry.url}.metadata"):
            house.upstream.bodies[url] = UpstreamUnavailable("pypi", "it does not answer")
    house.upstream.pages["alpha"] = page("alpha", *entries)
    now(house.proxy.project_page(ALPHA))
    house.upstream.health.doubt()
    assert status(house, "/pypi/alpha/json") == 200
    assert len([asked for asked in house.upstream.asked if asked.startswith("body")]) <= 1


def test_R136_every_spelling_of_a_version_is_one_legacy_document(house: House) -> None:
    """Else anybody could fill the store of answers."""
    for zeros in range(30):
        assert status(house, f"/pypi/alpha/1{'.0' * (zeros + 1)}/json") == 200
    assert house.door.routes.legacy.answers.misses == 1


def quarantine(house: House) -> None:
    """Upstream takes the project back, and the owner lets us look at once."""
    house.upstream.pages["alpha"] = page("alpha", status=ProjectStatus("quarantined"), serial=11)
    now(house.proxy.refresh(ALPHA))


def test_S45_a_legacy_document_made_while_its_project_changed_is_not_kept() -> None:
    """The sidecar took its time."""
    house = House()
    with_sidecar(house)
    bell = Bell()

    class Slow(FakeUpstream):
        async def fetch_body(self, url: str, offset: int) -> FakeBody:
            await bell.wait()
            return await super().fetch_body(url, offset)

    house.upstream = Slow(pages=house.upstream.pages, bodies=house.upstream.bodies)
    house.restart()
    asking = later(house.door.routes.handle(house.ask("/pypi/alpha/json")))
    assert waiting(asking)
    quarantine(house)
    bell.ring()
    now(asking)
    assert status(house, "/pypi/alpha/json") == 404


def test_S45_an_answer_of_a_combiner_made_while_its_project_changed_is_not_kept(house: House) -> None:
    """The ledger took its time."""
    house.open({"root": FirstMatch("root", (house.proxy,), house.records)}, "root")
    bell, ledger = Bell(), house.records.ledger

    async def slow(label: str, *rest: Any) -> int:
        if label == "root":
            await bell.wait()
        return await ledger.number(label, *rest)

    house.records.ledger = Over(ledger, number=slow)
    asking = later(house.door.routes.handle(house.ask("/simple/alpha/")))
    quarantine(house)
    house.records.ledger = ledger
    bell.ring()
    now(asking)
    assert b"alpha-1.0.tar.gz" not in house.get("/simple/alpha/").body


@pytest.mark.parametrize("question", ["page", "find"])
def test_S45_what_was_read_before_a_change_is_not_held_after_it(house: House, question: str) -> None:
    """The facts took their time."""
    now(house.proxy.project_page(ALPHA))
    house.proxy.pages.forget(None)
    bell, facts = Bell(), house.records.facts

    async def slow(label: str, name: NormalizedName) -> Any:
        found = await facts.known(label, name)
        await bell.wait()
        return found

    house.records.facts = Over(facts, known=slow)
    wanted = filename("alpha-1.0.tar.gz")
    reading: Any = later(house.proxy.project_page(ALPHA) if question == "page" else house.proxy.find(ALPHA, wanted))  # type: ignore[arg-type]
    house.records.facts = facts
    quarantine(house)
    bell.ring()
    now(reading)
    assert now(house.proxy.project_page(ALPHA)).status.marker == "quarantined"
    assert status(house, f"/packages/{file('alpha-1.0.tar.gz', b'one').path}") == 404


def test_law_10_a_combiner_believes_an_absence_no_longer_than_the_index_that_said_it() -> None:
    """A name published in the first index is not the stranger's for longer than a minute."""
    house = House()
    corp = FakeUpstream("corp")
    root = FirstMatch("root", (house.new_proxy("corp", corp), house.proxy), house.records)
    house.open({"root": root}, "root")
    made = house.upstream.add("widget", ("widget-9.9.tar.gz", b"stranger"))
    assert b"9.9" in house.get("/simple/widget/").body
    assert status(house, f"/packages/{made.files[0].path}") == 200
    corp.add("widget", ("widget-1.0.tar.gz", b"ours"))
    house.clock.advance(90)
    assert b"9.9" not in house.get("/simple/widget/").body
    assert status(house, f"/packages/{made.files[0].path}") == 404


@pytest.mark.parametrize("trouble", [StorageFull("there is no room"), PypidaemonError("the records are busy")])
def test_F53_F68_pages_are_read_while_the_ledger_cannot_write(house: House, trouble: Exception) -> None:
    """A full disk keeps nobody from installing."""

    async def fails(*_: Any) -> int:
        raise trouble

    house.records.ledger = Over(house.records.ledger, number=fails)
    assert status(house, "/simple/alpha/") == 200


def test_F96_not_ready_when_the_records_cannot_be_read(house: House) -> None:
    """Whoever balances load sends clients elsewhere."""

    async def fails(*_: Any) -> int:
        raise PypidaemonError("the records cannot be read")

    house.records.ledger = Over(house.records.ledger, high=fails)
    assert status(house, "/+ready") == 503


def test_F96_alive_is_always_said_and_ready_goes_by_what_is_here(house: House) -> None:
    """An upstream that is down, or a full disk, is told of and is no reason to send clients elsewhere."""
    house.upstream.health.doubt("down")
    assert status(house, "/simple/never-seen/") == 503
    house.space = Space(0, 100 << 30)
    house.clock.advance(60.0)
    ready = house.get("/+ready")
    assert ready.status == 200
    assert json.loads(ready.body)["keeps"] is False

    async def fails(*_: Any) -> int:
        raise PypidaemonError("the records cannot be read")

    house.records.ledger = Over(house.records.ledger, high=fails)
    house.door.routes.operations.leaving = True
    assert status(house, "/+ready") == 503
    alive = house.get("/+health")
    assert alive.status == 200
    assert json.loads(alive.body)["status"] == "alive"


def test_F52_made_up_names_fill_no_records(house: House) -> None:
    """Their absence is held in memory, within bounds."""
    for number in range(500):
        assert status(house, f"/simple/made-up-{number}/") == 404
    assert house.upstream.asked.count("page made-up-7") == 1
    assert now(house.records.pages.expire("pypi", None)) == 0


def test_law_8_a_sidecar_that_was_made_is_made_again_from_the_wheel_that_is_held() -> None:
    """Also while upstream is down."""
    house = House()
    name, data = make_wheel("alpha", "1.0")
    entry = offered(house, data, 10, name)
    house.body(house.get(f"/packages/{entry.path}"))
    shown = now(house.proxy.project_page(ALPHA)).files[0]
    assert shown.core_metadata is not None
    now(house.blobs.remove(shown.core_metadata))  # type: ignore[arg-type]  # it is a digest
    for url in (entry.url, f"{entry.url}.metadata"):
        house.upstream.bodies[url] = UpstreamUnavailable("pypi", "it is down")
    assert status(house, f"/packages/{entry.path}.metadata") == 200


def test_what_stands_behind_policies_however_deep_is_not_exposed(tmp_path: Path) -> None:
    """It would be a way around them."""
    file = tmp_path / "c.ini"
    file.write_text(
        "[daemon]\ndata = var\nindex = safe\n[index:safe]\nuse = policed\nindex = both\npolicies = deny\n"
        "[index:both]\nuse = first-match\nindexes = corp pypi\n[index:corp]\nuse = proxy\nupstream = corp\n"
        "[index:pypi]\nuse = proxy\nupstream = pypi\n[upstream:corp]\nuse = http\nurl = https://index.example/simple/\n"
        "[upstream:pypi]\nuse = pypi\n[policy:deny]\nuse = names\ndeny = evil\n"
    )
    assert {name for name, part in plan(str(file)).parts.items() if part.exposed} == {"index:safe"}


def test_a_page_weighs_what_it_takes(house: House) -> None:
    """A hostile upstream's long fields count."""
    known = house.upstream.pages["alpha"]
    assert not isinstance(known, Exception)
    house.upstream.pages["alpha"] = attrs.evolve(known, files=(attrs.evolve(known.files[0], yanked="x" * 100_000),))
    now(house.proxy.project_page(ALPHA))
    assert house.proxy.pages.shelf.weight > 100_000
