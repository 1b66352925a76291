"""What is uploaded, and how it is kept."""

from __future__ import annotations

import enum

import attrs

from pypidaemon.model.names import Filename, NormalizedName
from pypidaemon.model.pages import File


class Standing(enum.Enum):
    """Whether a file of a local index is offered."""

    SHOWN = "shown"
    HIDDEN = "hidden"
    """Kept and not offered, until it is shown again."""
    DELETED = "deleted"
    """A tombstone: not offered, its name stays used, and it can be brought back while its bytes are kept."""


@attrs.frozen
class FileRecord:
    """
    A file of a local index: the entry it has on the page, and what a page does not show.

    `version` is as the file's own metadata spells it. `uploader` is the account that published it. `uploaded` is in seconds since the epoch.
    """

    file: File
    version: str
    uploader: str = ""
    standing: Standing = Standing.SHOWN
    uploaded: float = 0.0


@attrs.frozen
class Settled:
    """
    What became of records that were taken over from another place.

    :param changed: the files whose records are others than before; `conflicts` those that were left as they are, since their names mean something else here.
    """

    serial: int
    changed: tuple[Filename, ...] = ()
    conflicts: tuple[Filename, ...] = ()


@attrs.frozen
class OnRecord:
    """What is on record of a project and of one file name of it: its serial, who owns it, and the file's record where there is one."""

    serial: int
    owner: str | None = None
    record: FileRecord | None = None


@attrs.frozen
class Entered:
    """
    What became of a file that was to be added.

    :param serial: the one that the project has now; `before` is the one it had when the transaction began, None where there was no such project.
    :param is_new: whether anything was changed.
    :param noted: whether the audit log has it too.
    """

    serial: int
    before: int | None
    is_new: bool = True
    noted: bool = False


@attrs.frozen
class Upload:
    """
    What an uploader says of a file, read from a form and checked for its shape; the archive itself has the last word (R132).

    `digests` are those that were sent, as (algorithm, lower-case hexadecimal value): sha256, md5, blake2b_256, blake2b. `metadata` are the form's other
    fields in the order they came, names as sent.
    """

    name: NormalizedName
    version: str
    filename: Filename
    filetype: str
    """`bdist_wheel`, `sdist` or another of the old package types."""
    digests: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


@attrs.frozen
class Earlier:
    """
    What is known of a file that was published elsewhere before it comes here; None is not known.

    `upload_time` and `yanked` are as in `File`.
    """

    upload_time: str | None = None
    yanked: str | None = None


@attrs.frozen
class Inspected:
    """What was found in an uploaded archive: the exact bytes of its METADATA or PKG-INFO, and what they say."""

    metadata: bytes
    name: NormalizedName
    version: str
    requires_python: str | None = None


@attrs.frozen
class Published:
    """
    What became of an upload: the entry as the page has it from now on, and whether it was there already with the same bytes.

    `noted` says that the audit log has it already.
    """

    file: File
    version: str
    serial: int
    repeated: bool = False
    noted: bool = False
