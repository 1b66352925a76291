"""The legacy JSON documents, built from our page and the newest file's metadata, so that policies hold (design §5, R137-R145)."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import Changed, NoSuchFile, NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.filenames import project_name, version_of
from pypidaemon.interfaces import IAccount, IContent, IIndex
from pypidaemon.model import Companion, Digest, File, InThread, Listed, ProjectPage
from pypidaemon.opening import opened
from pypidaemon.simple.legacy import legacy_json, newest
from pypidaemon.versions import LONGEST_VERSION, same_version
from pypidaemon.web.answers import Answer, AnswerKey, Answers, Making
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import answer_reply
from pypidaemon.web.gate import Gate, may_read
from pypidaemon.web.hearing import heard
from pypidaemon.web.pages import moved, state_of
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown

LARGEST_METADATA = 8 << 20
"""Bytes of a METADATA document that is looked into; the longest on the public index have about 1 MiB."""
_PIECE = 1 << 18


@attrs.define
class Legacy:
    """Answers `/pypi/<project>/json` and `/pypi/<project>/<version>/json` of every exposed index."""

    answers: Answers
    gate: Gate
    clock: IReactorTime
    cpu: InThread

    async def document(self, ask: Ask, account: IAccount, shown: Shown, spelled: str, version: str | None, base: str) -> Reply:
        """
        One document.

        :param base: the absolute address of the index's root, ending in "/" (R13).
        """
        name = project_name(spelled)
        if spelled != name:
            tail = "json" if version is None else f"{version}/json"
            return moved(ask, ("../" if version is None else "../../") + f"{name}/{tail}")
        accepted = ask.headers.every("accept-encoding")
        # Every spelling of a version is one document (R136).
        key = AnswerKey(shown.label, name, f"legacy {same_version(version) if version is not None else ''} {base}", view=shown.view)
        answer = self.answers.fresh(key, self.clock.seconds())
        if answer is None or not may_read(account, answer.state.sources, name):
            answer = await self._made(account, shown, key, version, base, accepted)
        coding = answer.coding(accepted)
        body = await self.answers.body(key, answer, coding)
        return answer_reply(ask, answer, coding, body, self.clock.seconds(), not self.gate.is_public(answer.state.sources, name))

    async def _made(self, account: IAccount, shown: Shown, key: AnswerKey, version: str | None, base: str, accepted: list[str]) -> Answer:
        with self.answers.readings.of(key.project) as reading:
            page = await heard(self.gate, account, shown.index, (key.project,), shown.index.project_page(key.project))
            self.gate.check_sources(account, page.sources, key.project)
            state = state_of(page, self.clock.seconds())
            files = await self._described(page, version)
            metadata, complete = await metadata_of(shown.index, page, files)

            def render() -> bytes:
                document = legacy_json(page, version, metadata, base)
                assert document is not None  # there are files, or `described` would have said so
                return document

            made = Making(state, "application/json", render, accepted, lasting=complete)
            return await self.answers.make(key, made, reading)

    async def _described(self, page: ProjectPage, version: str | None) -> list[File]:
        try:
            return await self.cpu(described, page, version)
        except NoSuchFile as absence:
            if page.stale:
                # It may be there by now (law 10).
                raise UpstreamUnavailable(page.source, f"when it was last asked there was {absence}") from absence
            raise


async def metadata_of(index: IIndex, page: ProjectPage, files: list[File]) -> tuple[bytes | None, bool]:
    """METADATA of the release, or None where no file has one; and False where one is promised and cannot be had just now."""
    complete = True
    for file in files:
        if file.core_metadata is not None:
            try:
                content = await _metadata_beside(index, page, file)
                try:
                    return await _whole(content), True
                finally:
                    content.close()
            except UpstreamUnavailable:
                return None, False
            except PypidaemonError:
                complete = False
    return None, complete


def described(page: ProjectPage, version: str | None) -> list[File]:
    """
    The files of the release that the document describes. Slow for long pages, so call it on a thread.

    :raises NoSuchProject: there are no files at all, or none of any version, or the project is quarantined (R145).
    :raises NoSuchFile: there is no such release.
    """
    if not page.files or page.status.marker == "quarantined":
        raise NoSuchProject(page.name, page.fresh_until)
    if version is None:
        found = newest(page)
        if found is None:
            # Old indexes have files whose names say no version.
            raise NoSuchProject(page.name, page.fresh_until)
        return found[1]
    if len(version) > LONGEST_VERSION:
        raise NoSuchFile(f"{page.name} {version[:LONGEST_VERSION]}")
    wanted = same_version(version)
    spelled = ((file, version_of(file.filename, page.name)) for file in page.files)
    files = [file for file, found in spelled if found is not None and same_version(found) == wanted]
    if not files:
        raise NoSuchFile(f"{page.name} {version}")
    return files


async def _metadata_beside(index: IIndex, page: ProjectPage, file: File) -> IContent:
    """METADATA of that file of the page, and of no other that has its name by now."""

    async def entry(_: Digest | None = None) -> Listed:
        listed = await index.find(page.name, file.filename)
        if listed.source not in page.sources or listed.file.digest != file.digest:
            raise Changed(file.filename)
        return listed

    _, content = await opened(index, Companion.METADATA, entry, entry)
    return content


async def _whole(content: IContent) -> bytes | None:
    pieces: list[bytes] = []
    offset = 0
    while piece := await content.read(offset, _PIECE):
        pieces.append(piece)
        offset += len(piece)
        if offset > LARGEST_METADATA:
            return None
    return b"".join(pieces)
