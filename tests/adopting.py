"""A house that somebody moves into: its indexes, and the folders that older tools leave behind."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from pypidaemon.adoption.beginning import Means, Order
from pypidaemon.adoption.outcomes import Outcome
from pypidaemon.adoption.run import Adoption
from pypidaemon.clashes import Clashes
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.volume import Allotments
from tests.gear import inline, now
from tests.house import House, Inspectors

LONG_AGO = 1_500_000_000
"""When files were put where they lie: 2017-07-14T02:40:00Z."""

Files = Mapping[str, bytes]


def means(house: House, **indexes: Any) -> Means:
    """What adoptions in that house work with."""
    return Means(
        indexes=indexes,
        uploads=None,
        records=house.records,
        upstreams={"pypi": house.upstream},
        clashes=Clashes({**indexes, "pypi": house.proxy}, {}, house.reserved),
        inspectors=Inspectors(),
        rulings=house.rulings,
        announcements=house.announcements,
        allotments=Allotments(),
        clock=house.clock,
        reactor=house.clock,
        cpu=inline,
        disk=inline,
        data=Path("/nonexistent"),
        blobs=house.blobs,
        strangers=True,
    )


@attrs.define
class Moved:
    """How an adoption ended."""

    adoption: Adoption
    outcomes: list[Outcome] = attrs.field(factory=list)

    @property
    def fates(self) -> dict[str, str]:
        """What became of each thing, by the last part of its path."""
        return {one.path.rpartition("/")[2]: one.fate.value for one in self.outcomes}

    @property
    def reasons(self) -> dict[str, str]:
        """Why each thing was left that was."""
        return {one.path.rpartition("/")[2]: one.reason for one in self.outcomes if one.reason}

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were taken, were here, and were skipped."""
        tally = self.adoption.tally
        return tally.taken, tally.here, tally.skipped


def moved(means: Means, layout: str, folder: Path, **order: Any) -> Moved:
    """Adopt what is there."""
    outcomes: list[Outcome] = []
    adoption = means.adoption(Order(layout, str(folder), **order), outcomes.append)
    now(adoption.run())
    return Moved(adoption, outcomes)


def releases(name: str, *versions: str) -> dict[str, bytes]:
    """A wheel and a source distribution of each of these."""
    return dict(made for version in versions for made in (make_wheel(name, version), make_sdist(name, version)))


def put(folder: Path, files: Files) -> Path:
    """Put these files there, a long time ago."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
        (folder / name).chmod(0o644)
    return folder


def z3c(root: Path, spelled: str, files: Files) -> Path:
    """That project, as z3c.pypimirror has it."""
    folder = put(root / spelled, files)
    for name, data in files.items():
        (folder / f".{name}.md5").write_text(md5(data))
    (folder / "index.html").write_text("<html></html>")
    (root / "full.html").write_text("<html></html>")
    return root


def pep381client(root: Path, spelled: str, files: Files) -> Path:
    """That project, as pep381client has it."""
    place = f"source/{spelled[0]}/{spelled}"
    put(root / "web" / "packages" / place, files)
    home = '<a href="http://home.invalid/" rel="homepage">1.0 home_page</a><br/>'
    links = "".join(f'<a href="../../packages/{place}/{name}#md5={md5(data)}">{name}</a><br/>\n' for name, data in files.items())
    page = f"<html><head><title>Links for {spelled}</title></head><body>{home}{links}</body></html>"
    put(root / "web" / "simple" / spelled, {"index.html": page.encode()})
    (root / "web" / "last-modified").write_text("20111225T12:00:00\n")
    (root / "status").write_bytes(b"cos\nsystem\n(S'touch PWNED'\ntR.")
    return root


def bandersnatch(
    root: Path, name: str, files: Files, facts: Mapping[str, Mapping[str, Any]] | None = None, *, legacy: bool = False
) -> Path:
    """That project, as bandersnatch has it; `facts` are more of the entries of its page, or with `legacy` of upstream's own document, by file name."""
    entries: list[dict[str, Any]] = []
    for filename, data in files.items():
        blake = hashlib.blake2b(data, digest_size=32).hexdigest()
        place = f"packages/{blake[:2]}/{blake[2:4]}/{blake[4:]}"
        put(root / "web" / place, {filename: data})
        entries.append({"filename": filename, "hashes": {"sha256": sha256(data)}, "size": len(data), "url": f"../../{place}/{filename}"})
    more = facts or {}
    page = {
        "files": [entry | ({} if legacy else more.get(entry["filename"], {})) for entry in entries],
        "meta": {"api-version": "1.1", "_last-serial": "42"},
        "name": name,
        "versions": ["1.0"],
    }
    put(root / "web" / "simple" / name, {"index.v1_json": json.dumps(page).encode()})
    if legacy:
        document = {"info": {}, "releases": {"1.0": [entry | more.get(entry["filename"], {}) for entry in entries]}}
        put(root / "web" / "json", {name: json.dumps(document).encode()})
    (root / "status").write_text("42")
    return root


def md5(data: bytes) -> str:
    """Its md5."""
    return hashlib.md5(data).hexdigest()


def sha256(data: bytes) -> str:
    """Its sha256."""
    return hashlib.sha256(data).hexdigest()
