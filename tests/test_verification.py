"""Whether everything that is stored is there and whole: found, told apart, put right, and nothing that is needed lost on the way (F62, M9)."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.model import Companion, Digest, Fact, Leaving, NormalizedName, Waiting
from pypidaemon.verification.findings import line
from pypidaemon.verification.holdings import Holdings, Home
from pypidaemon.verification.pace import Pace
from pypidaemon.verification.run import Means, Verification
from tests.contracts.blob_store import put
from tests.fakes import file, page
from tests.gear import inline, later, now, waiting
from tests.larder import (
    A_WHEEL,
    ALPHA,
    BETA,
    DOCUMENT,
    OUR_BYTES,
    OUR_SIDECAR,
    OUR_WHEEL,
    OURS,
    PROVENANCE,
    SDIST,
    SDIST_BYTES,
    SIDECAR,
    WHEEL,
    WHEEL_BYTES,
    Larder,
    digest_of,
    told,
)

EVERYTHING = {digest_of(data) for data in (OUR_BYTES, OUR_SIDECAR, WHEEL_BYTES, SIDECAR, DOCUMENT, SDIST_BYTES)}


@pytest.fixture
def larder(tmp_path: Path) -> Larder:
    """With something of each kind, all of it whole and two days old."""
    made = Larder(tmp_path)
    made.fill()
    return made


class TestFound:
    """Looking changes nothing."""

    def test_where_all_is_well_nothing_is_found(self, larder: Larder) -> None:
        assert larder.verify() == []
        assert larder.verify(repair=True) == []
        assert larder.held() == EVERYTHING

    def test_M9_missing_short_altered_and_unowned_are_told_apart(self, larder: Larder) -> None:
        """F62, F63, F64."""
        missing, short = larder.lose(OUR_BYTES), larder.damage(WHEEL_BYTES, WHEEL_BYTES[:-1])
        altered, unowned = larder.damage(SDIST_BYTES), larder.stray(b"whose is this?")
        before = larder.held()
        found = larder.verify()
        assert told(found) == [("altered", altered), ("missing", missing), ("short", short), ("unowned", unowned)]
        assert all(one.repaired is None for one in found)
        assert larder.held() == before
        assert told(larder.verify()) == told(found)
        assert [line(one.as_json()) for one in found if one.problem.value == "short"] == [
            f"short {WHEEL} of alpha in mirror sha256:{short} ({len(WHEEL_BYTES) - 1} bytes of {len(WHEEL_BYTES)})"
        ]

    def test_companions_are_looked_at_too(self, larder: Larder) -> None:
        gone = [larder.lose(OUR_SIDECAR), larder.lose(DOCUMENT)]
        assert told(larder.verify()) == sorted(("missing", digest) for digest in gone)
        titles = {name.title for one in larder.verify() for name in one.names}
        assert titles == {f"{OUR_WHEEL}.metadata", f"{WHEEL}.provenance"}

    def test_law_8_what_is_missing_of_a_cache_is_no_finding(self, larder: Larder) -> None:
        larder.lose(SDIST_BYTES)
        assert larder.verify() == []

    def test_what_was_deleted_may_be_gone_and_what_is_left_of_it_is_owned(self, larder: Larder) -> None:
        larder.delete()
        assert larder.verify(repair=True) == []
        larder.lose(OUR_SIDECAR)
        assert larder.verify(repair=True) == []
        larder.damage(OUR_BYTES)
        (found,) = larder.verify(repair=True)
        assert (found.problem.value, found.repaired) == ("altered", False)

    def test_what_is_leaving_a_mirror_is_owned_until_its_time_is_over(self, larder: Larder) -> None:
        records = larder.house.records.mirrors
        mirrored = now(records.page("mirror", ALPHA))
        assert mirrored is not None
        now(records.leave("mirror", [Leaving(ALPHA, None, 0.0, 10.0, mirrored)]))
        assert larder.verify(repair=True) == []
        missing = larder.lose(SIDECAR)
        assert told(larder.verify()) == [("missing", missing)]
        now(records.forget_leaving("mirror", 10.0))
        assert told(larder.verify()) == [("unowned", digest) for digest in sorted(map(digest_of, (WHEEL_BYTES, DOCUMENT)))]

    def test_law_7_what_is_younger_than_a_day_is_no_finding(self, larder: Larder) -> None:
        now(put(larder.blobs, b"about to be recorded"))
        assert larder.verify(repair=True) == []
        assert digest_of(b"about to be recorded") in larder.held()

    def test_what_a_proxy_pinned_or_keeps_is_owned_also_without_its_page(self, larder: Larder) -> None:
        records = larder.house.records
        pinned, kept = larder.stray(b"first seen"), larder.stray(b"withdrawn")
        entry = file("beta-0.9.tar.gz", b"withdrawn")
        now(records.facts.learn("pypi", BETA, filename("beta-0.8.tar.gz"), Fact(digest=pinned, size=10, metadata=digest_of(b"made"))))
        now(records.withdrawn.withdraw("pypi", BETA, (entry,), 0.0))
        made = larder.stray(b"made")
        now(records.pages.drop("pypi", BETA))
        assert told(larder.verify()) == [("unowned", digest_of(SDIST_BYTES))]
        assert {pinned, kept, made} <= larder.held()

    def test_M3_what_came_of_a_project_that_a_run_could_not_finish_is_owned(self, larder: Larder) -> None:
        mirrors, upstream = larder.house.records.mirrors, larder.house.upstream
        gamma, came, of_old = NormalizedName("gamma"), b"gamma, of two days ago", b"gamma, as somebody let it go"
        upstream.add("gamma", ("gamma-1.0.tar.gz", came), ("gamma-2.0.tar.gz", b"still to come"))
        now(larder.mirror.offered(gamma, 0))
        digests = {larder.stray(came)}
        unowned = larder.stray(of_old)
        now(mirrors.wait("mirror", [Waiting(gamma, 0, tries=1, due=1e12, reason="it failed"), Waiting(BETA, 0, tries=1)]))
        assert told(larder.verify(repair=True)) == [("unowned", unowned)]
        assert digests <= larder.held()
        now(mirrors.wait("mirror", [Waiting(gamma, 0, tries=0, due=1e12, reason="a policy lets it in later")]))
        assert told(larder.verify()) == [("unowned", digest) for digest in digests]

    def test_records_of_indexes_that_are_configured_no_longer_own_what_they_name(self, larder: Larder) -> None:
        larder.holdings.homes = [home for home in larder.holdings.homes if home.label == "pypi"]
        assert larder.verify(repair=True) == []
        assert larder.held() == EVERYTHING

    def test_where_somebody_else_keeps_things_there_nothing_is_nobodys(self, larder: Larder) -> None:
        larder.stray(b"theirs")
        larder.holdings.strangers = ["[index:theirs]"]
        assert larder.verify(repair=True) == []

    def test_only_some_projects(self, larder: Larder) -> None:
        missing, altered = larder.lose(OUR_BYTES), larder.damage(SDIST_BYTES)
        larder.stray(b"whose is this?")
        assert told(larder.verify(OURS)) == [("missing", missing)]
        assert told(larder.verify(BETA)) == [("altered", altered)]
        assert larder.verify(ALPHA) == larder.verify(NormalizedName("never-heard-of")) == []
        assert told(larder.verify(OURS, BETA)) == [("altered", altered), ("missing", missing)]

    def test_one_finding_for_bytes_that_several_name(self, larder: Larder) -> None:
        entry = attrs.evolve(now(larder.house.records.files.page("private", OURS))[1][0])
        now(larder.house.records.files.add("production", OURS, entry, "add", None))
        larder.holdings.homes.append(Home("production", larder.house.records, larder.blobs))
        larder.lose(OUR_BYTES)
        (found,) = larder.verify()
        assert line(found.as_json()).startswith(f"missing {OUR_WHEEL} of ours in private, {OUR_WHEEL} of ours in production sha256:")

    def test_F65_strays_and_drafts_that_a_crash_left_are_found_and_removed(self, larder: Larder) -> None:
        stray, draft = larder.place(digest_of(OUR_BYTES)).with_name("stray.whl"), larder.blobs.path / "drafts" / ("a" * 32)
        for one in (stray, draft):
            one.write_bytes(b"?")
            os.utime(one, (0, 0))
        found = larder.verify()
        assert [(one.problem.value, one.digest) for one in found] == [("unowned", "")] * 2
        assert all(one.repaired for one in larder.verify(repair=True))
        assert not stray.exists()
        assert not draft.exists()
        assert larder.verify() == []

    def test_what_cannot_be_read_is_altered_and_the_reason_is_told(self, larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any) -> bytes:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(os, "pread", broken)
        found = larder.verify(OURS)
        assert {(one.problem.value, one.detail) for one in found} == {("altered", "cannot be read: Input/output error")}

    def test_what_cannot_be_opened_is_told_and_stays(self, larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
        """F70."""

        async def closed(digest: Digest) -> None:
            raise OSError(errno.EACCES, "no")

        monkeypatch.setattr(type(larder.blobs), "open", lambda _, digest: closed(digest))
        found = larder.verify(OURS, repair=True)
        assert {(one.repaired, one.outcome) for one in found} == {(False, "cannot be read: Permission denied")}
        assert larder.held() == EVERYTHING


class TestRepaired:
    """Whatever can be had is fetched again, verified as ever; what cannot is told, and its bytes kept."""

    def test_M9_all_that_upstream_has_comes_back_and_the_second_look_finds_nothing(self, larder: Larder) -> None:
        larder.lose(SIDECAR)
        larder.lose(DOCUMENT)
        larder.damage(WHEEL_BYTES)
        larder.damage(SDIST_BYTES, b"")
        larder.stray(b"whose is this?")
        found = larder.verify(repair=True)
        assert {one.outcome for one in found if one.problem.value != "unowned"} == {"fetched again"}
        assert all(one.repaired for one in found)
        assert larder.verify() == []
        assert larder.held() == EVERYTHING
        assert larder.damaged() == {}
        assert larder.reads(larder.mirror, ALPHA, WHEEL) == WHEEL_BYTES
        assert larder.reads(larder.mirror, ALPHA, WHEEL, Companion.PROVENANCE) == DOCUMENT
        assert larder.reads(larder.house.proxy, BETA, SDIST) == SDIST_BYTES

    def test_F62_private_bytes_are_told_of_kept_aside_and_given_to_nobody(self, larder: Larder) -> None:
        digest = larder.damage(OUR_BYTES)
        wrong = larder.place(digest).read_bytes()
        (found,) = larder.verify(repair=True)
        assert not found.repaired
        assert found.outcome.startswith("it was uploaded here, so it can be fetched from nobody; the damaged bytes are kept as ")
        assert larder.damaged() == {digest: wrong}
        with pytest.raises(PypidaemonError, match="missing from the store"):
            larder.reads(larder.private, OURS, OUR_WHEEL)
        (again,) = larder.verify(repair=True)
        assert (again.problem.value, again.repaired) == ("missing", False)
        now(put(larder.blobs, OUR_BYTES))
        assert larder.verify() == []

    def test_a_private_sidecar_is_made_again_from_its_wheel(self, larder: Larder) -> None:
        larder.damage(OUR_SIDECAR)
        (found,) = larder.verify(repair=True)
        assert (found.repaired, found.outcome) == (True, "taken out of its wheel")
        assert larder.reads(larder.private, OURS, OUR_WHEEL, Companion.METADATA) == OUR_SIDECAR
        assert larder.damaged() == {}

    def test_a_private_sidecar_whose_wheel_is_gone_or_bad_is_told_of(self, larder: Larder) -> None:
        larder.lose(OUR_SIDECAR)
        larder.damage(OUR_BYTES, b"no wheel")
        assert {one.repaired for one in larder.verify(repair=True)} == {False}
        assert {one.repaired for one in larder.verify(repair=True)} == {False}

    def test_while_upstream_is_down_a_mirrored_file_waits_for_the_next_run_and_a_cached_one_is_done_without(self, larder: Larder) -> None:
        down = UpstreamUnavailable("pypi", "it is down")
        larder.house.upstream.bodies = dict.fromkeys(larder.house.upstream.bodies, down)
        mirrored, cached = larder.damage(WHEEL_BYTES), larder.damage(SDIST_BYTES)
        found = {one.digest: one for one in larder.verify(repair=True)}
        assert found[cached].outcome == "removed; it is fetched when somebody asks for it"
        assert not found[mirrored].repaired
        assert "it is down" in found[mirrored].outcome
        assert list(larder.damaged()) == [mirrored]
        waits = [(one.name, one.reason) for one in now(larder.house.records.mirrors.waiting("mirror"))]
        assert waits == [(ALPHA, f"{WHEEL} is lost")]
        larder.house.upstream.bodies[A_WHEEL.url] = WHEEL_BYTES
        assert all(one.repaired for one in larder.verify(repair=True))
        assert larder.damaged() == {}

    def test_S28_upstream_cannot_give_other_bytes_for_what_is_damaged(self, larder: Larder) -> None:
        larder.house.upstream.bodies[A_WHEEL.url] = b"others"
        digest = larder.lose(WHEEL_BYTES)
        (found,) = larder.verify(repair=True)
        assert not found.repaired
        assert digest not in larder.held()

    def test_a_document_that_has_grown_since_is_left_to_the_next_run(self, larder: Larder) -> None:
        larder.house.upstream.bodies[PROVENANCE] = DOCUMENT + b" "
        larder.lose(DOCUMENT)
        (found,) = larder.verify(repair=True)
        assert (found.repaired, found.outcome) == (False, "it cannot be had any more: upstream has another")

    def test_what_another_index_can_fetch_is_fetched_through_it(self, larder: Larder) -> None:
        """A private release that was taken over from upstream."""
        larder.house.upstream.pages["ours"] = page("ours", file(OUR_WHEEL, OUR_BYTES))
        larder.house.upstream.bodies[file(OUR_WHEEL, OUR_BYTES).url] = OUR_BYTES
        now(larder.house.proxy.project_page(OURS))
        larder.damage(OUR_BYTES)
        (found,) = larder.verify(repair=True)
        assert (found.repaired, found.outcome) == (True, "fetched again")
        assert larder.reads(larder.private, OURS, OUR_WHEEL) == OUR_BYTES

    def test_what_nobody_is_known_to_need_and_is_damaged_is_kept_aside(self, larder: Larder) -> None:
        digest = larder.stray(b"young")
        larder.place(digest).write_bytes(b"yonug")
        (found,) = larder.verify(repair=True)
        assert found.repaired
        assert found.outcome.startswith("set aside; nobody is known to need it; the damaged bytes are kept as")
        assert larder.damaged() == {digest: b"yonug"}

    def test_what_was_mended_while_it_was_read_stays(self, larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
        digest = larder.damage(OUR_BYTES)
        real = type(larder.blobs).set_aside

        async def late(store: Any, content: Any, into: Path) -> bool:
            await put(store, OUR_BYTES)
            return await real(store, content, into)

        monkeypatch.setattr(type(larder.blobs), "set_aside", late)
        (found,) = larder.verify(repair=True)
        assert (found.repaired, found.outcome) == (True, "it is here again")
        assert larder.place(digest).read_bytes() == OUR_BYTES

    def test_where_damaged_bytes_cannot_be_kept_they_stay_and_that_is_told(self, larder: Larder) -> None:
        (larder.folder / "damaged").write_bytes(b"in the way")
        digest = larder.damage(OUR_BYTES)
        (found,) = larder.verify(repair=True)
        assert (found.repaired, digest in larder.held()) == (False, True)
        assert "cannot be set aside" in found.outcome

    def test_law_7_what_is_recorded_while_it_is_looked_for_is_not_removed(self, larder: Larder, monkeypatch: pytest.MonkeyPatch) -> None:
        digest = larder.stray(b"wanted after all")
        entry = file("alpha-2.0.tar.gz", b"wanted after all")
        larder.house.upstream.pages["alpha"] = page("alpha", A_WHEEL, entry, versions=("1.0", "2.0"))
        real = type(larder.holdings).recorded
        asked: list[Digest] = []

        async def recorded(holdings: Any, wanted: Digest) -> bool:
            answer = await real(holdings, wanted)
            asked.append(wanted)
            if asked.count(digest) == 2 and wanted == digest:
                # Between the last question and the removal a mirror records it; that it renewed the blob before is what saves it.
                offered = await larder.mirror.offered(ALPHA, 0)
                await larder.mirror.fill(offered, offered.files, 0, True)
            return answer

        monkeypatch.setattr(type(larder.holdings), "recorded", recorded)
        assert larder.verify(repair=True) == []
        assert larder.reads(larder.mirror, ALPHA, "alpha-2.0.tar.gz") == b"wanted after all"


class TestInMemory:
    """A store that is no folder."""

    def test_it_is_verified_too(self) -> None:
        clock = Clock()
        blobs = MemoryBlobs(clock=clock)
        digest, other = now(put(blobs, b"one")), now(put(blobs, b"two"))
        blobs._blobs[digest] = b"onE"
        clock.advance(100_000)
        found: list[Any] = []
        means = Means(Holdings([], {"blobs": blobs}), clock, inline, inline, Path("/nonexistent"))
        now(Verification(means, None, True, None, found.append).run())
        assert told(found) == sorted([("altered", digest), ("unowned", other)])
        assert blobs._blobs == {}


def test_the_pace_is_kept_on_average_and_a_pause_is_not_made_up() -> None:
    clock = Clock()
    pace = Pace(clock, 100.0)
    now(pace.spend(4))
    one = later(pace.spend(96))
    clock.advance(0.9)
    assert waiting(one)
    clock.advance(0.2)
    assert not waiting(one)
    clock.advance(50)
    two = later(pace.spend(100))
    assert waiting(two)
    clock.advance(1)
    assert not waiting(two)
    now(Pace(clock, None).spend(1e9))


def test_reading_is_slow_where_that_is_asked(tmp_path: Path) -> None:
    larder = Larder(tmp_path)
    larder.fill()
    means = Means(larder.holdings, larder.clock, inline, inline, larder.folder)
    run = Verification(means, frozenset({OURS}), rate=float(len(OUR_BYTES)))
    running = later(run.run())
    assert waiting(running)
    larder.clock.pump([1.0] * 3)
    assert not waiting(running)
    assert run.as_json()["phase"] == "ended"
    assert run.as_json()["bytes"] == len(OUR_BYTES) + len(OUR_SIDECAR)


def test_a_name_that_cannot_be_printed_does_no_harm_to_a_terminal() -> None:
    finding = {"problem": "missing", "sha256": None, "names": [], "detail": "\x1b[2J", "repaired": False, "outcome": "x\ny"}
    assert line(finding) == "missing (?[2J): not repaired: x?y"
