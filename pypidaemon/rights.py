"""
What an account may do: a pure reckoning over grants, ownership and the limits of a token (design, section 10).

Nothing is allowed that no grant, or ownership, allows. What there is to know comes in; nothing is asked here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

import attrs
from zope.interface import implementer

from pypidaemon.globs import matches_any
from pypidaemon.interfaces import IAccount
from pypidaemon.model import ACTIONS, Grant, NormalizedName

ANONYMOUS = "anonymous"
"""Who shows no credentials; as the subject of a grant, everybody."""

AUTHENTICATED = "authenticated"
"""As the subject of a grant, everybody who showed credentials that hold."""

GROUP = "group:"
"""Begins the subject of a grant to a group."""

EVERY = "*"
"""Every index, or every project."""

PUBLIC = "public"
"""The scope of all accounts that see what anonymous sees."""

SCOPES: Mapping[str, frozenset[str]] = {
    "": frozenset(ACTIONS),
    "read": frozenset({"list", "read"}),
    "upload": frozenset({"list", "read", "upload", "create"}),
}
"""The scopes of tokens, and the most that one of each scope can do."""

OWNED = frozenset({"upload", "create", "delete"})
"""What ownership of a project gives in it: to upload, and to yank, hide and delete."""

_IMPLIES: Mapping[str, frozenset[str]] = {
    # Whoever may upload to every project, new or old, may begin a new one.
    "upload": frozenset({"upload", "create"}),
    "admin": frozenset(ACTIONS),
}
_SEEING = ("list", "read")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._@+-]{0,62}[A-Za-z0-9_])?")


def account_name(raw: str) -> str:
    """
    A name that a user or a group can have: 1 to 64 ASCII letters, digits and `. _ @ + -`, beginning and ending with a letter or digit.

    No colon, at which Basic credentials are split (R187) and which marks groups, and none of the words that mean many accounts.

    :raises ValueError: it is not one.
    """
    if not _NAME.fullmatch(raw):
        raise ValueError("a name has 1 to 64 letters, digits and . _ @ + - between letters or digits")
    if raw.lower() in (ANONYMOUS, AUTHENTICATED):
        raise ValueError(f"the name {raw} is taken: it means many accounts")
    return raw


@attrs.frozen
class Rights:
    """
    What one account may, as of now.

    :param grants: all there are, or at least all those to this account, its groups, `anonymous` and `authenticated`.
    :param owned: the (label, project) pairs that the account owns.
    :param token_scope: "read" or "upload" where a token limits the account, else "" (see `SCOPES`; an unknown one allows nothing).
    :param token_projects: the pattern of the projects that a token is for, else `*`.
    :param disabled: an account that may nothing at all, not even what anonymous may.
    """

    name: str = ANONYMOUS
    authenticated: bool = False
    groups: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    owned: frozenset[tuple[str, NormalizedName]] = frozenset()
    token_scope: str = ""
    token_projects: str = EVERY
    disabled: bool = False
    _patterns: Mapping[tuple[str, str], tuple[str, ...]] = attrs.field(init=False, repr=False, eq=False)
    _public: Mapping[tuple[str, str], tuple[str, ...]] = attrs.field(init=False, repr=False, eq=False)
    _open: frozenset[tuple[str, str]] = attrs.field(init=False, repr=False, eq=False)
    """The actions, by index, that everybody may in every project."""
    scope: str = attrs.field(init=False, eq=False)
    """
    `PUBLIC`, or an opaque word: accounts of equal scopes see the same projects of the same indexes.

    Two accounts whose grants say the same in different patterns may have different scopes. A change of grants does not change what `PUBLIC` is called, so
    whoever keeps answers by scope lets them go when rights change.
    """
    sight: str = attrs.field(init=False, eq=False)
    """As `scope`, but what `PUBLIC` stands for has another word after each change of it."""

    def __attrs_post_init__(self) -> None:
        """Sort the grants once, so that a question is a look-up."""
        object.__setattr__(self, "_patterns", self._table(self._subjects()))
        object.__setattr__(self, "_public", self._table(frozenset({ANONYMOUS})))
        opened = frozenset(key for key, patterns in self._public.items() if key[0] in _SEEING and EVERY in patterns)
        object.__setattr__(self, "_open", opened)
        seen = self._sight()
        object.__setattr__(self, "sight", "s" + hashlib.sha256(repr(seen).encode()).hexdigest()[:24])
        object.__setattr__(self, "scope", PUBLIC if seen == _seen(self._public) else self.sight)

    def may(self, action: str, index_label: str, project: NormalizedName | None) -> bool:
        """
        Whether that action is allowed in that project of that index.

        With `project` None the question is whether it may be so for any project, so that a request can be refused before its body is read; a no is
        certain, and a yes has to be asked again with the project. `index_label` `*` asks about all indexes at once.
        """
        if self.disabled or self.token_scope not in SCOPES:
            return False
        if (action, index_label) in self._open or (action, EVERY) in self._open:
            # Asked for each of many thousand projects where they are listed.
            return True
        if action in _SEEING and self._everybody_may(action, index_label, project):
            return True
        if action not in SCOPES[self.token_scope]:
            return False
        patterns = _patterns_of(self._patterns, action, index_label)
        if project is None:
            return any(self._overlap(pattern) for pattern in patterns) or (
                action in OWNED and any(label == index_label and self._within(name) for label, name in self.owned)
            )
        if not self._within(project):
            return False
        if action in OWNED and (index_label, project) in self.owned:
            return True
        return _matches(project, patterns)

    def limit(self, action: str, index_label: str, project: NormalizedName | None) -> str:
        """
        What of a token is in the way of that action, for a person; "" where nothing is, whether or not the account itself may.

        It says nothing of what the account may besides: who holds the token need not know.
        """
        if self.token_scope and action not in SCOPES.get(self.token_scope, ()):
            return f"this token is of scope {self.token_scope}"
        # Whether any project of an index is in reach depends on the grants as well, so of an index the pattern is to blame where these have some.
        outside = not self._within(project) if project is not None else self._kept_out(action, index_label)
        return f"this token is for {self.token_projects} only" if outside else ""

    def _everybody_may(self, action: str, index_label: str, project: NormalizedName | None) -> bool:
        """What everybody sees, whoever shows a token sees too, since one need only not show it; so a job's token does for what it builds on."""
        patterns = _patterns_of(self._public, action, index_label)
        return bool(patterns) if project is None else _matches(project, patterns)

    def _kept_out(self, action: str, index_label: str) -> bool:
        return (
            self.token_projects != EVERY
            and not self.may(action, index_label, None)
            and attrs.evolve(self, token_projects=EVERY).may(action, index_label, None)
        )

    def _subjects(self) -> frozenset[str]:
        if not self.authenticated:
            return frozenset({ANONYMOUS})
        return frozenset({ANONYMOUS, AUTHENTICATED, self.name, *(GROUP + group for group in self.groups)})

    def _table(self, subjects: frozenset[str]) -> dict[tuple[str, str], tuple[str, ...]]:
        found: dict[tuple[str, str], dict[str, None]] = {}
        for grant in self.grants:
            if grant.subject in subjects:
                for action in _IMPLIES.get(grant.right, frozenset({grant.right})):
                    found.setdefault((action, grant.index), {})[grant.projects] = None
        return {key: tuple(patterns) for key, patterns in found.items()}

    def _within(self, project: NormalizedName) -> bool:
        """Whether the token's pattern, if there is a token, lets it act in that project."""
        return self.token_projects == EVERY or matches_any(project, (self.token_projects,)) is not None

    def _overlap(self, pattern: str) -> bool:
        """Whether a project can match that pattern and the token's; certain where either is a plain name."""
        if EVERY in (pattern, self.token_projects):
            return True
        for plain, other in ((pattern, self.token_projects), (self.token_projects, pattern)):
            if not set(plain) & set("*?["):
                return matches_any(NormalizedName(plain), (other,)) is not None
        return True

    def _sight(self) -> list[tuple[str, ...]] | None:
        """All by which it sees anything, in a fixed order; None where it may nothing at all, which is less than seeing nothing."""
        if self.disabled or self.token_scope not in SCOPES:
            return None
        public = _seen(self._public)
        seen = _seen(self._patterns)
        if self.token_projects != EVERY:
            own = [one for one in seen if one not in public]
            seen = [*public, *own, ("token", self.token_projects)] if own else public
        return seen


