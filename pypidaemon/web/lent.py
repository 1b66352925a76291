"""Contents that stay open while others read them: what is given out again and again is opened once."""

from __future__ import annotations

from zope.interface import implementer

from pypidaemon.interfaces import IContent, ISendable


class Open:
    """A content that is lent to readers, and closed once nobody keeps it and the last of them has given it back."""

    def __init__(self, content: IContent) -> None:
        self.content = content
        self._kept = True
        self._lent = 0

    def lend(self) -> IContent:
        """It, for one who closes what he is given; while it is kept."""
        self._lent += 1
        return (LentFile if ISendable.providedBy(self.content) else Lent)(self)

    def end(self) -> None:
        """Keep it no longer."""
        self._kept = False
        self._close()

    def back(self) -> None:
        """One of the readers is done."""
        self._lent -= 1
        self._close()

    def _close(self) -> None:
        if not self._kept and not self._lent:
            self.content.close()


@implementer(IContent)
class Lent:
    """What one reader is given."""

    def __init__(self, open: Open) -> None:
        self._open: Open | None = open
        self._content = open.content
        self.size, self.digest = self._content.size, self._content.digest

    async def read(self, offset: int, limit: int) -> bytes:
        """As `IContent.read`."""
        return await self._content.read(offset, limit)

    def close(self) -> None:
        """As `IContent.close`."""
        open, self._open = self._open, None
        if open is not None:
            open.back()


@implementer(ISendable)
class LentFile(Lent):
    """The same of a content whose bytes lie in a file."""

    def descriptor(self) -> int | None:
        """As `ISendable.descriptor`; None once it is given back."""
        return ISendable(self._content).descriptor() if self._open is not None else None

    async def reach(self, offset: int) -> int:
        """As `ISendable.reach`."""
        return await ISendable(self._content).reach(offset)
