"""How much of the disk each kind of thing may take: `proxied=20GiB`, one or more, separated by white space."""

from __future__ import annotations

import attrs

from pypidaemon.settings import size, words

PROXIED = "proxied"
"""Files that were fetched because somebody asked for them, and can be fetched again: over the budget, what was used longest ago is evicted."""

PAGES = "pages"
"""What upstreams said of projects that nobody has taken a file of: over the budget, what was confirmed longest ago is forgotten."""

MIRRORED = "mirrored"
"""What mirrors took, and what was fetched ahead for proxies. It is never evicted: over the budget a run stops."""

PRIVATE = "private"
"""What was uploaded here. It is never evicted: over the budget uploads are refused."""

ROLES = (PROXIED, PAGES, MIRRORED, PRIVATE)
"""The kinds there can be a budget for."""

MOST_PAGES = 1 << 30
"""Bytes of pages where nothing is said: those of some hundred thousand projects."""


@attrs.frozen
class Share:
    """What one kind may take, in bytes."""

    role: str
    size: int
    spelled: str = attrs.field(eq=False)

    def __str__(self) -> str:
        return self.spelled


def budget(raw: str) -> tuple[Share, ...]:
    """Sizes by role, such as `proxied=20GiB`."""
    shares: dict[str, Share] = {}
    for word in words(raw):
        role, equals, amount = word.partition("=")
        if not equals or role not in ROLES:
            raise ValueError(f"{word!r} is not a size of a role, such as {PROXIED}=20GiB (known roles: {' '.join(ROLES)})")
        if role in shares:
            raise ValueError(f"{role} is given twice")
        shares[role] = Share(role, size(amount), word)
    if not shares:
        raise ValueError("must not be empty; leave the key out instead")
    return tuple(shares.values())


def share(shares: tuple[Share, ...], role: str) -> int | None:
    """What that role may take; None where nothing is said."""
    return next((one.size for one in shares if one.role == role), None)
