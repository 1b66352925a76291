"""Home and away: who is asked while home is out of reach, and who never is (issue 8, N1, L1)."""

from __future__ import annotations

import pytest

from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.explaining import explain
from pypidaemon.filenames import filename
from pypidaemon.indexes.home_first import HomeFirst
from pypidaemon.model import Companion, NormalizedName
from tests.fakes import FakeUpstream
from tests.gear import inline, now
from tests.house import House

ACME, ALPHA, BETA, NEW = (NormalizedName(name) for name in ("acme", "alpha", "beta", "new"))
OWN = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"acme"},{"name":"secret"}]}'


class Road:
    """A netbook: its proxies of all that home has, of what is private there, and of the public index."""

    def __init__(self, *, seen: bool = True, own: bool = True) -> None:
        self.house = House()
        self.home, self.private, self.public = FakeUpstream("home"), FakeUpstream("home-private"), FakeUpstream("public")
        self.home.add("acme", ("acme-1.0.tar.gz", b"home's"))
        self.home.add("alpha", ("alpha-1.0.tar.gz", b"alpha"))
        self.private.names = OWN
        for name in ("acme", "secret"):
            self.public.add(name, (f"{name}-9.0.tar.gz", b"a stranger's"))
        self.public.add("alpha", ("alpha-1.0.tar.gz", b"alpha"), ("alpha-2.0.tar.gz", b"newer"))
        self.public.add("beta", ("beta-1.0.tar.gz", b"beta"))
        house = self.house
        indexes = (house.new_proxy("home", self.home), house.new_proxy("public", self.public))
        owners = (house.new_proxy("home-private", self.private),) if own else ()
        self.told: list[str | None] = []
        house.announcements.listen(self.told.append)
        self.index = HomeFirst("root", indexes, owners, house.records, house.clock, house.announcements, inline)
        if seen:
            self.index.startService()

    def leave(self) -> None:
        for upstream in (self.home, self.private):
            upstream.health.doubt()
            upstream.fails(["acme", "alpha", "beta", "new", "secret"])
        self.public.asked.clear()

    def versions(self, name: NormalizedName) -> list[str]:
        return [file.filename for file in now(self.index.project_page(name)).files]


def test_at_home_home_answers_and_only_what_it_lacks_is_asked_elsewhere() -> None:
    road = Road()
    assert road.versions(ALPHA) == ["alpha-1.0.tar.gz"]
    assert road.public.asked == []
    assert road.versions(BETA) == ["beta-1.0.tar.gz"]
    with pytest.raises(NoSuchProject):
        now(road.index.project_page(NEW))
    assert now(road.index.project_page(ALPHA)).source == "home"


def test_away_the_public_index_is_asked_at_once_and_what_is_home_s_own_never() -> None:
    road = Road()
    assert road.versions(ACME) == ["acme-1.0.tar.gz"]
    assert now(road.index.open_file(ACME, filename("acme-1.0.tar.gz"), Companion.FILE)).size == 6
    road.leave()
    assert None in road.told
    asked = list(road.home.asked)
    assert road.versions(ALPHA) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    page = now(road.index.project_page(ALPHA))
    assert (page.source, page.fresh_until) == ("public", road.house.clock.seconds() + 60)
    assert now(road.index.find(ALPHA, filename("alpha-2.0.tar.gz"))).source == "public"
    # What is known of home's own is given, and what is not is an outage.
    assert road.versions(ACME) == ["acme-1.0.tar.gz"]
    with pytest.raises(UpstreamUnavailable):
        now(road.index.project_page(NormalizedName("secret")))
    with pytest.raises(UpstreamUnavailable):
        now(road.index.project_page(NEW))
    assert {"page acme", "page secret"}.isdisjoint(road.public.asked)
    assert road.home.asked == asked
    told = now(explain(road.index, NormalizedName("secret")))
    assert dict(told.facts)["home's own"] == "yes, so nobody else is asked"
    assert dict(told.facts)["home"] == "down"
    road.home.health.recover()
    road.home.add("alpha", ("alpha-3.0.tar.gz", b"alpha"))
    road.house.clock.advance(700)
    assert road.versions(ALPHA) == ["alpha-3.0.tar.gz"]
    now(road.index.stopService())


