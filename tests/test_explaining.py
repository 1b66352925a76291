"""Why a project looks as it does: what each kind of index says, and what of it somebody may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface import implementer

from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import NoSuchBlob, PypidaemonError
from pypidaemon.explaining import explain, held, visible
from pypidaemon.filenames import filename
from pypidaemon.indexes.directory import Directory
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.pinned import Pinned
from pypidaemon.indexes.policed import AsOf, Barred, Policed
from pypidaemon.indexes.private import Private
from pypidaemon.interfaces import IIndex, IPagePolicy, IPolicy
from pypidaemon.judging import Rules
from pypidaemon.model import (
    Companion,
    Digest,
    Explanation,
    Fact,
    File,
    Filename,
    HiddenFile,
    NormalizedName,
    Outcome,
    ProjectPage,
    ProjectStatus,
    Refusal,
    Ruling,
    RulingKind,
    Standing,
)
from pypidaemon.moments import moment
from pypidaemon.policies.blocked import Blocked
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.policies.names import Names
from pypidaemon.rulings import Rulings
from pypidaemon.testing.archives import make_wheel
from tests.contracts.hosted_index import Yard, publish, upload
from tests.fakes import FakeUpstream, file, page
from tests.gear import inline, now
from tests.house import NOON, House

ALPHA, BETA = NormalizedName("alpha"), NormalizedName("beta")
OLD = filename("alpha-1.0.tar.gz")
NEW = filename("alpha-2.0.tar.gz")


@implementer(IPolicy)
@attrs.frozen
class NoSuffix:
    """Refuses files by how their names end."""

    label: str
    suffix: str

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        return f"it ends in {self.suffix}" if file is not None and file.filename.endswith(self.suffix) else None


@implementer(IPagePolicy)
@attrs.frozen
class Newest:
    """Refuses all but the last file of a page."""

    label: str

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        return None

    def refusals(self, page: ProjectPage, now: float) -> Mapping[Filename, str]:
        return {file.filename: "a newer one is there" for file in page.files[:-1]}


@pytest.fixture
def house() -> House:
    """Alpha with a release of January and one of an hour ago."""
    house = House()
    old, new = file(OLD, b"one"), file(NEW, b"two", upload_time="2026-05-28T19:26:40Z")
    house.upstream.pages["alpha"] = page("alpha", old, new, versions=("1.0", "2.0"))
    house.upstream.bodies |= {old.url: b"one", new.url: b"two"}
    return house


def policed(house: House, *policies: object, index: IIndex | None = None) -> Policed:
    """The house's proxy seen through these policies."""
    return Policed("policed", index or house.proxy, policies, house.records, house.clock, inline)  # type: ignore[arg-type]  # all are policies


def cooldown(age: float = 3 * 86400) -> MinimumAge:
    """A minimum age."""
    return MinimumAge("cooldown", Rulings(), age)


def reasons(told: Explanation) -> dict[str, list[tuple[str, str, float | None]]]:
    """What is hidden, and why."""
    return {one.file.filename: [(refusal.rule, refusal.reason, refusal.until) for refusal in one.refusals] for one in told.hidden}


def test_a_proxy_tells_of_its_upstream_and_of_what_was_found_out(house: House) -> None:
    """When the page was fetched and how long it is fresh, what is held, whose dates stand in, and whose bytes are withheld."""
    undated = attrs.evolve(file(OLD, b"one"), upload_time=None)
    house.upstream.pages["alpha"] = page("alpha", undated, file(NEW, b"two"), status=ProjectStatus("archived", "moved"))
    house.upstream.bodies |= {undated.url: b"one"}
    now(now(house.proxy.open_file(ALPHA, OLD, Companion.FILE)).read(0, 9))
    dated = Fact(upload_time="2020-01-01T00:00:00Z", dated_by="other")
    now(house.records.facts.learn("pypi", ALPHA, OLD, dated))
    now(house.records.facts.learn("pypi", ALPHA, NEW, Fact(digest=Digest("0" * 64), size=3)))
    told = now(explain(house.proxy, ALPHA))
    assert (told.kind, told.answers, told.leaves, told.below) == ("proxy", "answers", ("pypi",), ())
    assert dict(told.facts) == {
        "upstream": "pypi",
        "state": "up",
        "page fetched": "2026-05-28T20:26:40Z",
        "fresh until": "2026-05-28T20:36:40Z",
        "serial": "10",
        "files listed by upstream": "2",
        "status": "archived: moved",
        "held here": "1 of 2 files",
    }
    assert told.remarks == (
        (OLD, "held here"),
        (NEW, f"upstream has other bytes under this name by now; the first ones stay; `pypidaemon accept alpha {NEW}` takes the others"),
        (OLD, "upstream gives no upload time; that of other stands in"),
    )


