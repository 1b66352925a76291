"""Who is that? Asked of any `twisted.cred` plugin, while rights and tokens stay in the records."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.strcred import InvalidAuthArgumentString, InvalidAuthType, makeChecker
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import Interface, implementer

from pypidaemon.settings import given, setting


@attrs.frozen(repr=False)
class Described:
    """A checker made from its description; as text it is the description's first word alone, since the rest may be a secret (S71)."""

    kind: str
    checker: Any

    def __str__(self) -> str:
        return f"{self.kind}:..."

    def __repr__(self) -> str:
        return f"Described({self})"


def checker(raw: str) -> Described:
    """
    A checker as `twisted.cred.strcred` describes them: `file:/path/of/passwords`, `unix`, or what plugins offer.

    :raises ValueError: there is no such plugin, it makes nothing of the rest, or its checker knows no user names with passwords.
    """
    kind, _, rest = raw.strip().partition(":")
    if kind == "memory":
        raise ValueError("memory: would have passwords stand in the configuration; use file:PATH or local accounts")
    if kind == "file" and not os.path.isabs(rest):
        raise ValueError("file: wants an absolute path, such as file:%(here)s/passwords")
    if kind == "file" and not os.path.isfile(rest):
        raise ValueError("there is no such file of passwords")
    try:
        made = makeChecker(raw.strip())
    except InvalidAuthType:
        raise ValueError(f"there is no cred plugin {kind!r}") from None
    except (InvalidAuthArgumentString, OSError, ValueError, TypeError, LookupError) as error:
        # The plugin's own words could repeat what it was given.
        raise ValueError(f"the cred plugin {kind!r} makes nothing of its arguments ({type(error).__name__})") from None
    if not any(IUsernamePassword.isOrExtends(known) for known in made.credentialInterfaces):
        raise ValueError(f"the cred plugin {kind!r} knows no user names with passwords")
    return Described(kind, made)


@implementer(ICredentialsChecker)
@attrs.define(eq=False)
class PluginAccounts:
    """
    Asks a cred plugin who shows a user name and a password.

    It knows no tokens: the doorkeeper looks those up in the records itself.
    """

    credentialInterfaces: ClassVar[tuple[type[Interface], ...]] = (IUsernamePassword,)

    label: str = given("label")
    checker: Described = setting(checker, help="the cred plugin and its arguments, such as file:/etc/pypidaemon/passwords")

    def requestAvatarId(self, credentials: IUsernamePassword) -> Deferred[bytes | tuple[()]]:
        """
        The plugin's answer: the user's name, later.

        :raises UnauthorizedLogin: it does not know those credentials.
        """
        return maybeDeferred(self.checker.checker.requestAvatarId, credentials)