@implementer(IAccount)
@attrs.frozen
class Account:
    """
    An account that acts: its rights by the interface that everybody behind the door asks.

    :param until: when its token ends, in seconds since the epoch; None where nothing of it does.
    """

    rights: Rights
    until: float | None = None

    @property
    def name(self) -> str:
        """Its name; `anonymous` for nobody in particular."""
        return self.rights.name

    @property
    def authenticated(self) -> bool:
        """Whether credentials were shown and hold."""
        return self.rights.authenticated

    @property
    def scope(self) -> str:
        """See `Rights.scope`."""
        return self.rights.scope

    @property
    def sight(self) -> str:
        """See `Rights.sight`."""
        return self.rights.sight

    def may(self, action: str, index_label: str, project: NormalizedName | None) -> bool:
        """See `Rights.may`."""
        return self.rights.may(action, index_label, project)

    def limit(self, action: str, index_label: str, project: NormalizedName | None) -> str:
        """See `Rights.limit`."""
        return self.rights.limit(action, index_label, project)


def _patterns_of(table: Mapping[tuple[str, str], tuple[str, ...]], action: str, index_label: str) -> tuple[str, ...]:
    return (*table.get((action, index_label), ()), *table.get((action, EVERY), ()))


def _matches(project: NormalizedName, patterns: tuple[str, ...]) -> bool:
    return EVERY in patterns or (bool(patterns) and matches_any(project, patterns) is not None)


def _seen(patterns: Mapping[tuple[str, str], Iterable[str]]) -> list[tuple[str, ...]]:
    """The grants by which one sees anything, without those that a wider one covers, in a fixed order."""
    every = {(action, index, pattern) for (action, index), found in patterns.items() if action in _SEEING for pattern in found}
    return sorted(
        one
        for one in every
        if not any(other != one and other[0] == one[0] and other[1] in (one[1], EVERY) and other[2] in (one[2], EVERY) for other in every)
    )