def test_an_upstream_that_is_down_is_named_with_its_cause_and_since_when(house: House) -> None:
    """And that what is shown is what it said last."""
    now(house.proxy.project_page(ALPHA))
    house.clock.advance(10_000)
    house.upstream.health.doubt()
    house.upstream.health.since = NOON
    told = now(explain(house.proxy, ALPHA))
    facts = dict(told.facts)
    assert facts["state"] == "down since 2026-05-28T20:26:40Z: it is silent"
    assert facts["fresh until"].endswith("(upstream cannot be asked, so it goes on being given)")
    assert told.outcome is Outcome.ANSWERS
    unheard = now(explain(house.proxy, BETA))
    assert unheard.answers == "cannot be asked: upstream pypi: it is silent"


def test_what_upstream_quarantines_or_lists_no_longer_is_named(house: House) -> None:
    """Of what is kept all the same, that it is."""
    withdrawn = file("alpha-0.9.tar.gz", b"gone")
    now(house.records.withdrawn.withdraw("pypi", ALPHA, (withdrawn, file(OLD, b"one")), NOON))
    told = now(explain(house.proxy, ALPHA))
    assert reasons(told) == {"alpha-0.9.tar.gz": [("pypi", "upstream lists it no longer, as was seen on 2026-05-28T20:26:40Z", None)]}
    assert told.remarks == ((OLD, "upstream lists it no longer, as was seen on 2026-05-28T20:26:40Z; it is kept"),)
    quarantined = page("alpha", file(NEW, b"two"), status=ProjectStatus("quarantined", "malware"))
    house.upstream.pages["alpha"] = quarantined
    now(house.proxy.refresh(ALPHA))
    told = now(explain(house.proxy, ALPHA))
    assert reasons(told)[NEW] == [("pypi", "upstream has quarantined the project: malware", None)]
    assert told.outcome is Outcome.ANSWERS


def test_a_reserved_name_is_explained_without_a_request() -> None:
    house = House(reserved=("acme-*",))
    told = now(explain(house.proxy, NormalizedName("acme-lib")))
    assert (told.outcome, told.facts) == (Outcome.ABSENT, (("reserved", "no upstream is ever asked about a name like this"),))
    assert house.upstream.asked == []


def test_records_that_cannot_be_read_are_told_of(house: House) -> None:
    """An explanation raises nothing."""
    now(house.proxy.project_page(ALPHA))

    class Broken:
        async def known(self, label: str, name: NormalizedName) -> None:
            raise PypidaemonError("records: the database is damaged")

        async def owner(self, label: str, name: NormalizedName) -> None:
            raise PypidaemonError("records: the database is damaged")

    house.records.facts = Broken()  # type: ignore[assignment]  # it breaks
    told = now(explain(house.proxy, ALPHA))
    assert dict(told.facts)["trouble"] == "records: the database is damaged"
    private = filled(house)
    assert now(explain(private, ALPHA)).outcome is Outcome.ANSWERS
    house.records.files = Broken()  # type: ignore[assignment]  # it breaks
    assert now(explain(private, ALPHA)).facts == (("trouble", "records: the database is damaged"),)


def filled(house: House) -> Private:
    """A private index with three releases of alpha: one shown, one hidden, one deleted."""
    private = house.with_private()
    yard = Yard(house.records, house.blobs, house.clock, house.announcements)
    for version in ("1.0", "2.0", "3.0"):
        name, data = make_wheel("alpha", version)
        publish(yard, private, said=upload(name), data=data)
    now(private.place(ALPHA, "2.0", Standing.HIDDEN))
    now(private.place(ALPHA, "3.0", Standing.DELETED))
    return private


