"""What the name of an entry in a folder says: a file of a distribution, or why it is none."""

from __future__ import annotations

from collections.abc import Iterator

from pypidaemon.adoption.folder import Entry, Folder
from pypidaemon.adoption.found import Finding, Found, Passed
from pypidaemon.archives.rules import extension
from pypidaemon.errors import InvalidName
from pypidaemon.filenames import candidates, filename, package_type, project_name
from pypidaemon.model import File, NormalizedName

UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".swp", "~")
"""How names end under which tools write what is not yet whole."""
BESIDE = (
    ".asc",
    ".sig",
    ".metadata",
    ".provenance",
    ".md5",
    ".sha256",
    ".sigstore",
    ".json",
    ".html",
    ".htm",
    ".txt",
    ".log",
    ".xml",
    ".css",
)
"""How names end of what stands beside distributions and is made again, or of no use without them."""
DEEPEST = 20
"""Folders within each other that are gone into; nobody sorts packages so."""
LINK = "a symbolic link, which is not followed"


def named(entry: Entry, project: NormalizedName | None = None) -> Found | Passed:
    """
    The file of a distribution that an entry is by its name and kind, or why it is none.

    :param project: the project that its place says.
    """
    if entry.kind == "link":
        return Passed(entry.path, LINK)
    if entry.kind != "file":
        return Passed(entry.path, "no regular file")
    if entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED):
        return Passed(entry.path, "hidden, or not whole", wrong=False)
    if entry.name.lower().endswith(BESIDE):
        return Passed(entry.path, "no distribution", wrong=False)
    try:
        name = filename(entry.name)
    except InvalidName:
        return Passed(entry.path, "its name is not that of a distribution", wrong=bool(extension(entry.name)))
    if not package_type(name) or not candidates(name):
        return Passed(entry.path, "its name is not that of a distribution", wrong=bool(extension(entry.name)))
    return Found(entry.path, File(name), project)


def spelled(raw: str) -> NormalizedName | None:
    """The project of a folder's name; None where no project can be called so."""
    try:
        return project_name(raw)
    except InvalidName:
        return None


def hidden(entry: Entry) -> bool:
    """Whether it is something that a tool, or the system, keeps for itself."""
    return entry.name.startswith(".") or entry.name == "lost+found"


def everything(folder: Folder, path: str = "") -> Iterator[Finding]:
    """
    Every distribution in that folder and in those in it, down to `DEEPEST`; nothing of it is sorted into projects.

    :raises OSError: the folder itself cannot be read.
    """
    for entry in folder.entries(path):
        if hidden(entry):
            yield Passed(entry.path, "hidden", wrong=False)
        elif entry.kind != "folder":
            yield named(entry)
        elif entry.path.count("/") >= DEEPEST:
            yield Passed(entry.path, "too deep below the folder")
        else:
            yield from below(folder, entry)


def below(folder: Folder, entry: Entry) -> Iterator[Finding]:
    """The same of a folder in it, which is passed over where it cannot be read."""
    try:
        yield from everything(folder, entry.path)
    except OSError as error:
        yield Passed(entry.path, error.strerror or type(error).__name__)
