"""A devpi whose own files are taken: what was uploaded to a stage index, and never what it has from its bases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from pypidaemon.adoption import devpi
from pypidaemon.adoption.fetched import Fetching, patiently
from pypidaemon.adoption.found import Finding, Found, Passed, Role
from pypidaemon.adoption.origins import IOrigin
from pypidaemon.adoption.remote import fetched_page
from pypidaemon.errors import InvalidName, NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IContent
from pypidaemon.model import NormalizedName
from pypidaemon.upstreams.documents import Documents

_KINDS = {"doczip": "documentation, which is not kept here", "toxresult": "the result of a test, which is not kept here"}


@attrs.frozen
class Devpi:
    """
    A running devpi-server.

    :param root: its URL, which ends in a slash.
    :param part: the index that was named, as `USER/INDEX`; None where the server as a whole was.
    :param clock: by which pauses between two tries are made.
    """

    documents: Documents
    root: str
    part: str | None
    clock: IReactorTime

    async def indexes(self) -> dict[str, Mapping[str, Any]]:
        """
        The configuration of each of its indexes, by `USER/INDEX`, in their order.

        :raises PypidaemonError: it cannot be had.
        """
        said = await self._asked(f"{self.root}?no_projects=", ("result", "*", "indexes", "*"))
        return {f"{where[1]}/{where[3]}": config for where, config in sorted(said or (), key=lambda one: one[0])}

    async def stages(self) -> list[str]:
        """
        Its stage indexes, which people upload to.

        :raises PypidaemonError: as `indexes`.
        """
        return [name for name, config in (await self.indexes()).items() if config.get("type", "stage") == "stage"]

    async def config(self, part: str) -> Mapping[str, Any]:
        """
        The configuration of an index, with the `projects` that are its own.

        :raises PypidaemonError: it cannot be had, or there is no such index.
        """
        said = await self._asked(self.root + part, ("result",))
        if not said:
            raise PypidaemonError(f"the server has no index {devpi.word(part)}")
        return said[0][1]

    async def links(self, part: str, name: NormalizedName) -> list[Mapping[str, Any]]:
        """
        What an index itself has of a project.

        :raises UpstreamUnavailable: it cannot be had.
        """
        said = await self._asked(f"{self.root}{part}/{name}?ignore_bases=", ("result", "*", "+links", ""))
        return [link for _, link in said or ()]

    async def insist(self) -> None:
        """
        Insist that the server is there.

        :raises UpstreamUnavailable: it is not.
        """
        await self._asked(f"{self.root}+api", ("result",))

    async def _asked(self, url: str, wanted: tuple[str, ...]) -> list[tuple[tuple[str, ...], dict[str, Any]]] | None:
        return await patiently(self.clock, partial(self.documents.fetch, url, partial(_matches, wanted)))


async def reached(documents: Documents, url: str, clock: IReactorTime) -> Devpi:
    """
    The devpi at that URL, which is that of the server, of an index or of an index's pages.

    :raises PypidaemonError: there is none.
    """
    place = url.rstrip("/").removesuffix("/+simple")
    said = await patiently(clock, partial(documents.fetch, f"{place}/+api", partial(_matches, ("result",))))
    if not said:
        raise PypidaemonError("no devpi answers at that URL, or it has no such index")
    if "index" not in said[0][1]:
        return Devpi(documents, f"{place}/", None, clock)
    # The URLs that it states are those that it was told to have, by which it may not be reached from here.
    root, user, index = place.rsplit("/", 2)
    return Devpi(documents, f"{root}/", f"{user}/{index}", clock)


@implementer(IOrigin)
@attrs.frozen
class DevpiOrigin:
    """
    One stage index of a running devpi.

    :param part: the index, as `USER/INDEX`.
    :param fetching: with the index's own pages as upstream.
    """

    server: Devpi
    part: str
    fetching: Fetching
    role: Role = Role.PRIVATE

    async def findings(self) -> AsyncIterator[Finding]:
        """As `IOrigin`."""
        config = await self.server.config(self.part)
        if config.get("type", "stage") != "stage":
            passed = devpi.mirror(self.part, config)
            raise PypidaemonError(f"{passed.path} {passed.reason}")
        for name in sorted(devpi.people(self.part, config)):
            yield devpi.user(name)
        for told in devpi.rights(self.part, config):
            yield told
        projects = config.get("projects")
        if not isinstance(projects, list) or not all(isinstance(one, str) for one in projects):
            raise PypidaemonError(f"the server does not say which projects {self.part} has")
        for spelled in sorted(projects):
            try:
                name = project_name(spelled)
            except InvalidName as error:
                yield Passed(devpi.word(spelled), str(error))
                continue
            async for finding in self._project(name):
                yield finding

    async def open(self, found: Found) -> IContent:
        """As `IOrigin`."""
        return await self.fetching.open(found)

    async def close(self) -> None:
        """As `IOrigin`: who made what it asks by closes that."""

    async def _project(self, name: NormalizedName) -> AsyncIterator[Finding]:
        try:
            links = await self.server.links(self.part, name)
        except UpstreamUnavailable as error:
            async for finding in self._by_page(name, error.cause):
                yield finding
            return
        for link in links:
            place = self._own(link.get("href"))
            if place is None:
                continue
            if link.get("rel") != "releasefile":
                kind = link.get("rel")
                yield Passed(
                    place,
                    f"is {_KINDS.get(kind, 'no file of a release') if isinstance(kind, str) else 'no file of a release'}",
                    wrong=False,
                )
            else:
                yield devpi.found(place, place, link, name)

    async def _by_page(self, name: NormalizedName, cause: str) -> AsyncIterator[Finding]:
        """By the simple page, where the document with everything else, which holds all descriptions, cannot be had."""
        try:
            page = await fetched_page(self.fetching, name)
        except (NoSuchProject, UpstreamUnavailable):
            await self.server.insist()
            yield Passed(name, f"what the server says of it cannot be had: {cause}")
            return
        for file in page.files:
            place = self._own(file.url)
            if place is not None:
                yield Found(place, file, name)

    def _own(self, url: object) -> str | None:
        """The URL of a file of this index as it is reached from here; None of one that is from a base."""
        if not isinstance(url, str):
            return None
        try:
            path = urlsplit(url).path
        except ValueError:
            return None
        before, found, rest = path.partition("/+f/")
        if not found or not unquote(before).endswith(f"/{self.part}"):
            return None
        return f"{self.server.root}{self.part}/+f/{rest}"


def _matches(wanted: Sequence[str], keys: Sequence[str]) -> bool:
    return len(keys) == len(wanted) and all(want in ("*", key) for want, key in zip(wanted, keys, strict=True))
