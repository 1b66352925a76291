"""How old files may become."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import ITimedPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.moments import uploaded, written
from pypidaemon.settings import duration, given, setting, show_or_hide


@implementer(ITimedPolicy)
@attrs.frozen
class MaximumAge:
    """Hides what was uploaded longer ago than a certain time, by the upload times that the index states (PEP 700)."""

    label: str = given("label")
    age: float = setting(duration, help="How long after its upload a file is shown.")
    unknown: str = setting(show_or_hide, default="show", help="What becomes of files whose upload times are not known: show or hide.")

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        since = uploaded(file)
        if since is None:
            return None if self.unknown == "show" else "its upload time is not known"
        ends = since + self.age
        return None if now < ends else f"uploaded {written(since)}, and shown until {written(ends)} only"

    def turns(self, name: NormalizedName, file: File, now: float) -> float | None:
        """When that file becomes too old; None where it is already, or never will."""
        since = uploaded(file)
        ends = None if since is None else since + self.age
        return ends if ends is not None and now < ends else None
