"""What projects are called."""

from __future__ import annotations

import attrs
from zope.interface import implementer

from pypidaemon.globs import globs, matches_any
from pypidaemon.interfaces import IPolicy
from pypidaemon.model import File, NormalizedName
from pypidaemon.settings import given, setting


@implementer(IPolicy)
@attrs.frozen
class Names:
    """Shows only projects with certain names. A denied name is refused even if it is also allowed."""

    label: str = given("label")
    allow: tuple[str, ...] = setting(globs, default=(), help="Patterns of the names to show; without any, all are shown.")
    deny: tuple[str, ...] = setting(globs, default=(), help="Patterns of the names to hide.")

    def __attrs_post_init__(self) -> None:
        """Refuse bad patterns now, not at the first request."""
        matches_any(NormalizedName("any"), self.allow + self.deny)

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that project, and with it each of its files, is hidden; None shows it."""
        denied = matches_any(name, self.deny)
        if denied is not None:
            return f"the name matches the denied pattern {denied}"
        if self.allow and matches_any(name, self.allow) is None:
            return "the name matches none of the allowed patterns"
        return None
