"""What goes wrong around the mirroring service, none of which may end its schedule, hang it, or have it ask upstream without an end."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.catalogues import entries
from pypidaemon.errors import Damaged, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.model import NormalizedName, Ruling, RulingKind
from pypidaemon.rulings import Rulings
from pypidaemon.services.mirroring import runs
from pypidaemon.waits import Bell
from tests.gear import later, now
from tests.mirroring import Mill

DAY = 86_400.0
ALPHA = NormalizedName("alpha")


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    """A mirror of everything, with nothing in it yet."""
    return Mill(tmp_path)


def live(mill: Mill, seconds: float) -> None:
    """Let time go by in steps of a minute."""
    for _ in range(int(seconds // 60)):
        mill.clock.advance(60)


def failing(books: Any, error: Exception, *names: str) -> Any:
    """The same books of mirrors, of which these questions and orders raise that."""

    async def fail(*given: Any) -> None:
        raise error

    class Books:
        def __getattr__(self, name: str) -> Any:
            return fail if name in names else getattr(books, name)

    return Books()


def test_a_blocked_project_of_very_many_files_hangs_nothing(tmp_path: Path) -> None:
    """Neither the run, nor what is beside it, nor the end of the daemon."""
    mill = Mill(tmp_path)
    rulings = Rulings()
    rulings.replace([Ruling(RulingKind.BLOCK, "big", "malware")])
    mill.settings["rulings"] = rulings
    mill.restart()
    mill.upstream.add("alpha", *(f"alpha-{number}.0.tar.gz" for number in range(20)))
    mill.upstream.add("big", *(f"big-{number}.0.tar.gz" for number in range(2_000)))
    mill.upstream.gate = Bell()
    number = mill.begin()
    for _ in range(20):
        mill.upstream.gate.ring()
    assert mill.state()["ended"][number]["complete"]
    assert len(mill.files("alpha")) == 20
    assert mill.files("big") == []
    assert later(mill.service.runs.stop()).called


def test_no_more_files_of_a_project_are_begun_than_requests_may_be_made(mill: Mill) -> None:
    """The others are not even begun."""
    mill.upstream.add("alpha", *(f"alpha-{number}.0.tar.gz" for number in range(300)))
    mill.upstream.gate = Bell()
    number = mill.begin()
    assert mill.upstream.count("body") == 10
    while mill.upstream.gate.listeners:
        mill.upstream.gate.ring()
    assert mill.state()["ended"][number]["complete"]
    assert len(mill.files("alpha")) == 300


def test_a_damaged_kept_list_is_asked_for_anew(mill: Mill) -> None:
    """Though upstream would confirm it; one byte is enough (F85)."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    assert mill.run()["complete"]
    for digest, data in list(mill.lists._blobs.items()):
        mill.lists._blobs[digest] = data[:-1] + b"\xff"
    mill.settings["exclude"] = ("zzz",)
    mill.restart()
    assert mill.run()["complete"]
    assert mill.names() == ["alpha"]


@pytest.mark.parametrize("data", [b"", b"alpha\t1\n", b"#m\nalpha\n", b"#m\nalpha\tone\n", b"#m\n\xff\t1\n", b"#m\nbeta\t1\nalpha\t1\n"])
def test_what_is_no_kept_list_is_an_error_that_a_run_can_tell(data: bytes) -> None:
    """Whatever is wrong with it, also the order, by which something could seem to be gone that is not."""
    with pytest.raises(Damaged):
        list(entries(lambda: io.BytesIO(data)))


@pytest.mark.parametrize("error", [ValueError("a mistake"), RuntimeError("another"), UpstreamUnavailable("pypi", "down")])
def test_whatever_goes_wrong_the_schedule_goes_on(mill: Mill, error: Exception, no_logged_failures: list[Any]) -> None:
    """It waits longer each time, and the failure is told."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    mill.upstream.broken[""] = error
    mill.service.startService()
    live(mill, DAY)
    assert 5 < mill.upstream.count("names") < 30
    ended = list(mill.state()["ended"].values())[-1]
    assert not ended["complete"]
    assert type(error).__name__ in ended["outcome"] or str(error) in ended["outcome"]
    mill.upstream.broken.clear()
    live(mill, DAY)
    assert mill.names() == ["alpha"]
    assert mill.service.stopService().called
    no_logged_failures.clear()


def test_trouble_before_a_run_does_not_end_the_schedule(mill: Mill, no_logged_failures: list[Any]) -> None:
    """Here the books say nonsense for a while."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    books = mill.records.mirrors
    mill.records.mirrors = failing(books, KeyError("nonsense"), "progress")
    mill.service.startService()
    live(mill, 600)
    assert len(no_logged_failures) == 11
    mill.records.mirrors = books
    live(mill, 600)
    assert mill.names() == ["alpha"]
    no_logged_failures.clear()


