"""Who attests files, found out through an index; and who never did before."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from pypidaemon.attestations.informant import AGAIN, AT_ONCE, PATIENCE, Attestations
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.interfaces import IAgeing, IMeasured
from pypidaemon.model import Attested, File, Filename, NormalizedName
from tests.attested import CIRCLECI, GITHUB, Material, altered
from tests.fakes import FakeBody, page
from tests.gear import inline, later, now, waiting
from tests.house import House

BEFORE = "2020-01-01T00:00:00Z"
AFTER = "2030-01-01T00:00:00Z"


@pytest.fixture
def house() -> House:
    """A house whose upstream has both attested files."""
    house = House()
    for material in (GITHUB, CIRCLECI):
        house.upstream.pages[material.name] = page(material.name, material.entry())
        house.upstream.bodies[material.url] = material.provenance
    return house


def informant(house: House) -> Attestations:
    """A new one over the house's records."""
    return Attestations(house.records, house.clock, inline, house.announcements)


def ask(house: House, *files: File, by: Attestations | None = None, material: Material = GITHUB) -> Mapping[Filename, Attested]:
    """What it says of these files of the proxy."""
    told = now((by or informant(house)).inform(house.proxy, material.name, files))
    assert list(told) == [file.filename for file in files]
    return {filename: file.attested or Attested(problem="nothing") for filename, file in told.items()}


def test_it_keeps_its_interfaces(house: House) -> None:
    verifyObject(IAgeing, informant(house))
    verifyObject(IMeasured, informant(house))


def test_what_it_said_may_be_gone_by_for_a_minute_or_until_the_project_is_announced(house: House) -> None:
    """Documents change unannounced (R118)."""
    by = informant(house)
    age = by.age(GITHUB.name)
    house.announcements.announce(CIRCLECI.name)
    assert by.age(GITHUB.name) == age
    house.announcements.announce(GITHUB.name)
    announced = by.age(GITHUB.name)
    assert announced != age
    house.clock.advance(AGAIN)
    assert by.age(GITHUB.name) != announced


@pytest.mark.parametrize("material", [GITHUB, CIRCLECI], ids=["github", "circleci"])
def test_the_publisher_of_a_file_is_found_out_without_a_byte_of_the_file(house: House, material: Material) -> None:
    assert ask(house, material.entry(), material=material) == {material.filename: Attested((material.publisher,))}
    assert [asked for asked in house.upstream.asked if asked.startswith("body")] == ["body provenance"]


