"""
What was published here, held against what another index has, and brought there where that lacks it (N7).

The other index is looked at before anything is sent, so that nothing has to be remembered here to do it again. Of a file that has other bytes there nothing
is sent: that is a conflict, which people settle. So is what was yanked, hidden or deleted here and is not there: it is told of, since no index takes such
orders with an upload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol

import attrs
import orjson
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.archives.rules import KINDS, Rules
from pypidaemon.errors import InvalidUpload, NoSuchProject, PypidaemonError, UpstreamUnavailable
from pypidaemon.filenames import package_type, python_tag
from pypidaemon.globs import Globs
from pypidaemon.interfaces import IHostedIndex, IInspector, IRecords
from pypidaemon.model import Companion, File, Filename, FileRecord, NormalizedName, Standing, Upload, UpstreamPage
from pypidaemon.moments import written
from pypidaemon.pushes import form
from pypidaemon.pushes.remembered import WHERE, remembered
from pypidaemon.upstreams.uploading import Verdict

AGAIN = 86_400.0
"""Seconds after which a conflict, or a file that was refused, is looked at again."""
MOST_LINES = 500
ENOUGH = 3
"""Projects, one after the other, of which nothing can be brought there: then it is not about these."""
_LARGEST_METADATA = 8 << 20

log = Logger(namespace="pypidaemon")


class Declined(PypidaemonError):
    """
    The other index takes nothing from us now; `wait` is for how many seconds it asked to be left alone, if it did.

    `whole` is whether that is sure to be so of every project: one may be somebody else's there.
    """

    def __init__(self, line: str, wait: float | None = None, *, whole: bool = True) -> None:
        super().__init__(line)
        self.wait = wait
        self.whole = whole


class Taker(Protocol):
    """Where it is brought: `pypidaemon.upstreams.uploading.Destination`."""

    to: str

    async def page(self, name: NormalizedName) -> UpstreamPage | None:
        """What it has of that project now."""

    async def upload(self, filename: Filename, kind: str, head: bytes, content: Any, tail: bytes) -> Verdict:
        """Send a form."""


@attrs.define
class Outcome:
    """What came of one project, or of several, in lines for people."""

    pushed: list[str] = attrs.field(factory=list)
    there: int = 0
    """Files that were there already."""
    conflicts: list[str] = attrs.field(factory=list)
    refused: list[str] = attrs.field(factory=list)
    differs: list[str] = attrs.field(factory=list)
    """What was yanked, hidden or deleted here, and is not there."""

    def add(self, other: Outcome) -> None:
        """Count what came of another."""
        self.there += other.there
        for word in ("pushed", "conflicts", "refused", "differs"):
            mine: list[str] = getattr(self, word)
            mine += getattr(other, word)[: max(MOST_LINES - len(mine), 0)]

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return attrs.asdict(self)


@attrs.frozen
class Pushing:
    """
    One index brought to one other.

    :param label: whose state it is that is remembered: a service's; "" remembers nothing.
    :param projects: patterns of those that are brought.
    :param rehearsal: whether nothing is sent, and only told what would be.
    :param anew: whether also what has not changed is looked at again.
    """

    label: str
    index: IHostedIndex
    records: IRecords
    destination: Taker
    inspector: IInspector
    clock: IReactorTime
    projects: Globs
    rehearsal: bool = False
    anew: bool = False

    async def run(self) -> Outcome:
        """
        Bring everything there that is lacking. One project that cannot be brought there holds up no other, and is told of in the end.

        :raises UpstreamUnavailable: the other index cannot be reached; what was brought until then stays.
        :raises Declined: it takes nothing from us.
        :raises PypidaemonError: the records cannot be read.
        """
        outcome = Outcome()
        trouble: PypidaemonError | None = None
        failed = 0
        for name, serial in (await self.records.files.names(self.index.label)).items():
            if self.projects.first(name) is None:
                continue
            known = await self._known(name)
            if not self.anew and known.get("serial") == serial and self.clock.seconds() < known.get("until", 0.0):
                outcome.add(_again(known))
                continue
            try:
                done = await self._project(name)
            except (UpstreamUnavailable, Declined) as error:
                failed += 1
                if failed == ENOUGH or (isinstance(error, Declined) and error.whole):
                    raise
                trouble = trouble or error
                continue
            failed = 0
            outcome.add(done)
            await self._remember(name, serial, done)
        if trouble is not None:
            raise trouble
        return outcome

    async def _project(self, name: NormalizedName) -> Outcome:
        outcome = Outcome()
        try:
            _, records = await self.records.files.page(self.index.label, name)
        except NoSuchProject:
            return outcome
        page = await self.destination.page(name)
        there = {file.filename: file for file in page.files} if page is not None else {}
        for record in records:
            try:
                await self._file(name, record, there.get(record.file.filename), outcome)
            except (UpstreamUnavailable, Declined):
                raise
            except PypidaemonError as error:
                # It is lost or damaged here, or was taken away just now.
                outcome.refused.append(self._line(record, f"was not sent: {error}"))
        return outcome

    async def _file(self, name: NormalizedName, record: FileRecord, file: File | None, outcome: Outcome) -> None:
        """
        One file.

        :param file: what the other index has of that name.
        """
        if file is not None and await self._is_other(name, record, file):
            if record.standing is Standing.SHOWN:
                outcome.conflicts.append(
                    self._line(record, f"has other bytes there: sha256:{file.digest or 'unknown'}, and not sha256:{record.file.digest}")
                )
        elif record.standing is not Standing.SHOWN:
            if file is not None:
                outcome.differs.append(self._line(record, f"is {record.standing.value} here, and offered there"))
        elif file is not None:
            outcome.there += 1
            _compare_yanks(self._line, record, file, outcome)
        else:
            await self._push(name, record, outcome)

    def _line(self, record: FileRecord, words: str) -> str:
        return f"{record.file.filename} {words}"

    async def _is_other(self, name: NormalizedName, record: FileRecord, file: File) -> bool:
        """Whether a file of that name there has other bytes; by its size alone where its page has no digest."""
        if file.digest is not None:
            return file.digest != record.file.digest
        known = dict(file.hashes)
        if "md5" in known and record.standing is Standing.SHOWN:
            return known["md5"] != await self._md5(name, record)
        return file.size not in (None, record.file.size)

    async def _md5(self, name: NormalizedName, record: FileRecord) -> str:
        content = await self.index.open_file(name, record.file.filename, Companion.FILE)
        made, offset = hashlib.md5(usedforsecurity=False), 0
        try:
            while piece := await content.read(offset, 1 << 16):
                made.update(piece)
                offset += len(piece)
        finally:
            content.close()
        return made.hexdigest()

    async def _push(self, name: NormalizedName, record: FileRecord, outcome: Outcome) -> None:
        if self.rehearsal:
            outcome.pushed.append(self._line(record, "would be pushed"))
            return
        filename = record.file.filename
        content = await self.index.open_file(name, filename, Companion.FILE)
        try:
            said = form.fields(name, record, await self._metadata(name, record, content))
            kind, head, tail = form.written(said, filename)
            verdict = await self.destination.upload(filename, kind, head, content, tail)
        finally:
            content.close()
        if verdict.status in (200, 201, 202, 204):
            outcome.pushed.append(self._line(record, "was pushed"))
            log.info("{label}: pushed {file} to {to}", label=self.label or "push", file=filename, to=self.destination.to)
            if record.file.yanked is not None:
                outcome.differs.append(self._line(record, "is yanked here, and not there"))
        elif verdict.status in (401, 403):
            raise Declined(
                f"{self.destination.to} refuses our credentials, or to let us upload {filename} ({verdict.status}): {verdict.said}",
                whole=verdict.status == 401,
            )
        elif verdict.status in (408, 429) or verdict.status >= 500 or verdict.status < 400:
            raise Declined(f"{self.destination.to} takes no uploads now ({verdict.status}): {verdict.said}", verdict.hold)
        else:
            outcome.refused.append(self._line(record, f"is refused there ({verdict.status}): {verdict.said}"))

    async def _metadata(self, name: NormalizedName, record: FileRecord, content: Any) -> bytes | None:
        """METADATA or PKG-INFO: as it lies beside the file, else out of it; None where there is none that can be read."""
        file = record.file
        if file.core_metadata:
            try:
                beside = await self.index.open_file(name, file.filename, Companion.METADATA)
            except PypidaemonError:
                return None
            try:
                return await beside.read(0, _LARGEST_METADATA)
            finally:
                beside.close()
        upload = Upload(
            name, record.version, file.filename, package_type(file.filename), metadata=(("pyversion", python_tag(file.filename)),)
        )
        try:
            return (await self.inspector.inspect(content, upload)).metadata
        except InvalidUpload:
            return None

    async def _known(self, name: NormalizedName) -> Mapping[str, Any]:
        if not self.label:
            return {}
        known: Mapping[str, Any] = (await remembered(self.records, self.index.label, name)).get(self.label, {})
        return known

    async def _remember(self, name: NormalizedName, serial: int, done: Outcome) -> None:
        """Nothing hangs on it: what is lost is found out again."""
        if not self.label or self.rehearsal:
            return
        known = dict(await remembered(self.records, self.index.label, name))
        said = {**done.as_json(), "pushed": [], "there": done.there + len(done.pushed)}
        until = self.clock.seconds() + AGAIN
        known[self.label] = {"to": self.destination.to, "serial": serial, "until": until, "at": written(self.clock.seconds()), **said}
        await self.records.documents.keep(f"{WHERE}:{self.index.label}", name, WHERE, orjson.dumps(known), until)


def inspection_rules() -> Rules:
    """Those by which an archive is read that was taken long ago: whatever it is, the other index has its own."""
    return Rules(strict=False, kinds=frozenset(KINDS), platforms=False)


def _compare_yanks(line: Any, record: FileRecord, file: File, outcome: Outcome) -> None:
    here, there = record.file.yanked, file.yanked
    if (here is None) != (there is None):
        outcome.differs.append(line(record, "is yanked here, and not there" if there is None else "is yanked there, and not here"))


def _again(known: Mapping[str, Any]) -> Outcome:
    """What was found the last time, of a project that has not changed since."""
    lines = {word: [one for one in known.get(word, ()) if isinstance(one, str)] for word in ("conflicts", "refused", "differs")}
    there = known.get("there", 0)
    return Outcome(there=there if isinstance(there, int) else 0, **lines)
