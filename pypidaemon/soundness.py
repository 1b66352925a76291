"""Whether what a store holds is what somebody wants: a page may promise another size than a blob has, and then one of the two is wrong (F62)."""

from __future__ import annotations

import attrs
from twisted.logger import Logger

from pypidaemon.errors import NoSuchBlob
from pypidaemon.interfaces import IBlobStore, IContent
from pypidaemon.model import Digest
from pypidaemon.transfers import Want, agree, hashed

_REMEMBERED = 1000

log = Logger()


@attrs.define(eq=False)
class Held:
    """What stores hold of what is wanted."""

    _sound: set[tuple[Digest, int | None]] = attrs.field(init=False, factory=set, repr=False)
    """Blobs found good although a page promised another size, so that such a page costs their reading once."""

    async def open(self, blobs: IBlobStore, want: Want) -> IContent | None:
        """
        The blob, if that store holds it and it is as long as promised.

        One of another length is a file that the disk has cut, or the page is wrong (F62). The blob may be somebody else's only copy, so its
        own bytes decide, not the page: damaged, it is set aside and fetched again.

        :raises CorruptContent: the blob is sound, so the promise is not.
        """
        if want.digest is None or want.absent:
            return None
        try:
            content = await blobs.open(want.digest)
        except NoSuchBlob:
            return None
        try:
            if want.size in (None, content.size):
                want.bound(content.size or 0)
                return content
            known = (want.digest, content.size)
            if known in self._sound or await hashed(content) == want.digest:
                self._sound.add(known)
                if len(self._sound) > _REMEMBERED:
                    self._sound.clear()
                agree(want.size, content.size)
        except BaseException:
            content.close()
            raise
        content.close()
        log.warn("the blob {digest} is damaged: it has {size} bytes of {promised}; it is fetched again",
                 digest=want.digest, size=content.size, promised=want.size)  # fmt: skip
        await blobs.remove(want.digest)
        return None