def test_a_document_is_asked_for_once_and_checked_once_while_it_stays_the_same(house: House) -> None:
    checks = []

    async def counted(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        checks.append(function.__name__)
        return function(*args, **kwargs)

    by = Attestations(house.records, house.clock, counted, house.announcements)
    for _ in range(3):
        assert ask(house, GITHUB.entry(), by=by)[GITHUB.filename].publishers == (GITHUB.publisher,)
    assert checks == ["checked"]
    assert by.measures() == {"held": 1, "failed": 0, "missing": 0, "newcomers": 0}
    house.upstream.bodies[GITHUB.url] = altered(GITHUB.provenance, "attestation_bundles", to=[])
    house.clock.advance(601)
    assert ask(house, GITHUB.entry(), by=by)[GITHUB.filename].publishers == ()
    assert by.measures()["failed"] == 1


def test_what_a_document_says_of_a_file_of_other_bytes_is_another_question(house: House) -> None:
    by = informant(house)
    assert ask(house, GITHUB.entry(), by=by)[GITHUB.filename].problem is None
    other = GITHUB.entry(hashes=(("sha256", "0" * 64),))
    assert "other bytes" in (ask(house, other, by=by)[GITHUB.filename].problem or "")


@pytest.mark.parametrize(
    ("entry", "body", "words", "lasting"),
    [
        ({"provenance": None}, None, "it has no provenance", True),
        ({"hashes": (("md5", "0" * 32),)}, None, "its sha256 is not known", True),
        ({}, None, "that its page promises is not there", True),
        ({}, UpstreamUnavailable("pypi", "it is down"), "could not be had just now", False),
        ({}, b"no json", "that its page promises is not there", True),
    ],
)
def test_what_cannot_be_found_out_is_a_problem_and_says_whether_it_lasts(
    house: House, entry: dict[str, Any], body: bytes | Exception | None, words: str, lasting: bool
) -> None:
    house.upstream.bodies.pop(GITHUB.url)
    if body is not None:
        house.upstream.bodies[GITHUB.url] = body
    told = ask(house, GITHUB.entry(**entry))[GITHUB.filename]
    assert words in (told.problem or "")
    assert (told.publishers, told.lasting) == ((), lasting)


@attrs.define
class Slow:
    """An index whose documents come when the test says so."""

    label: str = "slow"
    opened: list[Deferred[object]] = attrs.field(factory=list)

    async def open_file(self, *_: object) -> object:
        self.opened.append(Deferred())
        return await self.opened[-1]


def test_no_page_waits_longer_than_it_may_and_not_everything_is_asked_at_once(house: House) -> None:
    """What came in time counts; the rest is asked for again the next time."""
    slow = Slow()
    files = [GITHUB.entry(), *(GITHUB.entry(provenance="https://x.example/p") for _ in range(20))]
    files = [attrs.evolve(file, filename=Filename(f"thing-{number}.tar.gz")) for number, file in enumerate(files)]
    asked = later(informant(house).inform(slow, NormalizedName("thing"), files))  # type: ignore[arg-type]  # it is asked for nothing else
    assert len(slow.opened) == AT_ONCE
    slow.opened[0].errback(PypidaemonError("it is gone"))
    assert len(slow.opened) == AT_ONCE + 1
    house.clock.advance(PATIENCE - 0.1)
    assert waiting(asked)
    house.clock.advance(0.2)
    told = now(asked)
    assert [file.attested and file.attested.lasting for file in told.values()] == [False] * 21
    assert len(slow.opened) == AT_ONCE + 1


def test_a_document_without_end_is_given_up(house: House) -> None:
    class Endless(Slow):
        async def open_file(self, *_: object) -> object:
            class Content:
                async def read(self, offset: int, limit: int) -> bytes:
                    return b"x" * limit

                def close(self) -> None:
                    """As `IContent`."""

            return Content()

    told = now(informant(house).inform(Endless(), GITHUB.name, [GITHUB.entry()]))  # type: ignore[arg-type]  # as above
    assert "more than 2 MiB" in (told[GITHUB.filename].attested or Attested()).problem  # type: ignore[operator]  # it has one


@attrs.define
class Signed:
    """An index whose files are attested as a test says, by way of documents that no library needs to read."""

    label: str
    by: dict[str, Material]

    async def open_file(self, name: NormalizedName, filename: Filename, companion: object) -> object:
        class Content(FakeBody):
            async def read(self, offset: int, limit: int) -> bytes:  # type: ignore[override]  # it is a content, not a body
                return self._stream.read(limit)

        return Content(self.by[filename].provenance)


def met(house: House, *files: File, by: Attestations | None = None) -> list[tuple[str, ...]]:
    """The newcomers that it finds among these real files, as files of one project."""
    index = Signed("pypi", {material.filename: material for material in (GITHUB, CIRCLECI)})
    told = now((by or informant(house)).inform(index, NormalizedName("one"), files))  # type: ignore[arg-type]  # as above
    return [file.attested.newcomers if file.attested is not None else () for file in told.values()]


def test_S31_whoever_is_there_at_first_sight_is_no_newcomer(house: House) -> None:
    assert met(house, GITHUB.entry(), CIRCLECI.entry(upload_time=AFTER)) == [(), ()]
    house.clock.advance(60)
    assert met(house, GITHUB.entry(upload_time=AFTER), CIRCLECI.entry(upload_time=None)) == [(), ()]


def test_S31_a_publisher_of_later_files_is_a_newcomer_and_stays_one_over_a_restart(house: House) -> None:
    by = informant(house)
    assert met(house, GITHUB.entry(), by=by) == [()]
    house.clock.advance(60)
    for _ in range(2):
        assert met(house, CIRCLECI.entry(upload_time=AFTER), GITHUB.entry(), by=by) == [(CIRCLECI.publisher,), ()]
    assert by.measures()["newcomers"] == 1
    fresh = informant(house)
    assert met(house, CIRCLECI.entry(upload_time=AFTER), by=fresh) == [(CIRCLECI.publisher,)]
    assert fresh.measures()["newcomers"] == 0


def test_a_file_of_nobody_knows_when_is_taken_to_be_new(house: House) -> None:
    met(house, GITHUB.entry())
    house.clock.advance(60)
    assert met(house, CIRCLECI.entry(upload_time=None)) == [(CIRCLECI.publisher,)]


def test_whoever_published_the_project_before_anybody_looked_is_no_newcomer(house: House) -> None:
    """Old files are looked at when somebody asks for them."""
    met(house, GITHUB.entry())
    house.clock.advance(60)
    assert met(house, CIRCLECI.entry(upload_time=BEFORE)) == [()]
    assert met(house, CIRCLECI.entry(upload_time=AFTER)) == [()]


def test_a_failing_book_makes_no_file_pass_for_checked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing:
        async def publishers(self, label: str, name: NormalizedName) -> Mapping[str, float]:
            raise PypidaemonError("the records are busy")

    monkeypatch.setattr(house.records, "publishers", Failing())
    told = ask(house, GITHUB.entry())[GITHUB.filename]
    assert (told.publishers, told.lasting) == ((), False)


def test_two_pages_read_at_the_same_time_make_no_newcomers_of_each_other(house: House) -> None:
    """Whichever is noted first."""
    waits: list[Deferred[None]] = []

    async def held(function: Any, /, *args: Any, **kwargs: Any) -> Any:
        waits.append(Deferred())
        await waits[-1]
        return function(*args, **kwargs)

    by = Attestations(house.records, house.clock, held, house.announcements)
    index: Any = Signed("pypi", {material.filename: material for material in (GITHUB, CIRCLECI)})
    asked = [later(by.inform(index, NormalizedName("one"), [material.entry()])) for material in (GITHUB, CIRCLECI)]
    waits[0].callback(None)
    house.clock.advance(1)
    waits[1].callback(None)
    told = [file for answer in asked for file in now(answer).values()]
    assert [file.attested and file.attested.newcomers for file in told] == [(), ()]


def test_one_that_is_forgotten_while_it_asks_is_cleared_away_in_silence(no_logged_failures: list[dict[str, Any]]) -> None:
    """As when its index goes: those who ask for it must not wake it then."""

    class Never:
        label = "never"

        async def open_file(self, *arguments: Any) -> Any:
            return await Deferred()

    house = House()
    files = [GITHUB.entry(), CIRCLECI.entry()]
    later(Attestations(house.records, house.clock, inline, house.announcements)._all(Never(), GITHUB.name, files, {}))  # type: ignore[arg-type]  # all it is asked
    gc.collect()
    assert no_logged_failures == []
