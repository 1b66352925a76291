"""Files that verbs write beside the data folder: whole at every moment, and readable for whom they should be."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from pypidaemon.errors import PypidaemonError

OWN = 0o600
"""The mode of what is for one's own user alone."""
LARGEST = 4 << 20
"""Bytes of a file that is changed: far more than anybody writes by hand."""


def read(file: Path) -> bytes:
    """
    What a file holds that somebody wrote; nothing where there is none.

    :raises PypidaemonError: it cannot be read, is no ordinary file, or is larger than any such file.
    """
    try:
        # Whoever only waits for a pipe to be written into would wait for ever.
        number = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with open(number, "rb") as stream:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                raise PypidaemonError(f"cannot read {file}: it is no ordinary file")
            found = stream.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError as error:
        raise PypidaemonError(f"cannot read {file}: {error.strerror}") from None
    if len(found) > LARGEST:
        raise PypidaemonError(f"{file} is larger than {LARGEST >> 20} MiB")
    return found


def replace(file: Path, data: bytes, mode: int) -> None:
    """
    Put that in the place of the file by one rename. Where the file is a link, what it leads to is replaced; whose it is it stays, as far as we may.

    :param mode: the rights that it has in the end.
    :raises PypidaemonError: it is no ordinary file, such as the one that takes everything, or cannot be written; then it is as it was.
    """
    _insist_on_leave(file)
    try:
        _exchange(Path(os.path.realpath(file)), data, mode, file)
    except OSError as error:
        raise PypidaemonError(f"cannot write {file}: {error.strerror}") from None


def put(file: Path, text: str, *, secret: bool = False, of: bytes | None = None) -> Path | None:
    """
    Have the file say that, and keep what it said before beside it; answer where, None where there was none.

    :param secret: whether it is for one's own user alone, also where it was not so before.
    :param of: what it held when the text was made; None where that does not matter.
    :raises PypidaemonError: it is no ordinary file, was changed since, or one of the two cannot be written; then the file is as it was.
    """
    before = read(file)
    if of is not None and before != of:
        raise PypidaemonError(f"{file} stays as it is: somebody else changed it just now, so say it again")
    _insist_on_leave(file)
    data = text.encode("utf-8")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            mode = os.stat(file).st_mode & (OWN if secret else 0o777)
        except FileNotFoundError:
            _exchange(Path(os.path.realpath(file)), data, OWN if secret else 0o666 & ~_mask(), file)
            return None
        kept = file.with_name(f"{file.name}.bak")
        # In the place of whatever is there: through another name of it, such as a link, something else would be overwritten.
        _exchange(kept, before, mode, file)
    except OSError as error:
        raise PypidaemonError(f"cannot write {file}: {error.strerror}") from None
    replace(file, data, mode)
    return kept


def _insist_on_leave(file: Path) -> None:
    """Insist that it may be written: another one can be put in the place of any file whose folder is ours."""
    if os.path.exists(file) and not os.path.isfile(file):
        raise PypidaemonError(f"cannot write {file}: it is no ordinary file")
    if os.path.exists(file) and not os.access(file, os.W_OK):
        raise PypidaemonError(f"cannot write {file}: it is read-only")


def _exchange(place: Path, data: bytes, mode: int, model: Path) -> None:
    """
    Put that there by one rename.

    :param model: the file whose owner it gets, where there is one.
    """
    made = ""
    try:
        with NamedTemporaryFile(dir=place.parent, prefix=f".{place.name[:200]}.", delete=False) as stream:
            made = stream.name
            with suppress(FileNotFoundError, PermissionError):
                whose = os.stat(model)
                os.fchown(stream.fileno(), whose.st_uid, whose.st_gid)
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(made, place)
    except BaseException:
        with suppress(OSError):
            os.unlink(made)
        raise


def _mask() -> int:
    """The mask for new files, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
