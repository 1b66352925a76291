"""Private files that a bundle brings, held against what an upload of them would be held against: nobody gets by a stick in what the form refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256

import attrs

from pypidaemon.archives.promising import promises_metadata
from pypidaemon.bundles.parts import Part
from pypidaemon.clashes import Clashes
from pypidaemon.errors import Conflict, InvalidUpload, NoSuchBlob, NoSuchProject, Refused
from pypidaemon.filenames import package_type, python_tag
from pypidaemon.interfaces import IContent, IHostedIndex
from pypidaemon.model import Digest, File, Filename, FileRecord, NormalizedName, Standing, Upload
from pypidaemon.verification.holdings import Home

_NOT_TAKEN = (InvalidUpload, Conflict, Refused)


@attrs.frozen
class Judging:
    """
    :param clashes: what tells of names that an upstream has too; None asks nobody.
    :param tell: told, in a line, of each file that is not taken.
    """

    clashes: Clashes | None
    tell: Callable[[str], None]

    async def refused(self, home: Home, part: Part) -> frozenset[Filename]:
        """
        The files of a private part whose bytes are in the store that are not taken.

        :raises PypidaemonError: the records or the store cannot be read.
        """
        index, found = home.hosted, set[Filename]()
        records = [one for one in part.records if one.standing is not Standing.DELETED]
        if index is None or not (new := await self._new(home, part.name, records)):
            return frozenset()
        reason: str | None = None
        try:
            if self.clashes is not None:
                await self.clashes.consider(home.label, index, part.name)
        except Conflict as error:
            reason = str(error)
        for record in new:
            said = reason or await self._reason(home, index, part.name, record)
            if said is not None:
                found.add(record.file.filename)
                self.tell(f"{record.file.filename} of {part.name} is not taken into {home.label}: {said}")
        return frozenset(found)

    async def _new(self, home: Home, name: NormalizedName, records: Sequence[FileRecord]) -> list[FileRecord]:
        """Those that are not here yet with these bytes: what is here was judged when it came."""
        try:
            _, page = await home.records.files.page(home.label, name)
        except NoSuchProject:
            return list(records)
        here = {(one.file.filename, one.file.digest) for one in page if one.standing is not Standing.DELETED}
        return [one for one in records if (one.file.filename, one.file.digest) not in here]

    async def _reason(self, home: Home, index: IHostedIndex, name: NormalizedName, record: FileRecord) -> str | None:
        file = record.file
        assert file.digest is not None  # no part is read that has an entry without one
        try:
            with closing(await home.blobs.open(file.digest)) as content:
                return await _judged(index, _upload(name, record, file.digest), file, content)
        except NoSuchBlob:
            return "its bytes are not here"
        except _NOT_TAKEN as error:
            return str(error)


async def _judged(index: IHostedIndex, upload: Upload, file: File, content: IContent) -> str | None:
    if file.size != content.size:
        return f"the bundle does not say that it has {content.size} bytes"
    document = (await index.examine(upload, content)).metadata
    promised = sha256(document).hexdigest() if promises_metadata(file.filename, document) else None
    if file.core_metadata not in (None, promised):
        # Installers would go by what lies beside it, and not by what is inside.
        return "what the bundle has beside it as its metadata is not what is inside"
    return None


def _upload(name: NormalizedName, record: FileRecord, digest: Digest) -> Upload:
    """The form that would have come with it."""
    file = record.file
    said = [("pyversion", python_tag(file.filename))]
    said += [("requires_python", file.requires_python)] if file.requires_python else []
    return Upload(name, record.version, file.filename, package_type(file.filename), (("sha256", digest),), tuple(said))
