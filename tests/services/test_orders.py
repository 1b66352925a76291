"""Orders beside runs and rehearsals, and what clients can have a run do: none may take another's place, or wear upstream out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from pypidaemon.errors import CorruptContent, UpstreamUnavailable
from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Companion, NormalizedName, NotModified, UpstreamPage, Validators
from pypidaemon.services.mirroring.runs import MOST_PLANS
from pypidaemon.waits import Bell
from tests.filling import read
from tests.gear import now
from tests.mirroring import Mill, Upstream

ALPHA = project_name("alpha")
FIRST = filename("alpha-1.0.tar.gz")


@attrs.define(slots=False)
class Slow(Upstream):
    """One whose pages come when `turn` rings, where there is one."""

    turn: Bell | None = None

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        if self.turn is not None:
            await self.turn.wait()
        return await super().fetch_page(name, validators)


def test_an_order_during_a_rehearsal_is_carried_out(tmp_path: Path) -> None:
    """The rehearsal looks at the same project just then, and changes nothing."""
    upstream = Slow(turn=Bell())
    mill = Mill(tmp_path, upstream=upstream)
    upstream.add("alpha", "alpha-1.0.tar.gz")
    rehearsal = mill.begin(rehearsal=True)
    order = mill.begin("alpha")
    assert upstream.turn is not None
    upstream.turn.ring()
    ended = mill.state()["ended"]
    assert (ended[rehearsal]["complete"], ended[order]["complete"], ended[order]["files"]) == (True, True, 1)
    assert mill.files("alpha") == ["alpha-1.0.tar.gz"]


def test_an_order_for_a_project_is_complete_whatever_waits_of_others(tmp_path: Path) -> None:
    """And is not where the project itself waits, also because the run beside it failed."""
    mill = Mill(tmp_path)
    for name in ("alpha", "beta"):
        mill.upstream.add(name, f"{name}-1.0.tar.gz")
    mill.upstream.broken["beta"] = UpstreamUnavailable("pypi", "it answers 500")
    assert not mill.run()["complete"]
    ended = mill.run("alpha")
    assert (ended["complete"], ended["waiting"]) == (True, 0)
    ended = mill.run("beta")
    assert (ended["complete"], ended["waiting"]) == (False, 1)


def test_a_client_who_misses_a_file_again_and_again_makes_nobody_hurry(tmp_path: Path) -> None:
    """What failed is tried again in its time, whoever asks meanwhile."""
    mill = Mill(tmp_path)
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    mill.upstream.add("alpha", "alpha-2.0.tar.gz")
    assert mill.run()["complete"]
    file = now(mill.index.find(ALPHA, FIRST)).file
    now(mill.blobs.remove(file.digest))
    mill.upstream.broken["alpha-1.0.tar.gz"] = CorruptContent("other bytes")
    mill.service.startService()
    for _ in range(12 * 60):
        mill.clock.advance(60)
        with pytest.raises(UpstreamUnavailable):
            read(mill.index, ALPHA, FIRST, Companion.FILE)
    assert mill.upstream.count("body alpha-1.0.tar.gz") < 15
    assert now(mill.records.mirrors.waiting_of("mirror", ALPHA)).tries > 3
    now(mill.service.stopService())


def test_of_many_rehearsals_the_last_ones_plans_are_kept(tmp_path: Path) -> None:
    """They may be long, and whoever asks for a state is told of all runs; a status has none."""
    mill = Mill(tmp_path)
    mill.upstream.add("alpha", "alpha-1.0.tar.gz")
    for _ in range(MOST_PLANS + 3):
        assert mill.run(rehearsal=True)["plan"] == {"take": ["alpha alpha-1.0.tar.gz"]}
    ended: list[Any] = list(mill.state()["ended"].values())
    assert [("plan" in one) for one in ended] == [*[False] * 3, *[True] * MOST_PLANS]
    assert all(one["complete"] for one in ended)
