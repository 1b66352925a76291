"""What its publishers took back."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.globs import Globs, globs
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting

_LONGEST = 200
"""Characters of a publisher's reason that are repeated."""


@implementer(IPolicy)
@attrs.frozen
class Yanked:
    """Hides yanked files (PEP 592), also from who asks for exactly these."""

    label: str = given("label")
    exempt: tuple[str, ...] = setting(globs, default=(), help="Patterns of the projects whose yanked files are shown.")
    _exempt: Globs = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns, once."""
        object.__setattr__(self, "_exempt", Globs(self.exempt))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it. No project is refused as a whole."""
        if file is None or file.yanked is None or self._exempt.first(name) is not None:
            return None
        reason = " ".join(file.yanked.split())[:_LONGEST].rstrip()
        return f"it is yanked: {reason}" if reason else "it is yanked"
