"""What a store asks of its disk, and believes until it has failed once. All of it is done on threads."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain

import attrs
from twisted.logger import Logger

from pypidaemon.blobs.descriptors import FULL, room
from pypidaemon.blobs.writing import Written
from pypidaemon.errors import PypidaemonError, StorageFailed
from pypidaemon.files import Files
from pypidaemon.model import Digest


@attrs.define(eq=False)
class Syncing:
    """
    The disk of one store.

    :param label: the store's, for the log.
    :param root: its folder.
    """

    label: str
    files: Files
    root: str
    failed: str = attrs.field(init=False, default="")
    """Why nothing is stored any more until a restart: the disk said of something written that it is not there. "" while all is well."""
    _log = Logger()

    def check(self) -> None:
        """:raises StorageFailed: nothing is stored until a restart."""
        if self.failed:
            raise StorageFailed(self.failed)

    def sync(self, descriptor: int) -> None:
        """
        Make that durable. What a disk could not write once, it may claim to have written the next time it is asked, so it is not asked again (F60).

        :raises StorageFailed: it could not be done before.
        :raises OSError: it could not be done now.
        """
        with self._believed():
            self.files.sync(descriptor)

    def sync_together(self, volume: int, count: int) -> bool:
        """As `Files.sync_together`; it raises as `sync` does, and the disk is not asked again either."""
        with self._believed():
            return self.files.sync_together(volume, count)

    @contextmanager
    def volume(self) -> Iterator[int]:
        """A descriptor by which the volume can be synced, of whatever fails from now on."""
        with room():
            descriptor = self.files.folder(self.root)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def sync_folders(self, volume: int, folders: Collection[str], held: Collection[int] = ()) -> None:
        """
        Make the names in these folders of the store durable, and in those that the descriptors are of; as `sync`.

        :param volume: as `volume` gives it, opened before anything was put there.
        :raises StorageFailed: as `sync`.
        :raises OSError: as `sync`.
        """
        if self.sync_together(volume, len(folders) + len(held)):
            return
        for folder in folders:
            descriptor = self.files.folder(os.path.join(self.root, folder) if folder else self.root)
            try:
                self.sync(descriptor)
            finally:
                os.close(descriptor)
        for descriptor in held:
            self.sync(descriptor)

    def sync_drafts(
        self, written: Mapping[int, Sequence[Written]], late: Collection[int], volume: int
    ) -> tuple[dict[int, Digest | Exception], bool]:
        """
        Make these durable in themselves; answer what went wrong with which, and whether all of the volume was synced for that.

        :param late: those that were written before the volume's descriptor was there. Of a failure then another's sync may have been told, and nobody is
            told twice but who asks for that very file.
        """
        wrong: dict[int, Digest | Exception] = {}
        count, together = sum(len(drafts) for number, drafts in written.items() if number not in late), False
        try:
            with room():
                together = self.sync_together(volume, count)
                if together:
                    written = {number: written[number] for number in late}
        except (PypidaemonError, OSError) as error:
            wrong = {number: error for number in written if number not in late}
            written = {number: written[number] for number in late}
        for _, _, descriptor, _ in chain.from_iterable(written.values()):
            # The disk begins with all of them, so waiting for one after the other takes little longer than waiting for the slowest.
            with suppress(OSError):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        for number, drafts in written.items():
            try:
                with room():
                    for _, _, descriptor, _ in drafts:
                        self.sync(descriptor)
            except (PypidaemonError, OSError) as error:
                wrong[number] = error
        return wrong, together

    @contextmanager
    def _believed(self) -> Iterator[None]:
        """The disk is asked for something, whose word counts until it has failed once."""
        self.check()
        try:
            yield
        except OSError as error:
            if error.errno not in (*FULL, errno.EROFS):
                self.failed = (
                    f"the disk failed to keep what was written ({os.strerror(error.errno or 0)}); nothing more is stored until a restart"
                )
                self._log.error("{label}: {failed}", label=self.label, failed=self.failed)
            raise
