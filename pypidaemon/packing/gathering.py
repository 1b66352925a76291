"""The texts of the files of a project, with those of what requirements files among them include."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pypidaemon.locks import NO_REQUIREMENTS, is_lock
from pypidaemon.policies.requirement_files import requirement_files
from pypidaemon.settings import Lines


def gathered(paths: Sequence[Path], read: Callable[[Path], str]) -> tuple[list[str], dict[str, str]]:
    """
    What these files are called, and the texts of all of them.

    :param read: gives the text of a file, or raises a ValueError that says which cannot be read.
    :raises ValueError: as `read`, or a requirements file has a line that is none.
    """
    texts: dict[str, str] = {}

    def kept(path: Path) -> str:
        if str(path) not in texts:
            texts[str(path)] = read(path)
        return texts[str(path)]

    for path in paths:
        kept(path)
        if not is_lock(path.name) and not path.name.endswith(NO_REQUIREMENTS):
            requirement_files(Lines([path]), kept)
    return [str(path) for path in paths], texts
