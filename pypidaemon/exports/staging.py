"""
Files made beside what is there and put in their places by one rename each, so that whoever reads sees the one or the other, whole.

No symbolic link below the folder is ever followed: each part of a path is opened by itself, and what is opened is held on to. All of it blocks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Digest

STAGE = ".pypidaemon-export-new"
"""Where things are made, below the folder; nobody reads in it."""

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP}
"""Why a file may not get another name: then it is copied."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_PIECE = 1 << 20

Place = tuple[str, ...]
"""The segments of a path below the folder."""


class Altered(Exception):
    """A file does not have the bytes that it should have."""


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """
    Let what the system says of files in that folder be one line of ours.

    :raises PypidaemonError: the block failed.
    """
    try:
        yield
    except OSError as error:
        reason, what = error.strerror or type(error).__name__, error.filename if isinstance(error.filename, str) else ""
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EISDIR):
            reason = "a link or a file stands where a folder should be, or the reverse; remove it, so that nothing is written elsewhere"
        # Below the folder the system is told one part of a path at a time.
        raise PypidaemonError(f"{path / what}: {reason}") from error


@attrs.define(eq=False)
class Staging:
    """
    A folder and the place in it where things are made.

    :param root: a descriptor of the folder.
    :param stage: one of that place.
    """

    root: int
    stage: int
    _made: int = attrs.field(default=0, init=False)

    @classmethod
    def begin(cls, root: int) -> Staging:
        """An empty place to make things in; what somebody else left there is removed. OSError where there can be none."""
        with suppress(FileNotFoundError):
            shutil.rmtree(STAGE, dir_fd=root)
        os.mkdir(STAGE, 0o700, dir_fd=root)
        return cls(root, os.open(STAGE, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root))

    def close(self) -> None:
        """Remove that place with what was made and not moved."""
        with suppress(OSError):
            shutil.rmtree(STAGE, dir_fd=self.root)
        os.close(self.stage)

    def made(self, pieces: Iterable[bytes]) -> str:
        """A new file of these bytes that everybody may read; answers its name in the stage."""
        name = self._next()
        with open(os.open(name, _MAKE, 0o644, dir_fd=self.stage), "wb") as target:
            os.fchmod(target.fileno(), 0o644)
            target.writelines(pieces)
        return name

    def linked(self, path: str) -> str | None:
        """Another name for that file, which is then readable to all and writable to none; None where there can be none."""
        name = self._next()
        try:
            os.link(path, name, dst_dir_fd=self.stage, follow_symlinks=False)
        except OSError as error:
            if error.errno in _NO_LINK:
                return None
            raise
        try:
            with open(os.open(name, _READ, dir_fd=self.stage), "rb", buffering=0) as blob:
                os.fchmod(blob.fileno(), 0o444)
        except PermissionError:
            # It is somebody else's, who alone may say that others may read it.
            self.drop(name)
            return None
        return name

    def copied(self, path: str, digest: Digest | None) -> str:
        """
        A copy of that file, readable to all and writable to none.

        :raises Altered: it does not have that sha256.
        """
        name = self._next()
        if self._poured(os.open(path, _READ), name) != digest and digest is not None:
            self.drop(name)
            raise Altered
        return name

    def again(self, name: str) -> str:
        """Another name for what was made, or a copy where there can be none."""
        return self._second(self.stage, name)

    def beside(self, place: Place) -> str:
        """The same for what stands at that place."""
        with self.opened(place[:-1]) as folder:
            return self._second(folder, place[-1])

    def drop(self, name: str) -> None:
        """Let what was made be nothing."""
        os.unlink(name, dir_fd=self.stage)

    def move(self, name: str, place: Place) -> None:
        """Put what was made in its place, instead of whatever stands there."""
        with self.opened(place[:-1], make=True) as folder:
            os.rename(name, place[-1], src_dir_fd=self.stage, dst_dir_fd=folder)
        # One name of a file renamed to another of the same file is left as it was.
        with suppress(FileNotFoundError):
            self.drop(name)

    def remove(self, place: Place) -> bool:
        """Remove what stands there, a folder with all that is in it; answer whether there was anything."""
        try:
            with self.opened(place[:-1]) as folder:
                if stat.S_ISDIR(os.stat(place[-1], dir_fd=folder, follow_symlinks=False).st_mode):
                    shutil.rmtree(place[-1], dir_fd=folder)
                else:
                    os.unlink(place[-1], dir_fd=folder)
        except FileNotFoundError:
            return False
        return True

    def stat(self, place: Place) -> os.stat_result | None:
        """What stands there, None where nothing does."""
        try:
            with self.opened(place[:-1]) as folder:
                return os.stat(place[-1], dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def entries(self, place: Place) -> dict[str, bool]:
        """What is in that folder, none where it is not there: by name whether it is a folder itself."""
        try:
            with self.opened(place) as folder, os.scandir(folder) as found:
                return {entry.name: entry.is_dir(follow_symlinks=False) for entry in found}
        except FileNotFoundError:
            return {}

    def read(self, place: Place) -> bytes | None:
        """The bytes of that file, None where there is none."""
        try:
            with self.opened(place[:-1]) as folder, open(os.open(place[-1], _READ, dir_fd=folder), "rb") as source:
                return source.read() if stat.S_ISREG(os.fstat(source.fileno()).st_mode) else None
        except FileNotFoundError:
            return None

    def digest(self, place: Place) -> str:
        """The sha256 of the file that stands there."""
        with self.opened(place[:-1]) as folder, open(os.open(place[-1], _READ, dir_fd=folder), "rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()

    def same(self, name: str, place: Place) -> bool:
        """Whether what was made has the bytes of what stands there."""
        there, new = self.stat(place), os.stat(name, dir_fd=self.stage)
        if there is None or not stat.S_ISREG(there.st_mode) or there.st_size != new.st_size:
            return False
        with self.opened(place[:-1]) as folder:
            one = open(os.open(name, _READ, dir_fd=self.stage), "rb")  # noqa: SIM115  # closed below
            with one, open(os.open(place[-1], _READ, dir_fd=folder), "rb") as other:
                while (piece := one.read(_PIECE)) == other.read(_PIECE):
                    if not piece:
                        return True
        return False

    @contextmanager
    def opened(self, segments: Place, *, make: bool = False) -> Iterator[int]:
        """
        A descriptor of that folder below ours, which is made where it is missing if so said.

        :raises FileNotFoundError: it is missing.
        """
        descriptor = os.dup(self.root)
        try:
            for segment in segments:
                made = make and _make(segment, descriptor)
                inner = os.open(segment, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
                if made:
                    # A web server is somebody else, whatever mask this process has.
                    os.fchmod(descriptor, 0o755)
            yield descriptor
        finally:
            os.close(descriptor)

    def _second(self, folder: int, of: str) -> str:
        name = self._next()
        try:
            os.link(of, name, src_dir_fd=folder, dst_dir_fd=self.stage, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._poured(os.open(of, _READ, dir_fd=folder), name)
        return name

    def _poured(self, descriptor: int, name: str) -> str:
        """Copy what that descriptor gives, close it, and answer the sha256."""
        seen = hashlib.sha256()
        with open(descriptor, "rb", buffering=0) as source, open(os.open(name, _MAKE, 0o600, dir_fd=self.stage), "wb") as copy:
            while piece := source.read(_PIECE):
                seen.update(piece)
                copy.write(piece)
            os.fchmod(copy.fileno(), 0o444)
        return seen.hexdigest()

    def _next(self) -> str:
        self._made += 1
        return str(self._made)


def _make(segment: str, folder: int) -> bool:
    try:
        os.mkdir(segment, 0o755, dir_fd=folder)
    except FileExistsError:
        return False
    return True
