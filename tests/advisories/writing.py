"""Advisories as OSV writes them, for tests."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Document = dict[str, Any]


def affected(name: str, versions: Sequence[str] = (), *ranges: Sequence[tuple[str, str]]) -> Document:
    """One entry of `affected`; each range is a list of events."""
    written = [{"type": "ECOSYSTEM", "events": [{kind: version} for kind, version in events]} for events in ranges]
    return {"package": {"ecosystem": "PyPI", "name": name}, "versions": list(versions), "ranges": written}


def osv(id: str, *about: Document, **more: Any) -> Document:
    """An advisory."""
    return {"schema_version": "1.7.0", "id": id, "modified": "2026-01-01T00:00:00Z", "summary": "", "affected": list(about), **more}


def malware(id: str, name: str, *versions: str) -> Document:
    """Malicious code in these versions of a project, without any in all there could be."""
    ranges = [] if versions else [[("introduced", "0")]]
    return osv(id, affected(name, versions, *ranges), summary=f"Malicious code in {name} (PyPI)")


def vulnerable(id: str, name: str, fixed: str | None, **more: Any) -> Document:
    """A mistake that was always in a project, up to where it was fixed."""
    events = [("introduced", "0"), *([("fixed", fixed)] if fixed else [])]
    return osv(id, affected(name, (), events), **{"summary": "It falls over", **more})


def zipped(*documents: Document | tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The archive of these; a pair is a member's name and its bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for document in documents:
            name, data = document if isinstance(document, tuple) else (f"{document['id']}.json", json.dumps(document).encode())
            archive.writestr(name, data)
    return made.getvalue()


def put(path: Path, data: bytes, changed: float) -> Path:
    """Put a whole file in the place of another, last changed then."""
    beside = path.with_name("." + path.name)
    beside.write_bytes(data)
    os.utime(beside, (changed, changed))
    return beside.replace(path)