def test_a_private_index_tells_whose_a_project_is_and_what_was_taken_off_its_page(house: House) -> None:
    told = now(explain(filled(house), ALPHA))
    assert told.page is not None
    assert [one.filename for one in told.page.files] == ["alpha-1.0-py3-none-any.whl"]
    assert reasons(told) == {
        "alpha-2.0-py3-none-any.whl": [("private", "it was hidden", None)],
        "alpha-3.0-py3-none-any.whl": [("private", "it was deleted, and its name stays taken", None)],
    }
    assert dict(told.facts)["owner"]
    assert now(explain(house.door.routes.indexes["private"], BETA)).outcome is Outcome.ABSENT


def test_a_file_that_several_rules_hide_has_every_reason(house: House) -> None:
    """Whichever of them is named first, with those that see the whole page, and until when."""
    old, young = moment("2026-01-02T03:04:05Z"), moment("2026-05-28T19:26:40Z")
    age = NOON - old + 86400
    told = now(explain(policed(house, cooldown(age), NoSuffix("no-2", "2.0.tar.gz")), ALPHA))
    (first,), (by_age, by_name) = reasons(told)[OLD], reasons(told)[NEW]
    assert (first[0], int(first[2] or 0)) == ("cooldown", int(old + age))
    assert (by_age[0], by_age[2]) == ("cooldown", young + age)
    assert by_name == ("no-2", "it ends in 2.0.tar.gz", None)
    assert told.page is not None
    assert told.page.files == told.page.versions == ()
    assert told.facts == (("rules", "cooldown no-2"),)
    paged = now(explain(policed(house, Newest("newest"), Newest("latest"), cooldown()), ALPHA))
    assert [rule for rule, _, _ in reasons(paged)[NEW]] == ["cooldown"]
    assert OLD not in reasons(paged)
    both = now(explain(policed(house, Newest("newest"), Newest("latest")), ALPHA))
    assert reasons(both) == {OLD: [("newest", "a newer one is there", None), ("latest", "a newer one is there", None)]}


def test_a_long_page_is_explained_on_a_thread() -> None:
    """As it is judged there."""
    house = House()
    house.upstream.pages["alpha"] = page("alpha", *(file(f"alpha-{number}.tar.gz", b"%d" % number) for number in range(300)))
    told = now(explain(policed(house, NoSuffix("no-0", "0.tar.gz")), ALPHA))
    assert len(told.hidden) == 30


def test_a_project_that_is_refused_as_a_whole_is_not_asked_for(house: House) -> None:
    """Every rule that refuses it is named."""
    told = now(explain(policed(house, Names("mine", deny=("alpha",)), Names("yours", deny=("a*",))), ALPHA))
    assert (told.outcome, told.below, house.upstream.asked) == (Outcome.REFUSED, (), [])
    assert [refusal.rule for refusal in told.refusals] == ["mine", "yours"]
    assert told.answers == (
        "refused by mine: the name matches the denied pattern alpha; refused by yours: the name matches the denied pattern a*"
    )
    root = FirstMatch("root", (policed(house, Names("mine", deny=("alpha",))), house.proxy), house.records)
    above = now(explain(root, ALPHA))
    assert (above.outcome, len(above.below), house.upstream.asked) == (Outcome.REFUSED, 1, [])


def test_the_barrier_is_seen_only_where_something_is_blocked(house: House) -> None:
    rulings = Rulings()
    barred = Barred("pypi", house.records, house.clock, inline, house.proxy, (Blocked("blocked", rulings),))
    assert now(explain(barred, ALPHA)).kind == "proxy"
    rulings.replace([Ruling(RulingKind.BLOCK, "alpha==2", "malware", time=NOON)])
    told = now(explain(barred, ALPHA))
    assert (told.kind, told.index, [one.kind for one in told.below]) == ("orders", "pypi", ["proxy"])
    ((rule, reason, _),) = reasons(told)[NEW]
    assert rule == "blocked"
    assert "malware" in reason
    rulings.replace([Ruling(RulingKind.BLOCK, "alpha", "malware", time=NOON)])
    whole = now(explain(barred, ALPHA))
    assert (whole.outcome, whole.below) == (Outcome.REFUSED, ())


def test_combiners_tell_whom_they_asked_and_who_answers(house: House) -> None:
    """The last one answers, or is why nobody does."""
    empty = house.new_proxy("none", FakeUpstream("none"))
    root = FirstMatch("root", (empty, house.proxy, house.new_proxy("never")), house.records)
    told = now(explain(root, ALPHA))
    assert [(one.index, one.answers) for one in told.below] == [("none", "has no such project"), ("pypi", "answers")]
    assert told.leaves == ("none", "pypi", "never")
    assert now(explain(FirstMatch("root", (), house.records), ALPHA)).outcome is Outcome.ABSENT


