"""Whether others stand in for an upstream, and who is to be asked now (M18)."""

from __future__ import annotations

from pypidaemon.interfaces import IHealth, IStandIns, IUpstream
from pypidaemon.model import AWAY


def able(upstream: IUpstream) -> bool:
    """Whether anybody stands in for its pages and its list while it cannot be asked."""
    return IStandIns.providedBy(upstream) and IStandIns(upstream).line is not upstream.health


def line(upstream: IUpstream) -> IHealth:
    """Whether pages can be had from anybody."""
    return IStandIns(upstream).line if IStandIns.providedBy(upstream) else upstream.health


def away(upstream: IUpstream) -> bool:
    """Whether pages can be had from nobody."""
    return line(upstream).state in AWAY


def passed_over(upstream: IUpstream) -> bool:
    """
    Whether somebody stands in, and the upstream itself is known not to answer: a dead one costs its time-out once, and not each question.

    One that is only slow is waited for by who has the time.
    """
    return able(upstream) and upstream.health.state in AWAY and not upstream.health.may_ask()
