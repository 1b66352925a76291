"""What is to be said of upstreams that give nothing now, to whoever looks at something that depends on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from pypidaemon.interfaces import IIndex, IUpstream
from pypidaemon.leaves import bare, leaves
from pypidaemon.model import AWAY

_UNASKED = "offline"
"""The state of an upstream that must not be asked."""


@attrs.frozen
class Away:
    """Labels of upstreams: those that were asked and do not answer, and those that the configuration says not to ask."""

    silent: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.silent or self.unasked)

    def __str__(self) -> str:
        """In words: `pypi does not answer.`, or why nobody asks; "" where there is none."""
        said = []
        if self.silent:
            said.append(f"{listed(self.silent)} {'does' if len(self.silent) == 1 else 'do'} not answer.")
        if self.unasked:
            said.append(
                f"{listed(self.unasked)} {'is' if len(self.unasked) == 1 else 'are'} not asked: this daemon is told to stay off line."
            )
        return " ".join(said)


def who_is_away(upstreams: Mapping[str, IUpstream]) -> Away:
    """Which of these give nothing now."""
    states = {label: upstream.health.state for label, upstream in upstreams.items() if upstream.health.state in AWAY}
    return Away(
        tuple(label for label, state in states.items() if state != _UNASKED),
        tuple(label for label, state in states.items() if state == _UNASKED),
    )


def upstreams_below(index: IIndex, labels: Sequence[str] | None = None) -> Mapping[str, IUpstream]:
    """
    The upstreams of what stands at the ends below an index, by label.

    :param labels: the indexes that count; None where all do.
    """
    found: dict[str, IUpstream] = {}
    for leaf in leaves(index):
        upstream = getattr(bare(leaf.index), "upstream", None)
        if IUpstream.providedBy(upstream) and (labels is None or leaf.index.label in labels):
            found.setdefault(upstream.label, upstream)
    return found


def listed(words: Sequence[str]) -> str:
    """These in a sentence: `a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
