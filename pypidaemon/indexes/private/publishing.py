"""
From a written draft to a file on the page: checked, made durable, recorded, announced, in this order (law 7, reliability 7.5).

Whatever is wrong is found before anything is kept. A crash between two steps leaves at most a blob that no record names.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.announcements import Announcements
from pypidaemon.archives.promising import promises_metadata
from pypidaemon.archives.rules import same_version
from pypidaemon.budget import PRIVATE
from pypidaemon.errors import Conflict, InvalidUpload, NoSuchBlob, NoSuchProject, PypidaemonError
from pypidaemon.filenames import belongs, python_tag, version_of
from pypidaemon.flights import Flights
from pypidaemon.indexes.private.digests import digests
from pypidaemon.indexes.private.pages import Pages
from pypidaemon.indexes.private.slight import SlightDraft
from pypidaemon.indexes.private.turns import Turns
from pypidaemon.inspection.pieces import pieces
from pypidaemon.interfaces import IBlobStore, IContent, IDraft, IInspector, IRecords, ITended
from pypidaemon.lines import Lines
from pypidaemon.model import (
    Deed,
    Digest,
    Earlier,
    Entered,
    File,
    FileRecord,
    Inspected,
    InThread,
    NormalizedName,
    Published,
    Standing,
    Upload,
)
from pypidaemon.policies.blocked import Blocked
from pypidaemon.readings import Ages
from pypidaemon.records.rules import Holder, is_new, may_found
from pypidaemon.simple.entries import clean
from pypidaemon.uploads import Rules, agree, check_digests
from pypidaemon.volume import Allotment

log = Logger()


@attrs.frozen
class _Asking:
    """Who asks, and for what: the arguments of `IHostedIndex.publish` besides the draft, or those of `adopt` besides the bytes."""

    upload: Upload
    account: str
    founding: bool
    replacing: bool
    earlier: Earlier | None = None
    deed: Deed | None = None


@attrs.define
class Publisher:
    """
    Takes uploads for one private index.

    `turns` are those of the index: of two uploads to one project the second looks at the records when the first is in them (F100). Archives are
    inspected before the turn, so that many files of a release are inspected at once.
    """

    label: str
    records: IRecords
    blobs: IBlobStore
    clock: IReactorTime
    cpu: InThread
    announcements: Announcements
    inspector: IInspector
    rules: Rules
    overwrite: bool
    turns: Turns[NormalizedName]
    blocked: Blocked
    pages: Pages
    allotment: Allotment = attrs.field(factory=lambda: Allotment(PRIVATE))
    ages: Ages[NormalizedName] = attrs.field(factory=Ages, init=False)
    """How often projects were announced to have changed."""
    flights: Flights[object, Published] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    keeping: Flights[object, None] = attrs.field(factory=lambda: Flights(quiet=(PypidaemonError,)), init=False)
    """Sidecars on their way to the store, each beside its file."""
    lines: Lines = attrs.field(init=False)
    """What was taken: a line each, which as an event of its own would cost as much as to tell all who keep pages."""

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self.ages.change)
        self.lines = Lines(__name__, self.clock)

    async def publish(self, upload: Upload, draft: IDraft, account: str, founding: bool, replacing: bool, deed: Deed | None) -> Published:
        """As `IHostedIndex.publish`."""
        asking = _Asking(upload, account, founding, replacing and self.overwrite, deed=deed)
        try:
            if isinstance(draft, SlightDraft):
                draft.expect(True)
            age = self.ages.of(upload.name)
            size = draft.written
            found = await self._digests(upload, draft)
            self.blocked.check(upload.name, _entry(upload, Digest(found["sha256"])), self.clock.seconds())
            inspected = await self._inspected(asking, draft, Digest(found["sha256"]))
        except BaseException:
            await draft.abort()
            draft.close()
            raise
        # From here on whoever leaves stops nothing: what the records took must be announced, and only who waits for them knows when.
        return await self.flights.join(object(), lambda: self._settle(asking, draft, size, found, inspected, age))

    async def adopt(
        self,
        upload: Upload,
        content: IContent,
        found: Mapping[str, str],
        account: str,
        founding: bool,
        earlier: Earlier,
        rehearsal: bool,
    ) -> Published:
        """As `IHostedIndex.adopt`."""
        asking = _Asking(upload, account, founding, False, earlier)
        if not belongs(upload.filename, upload.name):
            raise InvalidUpload(f"the file name {upload.filename} is not one of the project {upload.name}")
        digest = Digest(found["sha256"])
        self.blocked.check(upload.name, _entry(upload, digest), self.clock.seconds())
        known = await self._known(asking, digest)
        if known is not None and (rehearsal or await self._is_whole(known.file)):
            return known
        inspected = None
        if known is None:
            inspected = await self.inspector.inspect(content, upload)
            agree(upload, inspected, self.rules, "the file name")
            if rehearsal:
                return Published(_entry(upload, digest), inspected.version, 0)
        draft = await self.blobs.draft()
        try:
            size = 0
            async for piece in pieces(content):
                await draft.write(piece)
                size += len(piece)
        except BaseException:
            await draft.abort()
            draft.close()
            raise
        return await self.flights.join(object(), lambda: self._settle(asking, draft, size, found, inspected))

    async def examine(self, upload: Upload, content: IContent) -> Inspected:
        """As `IHostedIndex.examine`."""
        named = version_of(upload.filename, upload.name)
        if named is None or not same_version(named, upload.version) or not upload.filetype:
            raise InvalidUpload(f"the file name {upload.filename} is not one of that project and version")
        if upload.digests:
            self.blocked.check(upload.name, _entry(upload, Digest(dict(upload.digests)["sha256"])), self.clock.seconds())
        inspected = await self.inspector.inspect(content, upload)
        agree(upload, inspected, self.rules, "the file name")
        return inspected

    async def _is_whole(self, file: File) -> bool:
        """Whether all bytes of a file that is on record are here."""
        assert file.digest is not None  # it was uploaded here
        return await self._holds(file.digest, file.size) and (
            file.core_metadata is None or await self._holds(Digest(file.core_metadata), None)
        )

    async def _digests(self, upload: Upload, draft: IDraft) -> dict[str, str]:
        if not belongs(upload.filename, upload.name):
            raise InvalidUpload(f"the file name {upload.filename} is not one of the project {upload.name}")
        found = await digests(draft, {"sha256", "blake2b_256", *(algorithm for algorithm, _ in upload.digests)}, self.cpu)
        check_digests(upload, found)
        return found

    async def _inspected(self, asking: _Asking, draft: IDraft, digest: Digest) -> Inspected | None:
        """What the archive says; None where the very same file is here, which was inspected when it came."""
        if await self._known(asking, digest) is not None:
            return None
        inspected = await self.inspector.inspect(draft, asking.upload)
        agree(asking.upload, inspected, self.rules)
        return inspected

    async def _settle(
        self, asking: _Asking, draft: IDraft, size: int, found: Mapping[str, str], inspected: Inspected | None, age: int = -1
    ) -> Published:
        """
        Take the file in turn, unless it is here by now.

        :param age: of the project, when it was found out that this file is to be taken. What was true then is so still where nothing has happened to it
            here; that nothing has happened elsewhere is seen to where it is recorded.
        """
        slight = draft if isinstance(draft, SlightDraft) else None
        try:
            if slight is not None and self.turns.busy(asking.upload.name):
                # It comes when the one before it has gone, which is not in a moment.
                slight.expect(False)
            async with self.turns.of(asking.upload.name):
                if slight is not None:
                    slight.expect(True)
                known = None
                if inspected is None or age != self.ages.of(asking.upload.name):
                    known = await self._known(asking, Digest(found["sha256"]))
                if known is not None:
                    await self._make_whole(asking, known.file, draft)
                    return known
                if inspected is None:
                    raise Conflict(f"{asking.upload.filename} was removed while it was uploaded again")
                return await self._take(asking, draft, size, found, inspected)
        finally:
            # After a commit this does nothing.
            await draft.abort()
            draft.close()

    async def _known(self, asking: _Asking, digest: Digest) -> Published | None:
        """
        What to answer where the very same file is here (R165, F99); None where it is to be taken.

        :raises Conflict: it may not be taken.
        """
        upload = asking.upload
        try:
            known = None if asking.founding else self.pages.look(upload.name, upload.filename)
            if known is None:
                known = await self.records.files.look(self.label, upload.name, upload.filename)
        except NoSuchProject:
            return None
        may_found(upload.name, asking.account if asking.founding else None, True, known.owner)
        record = known.record
        if record is None:
            return None
        if record.standing is not Standing.DELETED and record.file.digest != digest and self.overwrite:
            if asking.replacing:
                return None
            # Uploaders know by the first words that the file is there (R166).
            raise Conflict(
                f"File already exists: {upload.filename} has other content, and to replace it takes the right overwrite, which no token of"
                " scope upload has"
            )
        if is_new(upload.name, _entry(upload, digest), [Holder(upload.name, record.file.digest, record.standing)]):
            return None
        return Published(record.file, record.version, known.serial, repeated=True)

    async def _make_whole(self, asking: _Asking, file: File, draft: IDraft) -> None:
        """
        Keep the bytes of that file, which are those of the draft, where they were lost; and its sidecar, which is in them.

        :raises PypidaemonError: they cannot be kept.
        """
        assert file.digest is not None  # it was uploaded here
        inspected = None
        if file.core_metadata is not None and not await self._holds(Digest(file.core_metadata), None):
            # Before the commit, while it is certain that the draft can be read.
            inspected = await self.inspector.inspect(draft, asking.upload)
        if not await self._holds(file.digest, file.size):
            await draft.commit(file.digest)
            log.info("{label}: {account} uploaded {file} again, which was lost",
                     label=self.label, account=asking.account, file=file.filename)  # fmt: skip
        document = inspected.metadata if inspected is not None else None
        if document is not None and sha256(document).hexdigest() == file.core_metadata:
            await self._keep(document)

    async def _holds(self, digest: Digest, size: int | None) -> bool:
        """Whether the store has that content, and of that length where it is known; bytes cut off are taken out of it, to make room."""
        try:
            content = await self.blobs.open(digest)
        except NoSuchBlob:
            return False
        try:
            if size is None or content.size == size:
                return True
            if ITended.providedBy(self.blobs):
                await self.blobs.set_aside(content, None)
            return False
        finally:
            content.close()

    async def _take(self, asking: _Asking, draft: IDraft, size: int, found: Mapping[str, str], inspected: Inspected) -> Published:
        """Make it durable, then record it, then tell (law 7). A blob whose record is refused is left to the janitor, since others may need it."""
        upload = asking.upload
        await self.allotment.insist(size)
        document = inspected.metadata if promises_metadata(upload.filename, inspected.metadata) else None
        digest, sidecar = await self._commit(draft, Digest(found["sha256"]), document)
        now, earlier = self.clock.seconds(), asking.earlier or Earlier()
        blake = found["blake2b_256"]
        file = File(
            filename=upload.filename,
            path=f"{blake[:2]}/{blake[2:4]}/{blake[4:]}/{upload.filename}",
            hashes=(("sha256", digest), *((algorithm, found[algorithm]) for algorithm in ("md5",) if algorithm in found)),
            size=size,
            upload_time=earlier.upload_time or datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            requires_python=clean(inspected.requires_python or "").strip() or None,
            yanked=earlier.yanked,
            core_metadata=sidecar,
        )
        record = FileRecord(file, inspected.version, asking.account, uploaded=now)
        self.allotment.took(size)
        age = self.ages.of(upload.name)
        try:
            entered = await self._record(asking, record)
        finally:
            # What another process told of meanwhile may have come after this file, and is not told again.
            overtaken = age != self.ages.of(upload.name)
            held = self.pages.set_aside(upload.name)
            # Also where it failed: whether the records took it before they failed is not known here.
            self.announcements.announce(upload.name)
        if entered.is_new and not overtaken:
            self.pages.extend(upload.name, held, record, entered)
        did = "uploaded" if asking.earlier is None else "adopted"
        self.lines.add(now, f"{self.label}: {asking.account or 'the operator'} {did} {upload.filename}, sha256 {digest}")
        return Published(file, record.version, entered.serial, noted=entered.noted)

    async def _record(self, asking: _Asking, record: FileRecord) -> Entered:
        upload = asking.upload
        action = f"add {python_tag(upload.filename)} file {upload.filename}"
        instead = f"replace file {upload.filename}" if asking.replacing else None
        founder = asking.account if asking.founding else None
        deed = asking.deed and attrs.evolve(asking.deed, time=record.uploaded, detail=f"sha256:{record.file.digest or ''}")
        return await self.records.files.enter(self.label, upload.name, record, action, founder, deed, instead)

    async def _commit(self, draft: IDraft, expected: Digest, document: bytes | None) -> tuple[Digest, Digest | None]:
        """Make file and sidecar durable, both at once: an upload spends most of its time waiting for the disk."""
        if isinstance(draft, SlightDraft) and draft.in_memory:
            return await draft.commit_with(expected, document), None if document is None else Digest(sha256(document).hexdigest())
        if document is None:
            return await draft.commit(expected), None
        sidecar, key = document, object()
        kept: list[Digest] = []

        async def keep() -> None:
            kept.append(await self._keep(sidecar))

        self.keeping.start(key, keep)
        digest = await draft.commit(expected)
        if self.keeping.flying(key):
            await self.keeping.join(key, keep)
        # Where it failed while nobody waited for it, the second try fails where it is heard.
        return digest, kept[0] if kept else await self._keep(sidecar)

    async def _keep(self, document: bytes) -> Digest:
        """Make that document a blob."""
        draft = await self.blobs.draft()
        try:
            await draft.write(document)
            return await draft.commit(None)
        finally:
            # After a commit this does nothing.
            await draft.abort()
            draft.close()


def _entry(upload: Upload, digest: Digest) -> File:
    """As much of the file's entry as says which file it is."""
    return File(upload.filename, hashes=(("sha256", digest),))