def test_a_merged_project_tells_of_all_and_another_of_the_first(house: House) -> None:
    """What stands behind a file of the same name is counted; an index that fails is why the page does."""
    other = FakeUpstream("other")
    other.add("alpha", ("alpha-1.0.tar.gz", b"stranger"), ("alpha-9.0.tar.gz", b"nine"))
    theirs = house.new_proxy("theirs", other)
    empty = house.new_proxy("none", FakeUpstream("none"))
    merged = Merged("root", (empty, house.proxy, theirs), ("alpha",), house.records, inline)
    told = now(explain(merged, ALPHA))
    assert told.facts == (("merged of", "pypi theirs"), ("behind files of the same name", "1"))
    assert [one.index for one in told.below] == ["none", "pypi", "theirs"]
    assert told.page is not None
    assert len(told.page.files) == 3
    first = now(explain(Merged("root", (house.proxy, theirs), ("beta",), house.records, inline), ALPHA))
    assert [one.index for one in first.below] == ["pypi"]
    assert now(explain(merged, BETA)).outcome is Outcome.ABSENT
    other.fails(["alpha"])
    now(theirs.refresh(None))
    theirs.pages.forget(None)
    now(house.records.pages.drop("theirs", ALPHA))
    failed = now(explain(merged, ALPHA))
    assert (failed.outcome, failed.cause) == (Outcome.UNKNOWN, "upstream other: it is down")


def test_what_is_not_pinned_is_named(house: House) -> None:
    pinned = Pinned("stable", house.proxy, ("alpha==1.0", "beta==1"), house.records, inline)
    told = now(explain(pinned, ALPHA))
    assert reasons(told) == {NEW: [("stable", "this release is not pinned", None)]}
    assert told.facts == (("pinned releases", "1"),)
    assert now(explain(pinned, BETA)).outcome is Outcome.ABSENT
    house.upstream.asked.clear()
    assert now(explain(pinned, NormalizedName("gamma"))).facts == (("pinned releases", "none"),)
    assert house.upstream.asked == []


def test_the_past_explains_itself(house: House) -> None:
    past = AsOf(label="pypi", index=house.proxy, moment=moment("2026-03-01"), clock=house.clock, cpu=inline)
    assert set(reasons(now(explain(past, ALPHA)))) == {NEW}


def test_a_folder_says_that_a_name_stays_taken(house: House, tmp_path: Path) -> None:
    made = Directory("files", tmp_path, house.records, house.clock, inline, house.announcements)
    assert now(explain(made, ALPHA)).outcome is Outcome.ABSENT
    made.claimed.add(ALPHA)
    assert now(explain(made, ALPHA)).facts == (("claimed", "it had files here, and its name stays taken"),)
    made.trouble = "it is gone"
    assert now(explain(made, ALPHA)).answers == "cannot be asked: files: its folder cannot be read: it is gone"


@implementer(IIndex)
@attrs.define
class Foreign:
    """Somebody else's decorator, which cannot explain itself."""

    label: str
    index: IIndex

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        return await self.index.project_page(name)


def test_an_index_that_cannot_explain_itself_is_told_by_its_page(house: House) -> None:
    told = now(explain(Foreign("foreign", policed(house, cooldown())), ALPHA))
    assert (told.kind, told.outcome, told.below) == ("index", Outcome.ANSWERS, ())
    refused = now(explain(Foreign("foreign", policed(house, Names("mine", deny=("alpha",)))), ALPHA))
    assert (refused.outcome, refused.answers) == (Outcome.REFUSED, "refused by mine: the name matches the denied pattern alpha")


def leaf(label: str, outcome: Outcome = Outcome.ANSWERS, **more: object) -> Explanation:
    """What a leaf says."""
    shown = ProjectPage(ALPHA, source=label) if outcome is Outcome.ANSWERS else None
    return Explanation(label, "proxy", outcome, page=shown, leaves=(label,), **more)  # type: ignore[arg-type]  # tests know what they pass


