"""A moment after which nothing new is shown."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.moments import moment, uploaded, written
from pypidaemon.settings import given, setting, show_or_hide


@implementer(IPolicy)
@attrs.frozen
class Freeze:
    """Shows what was uploaded up to a moment, and nothing that came after it. Only what upstream says of upload times counts."""

    label: str = given("label")
    moment: float = setting(moment, help="The last moment, `2026-03-01` (its first second in UTC) or `2026-03-01T12:30:00Z`.")
    unknown: str = setting(show_or_hide, default="hide", help="What becomes of files whose upload time nobody knows.")

    _written: str = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_written", written(self.moment))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden: it came later, or it is not known when it came; None shows it."""
        if file is None:
            return None
        since = uploaded(file)
        if since is None:
            return "its upload time is not known" if self.unknown == "hide" else None
        if since <= self.moment:
            return None
        return f"uploaded {file.upload_time}, after {self._written}"
