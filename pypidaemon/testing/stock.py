"""What a scriptable index holds: projects and their files, as plain values that a test may change as it likes."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile

import attrs


def normalized(name: str) -> str:
    """The name as URLs have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@attrs.define
class Stocked:
    """One file; `said` is the digest that the page promises, which `TestIndex.replace` leaves as it was."""

    filename: str
    data: bytes
    metadata: bytes | None
    upload_time: str
    said: str
    path: str
    said_size: int
    requires_python: str | None = ">=3.8"
    yanked: str | None = None


@attrs.define
class Project:
    """One project; `serial` is that of its last change."""

    name: str
    serial: int
    files: dict[str, Stocked] = attrs.field(factory=dict)
    status: str | None = None
    reason: str | None = None

    def versions(self) -> list[str]:
        """The versions of the files, in the order in which they came."""
        found: dict[str, None] = {}
        for filename in self.files:
            stem = filename.removesuffix(".tar.gz").removesuffix(".zip")
            parts = stem.split("-")
            if len(parts) > 1:
                found[parts[1]] = None
        return list(found)


def stocked(filename: str, data: bytes, metadata: bytes | None, upload_time: str) -> Stocked:
    """A file with the path that PyPI would give it; a wheel's METADATA is taken out of it unless it is given."""
    if metadata is None and filename.endswith(".whl"):
        metadata = _metadata(data)
    name = hashlib.blake2b(data, digest_size=32).hexdigest()
    return Stocked(
        filename=filename,
        data=data,
        metadata=metadata,
        upload_time=upload_time,
        said=hashlib.sha256(data).hexdigest(),
        path=f"/packages/{name[:2]}/{name[2:4]}/{name[4:]}/{filename}",
        said_size=len(data),
    )


def _metadata(wheel: bytes) -> bytes | None:
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            for path in archive.namelist():
                if path.endswith(".dist-info/METADATA"):
                    return archive.read(path)
    except zipfile.BadZipFile:
        return None
    return None
