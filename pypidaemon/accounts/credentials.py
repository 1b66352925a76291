"""What a client shows to say who it is: an Authorization header, read (R186, R187)."""

from __future__ import annotations

import base64
import binascii
import hmac

import attrs
from twisted.cred.credentials import ICredentials, IUsernamePassword
from zope.interface import Attribute, implementer

from pypidaemon.accounts.tokens import parse
from pypidaemon.settings import Secret

TOKEN_USER = "__token__"  # noqa: S105  # a user name
"""The user name that says: the password is a token (R186)."""

LONGEST = 8192
"""Characters of a header that is read at all."""


class ITokenCredentials(ICredentials):
    """A token as it was shown, well formed or not."""

    token: Secret = Attribute("Its text, in a wrapping that does not show it.")


@implementer(ITokenCredentials)
@attrs.frozen
class TokenCredentials:
    """A token that was shown."""

    token: Secret


@implementer(IUsernamePassword)
@attrs.frozen(repr=False)
class PasswordCredentials:
    """A user name and a password that were shown, both in UTF-8, as cred's checkers take them."""

    username: bytes
    password: bytes

    def checkPassword(self, password: bytes) -> bool:
        """Whether that is the password shown; for checkers that hold passwords themselves."""
        return hmac.compare_digest(self.password, password)

    def __repr__(self) -> str:
        return "PasswordCredentials(...)"


def read(authorization: str) -> TokenCredentials | PasswordCredentials | None:
    """
    The credentials in the value of an Authorization header; None where it holds none of a kind that we know.

    Schemes, in any case (RFC 9110 section 11.1): Basic, split at the first colon, in UTF-8 or else Latin-1; Bearer and token, with a token.
    """
    scheme, _, rest = authorization.strip().partition(" ")
    rest = rest.strip()
    if not rest or len(authorization) > LONGEST:
        return None
    match scheme.lower():
        case "basic":
            return _basic(rest)
        case "bearer" | "token":
            return TokenCredentials(Secret(rest))
    return None


def suspect(credentials: TokenCredentials | PasswordCredentials) -> str:
    """The account that these credentials are about, for counting failures; "" where that cannot be told. Never a secret."""
    if isinstance(credentials, TokenCredentials):
        token = parse(credentials.token.reveal())
        return f"token:{token.id}" if token else ""
    return f"user:{credentials.username[:128].decode('utf-8', 'replace')}"


def _basic(raw: str) -> TokenCredentials | PasswordCredentials | None:
    try:
        decoded = base64.b64decode(raw.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    try:
        # uv sends UTF-8, requests and with it pip and twine Latin-1. What is valid UTF-8 was hardly meant otherwise.
        text = decoded.decode("utf-8")
    except UnicodeDecodeError:
        text = decoded.decode("latin-1")
    user, colon, password = text.partition(":")
    if not colon:
        return None
    if user.strip() == TOKEN_USER:
        return TokenCredentials(Secret(password.strip()))
    return PasswordCredentials(user.encode("utf-8"), password.encode("utf-8"))