def test_S42_who_may_not_read_in_an_index_sees_nothing_of_it() -> None:
    """Neither that it was asked nor what it hides; and nothing made of several but who may read each."""
    secret, public = leaf("secret", Outcome.ABSENT), leaf("public")
    root = Explanation("root", "first-match", Outcome.ANSWERS, page=public.page, below=(secret, public), leaves=("secret", "public"))
    assert visible(root, bool) == root
    seen = visible(root, lambda label: label == "public")
    assert seen is not None
    assert [one.index for one in seen.below] == ["public"]
    assert visible(root, lambda label: label == "secret") is None
    assert visible(secret, lambda label: label == "public") is None
    merged = ProjectPage(ALPHA, source="secret", also=("public",))
    both = Explanation("root", "merged", Outcome.ANSWERS, page=merged, leaves=("secret", "public"))
    assert visible(both, lambda label: label == "public") is None
    # What hides files and shows no page is for who may read all that is below it.
    hidden = (HiddenFile(File(OLD), (Refusal("rule", "why"),)),)
    torn = Explanation("root", "foreign", Outcome.UNKNOWN, hidden=hidden, leaves=("secret", "public"))
    assert visible(torn, lambda label: label == "public") is None
    assert visible(attrs.evolve(torn, hidden=()), lambda label: label == "public") is not None


def test_what_is_held_is_found_in_any_store(house: House) -> None:
    """Also in one that has to be asked for one after the other."""
    draft = now(house.blobs.draft())
    now(draft.write(b"one"))
    digest = now(draft.commit(None))
    entries = (file(OLD, b"one"), file(NEW, b"two"), attrs.evolve(file("alpha-3.0.zip"), hashes=()))
    assert now(held(house.blobs, entries, inline)) == {digest}

    class Plain:
        def __init__(self, blobs: MemoryBlobs) -> None:
            self.blobs = blobs

        async def open(self, digest: Digest) -> object:
            if digest == file(NEW, b"two").digest:
                raise NoSuchBlob(digest)
            return await self.blobs.open(digest)

    assert now(held(Plain(house.blobs), entries, inline)) == {digest}  # type: ignore[arg-type]  # as much of a store as is asked for


def test_what_there_is_to_say_of_a_long_page_is_put_together_on_a_thread(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is the same: everybody else would wait for it."""
    threaded: list[str] = []

    async def cpu(function: Callable[..., Any], /, *arguments: Any) -> Any:
        threaded.append(function.__name__)
        return function(*arguments)

    name = NormalizedName("alpha")
    mirror = house.new_mirror()
    short = [now(explain(index, name)) for index in (house.proxy, mirror)]
    house.proxy.pages.cpu = mirror.cpu = cpu
    for module in ("explaining", "indexes.proxy.explaining", "indexes.mirror.explaining"):
        monkeypatch.setattr(f"pypidaemon.{module}.MANY_FILES", -1)
    assert [now(explain(index, name)) for index in (house.proxy, mirror)] == short
    assert threaded == ["_digests", "_in_detail"] * 2


@given(st.lists(st.sampled_from([".gz", "0.tar.gz", "1.tar.gz", ".zip", "x"]), max_size=4), st.booleans())
def test_nothing_is_hidden_without_a_reason_and_nothing_else_has_one(suffixes: list[str], paged: bool) -> None:
    """The reasons of a page are for exactly the files that judging hides, and the first of each is the one that clients are told."""
    files = tuple(file(f"alpha-{number}.tar.gz", b"%d" % number) for number in range(12))
    inner = ProjectPage(ALPHA, files, source="pypi")
    rules = Rules((*(NoSuffix(f"p{place}", suffix) for place, suffix in enumerate(suffixes)), *((Newest("newest"),) if paged else ())))
    judged, found = rules.judge(inner, NOON), rules.refusals(inner, NOON)
    assert set(found) == set(judged.hidden)
    assert {name: refusals[0] for name, refusals in found.items()} == dict(judged.hidden)
    assert rules.every(ALPHA, None, NOON) == []


def test_S42_an_index_that_only_passes_on_what_may_not_be_seen_is_not_seen_either() -> None:
    below = leaf("secret", Outcome.UNKNOWN)
    root = Explanation("root", "policed", Outcome.UNKNOWN, below=(attrs.evolve(below, page=None),), leaves=("secret", "public"))
    assert visible(root, lambda label: label == "public") is None