def test_a_full_disk_under_the_records_does_not_ask_upstream_every_minute(mill: Mill) -> None:
    """That a run was tried is known though it cannot be recorded."""
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    mill.records.mirrors = failing(mill.records.mirrors, StorageFull("no room"), "advance", "keep", "wait", "done", "leave")
    mill.restart()
    mill.service.startService()
    live(mill, DAY)
    assert mill.upstream.count("names") < 30


@pytest.mark.parametrize(("first", "index"), [(("alpha", "beta"), {}), (("*",), {"removal": "keep"})])
def test_lost_bytes_of_what_is_offered_and_not_chosen_are_brought_back(
    tmp_path: Path, first: tuple[str, ...], index: dict[str, Any]
) -> None:
    """Of a project that is pinned, or of an index that keeps everything; and nothing else of it is taken."""
    mill = Mill(tmp_path, settings={"projects": first}, index_settings=index)
    for name in ("alpha", "beta"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz")
    assert mill.run()["complete"]
    if not index:
        now(mill.records.mirrors.pin("mirror", ALPHA, True))
    mill.settings["projects"] = ("beta",)
    mill.restart()
    assert mill.run()["complete"]
    mill.upstream.add("alpha", "alpha-2.0.tar.gz")
    now(mill.blobs.remove(now(mill.index.project_page(ALPHA)).files[0].digest))
    mill.upstream.broken["alpha-1.0.tar.gz"] = UpstreamUnavailable("pypi", "not now")
    with pytest.raises(UpstreamUnavailable):
        mill.files("alpha")
    mill.upstream.asked.clear()
    mill.service.startService()
    live(mill, DAY)
    assert 3 < mill.upstream.count("body alpha-1.0") < 20
    mill.upstream.broken.clear()
    live(mill, DAY)
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]
    assert mill.upstream.count("page alpha") == 0
    assert mill.state()["waits"] == []
    assert mill.run()["complete"]
    begun = mill.service.runs.measures()["runs"]
    live(mill, DAY)
    assert mill.service.runs.measures()["runs"] <= begun + 4


def test_a_project_called_everything_is_one_like_any_other(mill: Mill) -> None:
    """An order for it is not taken for the run for everything."""
    mill.upstream.add("everything", "everything-1.0.tar.gz")
    mill.upstream.add("beta", "beta-1.0.tar.gz")
    mill.upstream.gate = Bell()
    assert mill.begin("everything") != mill.begin()
    while mill.upstream.gate.listeners:
        mill.upstream.gate.ring()
    assert mill.names() == ["beta", "everything"]


def test_orders_for_projects_are_carried_out_one_after_the_other_and_only_so_many_wait(mill: Mill, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is ordered beyond that is refused, and said."""
    monkeypatch.setattr(runs, "MOST_ORDERS", 400)
    for number in range(400):
        mill.upstream.add(f"p{number}", f"p{number}-1.0.tar.gz")
    mill.upstream.gate = Bell()
    numbers = [mill.begin(f"p{number}") for number in range(400)]
    assert mill.begin("p7") == numbers[7]
    assert mill.upstream.asked == ["page p0", "body p0-1.0.tar.gz"]
    with pytest.raises(PypidaemonError, match="400 orders wait already"):
        mill.begin("other")
    gate, mill.upstream.gate = mill.upstream.gate, None
    gate.ring()
    assert len(mill.names()) == 400
    assert mill.clock.getDelayedCalls() == []


def test_the_end_of_the_daemon_begins_none_of_the_orders_that_wait(mill: Mill) -> None:
    """Each would ask upstream only to be ended."""
    mill.upstream.gate = Bell()
    for number in range(5):
        mill.upstream.add(f"p{number}", f"p{number}-1.0.tar.gz")
        mill.begin(f"p{number}")
    assert later(mill.service.runs.stop()).called
    assert mill.upstream.asked == ["page p0", "body p0-1.0.tar.gz"]
