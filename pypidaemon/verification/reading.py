"""Reading blobs through: whether their bytes are still the ones that their names promise (F62)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Collection, Mapping

import attrs

from pypidaemon.errors import NoSuchBlob, PypidaemonError
from pypidaemon.interfaces import IBlobStore, IContent
from pypidaemon.model import Digest, InThread
from pypidaemon.verification.pace import Pace

PIECE = 1 << 20
"""Bytes that are read at once."""


@attrs.frozen
class Damage:
    """
    A blob whose bytes are others.

    :param store: the label of the store.
    :param size: how many there are; None where they cannot be read.
    :param content: the open blob, which tells it from one that is put in its place meanwhile; None where it cannot be opened. Whoever gets this closes it.
    """

    store: str
    digest: Digest
    size: int | None
    detail: str
    content: IContent | None = None


@attrs.define
class Reading:
    """
    Reads blobs, one after the other.

    :param pace: counts bytes.
    """

    stores: Mapping[str, IBlobStore]
    cpu: InThread
    pace: Pace
    blobs: int = attrs.field(init=False, default=0)
    """How many were read."""
    bytes: int = attrs.field(init=False, default=0)

    async def damaged(self, only: Collection[Digest] | None) -> AsyncIterator[Damage]:
        """Those that are damaged, of all blobs or of these alone. What goes away meanwhile is none."""
        for label, store in self.stores.items():
            if only is not None:
                for digest in only:
                    if (damage := await self._looked_at(label, store, digest)) is not None:
                        yield damage
                continue
            async for digest in store.digests():
                if (damage := await self._looked_at(label, store, digest)) is not None:
                    yield damage

    async def _looked_at(self, label: str, store: IBlobStore, digest: Digest) -> Damage | None:
        try:
            content = await store.open(digest)
        except NoSuchBlob:
            return None
        except OSError as error:
            return Damage(label, digest, None, _unreadable(error))
        damage = None
        try:
            damage = await self._read(label, content, digest)
        finally:
            if damage is None:
                content.close()
        return damage

    async def _read(self, label: str, content: IContent, digest: Digest) -> Damage | None:
        made, offset = hashlib.sha256(), 0
        self.blobs += 1
        try:
            while piece := await content.read(offset, PIECE):
                await self.cpu(made.update, piece)
                offset += len(piece)
                self.bytes += len(piece)
                await self.pace.spend(len(piece))
        except OSError as error:
            return Damage(label, digest, None, _unreadable(error), content)
        except PypidaemonError as error:
            return Damage(label, digest, None, str(error), content)
        return None if made.hexdigest() == digest else Damage(label, digest, offset, "", content)


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {os.strerror(error.errno or 0)}"
