"""A release taken over from another hosted index, without being uploaded again."""

from __future__ import annotations

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.announcements import Announcements
from pypidaemon.archives.rules import Rules
from pypidaemon.budget import PRIVATE
from pypidaemon.errors import Conflict, NoSuchProject, NoSuchRelease, PypidaemonError
from pypidaemon.filenames import package_type, python_tag
from pypidaemon.flights import Flights
from pypidaemon.indexes.private.turns import Turns
from pypidaemon.inspection.pieces import pieces
from pypidaemon.interfaces import IBlobStore, IHostedIndex, IInspector, IRecords
from pypidaemon.model import Companion, Digest, Filename, FileRecord, NormalizedName, Standing, Upload
from pypidaemon.policies.blocked import Blocked
from pypidaemon.records.rules import Holder, is_new, may_found
from pypidaemon.uploads import agree
from pypidaemon.upstream_files import renewed
from pypidaemon.volume import Allotment

log = Logger()


@attrs.frozen
class _Asking:
    """Who asks, and for what: the arguments of `IHostedIndex.take`."""

    name: NormalizedName
    version: str
    source: IHostedIndex
    founder: str | None


@attrs.define
class Taker:
    """
    Takes releases into one private index.

    Bytes first, then the records, hidden, and last all of them shown by one change: nobody ever sees half of a release (law 7). Files that a crash
    leaves hidden are shown when the release is taken once more.
    """

    label: str
    records: IRecords
    blobs: IBlobStore
    clock: IReactorTime
    announcements: Announcements
    inspector: IInspector
    rules: Rules
    turns: Turns[NormalizedName]
    blocked: Blocked
    allotment: Allotment = attrs.field(factory=lambda: Allotment(PRIVATE))
    flights: Flights[object, list[FileRecord]] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)

    async def take(self, name: NormalizedName, version: str, source: IHostedIndex, account: str, founding: bool) -> list[FileRecord]:
        """As `IHostedIndex.take`."""
        asking = _Asking(name, version, source, account if founding else None)
        offered = [record for record in await source.release(name, version) if record.standing is Standing.SHOWN]
        if not offered:
            raise NoSuchRelease(name, version)
        for record in offered:
            self.blocked.check(name, record.file, self.clock.seconds())
        missing = await self._missing(asking, offered)
        for record in missing:
            await self._judge(asking, record)
        judged = {record.file.filename for record in missing}
        # From here on whoever leaves stops nothing, as with uploads.
        return await self.flights.join(object(), lambda: self._settle(asking, offered, judged))

    async def _missing(self, asking: _Asking, offered: list[FileRecord]) -> list[FileRecord]:
        """
        Those of the files that are not here.

        :raises Conflict: one of them may not be taken.
        """
        name = asking.name
        try:
            _, records = await self.records.files.page(self.label, name)
        except NoSuchProject:
            return list(offered)
        may_found(name, asking.founder, True, await self.records.files.owner(self.label, name))
        here = {record.file.filename: [Holder(name, record.file.digest, record.standing)] for record in records}
        return [record for record in offered if is_new(name, record.file, here.get(record.file.filename, []))]

    async def _judge(self, asking: _Asking, record: FileRecord) -> None:
        """Hold the file against the rules of this index, which may be stricter than those it came in by."""
        file = record.file
        upload = Upload(
            name=asking.name,
            version=record.version,
            filename=file.filename,
            filetype=package_type(file.filename),
            digests=tuple(pair for pair in file.hashes if pair[0] == "sha256"),
            metadata=(("pyversion", python_tag(file.filename)),),
        )
        content = await asking.source.open_file(asking.name, file.filename, Companion.FILE)
        try:
            agree(upload, await self.inspector.inspect(content, upload), self.rules)
        finally:
            content.close()

    async def _settle(self, asking: _Asking, offered: list[FileRecord], judged: set[Filename]) -> list[FileRecord]:
        for record in offered:
            if record.file.filename in judged:
                await self._bring(asking, record)
        async with self.turns.of(asking.name):
            missing = await self._missing(asking, offered)
            for record in missing:
                if record.file.filename not in judged:
                    raise Conflict(f"{record.file.filename} was removed while it was taken over")
            try:
                await self._record(asking, offered, missing)
            finally:
                # Also where it failed: what the records took before is not known here.
                self.announcements.announce(asking.name)
        log.info("{label}: {name} {version} was taken from {source}",
                 label=self.label, name=asking.name, version=asking.version, source=asking.source.label)  # fmt: skip
        wanted = {record.file.filename for record in offered}
        _, records = await self.records.files.page(self.label, asking.name)
        return [record for record in records if record.file.filename in wanted]

    async def _bring(self, asking: _Asking, record: FileRecord) -> None:
        """See to it that the bytes are in this index's store; where both have one store they are."""
        for digest, companion in ((record.file.digest, Companion.FILE), (record.file.core_metadata, Companion.METADATA)):
            # What is here is to stay until the records name it, also where a proxy fetched it and somebody tidies up.
            if digest and not await renewed(self.blobs, [Digest(digest)]):
                await self._copy(asking, record.file.filename, companion, Digest(digest))

    async def _copy(self, asking: _Asking, filename: Filename, companion: Companion, digest: Digest) -> None:
        content = await asking.source.open_file(asking.name, filename, companion)
        try:
            await self.allotment.insist(content.size or 0)
            draft = await self.blobs.draft()
            try:
                async for piece in pieces(content):
                    await draft.write(piece)
                await draft.commit(digest)
                self.allotment.took(content.size or 0)
            finally:
                # After a commit this does nothing.
                await draft.abort()
                draft.close()
        finally:
            content.close()

    async def _record(self, asking: _Asking, offered: list[FileRecord], missing: list[FileRecord]) -> None:
        files, name = self.records.files, asking.name
        new = name not in await files.names(self.label)
        added: list[Filename] = []
        try:
            for record in missing:
                filename = record.file.filename
                action = f"add {python_tag(filename)} file {filename}"
                await files.add(self.label, name, attrs.evolve(record, standing=Standing.HIDDEN), action, asking.founder)
                added.append(filename)
            shown = tuple(record.file.filename for record in offered)
            await files.place(self.label, name, shown, Standing.SHOWN, "show release")
        except PypidaemonError:
            if new and added:
                await files.forget(self.label, name, None, "undo add")
            elif added:
                for filename in added:
                    await files.forget(self.label, name, filename, "undo add")
            raise
