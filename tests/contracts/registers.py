"""What every `IRulingRecords`, `IFetchRecords`, `IWithdrawnEntries`, `IPublisherRecords` and `IDocumentCache` promises."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IDocumentCache, IFetchRecords, IPublisherRecords, IRecords, IRulingRecords, IWithdrawnEntries
from pypidaemon.model import Attested, Described, Digest, Downloads, Fetch, File, Filename, ProjectStatus, Ruling, RulingKind, Withdrawn
from tests.examples import examples
from tests.gear import now
from tests.records_gear import BAR, FOO, SDIST, WHEEL

BLOCK = Ruling(RulingKind.BLOCK, "foo==1.0", "a worm; see 'x' \u2028", "ada", 1_700_000_000.5)
EXEMPT = Ruling(RulingKind.EXEMPT, "bar", until=1_800_000_000.25)
A, B = Digest("a" * 64), Digest("b" * 64)
ENTRY = File(
    WHEEL,
    url="https://files.example/foo-1.0-py3-none-any.whl",
    path="aa/bb/" + "c" * 60 + "/" + WHEEL,
    hashes=(("sha256", A), ("md5", "b" * 32)),
    size=12,
    upload_time="2024-01-02T03:04:05.678901Z",
    requires_python=">=3.11",
    yanked="",
    core_metadata="d" * 64,
    provenance="https://files.example/provenance",
    gpg_sig=False,
)
TEXTS = st.text(st.characters(), max_size=220) | st.text(st.characters(categories=["Cs", "Cc"]), max_size=4)


def fetch(time: float, agent: str = "pip/26.3", *, version: str = "1.0", digest: Digest | None = A) -> Fetch:
    """Somebody took a file of foo."""
    return Fetch(time, "ada", "192.0.2.1", agent, "root", FOO, version, WHEEL, digest)


def agents(fetches: list[Fetch]) -> str:
    """Which they are, by what their clients called themselves."""
    return "".join(row.agent for row in fetches)


class RulingRecordsContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def rulings(self, records: IRecords) -> IRulingRecords:
        return records.rulings

    def test_keeps_the_interface(self, rulings: IRulingRecords) -> None:
        verifyObject(IRulingRecords, rulings)

    def test_at_first_nothing_is_ordered(self, rulings: IRulingRecords) -> None:
        assert now(rulings.rulings()) == []
        assert now(rulings.repeal(RulingKind.BLOCK, "foo")) is False

    def test_rulings_come_back_as_they_were_given_in_order(self, rulings: IRulingRecords) -> None:
        ordered = [
            Ruling(RulingKind.BLOCK, "bar"),
            BLOCK,
            Ruling(RulingKind.BLOCK, f"sha256:{A}"),
            EXEMPT,
            Ruling(RulingKind.EXEMPT, "foo"),
        ]
        for ruling in reversed(ordered):
            now(rulings.rule(ruling))
        assert now(rulings.rulings()) == ordered

    def test_the_last_of_one_kind_and_target_counts(self, rulings: IRulingRecords) -> None:
        now(rulings.rule(BLOCK))
        again = attrs.evolve(BLOCK, reason="", account="eve", time=2.0, until=3.0)
        now(rulings.rule(again))
        assert now(rulings.rulings()) == [again]

    def test_a_repealed_ruling_is_gone_and_no_other(self, rulings: IRulingRecords) -> None:
        """Kinds are apart, and so are targets that only look alike."""
        others = [attrs.evolve(BLOCK, target="foo"), attrs.evolve(BLOCK, target="foo==1.0.0"), attrs.evolve(BLOCK, kind=RulingKind.EXEMPT)]
        for ruling in (*others, BLOCK):
            now(rulings.rule(ruling))
        assert now(rulings.repeal(RulingKind.BLOCK, "FOO==1.0")) is False
        assert now(rulings.repeal(RulingKind.BLOCK, "foo==1.0")) is True
        assert now(rulings.repeal(RulingKind.BLOCK, "foo==1.0")) is False
        assert now(rulings.rulings()) == others


class FetchRecordsContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def fetches(self, records: IRecords) -> IFetchRecords:
        return records.fetches

    def test_keeps_the_interface(self, fetches: IFetchRecords) -> None:
        verifyObject(IFetchRecords, fetches)

    def test_at_first_nobody_took_anything(self, fetches: IFetchRecords) -> None:
        assert now(fetches.of_project(FOO, None, 0.0, 10)) == []
        assert now(fetches.of_digest(A, 0.0, 10)) == []
        assert now(fetches.forget_before(9e9)) == 0

    def test_fetches_come_back_as_they_were_noted(self, fetches: IFetchRecords) -> None:
        """Also the same one twice, and one of bytes that nobody has the digest of."""
        rows = [fetch(1.5), fetch(1.5), Fetch(2.5, "", "", "", "other", FOO, "", SDIST, None)]
        for row in rows:
            now(fetches.note(row))
        assert now(fetches.of_project(FOO, None, 0.0, 10)) == rows
        assert now(fetches.of_digest(A, 0.0, 10)) == rows[:2]
        assert now(fetches.of_project(BAR, None, 0.0, 10)) == []
        assert now(fetches.of_digest(B, 0.0, 10)) == []

    def test_a_release_and_bytes_have_their_own(self, fetches: IFetchRecords) -> None:
        """The same bytes may have been taken under several names; a file without a version is of no release."""
        now(fetches.note(fetch(1.0, "a")))
        now(fetches.note(fetch(2.0, "b", version="2.0", digest=B)))
        now(fetches.note(fetch(3.0, "c", version="", digest=None)))
        now(fetches.note(attrs.evolve(fetch(4.0, "d"), name=BAR, filename=SDIST)))
        assert agents(now(fetches.of_project(FOO, "1.0", 0.0, 10))) == "a"
        assert agents(now(fetches.of_project(FOO, "2.0", 0.0, 10))) == "b"
        assert agents(now(fetches.of_project(FOO, "", 0.0, 10))) == "c"
        assert agents(now(fetches.of_project(FOO, None, 0.0, 10))) == "abc"
        assert agents(now(fetches.of_digest(A, 0.0, 10))) == "ad"

    def test_a_client_has_its_own(self, fetches: IFetchRecords) -> None:
        """By account, by address, by both, and all there are; "" is whoever has neither."""
        for time, agent, account, address in ((1.0, "a", "ann", "x"), (2.0, "b", "ann", "y"), (3.0, "c", "", "x"), (4.0, "d", "", "")):
            now(fetches.note(attrs.evolve(fetch(time, agent), account=account, address=address)))

        def told(account: str | None, address: str | None, since: float = 0.0, limit: int = 10) -> str:
            return agents(now(fetches.of_client(account, address, since, limit)))

        assert (told("ann", None), told(None, "x"), told("ann", "x"), told(None, None)) == ("ab", "ac", "a", "abcd")
        assert (told("", None), told("", ""), told("eve", None)) == ("cd", "d", "")
        assert (told(None, None, 2.0), told(None, None, 0.0, 2), told(None, None, 0.0, -1)) == ("bcd", "cd", "")

    def test_the_projects_that_were_taken_of_an_index(self, fetches: IFetchRecords) -> None:
        """Each once, in order of names, and none of another index or of before."""
        for row in (fetch(1.0), fetch(5.0), fetch(6.0), attrs.evolve(fetch(6.0), name=BAR, index="other")):
            now(fetches.note(row))
        now(fetches.note(attrs.evolve(fetch(7.0), name=BAR)))
        label = fetch(1.0).index
        assert now(fetches.projects(label, 0.0)) == sorted([BAR, FOO])
        assert now(fetches.projects("other", 0.0)) == [BAR]
        assert now(fetches.projects(label, 6.5)) == [BAR]
        assert now(fetches.projects(label, 8.0)) == []

    def test_of_the_fetches_asked_for_the_newest_are_told_oldest_first(self, fetches: IFetchRecords) -> None:
        """Those of one time are in the order in which they were noted, also where the clock was set back."""
        for time, agent in ((1.0, "a"), (2.0, "b"), (2.0, "c"), (1.5, "d"), (3.0, "e")):
            now(fetches.note(fetch(time, agent)))

        def told(since: float, limit: int) -> str:
            answers = {
                agents(now(fetches.of_project(FOO, None, since, limit))),
                agents(now(fetches.of_project(FOO, "1.0", since, limit))),
                agents(now(fetches.of_digest(A, since, limit))),
            }
            assert len(answers) == 1
            return answers.pop()

        assert told(0.0, 10) == "adbce"
        assert told(0.0, 3) == "bce"
        assert told(0.0, 2) == "ce"
        assert told(2.0, 10) == "bce"
        assert told(2.0, 1) == told(3.0, 1) == "e"
        assert told(3.1, 10) == told(0.0, 0) == told(0.0, -1) == ""
        assert told(-1.0, 10**30) == "adbce"

    def test_what_is_older_is_forgotten(self, fetches: IFetchRecords) -> None:
        """What is as old as that stays."""
        for time, agent in ((1.0, "a"), (2.0, "b"), (3.0, "c")):
            now(fetches.note(fetch(time, agent)))
        assert now(fetches.forget_before(2.0)) == 1
        assert now(fetches.forget_before(2.0)) == 0
        assert agents(now(fetches.of_project(FOO, None, 0.0, 10))) == "bc"
        assert agents(now(fetches.of_digest(A, 0.0, 10))) == "bc"
        assert now(fetches.forget_beyond(2)) == 0
        assert now(fetches.forget_beyond(1)) == 1
        assert len(now(fetches.of_project(FOO, None, 0.0, 10))) == 1
        assert now(fetches.forget_beyond(0)) == 1
        assert now(fetches.forget_before(9e9)) == 0
        now(fetches.note(fetch(4.0, "d")))
        assert agents(now(fetches.of_project(FOO, None, 0.0, 10))) == "d"

    def test_downloads_of_a_day_add_up(self, fetches: IFetchRecords) -> None:
        """Those taken most often first; apart by index, project, file and client."""
        assert now(fetches.counts("2026-01-01", 10)) == []
        one = Downloads("2026-01-01", "pypi", FOO, WHEEL, "pip/26.3")
        others = [
            attrs.evolve(one, agent="uv/0.9"),
            attrs.evolve(one, filename=SDIST),
            attrs.evolve(one, name=BAR),
            attrs.evolve(one, index="other"),
        ]
        for each in (one, *others, attrs.evolve(one, count=2), attrs.evolve(one, day="2026-01-02")):
            now(fetches.count(each))
        most, *rest = now(fetches.counts("2026-01-01", 10))
        assert most == attrs.evolve(one, count=3)
        assert rest == sorted(others, key=lambda each: (each.index, each.name, each.filename, each.agent))
        assert now(fetches.counts("2026-01-01", 2)) == [most, rest[0]]
        assert now(fetches.counts("2026-01-01", 0)) == now(fetches.counts("2026-01-01", -1)) == []
        assert now(fetches.counts("2026-01-02", 10)) == [attrs.evolve(one, day="2026-01-02")]

    def test_days_that_had_ended_are_forgotten(self, fetches: IFetchRecords) -> None:
        """They are no fetches, so they do not count as such."""
        for each in ("1970-01-01", "1970-01-02", "1970-01-03"):
            now(fetches.count(Downloads(each, "pypi", FOO, WHEEL, "pip/26.3")))
        assert now(fetches.forget_before(86_400.0 * 2 - 1)) == 0
        assert [len(now(fetches.counts(f"1970-01-0{each}", 10))) for each in (1, 2, 3)] == [0, 1, 1]

    def test_what_a_client_says_of_itself_is_cut(self, fetches: IFetchRecords) -> None:
        now(fetches.note(attrs.evolve(fetch(1.0, "x" * 5000), address="1" * 5000)))
        assert now(fetches.of_project(FOO, None, 0.0, 1)) == [attrs.evolve(fetch(1.0, "x" * 200), address="1" * 64)]
        now(fetches.count(Downloads("2026-01-01", "pypi", FOO, WHEEL, "x" * 5000)))
        assert [each.agent for each in now(fetches.counts("2026-01-01", 10))] == ["x" * 200]

    @given(TEXTS, TEXTS)
    @settings(max_examples=examples(20), suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_whatever_a_client_says_of_itself_is_kept(self, fetches: IFetchRecords, agent: str, address: str) -> None:
        """At least as much of it as has an encoding; it neither fails nor takes others along."""
        now(fetches.forget_before(9e9))
        now(fetches.note(fetch(1.0, "before")))
        now(fetches.note(attrs.evolve(fetch(2.0, agent), address=address)))
        before, kept = now(fetches.of_project(FOO, None, 0.0, 10))
        assert before == fetch(1.0, "before")
        assert kept.agent == agent[:200].encode("utf-8", "replace").decode("utf-8")
        assert kept.address == address[:64].encode("utf-8", "replace").decode("utf-8")


class WithdrawnEntriesContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def withdrawn(self, records: IRecords) -> IWithdrawnEntries:
        return records.withdrawn

    def test_keeps_the_interface(self, withdrawn: IWithdrawnEntries) -> None:
        verifyObject(IWithdrawnEntries, withdrawn)

    def test_at_first_nothing_was_withdrawn(self, withdrawn: IWithdrawnEntries) -> None:
        assert dict(now(withdrawn.withdrawn("pypi", FOO))) == {}
        assert dict(now(withdrawn.projects("pypi"))) == {}

    def test_entries_come_back_as_they_were_kept_in_order(self, withdrawn: IWithdrawnEntries) -> None:
        plain = File(SDIST)
        now(withdrawn.withdraw("pypi", FOO, (plain, ENTRY), 5.5))
        kept = now(withdrawn.withdrawn("pypi", FOO))
        assert list(kept.items()) == [(WHEEL, Withdrawn(ENTRY, 5.5)), (SDIST, Withdrawn(plain, 5.5))]
        assert dict(now(withdrawn.withdrawn("pypi", BAR))) == {}
        assert dict(now(withdrawn.withdrawn("other", FOO))) == {}

    def test_what_was_gathered_for_policies_is_not_kept(self, withdrawn: IWithdrawnEntries) -> None:
        known = attrs.evolve(ENTRY, described=Described("MIT", classifiers=("a",)), attested=Attested(("github:a/b",)))
        now(withdrawn.withdraw("pypi", FOO, (known,), 5.5))
        assert dict(now(withdrawn.withdrawn("pypi", FOO))) == {WHEEL: Withdrawn(ENTRY, 5.5)}

    def test_an_entry_kept_again_keeps_its_time(self, withdrawn: IWithdrawnEntries) -> None:
        """And is from then on what upstream last had."""
        now(withdrawn.withdraw("pypi", FOO, (ENTRY,), 5.0))
        yanked = attrs.evolve(ENTRY, yanked="broken")
        now(withdrawn.withdraw("pypi", FOO, (yanked, File(SDIST)), 9.0))
        assert dict(now(withdrawn.withdrawn("pypi", FOO))) == {WHEEL: Withdrawn(yanked, 5.0), SDIST: Withdrawn(File(SDIST), 9.0)}

    def test_restored_entries_are_gone_and_no_others(self, withdrawn: IWithdrawnEntries) -> None:
        """One that comes to be withdrawn anew has a new time."""
        now(withdrawn.withdraw("pypi", FOO, (ENTRY, File(SDIST)), 5.0))
        now(withdrawn.withdraw("other", FOO, (ENTRY,), 6.0))
        now(withdrawn.restore("pypi", FOO, (WHEEL, Filename("unknown-1.zip"))))
        now(withdrawn.restore("pypi", BAR, (WHEEL,)))
        assert dict(now(withdrawn.withdrawn("pypi", FOO))) == {SDIST: Withdrawn(File(SDIST), 5.0)}
        assert dict(now(withdrawn.withdrawn("other", FOO))) == {WHEEL: Withdrawn(ENTRY, 6.0)}
        now(withdrawn.withdraw("pypi", FOO, (ENTRY,), 7.0))
        assert now(withdrawn.withdrawn("pypi", FOO))[WHEEL] == Withdrawn(ENTRY, 7.0)

    def test_the_last_status_noted_is_the_one(self, withdrawn: IWithdrawnEntries) -> None:
        assert now(withdrawn.last_status("pypi", FOO)) is None
        now(withdrawn.note_status("pypi", FOO, ProjectStatus("archived", "done")))
        now(withdrawn.note_status("pypi", FOO, ProjectStatus("quarantined")))
        assert now(withdrawn.last_status("pypi", FOO)) == ProjectStatus("quarantined")
        assert now(withdrawn.last_status("other", FOO)) is None
        assert now(withdrawn.last_status("pypi", BAR)) is None

    def test_projects_are_those_with_entries(self, withdrawn: IWithdrawnEntries) -> None:
        """Nothing withdrawn and everything restored are the same as nothing ever."""
        now(withdrawn.withdraw("pypi", FOO, (ENTRY, File(SDIST)), 5.0))
        now(withdrawn.withdraw("pypi", BAR, (ENTRY,), 5.0))
        now(withdrawn.withdraw("other", BAR, (), 5.0))
        now(withdrawn.restore("other", BAR, ()))
        assert list(now(withdrawn.projects("pypi")).items()) == [(BAR, 1), (FOO, 2)]
        assert dict(now(withdrawn.projects("other"))) == {}
        now(withdrawn.restore("pypi", BAR, (WHEEL,)))
        assert dict(now(withdrawn.projects("pypi"))) == {FOO: 2}


class PublisherRecordsContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def publishers(self, records: IRecords) -> IPublisherRecords:
        return records.publishers

    def test_keeps_the_interface(self, publishers: IPublisherRecords) -> None:
        verifyObject(IPublisherRecords, publishers)

    def test_at_first_nobody_was_seen(self, publishers: IPublisherRecords) -> None:
        assert dict(now(publishers.publishers("pypi", FOO))) == {}

    def test_somebody_is_new_once_and_keeps_the_first_time(self, publishers: IPublisherRecords) -> None:
        assert now(publishers.met("pypi", FOO, "github:owner/repository", 5.5)) is True
        assert now(publishers.met("pypi", FOO, "github:owner/repository", 5.5)) is False
        assert now(publishers.met("pypi", FOO, "github:owner/repository", 1.0)) is False
        assert now(publishers.met("pypi", FOO, "github:Owner/repository", 7.0)) is True
        assert list(now(publishers.publishers("pypi", FOO)).items()) == [("github:Owner/repository", 7.0), ("github:owner/repository", 5.5)]

    def test_labels_and_names_are_apart(self, publishers: IPublisherRecords) -> None:
        for label, name in (("pypi", FOO), ("pypi", BAR), ("other", FOO)):
            assert now(publishers.met(label, name, "gitlab:a/b", 1.0)) is True
        assert dict(now(publishers.publishers("other", FOO))) == {"gitlab:a/b": 1.0}


class DocumentCacheContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def documents(self, records: IRecords) -> IDocumentCache:
        return records.documents

    def test_keeps_the_interface(self, documents: IDocumentCache) -> None:
        verifyObject(IDocumentCache, documents)

    def test_nothing_kept_is_none(self, documents: IDocumentCache) -> None:
        assert now(documents.recall("pypi", FOO, WHEEL)) is None

    def test_a_document_comes_back_as_it_was_kept_and_the_last_counts(self, documents: IDocumentCache) -> None:
        for body, fresh_until in ((b"\x00\xff{}", 700.5), (b"", 1.0), (b"x" * 300_000, 2.0)):
            now(documents.keep("pypi", FOO, WHEEL, body, fresh_until))
            assert now(documents.recall("pypi", FOO, WHEEL)) == (body, fresh_until)

    def test_labels_and_names_are_apart(self, documents: IDocumentCache) -> None:
        now(documents.keep("pypi", FOO, WHEEL, b"{}", 1.0))
        assert now(documents.recall("other", FOO, WHEEL)) is None
        assert now(documents.recall("pypi", BAR, WHEEL)) is None
        assert now(documents.recall("pypi", FOO, SDIST)) is None

    def test_expire_lets_all_of_a_project_be_fresh_no_longer(self, documents: IDocumentCache) -> None:
        """What was kept stays to be had."""
        for label, name, filename in (("pypi", FOO, WHEEL), ("pypi", FOO, SDIST), ("pypi", BAR, WHEEL), ("other", FOO, WHEEL)):
            now(documents.keep(label, name, filename, b"{}", 2000.0))
        assert now(documents.expire("pypi", FOO)) == 2
        assert now(documents.recall("pypi", FOO, WHEEL)) == now(documents.recall("pypi", FOO, SDIST)) == (b"{}", 0.0)
        assert now(documents.recall("pypi", BAR, WHEEL)) == (b"{}", 2000.0)
        assert now(documents.expire("pypi", None)) == 3
        assert now(documents.recall("pypi", BAR, WHEEL)) == (b"{}", 0.0)
        assert now(documents.recall("other", FOO, WHEEL)) == (b"{}", 2000.0)
        assert now(documents.expire("unknown", None)) == now(documents.expire("other", BAR)) == 0
