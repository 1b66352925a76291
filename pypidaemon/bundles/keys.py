"""Keys of one's own that bundles are signed with: Ed25519 (RFC 8032), a private one in a file and a public one in a line."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Sequence
from pathlib import Path

import attrs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from pypidaemon.errors import PypidaemonError

KIND = "ed25519:"
CONTEXT = b"pypidaemon bundle 1\0"
"""Stands before what is signed, so that no signature of anything else is one of a bundle."""
_LARGEST = 16384


def public_key(text: str) -> str:
    """
    A public key as it is written, `ed25519:` and 32 bytes in base64.

    :raises ValueError: it is none.
    """
    spelled = text.strip()
    try:
        data = base64.b64decode(spelled.removeprefix(KIND), validate=True)
    except binascii.Error:
        data = b""
    if not spelled.startswith(KIND) or len(data) != 32:
        raise ValueError(f"{spelled[:80]!r} is no public key: it is written {KIND} and 44 letters, as `pypidaemon bundle key` prints it")
    return KIND + base64.b64encode(data).decode()


def public_keys(raw: str) -> tuple[str, ...]:
    """Several of them, separated by white space."""
    return tuple(map(public_key, raw.split()))


@attrs.frozen
class Signer:
    """A private key. Its public one is written `public`."""

    _key: Ed25519PrivateKey = attrs.field(repr=False)

    @classmethod
    def made(cls, path: Path) -> Signer:
        """
        Make a new one, in a file that only its owner can read.

        :raises PypidaemonError: there is a file already, or it cannot be written.
        """
        key = Ed25519PrivateKey.generate()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
                file.flush()
                os.fsync(descriptor)
        except OSError as error:
            raise PypidaemonError(f"the key cannot be written to {path}: {os.strerror(error.errno or 0)}") from error
        return cls(key)

    @classmethod
    def read(cls, path: Path) -> Signer:
        """
        Read one that was made so, or by any program that writes PKCS #8.

        :raises PypidaemonError: it cannot be read, or is another kind of key.
        """
        try:
            with path.open("rb") as file:
                key = load_pem_private_key(file.read(_LARGEST), None)
        except OSError as error:
            raise PypidaemonError(f"the key {path} cannot be read: {os.strerror(error.errno or 0)}") from error
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise PypidaemonError(f"{path} is no private key without a password: `pypidaemon bundle key FILE` makes one") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise PypidaemonError(f"{path} is a key of another kind than Ed25519: `pypidaemon bundle key FILE` makes one")
        return cls(key)

    @property
    def public(self) -> str:
        """The public key, as it is written."""
        return KIND + base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def sign(self, data: bytes) -> bytes:
        """The signature of that."""
        return self._key.sign(CONTEXT + data)


@attrs.frozen
class Trust:
    """
    Whose bundles are taken.

    :param keys: the public keys that are trusted.
    :param unsigned: whether those are taken that nobody trusted has signed.
    """

    keys: Sequence[str] = ()
    unsigned: bool = True

    def check(self, data: bytes, key: str | None, signature: bytes) -> str | None:
        """
        The trusted key that signed this; None where none did and that is allowed.

        :param key: who says to have signed it, None where nobody does.
        :raises PypidaemonError: it must not be taken.
        """
        if key is not None and not _holds(key, signature, data):
            raise PypidaemonError("the bundle is damaged or was altered: its signature does not hold")
        if key is not None and key in self.keys:
            return key
        if not self.unsigned:
            who = "is not signed" if key is None else f"is signed by {key}, whom nobody trusts"
            raise PypidaemonError(f"the bundle {who} ([daemon] bundle-keys, or --key)")
        return None


def _holds(key: str, signature: bytes, data: bytes) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key(key).removeprefix(KIND)))
        public.verify(signature, CONTEXT + data)
    except (ValueError, InvalidSignature):
        return False
    return True
