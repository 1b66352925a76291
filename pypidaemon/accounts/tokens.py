"""Tokens: `pypidaemon-<id>-<secret>`, made once, shown once, and kept as a hash of the secret part (S67, S70)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable

import attrs

PREFIX = "pypidaemon"
"""What every token begins with, so that scanners for secrets can know it."""

ID_LENGTH = 12
"""Characters of the public part, which a token is looked up by: 60 random bits."""

SECRET_BYTES = 25
"""Random bytes of the secret part: 200 bits, of which S67 wants 160."""

_TOKEN = re.compile(rf"{PREFIX}-([a-z2-7]{{{ID_LENGTH}}})-([a-z2-7]{{{SECRET_BYTES * 8 // 5}}})")
_ID = re.compile(rf"[a-z2-7]{{{ID_LENGTH}}}")


@attrs.frozen
class Shown:
    """A token in the hands of who shows it; its `repr` has the public part alone (S71)."""

    id: str
    secret: str = attrs.field(repr=False)

    def text(self) -> str:
        """The whole token, to be shown once to whom it is made for."""
        return f"{PREFIX}-{self.id}-{self.secret}"


def make(random: Callable[[int], bytes]) -> Shown:
    """A new token; `random` gives that many bytes which nobody can guess."""
    return Shown(_letters(random(10))[:ID_LENGTH], _letters(random(SECRET_BYTES)))


def parse(text: str) -> Shown | None:
    """The token that this text is, blanks around it aside (R186); None where it is none."""
    match = _TOKEN.fullmatch(text.strip())
    return Shown(match[1], match[2]) if match else None


def token_id(text: str) -> str | None:
    """The id in a token's text, or the id that the text itself is; None where it is neither."""
    token = parse(text)
    if token is not None:
        return token.id
    return text.strip() if _ID.fullmatch(text.strip()) else None


def secret_hash(secret: str) -> str:
    """
    What is kept of a secret part: its sha256, in hexadecimal.

    A slow hash, as passwords need, would protect nothing here: nobody guesses 200 random bits.
    """
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def fits(secret: str, stored: str) -> bool:
    """Whether that secret has this hash, in a time that does not depend on how much of it is right (S67)."""
    return hmac.compare_digest(secret_hash(secret), stored)


def _letters(raw: bytes) -> str:
    """Bytes in lower-case letters and digits: RFC 4648 section 6, five bits in each."""
    return base64.b32encode(raw).decode("ascii").rstrip("=").lower()
