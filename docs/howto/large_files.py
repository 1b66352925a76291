# ruff: noqa: INP001
"""A policy on the size of files."""

import attrs
from zope.interface import implementer

from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting, size


@implementer(IPolicy)
@attrs.frozen
class LargerThan:
    """Hides files above a size."""

    label: str = given("label")
    limit: int = setting(size, help="the largest size that is shown")

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. Without a file the question is about the project as a whole."""
        large = file is not None and file.size is not None and file.size > self.limit
        return f"it has more than {self.limit} bytes" if large else None
