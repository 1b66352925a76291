"""How much of the disk each kind of thing may take, as the configuration says it."""

from __future__ import annotations

import pytest

from pypidaemon.budget import PRIVATE, PROXIED, ROLES, budget, share


def test_sizes_by_role() -> None:
    shares = budget(" proxied=20GiB\n pages=1MiB mirrored=3TiB private=50MB ")
    assert [share(shares, role) for role in ROLES] == [20 << 30, 1 << 20, 3 << 40, 50_000_000]
    assert share(budget("proxied=20GiB"), PRIVATE) is None
    assert share((), PROXIED) is None
    # As it is shown it reads back the same.
    assert budget(" ".join(map(str, shares))) == shares


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("20GiB", "known roles: proxied pages mirrored private"),
        ("proxied 20GiB", "known roles: proxied"),
        ("pinned=1GiB", "known roles: proxied"),
        ("proxied=much", "much"),
        ("proxied=1GiB proxied=2GiB", "twice"),
        ("", "empty"),
    ],
)
def test_what_is_no_budget_is_refused_with_what_would_be_one(raw: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        budget(raw)
