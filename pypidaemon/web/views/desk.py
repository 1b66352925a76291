"""
Which page for people an address is, below the root and below that of each index; and what went wrong, as a page (S81).

Who makes this desk finds all its parts here, since none of them is loaded before.
"""

from __future__ import annotations

from urllib.parse import quote

import attrs

from pypidaemon.errors import NoSuchProject, NotAllowed, PypidaemonError, Refused, UpstreamUnavailable
from pypidaemon.interfaces import IAccount
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask
from pypidaemon.web.pages import moved
from pypidaemon.web.readers import below_root, up
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown
from pypidaemon.web.views import static
from pypidaemon.web.views.frame import trouble
from pypidaemon.web.views.markup import Content, tag
from pypidaemon.web.views.project import ProjectPages as ProjectPages
from pypidaemon.web.views.search import Search as Search
from pypidaemon.web.views.start import Start as Start
from pypidaemon.web.views.status import StatusPage as StatusPage
from pypidaemon.web.views.uploads import Newest as Newest


@attrs.define
class ViewDesk:
    """The pages, for `Browsing`."""

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
            case ("",):
                return await self.start.page(ask, account, shown, root, base)
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

    def trouble(self, ask: Ask, error: PypidaemonError) -> Reply:
        """A page that says what went wrong, with the status and headers that a program would get."""
        heading, help = _said(error, up(ask), below_root(ask))
        return trouble(ask, failures.answer(error, ask.id, of_file=False), heading, help)


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
