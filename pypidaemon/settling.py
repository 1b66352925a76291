"""Files that are durable when they are said to be there: their bytes are on the disk before their name, and their name before anybody is told (F73)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO


def settle(file: BinaryIO) -> None:
    """
    Have all that was written to a file on the disk. Blocks.

    :raises OSError: the disk failed to keep it.
    """
    file.flush()
    os.fsync(file.fileno())


def put(partial: Path, target: Path) -> None:
    """
    Give a file that is settled its place, in place of what is there, and have its name on the disk. Blocks.

    :raises OSError: it cannot be moved, or the disk failed to keep its name.
    """
    os.rename(partial, target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
