"""What fills an index in tests, as a run of the daemon does."""

from __future__ import annotations

from collections.abc import Collection

from pypidaemon.filenames import filename
from pypidaemon.interfaces import IFillable
from pypidaemon.model import Companion, NormalizedName
from tests.gear import now


def bring(index: IFillable, name: NormalizedName, serial: int = 0, chosen: Collection[str] | None = None, *, complete: bool = True) -> int:
    """Bring that project up to date, with these files or all, and answer how many bytes were fetched."""
    page = now(index.offered(name, serial))
    files = [file for file in page.files if chosen is None or file.filename in chosen]
    fetched: int = sum(now(index.take(name, file)) for file in files)
    now(index.fill(page, files, serial, complete))
    return fetched


def shown(index: IFillable, name: NormalizedName) -> list[str]:
    """The files on its page, in order."""
    return [file.filename for file in now(index.project_page(name)).files]


def listed(index: IFillable) -> list[str]:
    """The names of its project list."""
    return [name for name, _ in now(index.project_names()).entries()]


def read(index: IFillable, name: NormalizedName, spelled: str, companion: Companion = Companion.FILE) -> bytes:
    """The bytes that it gives."""
    content = now(index.open_file(name, filename(spelled), companion))
    try:
        return now(content.read(0, 1 << 20))
    finally:
        content.close()
