"""Which page for people an address is, below the root and below that of each index; and what went wrong, as a page (S81)."""

from __future__ import annotations

from collections.abc import Awaitable
from urllib.parse import quote

import attrs

from pypidaemon.errors import NoSuchProject, NotAllowed, PypidaemonError, Refused, UpstreamUnavailable
from pypidaemon.interfaces import IAccount
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask
from pypidaemon.web.pages import moved
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown
from pypidaemon.web.views import static
from pypidaemon.web.views.frame import trouble, up, wants_html
from pypidaemon.web.views.markup import Content, tag
from pypidaemon.web.views.project import ProjectPages
from pypidaemon.web.views.search import Search
from pypidaemon.web.views.start import Start
from pypidaemon.web.views.status import StatusPage

_PROGRAMS = frozenset({"simple", "packages", "legacy", "pypi", "integrity", "links", "rss", "last-modified", "local-stats", "RPC2"})
"""What the first segment below a root is where an address is one for programs, which want one plain line."""


@attrs.define
class ViewDesk:
    """The pages, for `Routes`."""

    start: Start
    project: ProjectPages
    search: Search
    status: StatusPage

    def asset(self, ask: Ask) -> Reply | None:
        """A file that pages are made with, which everybody may have; None where something else is asked for."""
        match ask.segments:
            case (static.FOLDER, word, name):
                return static.answer(ask, word, name)
        return None

    async def answer(self, ask: Ask, account: IAccount, shown: Shown, below: tuple[str, ...], root: str, base: str) -> Reply | None:
        """
        The page that these segments behind a root are, if they are one.

        :param root: where that root is below the daemon's own: "" or `index/LABEL/`.
        :param base: the absolute address of it, ending in "/".
        :raises PypidaemonError: as the index.
        """
        match below:
            case ("",) if root or wants_html(ask):
                return await self.start.page(ask, account, shown, root, base)
            case ():
                return moved(ask, f"{quote(ask.segments[-1], safe='')}/")
            case ("search",):
                return moved(ask, "search/")
            case ("search", ""):
                return await self.search.answer(ask, account, shown, root)
            case ("project",):
                return moved(ask, "search/")
            case ("project", ""):
                return moved(ask, "../search/")
            case ("project", *rest):
                return await self.project.page(ask, account, shown, rest, root, base)
        return None

    async def shown(self, ask: Ask, answering: Awaitable[Reply]) -> Reply:
        """
        That answer; where it fails and a person asked, a page that says why, with the same status and headers.

        :raises PypidaemonError: it fails, and whoever asks is a program or wants something for programs.
        """
        try:
            return await answering
        except PypidaemonError as error:
            if not wants_html(ask) or not _is_for_people(ask):
                raise
            plain = failures.answer(error, ask.id, of_file=False)
            heading, help = _said(error, up(ask), _below(ask))
            return trouble(ask, plain, heading, help)


def _below(ask: Ask) -> tuple[str, ...]:
    """The segments behind the root of the index that is asked."""
    return ask.segments[2:] if ask.segments[:1] in {("index",), ("at",)} else ask.segments


def _is_for_people(ask: Ask) -> bool:
    first = next(iter(_below(ask)), "")
    return first == "+why" or (first not in _PROGRAMS and not first.startswith("+"))


def _said(error: PypidaemonError, root: str, below: tuple[str, ...]) -> tuple[str, Content]:
    """The heading, and what may help."""
    name = below[1] if len(below) > 1 else ""
    why = tag("a", "Why?", href=f"{root}+why/{quote(name, safe='')}") if name and below[0] != "+why" else None
    match error:
        case UpstreamUnavailable():
            known = "It was never asked about this here, so nothing is known of it now. What is here goes on being served. "
            return "Not to be had now", (known, tag("a", "Status", href=f"{root}status/"))
        case Refused():
            return "Not shown here", ("A rule of this index hides it. ", why)
        case NotAllowed():
            return "Not for everybody", "Log in with a name and a password or token that may see this."
        case NoSuchProject():
            return "Not here", ("Nothing of that name is here, nor at any upstream that is asked for it. ", why)
    return ("Not found" if failures.answer(error, "", of_file=False).status == 404 else "That did not work"), (
        tag("a", "To the start", href=root),
    )
