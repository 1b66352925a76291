"""What left a mirror, brought back by order."""

from __future__ import annotations

from pathlib import Path

import pytest

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.model import NormalizedName
from pypidaemon.returns import Returns
from tests.gear import now
from tests.mirroring import Mill

BETA = NormalizedName("beta")


@pytest.fixture
def mill(tmp_path: Path) -> Mill:
    """A mirror that beta has left."""
    made = Mill(tmp_path)
    for name in ("alpha", "beta"):
        made.upstream.add(name, f"{name}-1.0.tar.gz")
    made.run()
    made.upstream.remove("beta")
    made.run()
    return made


def returns(mill: Mill, *others: str) -> Returns:
    """As the daemon has it, with other mirrors."""
    mirrors = {"mirror": mill.index, **dict.fromkeys(others, mill.index)}
    return Returns(mirrors, mill.records.mirrors, mill.announcements)


def test_M7_what_is_brought_back_stays_whatever_upstream_does(mill: Mill) -> None:
    """Also over the runs to come."""
    back = returns(mill)
    assert now(back.mirror_of(BETA, None)) == "mirror"
    assert now(back.bring_back("mirror", BETA)) == 1
    assert mill.files("beta") == ["beta-1.0.tar.gz"]
    mill.upstream.add("alpha", "alpha-2.0.tar.gz")
    assert mill.run()["complete"]
    assert mill.names() == ["alpha", "beta"]


def test_nothing_to_bring_back_is_said_and_pins_nothing(mill: Mill) -> None:
    """Of what never left, and of what is unknown."""
    back = returns(mill)
    for name in ("alpha", "gamma"):
        with pytest.raises(Unacceptable, match="nothing of"):
            now(back.bring_back("mirror", NormalizedName(name)))
    assert now(mill.records.mirrors.pinned("mirror")) == frozenset()


def test_the_mirror_is_the_one_that_is_named_or_the_one_that_it_left(mill: Mill) -> None:
    """Of several none is guessed."""
    back = returns(mill, "other")
    assert now(back.mirror_of(BETA, None)) == "mirror"
    assert now(back.mirror_of(BETA, "other")) == "other"
    assert now(back.mirror_of(BETA, "private")) is None
    assert now(back.mirror_of(NormalizedName("gamma"), None)) is None
    [left] = now(mill.records.mirrors.leaving("mirror"))
    now(mill.records.mirrors.leave("other", [left]))
    with pytest.raises(Unacceptable, match="--index"):
        now(back.mirror_of(BETA, None))
