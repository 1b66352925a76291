"""Project pages, `/project/NAME/` and `/project/NAME/VERSION/`: gathered, rendered off the reactor's thread, and kept (P9, law 11)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.inspection.readmes import AS_IT_IS, Readmes
from pypidaemon.interfaces import IAccount, IDependent, IIndex
from pypidaemon.leaves import leaves
from pypidaemon.model import Digest, File, InThread, NormalizedName, ProjectPage
from pypidaemon.rights import PUBLIC
from pypidaemon.simple.core_metadata import LONGEST_DESCRIPTION
from pypidaemon.versions import LONGEST_VERSION, same_version
from pypidaemon.waits import TookTooLong, within
from pypidaemon.web.answers import Answer, AnswerKey, Answers, Making, State
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import is_known
from pypidaemon.web.gate import Gate, may_read
from pypidaemon.web.hearing import heard
from pypidaemon.web.held import BRIEFLY
from pypidaemon.web.legacy import metadata_of
from pypidaemon.web.pages import LOOKED_AT, moved, state_of
from pypidaemon.web.readers import up
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown
from pypidaemon.web.views.away import upstreams_below, who_is_away
from pypidaemon.web.views.frame import CONTENT_TYPE, PROTECTION
from pypidaemon.web.views.project_facts import Release, facts, newest, releases
from pypidaemon.web.views.project_html import Project, html
from pypidaemon.web.why import Why

PATIENCE = 3.0
"""Seconds for which a page waits for the METADATA of the newest release; without it, it says less."""
PARTS = ("", "files", "versions", "description")
"""What a page can be about: all in brief, or one of these at length, by `?show=`."""
_MOST_PAGES = 10_000


@attrs.define
class ProjectPages:
    """Answers for every index. What an account sees is what `why` tells it, so that nothing is shown here that is hidden there."""

    answers: Answers
    gate: Gate
    why: Why
    clock: IReactorTime
    cpu: InThread
    readmes: Readmes

    async def page(self, ask: Ask, account: IAccount, shown: Shown, below: Sequence[str], root: str, base: str) -> Reply:
        """
        The page of a project or of one of its releases.

        :param below: the segments behind `project`.
        :param root: where the index's own addresses are below the daemon's root: "" or `index/LABEL/`.
        :param base: the absolute address of the index's root, ending in "/" (R13).
        :raises PypidaemonError: as the index.
        """
        spelled, version = below[0], next((one for one in below[1:] if one), None)
        if len(below) > 3 or (len(below) == 3 and below[2] != "") or not spelled:
            raise NoSuchFile("/".join(("project", *below))[:200])
        name = project_name(spelled)
        if spelled != name or below[-1] != "":
            # Without the slash at its end every link of the page would lead elsewhere.
            return moved(ask, _spelled(name, below))
        if version is not None and len(version) > LONGEST_VERSION:
            raise NoSuchFile(f"{name} {version[:LONGEST_VERSION]}")
        part, number = _part(ask)
        same = same_version(version) if version else ""
        key = AnswerKey(shown.label, name, f"project {same} {part} {number} {root} {base}", account.scope, _view(shown))
        accepted = ask.headers.every("accept-encoding")
        answer = self.answers.fresh(key, self.clock.seconds())
        if answer is None or not may_read(account, answer.state.sources, name):
            answer = await self._made(ask, account, shown, key, version, part, number, root, base)
        coding = answer.coding(accepted)
        body = await self.answers.body(key, answer, coding)
        return self._reply(ask, answer, coding, body, private=account.scope != PUBLIC)

    def _reply(self, ask: Ask, answer: Answer, coding: str, body: bytes, *, private: bool) -> Reply:
        headers = [
            ("ETag", answer.etag(coding)),
            ("Cache-Control", "private, no-cache" if private else "no-cache"),
            ("Vary", "Accept, Accept-Encoding"),
            ("X-Pypidaemon-Index", ", ".join(answer.state.sources)),
            *PROTECTION,
        ]
        if is_known(ask, answer, coding):
            return Reply(304, tuple(headers))
        if coding:
            headers.append(("Content-Encoding", coding))
        return Reply(200, (*headers, ("Content-Type", CONTENT_TYPE)), body)

    async def _made(
        self, ask: Ask, account: IAccount, shown: Shown, key: AnswerKey, version: str | None, part: str, number: int, root: str, base: str
    ) -> Answer:
        name = key.project
        with self.answers.readings.of(name) as reading:
            page = await heard(self.gate, account, shown.index, (name,), shown.index.project_page(name))
            self.gate.check_sources(account, page.sources, name)
            told = await self.why.told(account, shown, name)
            if told.page is None:
                # It went while it was asked why.
                raise NoSuchProject(name)
            here, away = await self._here(shown.index, told.page)
            of = await self.cpu(releases, told, name, here, away)
            release = _chosen(of, name, version)
            document, lasting = await self._metadata(shown.index, told.page, release)
            said = await self.cpu(facts, document)
            description = str(said.get("description") or "")[:LONGEST_DESCRIPTION]
            readme = AS_IT_IS
            if part in {"", "description"}:
                readme = await self.readmes.render(description, str(said.get("description_content_type") or ""))
            gone = str(who_is_away(upstreams_below(shown.index, told.page.sources)))
            project = Project(name, told, told.page, tuple(of), release, version is not None, said, description, readme, part, number, gone)
            body = await self.cpu(html, project, up(ask), root, base)
            state = self._state(told.page, body)
            # Whoever found out for this page that an upstream is away has made another one than the key says.
            lasting = lasting and readme.lasting and _view(shown) == key.view
            made = Making(state, CONTENT_TYPE, lambda: body, ask.headers.every("accept-encoding"), lasting)
            return await self.answers.make(key, made, reading)

    def _state(self, page: ProjectPage, body: bytes) -> State:
        """What is kept is looked at again within a minute: bytes come and go without a word, and so do lines."""
        now = self.clock.seconds()
        state = state_of(page, now)
        # An upstream that wants to be asked each time is asked for each installer, and not for everybody who reads.
        until = None if state.fresh_until is None else max(state.fresh_until, now + BRIEFLY)
        turns = now + LOOKED_AT if state.turns is None else min(state.turns, now + LOOKED_AT)
        revision = blake2b(body, digest_size=16).hexdigest()
        return attrs.evolve(state, revision=revision, fresh_until=until, turns=turns, stale=False)

    async def _here(self, index: IIndex, page: ProjectPage) -> tuple[frozenset[Digest], frozenset[str]]:
        """Which files are here, and the labels of the indexes whose files need not be."""
        wanted = [file.digest for file in page.files if file.digest is not None]
        here: frozenset[Digest] = frozenset()
        dependent = {leaf.index.label: leaf.index for leaf in leaves(index) if IDependent.providedBy(leaf.index)}
        for leaf in dependent.values():
            try:
                here |= await IDependent(leaf).holding(wanted)
            except PypidaemonError:
                continue
        return here, frozenset(dependent)

    async def _metadata(self, index: IIndex, page: ProjectPage, release: Release | None) -> tuple[bytes | None, bool]:
        """METADATA of that release, and whether asking again would give the same."""
        if release is None:
            return None, True
        files: list[File] = [entry.file for entry in release.entries if entry.shown]
        try:
            return await within(self.clock, PATIENCE, metadata_of(index, page, files))
        except TookTooLong:
            return None, False


def _view(shown: Shown) -> str:
    """
    What the answers are kept under beside the view itself. There are as many pages as anybody cares to ask for, as there are of views, and they must not
    push out what installers ask for; and what can be had of a project turns with its upstreams, of which nobody announces anything.
    """
    return f"{shown.view} for people {who_is_away(upstreams_below(shown.index))}"


def _chosen(of: Sequence[Release], name: NormalizedName, version: str | None) -> Release | None:
    """
    The release that the page is about; None where there is none to show.

    :raises NoSuchFile: there is no such release.
    """
    if version is None:
        return newest(of) or next(iter(of), None)
    wanted = same_version(version)
    for release in of:
        if release.version and same_version(release.version) == wanted:
            return release
    raise NoSuchFile(f"{name} {version}")


def _part(ask: Ask) -> tuple[str, int]:
    """Which part of the page is wanted, and which page of that; anything unknown is the whole in brief."""
    query = dict(ask.query)
    part = query.get("show", "")
    number = query.get("page", "1")
    count = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
    return (part if part in PARTS else ""), min(max(count, 1), _MOST_PAGES)


def _spelled(name: NormalizedName, below: Sequence[str]) -> str:
    """The way from an address with another spelling of the name to the right one."""
    rest = [quote(one, safe="") for one in below[1:] if one]
    return "../" * (len(below) - 1 or 0) + "/".join([name, *rest]) + "/"
