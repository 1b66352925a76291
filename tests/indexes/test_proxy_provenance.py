"""The provenance of a proxy's files: kept for a while, given when upstream is down, never believed to be more than it is."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.defer import CancelledError

from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.model import Companion, NormalizedName
from pypidaemon.provenances import LARGEST
from pypidaemon.waits import Bell
from tests.fakes import FakeBody, FakeUpstream, file, page
from tests.gear import later, now, waiting
from tests.house import House

ALPHA = NormalizedName("alpha")
WHEEL = filename("alpha-1.0-py3-none-any.whl")
URL = "https://files.example/integrity/alpha/1.0/alpha-1.0-py3-none-any.whl/provenance"
DOCUMENT = b'{"version":1,"attestation_bundles":[]}'


@pytest.fixture
def house() -> House:
    """Alpha with a wheel that has a provenance, and one file that has none."""
    house = House()
    house.upstream.pages["alpha"] = page("alpha", file(WHEEL, b"x", provenance=URL), file("alpha-1.0.tar.gz", b"y"))
    house.upstream.bodies[URL] = DOCUMENT
    return house


def provenance(house: House, name: str = WHEEL) -> bytes:
    """The document, as the proxy gives it."""
    content = now(house.proxy.open_file(ALPHA, filename(name), Companion.PROVENANCE))
    assert content.size is not None
    assert content.digest is not None
    return now(content.read(0, LARGEST))


def asked(house: House) -> int:
    """How often upstream was asked for it."""
    return house.upstream.asked.count("body provenance")


def test_it_is_upstreams_document_as_it_is(house: House) -> None:
    assert provenance(house) == DOCUMENT


def test_a_file_that_promises_none_costs_no_request(house: House) -> None:
    with pytest.raises(NoSuchFile, match=r"alpha-1\.0\.tar\.gz\.provenance"):
        provenance(house, "alpha-1.0.tar.gz")
    with pytest.raises(NoSuchFile):
        provenance(house, "alpha-9.0.tar.gz")
    assert asked(house) == 0


def test_R118_it_is_fresh_for_ten_minutes_also_over_a_restart(house: House) -> None:
    provenance(house)
    house.upstream.bodies[URL] = DOCUMENT.replace(b"[]", b"[{}]")
    house.clock.advance(599)
    house.restart()
    assert provenance(house) == DOCUMENT
    house.clock.advance(2)
    assert provenance(house) == house.upstream.bodies[URL]
    assert asked(house) == 2


@pytest.mark.parametrize("refreshed", [ALPHA, None])
def test_a_refresh_lets_it_be_fresh_no_longer(house: House, refreshed: NormalizedName | None) -> None:
    provenance(house)
    now(house.proxy.refresh(refreshed))
    provenance(house)
    assert asked(house) == 2


def test_law_10_a_stale_one_is_given_while_upstream_is_down(house: House) -> None:
    provenance(house)
    house.upstream.bodies[URL] = UpstreamUnavailable("pypi", "it is down")
    house.clock.advance(601)
    assert provenance(house) == DOCUMENT
    house.restart()
    house.upstream.bodies[URL] = DOCUMENT.replace(b"[]", b"[{}]")
    assert provenance(house) == house.upstream.bodies[URL]


def test_law_10_an_outage_is_no_absence(house: House) -> None:
    house.upstream.bodies[URL] = UpstreamUnavailable("pypi", "it is down")
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            provenance(house)
    house.upstream.bodies[URL] = DOCUMENT
    assert provenance(house) == DOCUMENT


def test_F32_who_waits_for_one_that_is_not_known_waits_no_longer_than_until_its_host_is_doubted(house: House) -> None:
    """As for every file: a 503 then, and what is on its way counts all the same. Who fills ahead has time."""
    house.upstream.slow_bodies = Bell()
    reading = later(house.proxy.open_file(ALPHA, WHEEL, Companion.PROVENANCE))
    filling = later(house.proxy.provenance.take(ALPHA, house.upstream.pages["alpha"].files[0]))  # type: ignore[union-attr]  # it is a page
    assert waiting(reading)
    house.upstream.health.doubt("suspect")
    with pytest.raises(UpstreamUnavailable) as caught:
        now(reading)
    assert 1 <= caught.value.retry_after <= 60
    assert waiting(filling)
    house.upstream.slow_bodies.ring()
    assert now(filling) == len(DOCUMENT)
    assert provenance(house) == DOCUMENT
    assert asked(house) == 1


def test_an_absence_is_known_for_a_minute(house: House) -> None:
    del house.upstream.bodies[URL]
    for _ in range(3):
        with pytest.raises(NoSuchFile):
            provenance(house)
    assert asked(house) == 1
    house.upstream.bodies[URL] = DOCUMENT
    house.clock.advance(61)
    assert provenance(house) == DOCUMENT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"version":1}',
        b'{"attestation_bundles":[]}',
        b'{"version":1,"attestation_bundles":{}}',
        b'{"version":1,"attestation_bundles":[],"x":"' + b"x" * LARGEST + b'"}',
        b"[" * 100_000,
    ],
    ids=["empty", "html", "array", "no bundles", "no version", "bundles of another shape", "too long", "deep"],
)
def test_what_is_no_provenance_is_absent(house: House, body: bytes) -> None:
    house.upstream.bodies[URL] = body
    for _ in range(2):
        with pytest.raises(NoSuchFile):
            provenance(house)
    assert asked(house) == 1


def test_a_reserved_name_is_absent_whatever_is_kept_of_it() -> None:
    """Law 3."""
    house = House(reserved=("alpha",))
    with pytest.raises(NoSuchProject):
        provenance(house)


@attrs.define
class Hesitant(FakeUpstream):
    """Its bodies come when the bell rings."""

    bell: Bell = attrs.field(factory=Bell)

    async def fetch_body(self, url: str, offset: int) -> FakeBody:
        self.asked.append("body provenance")
        await self.bell.wait()
        return FakeBody(DOCUMENT)


def hesitant() -> tuple[House, Hesitant]:
    upstream = Hesitant()
    house = House(upstream=upstream)
    upstream.pages["alpha"] = page("alpha", file(WHEEL, b"x", provenance=URL))
    return house, upstream


def test_law_9_however_many_want_it_it_is_asked_for_once() -> None:
    house, upstream = hesitant()
    all_of_them = [later(house.proxy.open_file(ALPHA, WHEEL, Companion.PROVENANCE)) for _ in range(3)]
    upstream.bell.ring()
    assert [now(now(one).read(0, 99)) for one in all_of_them] == [DOCUMENT] * 3
    assert asked(house) == 1


def test_law_10_nobody_waits_for_an_upstream_that_falls_silent_where_there_is_an_old_one() -> None:
    house, upstream = hesitant()
    first = later(house.proxy.open_file(ALPHA, WHEEL, Companion.PROVENANCE))
    upstream.bell.ring()
    now(first)
    house.clock.advance(601)
    second = later(house.proxy.open_file(ALPHA, WHEEL, Companion.PROVENANCE))
    now(house.proxy.project_page(ALPHA))
    assert waiting(second)
    upstream.health.doubt()
    assert now(now(second).read(0, 99)) == DOCUMENT


def test_F61_what_is_under_way_ends_with_the_daemon() -> None:
    house, _ = hesitant()
    asked_for = later(house.proxy.open_file(ALPHA, WHEEL, Companion.PROVENANCE))
    now(house.proxy.stopService())
    with pytest.raises(CancelledError):
        now(asked_for)
