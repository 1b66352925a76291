"""How large files are."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting, show_or_hide, size


@implementer(IPolicy)
@attrs.frozen
class Sizes:
    """Shows only files of certain sizes."""

    label: str = given("label")
    at_most: int | None = setting(size, default=None, help="The largest size that is shown.")
    at_least: int | None = setting(size, default=None, help="The smallest size that is shown.")
    unknown: str = setting(show_or_hide, default="show", help="What becomes of files whose sizes are not known: show or hide.")

    def __attrs_post_init__(self) -> None:
        """Refuse what would hide everything."""
        if self.at_most is not None and self.at_least is not None and self.at_most < self.at_least:
            raise ValueError(f"at-most is {self.at_most} and at-least {self.at_least}, so no file could be shown")

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None:
            return None
        if file.size is None:
            return None if self.unknown == "show" else "its size is not known"
        if self.at_most is not None and file.size > self.at_most:
            return f"it has {file.size} bytes, which is more than {self.at_most}"
        if self.at_least is not None and file.size < self.at_least:
            return f"it has {file.size} bytes, which is less than {self.at_least}"
        return None