def test_an_outage_that_is_only_found_out_by_asking_is_treated_alike() -> None:
    road = Road()
    road.home.fails(["beta", "secret"])
    assert road.versions(BETA) == ["beta-1.0.tar.gz"]
    with pytest.raises(UpstreamUnavailable):
        now(road.index.project_page(NormalizedName("secret")))
    assert "page secret" not in road.public.asked


def test_as_long_as_home_s_own_names_were_never_seen_nobody_else_is_asked() -> None:
    road = Road(seen=False)
    road.leave()
    for name in (BETA, ACME):
        with pytest.raises(UpstreamUnavailable):
            now(road.index.project_page(name))
    assert road.public.asked == []
    assert dict(now(explain(road.index, BETA)).facts)["home's own names are as of"].startswith("never")


def test_without_own_all_that_home_was_known_to_have_is_its_own() -> None:
    road = Road(seen=False, own=False)
    road.home.names = OWN
    now(road.index.project_names())
    assert road.versions(ALPHA) == ["alpha-1.0.tar.gz"]
    road.leave()
    assert road.versions(BETA) == ["beta-1.0.tar.gz"]
    assert road.versions(ALPHA) == ["alpha-1.0.tar.gz"]
    assert road.public.asked == ["page beta"]


def test_the_list_is_seen_anew_while_home_is_there_and_is_of_both() -> None:
    road = Road()
    assert road.private.asked == ["names"]
    road.house.clock.advance(700)
    assert road.private.asked == ["names", "names"]
    road.leave()
    road.house.clock.advance(700)
    assert road.private.asked == ["names", "names"]
    road.public.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"alpha"}]}'
    road.home.names = UpstreamUnavailable("home", "it is down")
    listing = now(road.index.project_names())
    assert ([name for name, _ in listing.entries()], listing.stale) == (["alpha"], True)
    road.public.names = UpstreamUnavailable("public", "it is down")
    road.public.health.doubt()
    now(road.index.stopService())


@pytest.mark.parametrize(("count", "words"), [(1, "at least one to ask"), (2, "one that asks one upstream")])
def test_what_cannot_be_configured(count: int, words: str) -> None:
    house = House()
    private = house.with_private()
    indexes = (private, house.proxy)[:count]
    with pytest.raises(ValueError, match=words):
        HomeFirst("root", indexes, (), house.records, house.clock, house.announcements, inline)
    with pytest.raises(ValueError, match="names proxies"):
        HomeFirst("root", (house.proxy, private), (private,), house.records, house.clock, house.announcements, inline)


def test_what_is_home_s_own_is_asked_of_nobody_else_though_home_says_that_it_has_none() -> None:
    """Its account may be let in no longer, or somebody else may answer for it."""
    road = Road()
    with pytest.raises(NoSuchProject):
        now(road.index.project_page(NormalizedName("secret")))
    assert road.public.asked == []


def test_as_long_as_home_s_own_names_were_never_seen_home_s_word_is_no_leave_to_ask_elsewhere() -> None:
    road = Road(seen=False)
    road.private.names = UpstreamUnavailable("home-private", "it is forbidden")
    with pytest.raises(UpstreamUnavailable, match="never seen"):
        now(road.index.project_page(BETA))
    assert road.public.asked == []
    # It is looked at as soon as something hangs on it.
    road.private.names = OWN
    road.private.health.recover()
    assert road.versions(BETA) == ["beta-1.0.tar.gz"]


def test_what_was_once_home_s_own_stays_so_whatever_becomes_of_the_list() -> None:
    """A list that is empty all at once is one for somebody who may see nothing, or somebody else's."""
    road = Road()
    road.private.names = b'{"meta":{"api-version":"1.4"},"projects":[]}'
    road.house.clock.advance(700)
    road.house.clock.advance(700)
    road.leave()
    with pytest.raises(UpstreamUnavailable):
        now(road.index.project_page(NormalizedName("secret")))
    assert "page secret" not in road.public.asked
    now(road.index.stopService())
