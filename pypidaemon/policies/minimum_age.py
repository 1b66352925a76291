"""A cool-down: what is new waits before anybody here can install it."""

from __future__ import annotations

import math

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IFreezingPolicy, IInformedPolicy, IRemarkingPolicy, ITimedPolicy
from pypidaemon.model import File, Knowledge, NormalizedName, Ruling, RulingKind
from pypidaemon.moments import uploaded, written
from pypidaemon.policies.exemptions import Exempt, exemptions, read
from pypidaemon.rulings import Rulings
from pypidaemon.settings import duration, given, setting, show_or_hide

_NOTHING: frozenset[Knowledge] = frozenset()
_PROVENANCE = frozenset({Knowledge.PROVENANCE})
_UNITS = (("d", 86400), ("h", 3600), ("m", 60))


@implementer(ITimedPolicy, IInformedPolicy, IFreezingPolicy, IRemarkingPolicy)
@attrs.frozen
class MinimumAge:
    """
    Shows files only once they have been public for a while, so that what is found to be malware in its first days is never installed here.

    Only what upstream says of upload times counts, never when something was first seen here. What `pypidaemon exempt` names is shown at once, until
    that order ends. A file is hidden by this for at most `age`; older ones always show.
    """

    label: str = given("label")
    rulings: Rulings = given("rulings")
    age: float = setting(duration, help="How old a file must be.")
    exempt: tuple[str, ...] = setting(
        exemptions,
        default=(),
        help="What need not wait: patterns of project names, releases such as `django==5.0.1`, and publishers such as `publisher:github:acme/*`"
        " whose attestations hold.",
    )
    unknown: str = setting(show_or_hide, default="hide", help="What becomes of files whose upload time nobody knows.")
    _exempt: Exempt = attrs.field(init=False, repr=False, eq=False)
    _spelled: str = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_exempt", read(self.exempt))
        object.__setattr__(self, "_spelled", _spelled(self.age))

    @property
    def revision(self) -> str:
        """Changes with every order to exempt something, and with its end by order; its end by time is told by `turns`."""
        return self.rulings.revision(RulingKind.EXEMPT)

    def frozen(self) -> MinimumAge:
        """As `IFreezingPolicy`."""
        return attrs.evolve(self, rulings=self.rulings.frozen())

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file still waits; None shows it."""
        if file is None:
            return None
        since = uploaded(file)
        if self._passes(since, now) or self._ruling(name, file, now) is not None or self._exempt.covers(name, file):
            return None
        if since is None:
            return "its upload time is not known"
        assert file.upload_time is not None  # it was read
        shown = written(math.ceil(since + self.age))
        return f"uploaded {file.upload_time[:19]}Z, less than {self._spelled} ago; shown from {shown} on"

    def turns(self, name: NormalizedName, file: File, now: float) -> float | None:
        """When it is old enough, or when the order that exempts it ends, whichever comes first."""
        since = uploaded(file)
        if self._passes(since, now) or self._exempt.covers(name, file):
            return None
        ruling = self._ruling(name, file, now)
        end = ruling.until if ruling is not None else None
        if since is None:
            return end
        return since + self.age if end is None else min(end, since + self.age)

    def remark(self, name: NormalizedName, file: File, now: float) -> str | None:
        """By which order that file need not wait, where it would have to otherwise."""
        if self._passes(uploaded(file), now):
            return None
        ruling = self._ruling(name, file, now)
        if ruling is None:
            return None
        until = f" until {written(math.ceil(ruling.until))}" if ruling.until is not None else ""
        return f"exempt from waiting{until}: {ruling.reason}"

    def wants(self, name: NormalizedName, file: File, now: float) -> frozenset[Knowledge]:
        """Who attests it, of files that would have to wait otherwise and that have a provenance."""
        if not self._exempt.publishers or file.provenance is None or self._passes(uploaded(file), now):
            return _NOTHING
        spared = self._ruling(name, file, now) is not None or self._exempt.covers(name, file)
        return _NOTHING if spared else _PROVENANCE

    def _passes(self, since: float | None, now: float) -> bool:
        """Whether what was uploaded then need not wait, whatever is exempt."""
        return self.unknown == "show" if since is None else now >= since + self.age

    def _ruling(self, name: NormalizedName, file: File, now: float) -> Ruling | None:
        return self.rulings.on_file(RulingKind.EXEMPT, name, file, now)


def _spelled(seconds: float) -> str:
    """That duration as settings write it."""
    return next((f"{seconds / each:.0f}{unit}" for unit, each in _UNITS if seconds and seconds % each == 0), f"{seconds:g}s")
