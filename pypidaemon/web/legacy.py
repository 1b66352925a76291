"""The legacy JSON documents, built from our page and the newest file's metadata, so that policies hold (design §5, R137-R145)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from packaging.utils import canonicalize_version
from twisted.internet.interfaces import IReactorTime

from pypidaemon.errors import NoSuchFile, NoSuchProject, PypidaemonError
from pypidaemon.filenames import project_name, version_of
from pypidaemon.interfaces import IIndex
from pypidaemon.model import Companion, File, InThread, ProjectPage
from pypidaemon.simple.legacy import legacy_json, newest
from pypidaemon.web.answers import Answer, AnswerKey, Answers
from pypidaemon.web.ask import Ask
from pypidaemon.web.caching import answer_reply
from pypidaemon.web.pages import moved, state_of
from pypidaemon.web.reply import Reply

_LARGEST_METADATA = 8 << 20


@attrs.define
class Legacy:
    """Answers `/pypi/<project>/json` and `/pypi/<project>/<version>/json` of every exposed index."""

    indexes: Mapping[str, IIndex]
    answers: Answers
    clock: IReactorTime
    cpu: InThread

    async def document(self, ask: Ask, index: str, spelled: str, version: str | None, base: str) -> Reply:
        """
        One document.

        :param base: the absolute address of the index's root, ending in "/" (R13).
        """
        name = project_name(spelled)
        if spelled != name:
            tail = "json" if version is None else f"{version}/json"
            return moved(ask, ("../" if version is None else "../../") + f"{name}/{tail}")
        key = AnswerKey(index, name, f"legacy {version or ''} {base}")
        answer = self.answers.fresh(key, self.clock.seconds())
        if answer is None:
            answer = await self._made(ask, key, version, base)
        coding = answer.coding(ask.headers.every("accept-encoding"))
        body = await self.answers.body(key, answer, coding)
        return answer_reply(ask, answer, coding, body, self.clock.seconds())

    async def _made(self, ask: Ask, key: AnswerKey, version: str | None, base: str) -> Answer:
        index, name = self.indexes[key.index], key.project
        page = await index.project_page(name)
        if page.status.marker == "quarantined":
            raise NoSuchProject(name)
        if version is None and not page.files:
            raise NoSuchProject(name)
        if version is not None and not _files_of(page, version):
            raise NoSuchFile(f"{name} {version}")
        metadata = await self._metadata(index, page, version)

        def render() -> bytes:
            return legacy_json(page, version, metadata, base) or b"{}"

        return await self.answers.make(key, state_of(page), "application/json", render, ask.headers.every("accept-encoding"))

    async def _metadata(self, index: IIndex, page: ProjectPage, version: str | None) -> bytes | None:
        """METADATA of the release that the document describes; None where no file of it has one, or it cannot be had now."""
        if version is None:
            found = newest(page)
            files = found[1] if found is not None else []
        else:
            files = _files_of(page, version)
        for file in files:
            if file.core_metadata is not None:
                try:
                    content = await index.open_file(page.name, file.filename, Companion.METADATA)
                except PypidaemonError:
                    continue
                try:
                    if content.size is not None and content.size <= _LARGEST_METADATA:
                        return await content.read(0, _LARGEST_METADATA)
                finally:
                    content.close()
        return None


def _files_of(page: ProjectPage, version: str) -> list[File]:
    wanted = canonicalize_version(version)
    spelled = ((file, version_of(file.filename, page.name)) for file in page.files)
    return [file for file, found in spelled if found is not None and canonicalize_version(found) == wanted]
