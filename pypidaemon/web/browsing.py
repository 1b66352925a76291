"""
The way to the pages for people. What makes them is loaded with the first page and not before: many a daemon answers installers alone, and what they
never use would be in memory for months.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import attrs

from pypidaemon.errors import PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount
from pypidaemon.model import InThread
from pypidaemon.web.ask import Ask
from pypidaemon.web.pages import moved
from pypidaemon.web.readers import is_for_people, wants_html
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown

if TYPE_CHECKING:
    from pypidaemon.web.views.desk import ViewDesk

STATIC = "+static"
"""The folder of what pages are made with."""


@attrs.define(eq=False)
class Browsing:
    """
    Answers for people, once somebody wants that.

    :param make: makes what answers; what that imports may be loaded by then.
    """

    make: Callable[[], ViewDesk]
    cpu: InThread
    _desk: ViewDesk | None = attrs.field(init=False, default=None)
    _over: bool = attrs.field(init=False, default=False)

    @property
    def desk(self) -> ViewDesk:
        """What answers. Loading it takes time: `loaded` has that done on a thread."""
        if self._desk is None:
            self._desk = self.make()
            if self._over:
                self._desk.status.events.end()
        return self._desk

    @property
    def flights(self) -> tuple[Flights[Any, Any], ...]:
        """What is under way for it."""
        return () if self._desk is None else self._desk.status.flights

    def rights_changed(self) -> None:
        """Somebody may see other things than before."""
        if self._desk is not None:
            self._desk.start.newest.overtaken(None)
            self._desk.status.events.hang_up()

    def end(self) -> None:
        """Tell no more news to pages that are open: another daemon takes this one's place, or none does."""
        self._over = True
        if self._desk is not None:
            self._desk.status.events.end()

    async def loaded(self) -> ViewDesk:
        """What answers, once it is there."""
        if self._desk is None:
            await self.cpu(self.load)
        return self.desk

    def load(self) -> None:
        """
        Have everything in memory that pages want.

        :raises ImportError: something of it is missing.
        """
        import pypidaemon.web.views.desk  # noqa: F401  # that is all

    async def asset(self, ask: Ask) -> Reply | None:
        """
        A file that pages are made with, which everybody may have; None where something else is asked for.

        :raises NoSuchFile: there is none of that name.
        """
        return (await self.loaded()).asset(ask) if ask.segments[:1] == (STATIC,) else None

    async def status(self, ask: Ask, account: IAccount) -> Reply:
        """
        The status page.

        :raises NotAllowed: as `StatusPage`.
        """
        return await (await self.loaded()).status.page(ask, account)

    async def news(self, ask: Ask, account: IAccount) -> Reply:
        """What changes of it, as it changes."""
        return (await self.loaded()).status.stream(ask, account)

    async def answer(self, ask: Ask, account: IAccount, shown: Shown, below: tuple[str, ...], root: str, base: str) -> Reply | None:
        """
        The page that these segments behind a root are, if they are one; as `ViewDesk.answer`.

        :raises PypidaemonError: as the index.
        """
        match below:
            case ():
                return moved(ask, f"{quote(ask.segments[-1], safe='')}/")
            case ("search" | "project", *_):
                return await (await self.loaded()).answer(ask, account, shown, below, root, base)
            case ("",) if root or wants_html(ask):
                return await (await self.loaded()).answer(ask, account, shown, below, root, base)
        return None

    async def shown(self, ask: Ask, answering: Awaitable[Reply]) -> Reply:
        """
        That answer; where it fails and a person asked, a page that says why, with the same status and headers.

        :raises PypidaemonError: it fails, and whoever asks is a program or wants something for programs.
        """
        try:
            return await answering
        except PypidaemonError as error:
            if not wants_html(ask) or not is_for_people(ask):
                raise
            return (await self.loaded()).trouble(ask, error)
