"""
Putting right what is damaged or missing: set aside, and fetched again from whoever has it, which is verified as ever.

What was uploaded here can be had from nobody. Its damaged bytes are kept in a folder of their own, where somebody may still make something of them, and
are given to nobody any more.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.archives import BadArchive, wheel_metadata
from pypidaemon.errors import NoSuchBlob, PypidaemonError
from pypidaemon.interfaces import IBlobStore, IContent, IOnDisk, ITended
from pypidaemon.model import Companion, Digest, Filename, InThread, Waiting
from pypidaemon.upstream_files import holding
from pypidaemon.verification.findings import Finding
from pypidaemon.verification.holdings import Home, Named, Role
from pypidaemon.verification.reading import Damage

DAMAGED = "damaged"
"""The name of the folder for damaged bytes, below the data folder."""


@attrs.define
class Mending:
    """
    Puts findings right, one after the other.

    :param damaged: the folder for damaged bytes.
    """

    stores: Mapping[str, IBlobStore]
    clock: IReactorTime
    disk: InThread
    cpu: InThread
    damaged: Path

    async def set_aside(self, damage: Damage) -> str:
        """Take damaged bytes out of their store, so that nobody is given them any more; answer why that cannot be done, "" where it was."""
        store = self.stores[damage.store]
        if damage.content is None or not ITended.providedBy(store):
            return damage.detail or "its store cannot do without it"
        try:
            # Where it was not, somebody has put the right bytes in its place.
            await store.set_aside(damage.content, self.damaged)
        except PypidaemonError as error:
            return str(error)
        return ""

    async def mend(self, finding: Finding, owners: Sequence[tuple[Home, Named]]) -> Finding:
        """
        Have the bytes here again, in the store of each index that names them; what is only cache may also do without.

        :raises PypidaemonError: the records cannot be read.
        """
        digest = Digest(finding.digest)
        reasons: list[str] = []
        outcome = ""
        # Whoever can fetch comes first, since what is private here may be public elsewhere.
        for home, named in sorted(owners, key=lambda owner: owner[0].source is None):
            if await _holds(home.blobs, digest):
                outcome = outcome or "it is here again"
                continue
            how, reason = await self._had(home, named)
            outcome = outcome or how
            reasons += [reason] if reason and named.role.precious else []
        if reasons:
            return finding.unmended("; ".join(dict.fromkeys(reasons)) + await self._kept(digest))
        if not owners:
            return finding.mended("set aside; nobody is known to need it" + await self._kept(digest))
        await self.disk(_remove, self.damaged / digest)
        return finding.mended(outcome or "removed; it is fetched when somebody asks for it")

    async def _had(self, home: Home, named: Named) -> tuple[str, str]:
        """How it came to be here, or why it could not be had."""
        if home.source is None:
            if named.companion is Companion.METADATA and await self._rebuilt(home, named):
                return "taken out of its wheel", ""
            return "", "it was uploaded here, so it can be fetched from nobody"
        reason = "it cannot be had any more: upstream has another"
        try:
            if named.file.url:
                await home.source.take(named.name, named.file)
        except PypidaemonError as error:
            reason = str(error)
        if await _holds(home.blobs, named.digest):
            return "fetched again", ""
        if named.role is Role.MIRRORED:
            await self._let_wait(home, named)
        return "", reason

    async def _let_wait(self, home: Home, named: Named) -> None:
        """The next run looks at the project, and may find upstream in a better state or with other files."""
        mirrored = await home.records.mirrors.page(home.label, named.name)
        waiting = {one.name for one in await home.records.mirrors.waiting(home.label)}
        if mirrored is not None and named.name not in waiting:
            reason = f"{named.title} is lost"
            await home.records.mirrors.wait(home.label, [Waiting(named.name, mirrored.serial, due=self.clock.seconds(), reason=reason)])

    async def _rebuilt(self, home: Home, named: Named) -> bool:
        """Make a sidecar that was taken out of its wheel when that was uploaded, from the same wheel."""
        try:
            wheel = await home.blobs.open(Digest(named.file.digest or ""))
        except NoSuchBlob:
            return False
        try:
            document = await self._document(wheel, named.file.filename)
        except (BadArchive, OSError):
            return False
        finally:
            wheel.close()
        if sha256(document).hexdigest() != named.digest:
            return False
        draft = await home.blobs.draft()
        try:
            await draft.write(document)
            await draft.commit(named.digest)
        finally:
            # After a commit this does nothing.
            await draft.abort()
            draft.close()
        return True

    async def _document(self, wheel: IContent, filename: Filename) -> bytes:
        if IOnDisk.providedBy(wheel):
            return await self.disk(_metadata_at, wheel.path, filename)
        return await self.cpu(wheel_metadata, io.BytesIO(await wheel.read(0, wheel.size or 1)), filename)

    async def _kept(self, digest: Digest) -> str:
        kept = self.damaged / digest
        return f"; the damaged bytes are kept as {kept}" if await self.disk(kept.exists) else ""


async def _holds(blobs: IBlobStore, digest: Digest) -> bool:
    return bool(await holding(blobs, [digest]))


def _metadata_at(path: str, filename: Filename) -> bytes:
    with Path(path).open("rb") as source:
        return wheel_metadata(source, filename)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)
