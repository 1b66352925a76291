"""What a store asks of its disk, and believes until it has failed once. All of it is done on threads."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
from twisted.logger import Logger

from pypidaemon.blobs.descriptors import FULL
from pypidaemon.errors import StorageFailed
from pypidaemon.files import Files


@attrs.define(eq=False)
class Syncing:
    """
    The disk of one store.

    :param label: the store's, for the log.
    """

    label: str
    files: Files
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
