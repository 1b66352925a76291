"""Who there is, what they may, and what they did."""

from __future__ import annotations

import attrs

ACTIONS = ("list", "read", "upload", "create", "overwrite", "delete", "admin")
"""Every right there is (design §10). `admin` includes all others."""


@attrs.frozen
class Grant:
    """
    One right given.

    `subject` is an account's name, `group:NAME`, `anonymous` (everybody) or `authenticated` (everybody who logged in). `index` is an index's
    label or `*`; `projects` a glob on normalised names, `*` for all.
    """

    subject: str
    right: str
    index: str
    projects: str = "*"


@attrs.frozen
class User:
    """An account as it is stored: the hash of its password, never the password; "" where it has none and uses tokens alone."""

    name: str
    password_hash: str = ""
    disabled: bool = False


@attrs.frozen
class Token:
    """
    A token as it is stored: the sha256 of its secret part, never the secret.

    `scope` is "read", "upload" or "" (whatever the account may). `expires` and `last_used` are seconds since the epoch; None is never.
    """

    id: str
    account: str
    secret_hash: str
    scope: str = ""
    projects: str = "*"
    created: float = 0.0
    expires: float | None = None
    last_used: float | None = None


@attrs.frozen
class Deed:
    """One row of the audit log: who did what to what, when, from where, and how it ended (S78). Never a secret."""

    time: float
    account: str
    address: str
    action: str
    subject: str
    """What it was done to: `INDEX/PROJECT==VERSION`, a file name, a user, a grant."""
    detail: str = ""
    """A digest, a reason, or what was refused."""
    done: bool = True
