"""What is found where an older tool has kept things: files with all that is told of them, the projects they are of, and what is not taken."""

from __future__ import annotations

import enum

import attrs

from pypidaemon.model import File, NormalizedName, ProjectStatus


class Role(enum.Enum):
    """What the files of a layout are to whoever has kept them, which says where they go."""

    PRIVATE = "private"
    """They are from nowhere else: into a private index, where their names are ours from then on."""
    MIRRORED = "mirrored"
    """They were fetched before anybody asked: into a mirror, else into a proxy."""
    PROXIED = "proxied"
    """They were fetched because somebody asked: into a proxy, else into a mirror."""


@attrs.frozen
class Found:
    """
    One file of a distribution.

    `file` is as much of its entry on a page as is told there: its name, which has passed the gate, hashes of any algorithm, size, `upload_time`, `yanked`,
    `requires_python`, and the absolute `url` that it came from. What is not told is None or empty, and nothing of it is guessed: the archive itself says
    whose it is, and its bytes have the last word about hashes and size.
    """

    path: str
    """Where its bytes are: below the folder, with slashes; or an absolute URL."""
    file: File
    project: NormalizedName | None = None
    """The project that the layout puts it into; None where it names none."""
    uploader: str = ""
    """The account that owned or uploaded it there, where that is told."""


@attrs.frozen
class Project:
    """
    What is told of a whole project. All of its files come right after it, before anything of another project.

    Private files need no such value, and may come in any order.
    """

    name: NormalizedName
    serial: int = 0
    """That of upstream when the page was kept, 0 where it is not told."""
    versions: tuple[str, ...] = ()
    status: ProjectStatus = ProjectStatus()


@attrs.frozen
class Passed:
    """Something that is not taken, and why, in a few words for people."""

    path: str
    reason: str
    wrong: bool = True
    """Whether it looks like something that ought to be taken; what a tool keeps for itself does not."""
    note: bool = False
    """Whether people should know of it all the same: what was said there of users and rights, which they have to say here themselves."""


Finding = Found | Project | Passed
