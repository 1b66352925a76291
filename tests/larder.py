"""A house with something of each kind stored in it, for tests of whoever looks after that."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.task import Clock

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.filenames import filename
from pypidaemon.files import Files
from pypidaemon.indexes.mirror import Mirror
from pypidaemon.indexes.private import Private
from pypidaemon.model import Companion, Digest, File, FileRecord, NormalizedName, Standing
from pypidaemon.testing.archives import core_metadata, make_wheel
from pypidaemon.verification.findings import Finding
from pypidaemon.verification.holdings import Holdings, Home
from pypidaemon.verification.run import Means, Verification
from tests.contracts.blob_store import held, put
from tests.fakes import file, page
from tests.filling import bring, read
from tests.gear import inline, now
from tests.house import House

OURS, ALPHA, BETA = NormalizedName("ours"), NormalizedName("alpha"), NormalizedName("beta")
OUR_WHEEL, OUR_BYTES = make_wheel("ours", "1.0")
OUR_SIDECAR = core_metadata("ours", "1.0")
WHEEL, WHEEL_BYTES = make_wheel("alpha", "1.0")
SIDECAR = core_metadata("alpha", "1.0")
SDIST, SDIST_BYTES = "beta-1.0.tar.gz", b"what clients took"
DOCUMENT = b'{"version":1,"attestation_bundles":[]}'
PROVENANCE = "https://files.example/integrity/alpha-1.0-py3-none-any.whl/provenance"
A_WHEEL = file(WHEEL, WHEEL_BYTES, core_metadata=sha256(SIDECAR).hexdigest(), provenance=PROVENANCE)
A_SDIST = file(SDIST, SDIST_BYTES)
DAY = 86_400.0


def digest_of(data: bytes) -> Digest:
    """Its sha256."""
    return Digest(sha256(data).hexdigest())


@attrs.define
class Larder:
    """
    `ours` is private, `alpha` is mirrored with all its companions, `beta` lies in the cache of the proxy.

    The store is a folder, whose times are those of the machine; so is the clock.
    """

    folder: Path
    files: Files = attrs.field(factory=Files)
    house: House = attrs.field(init=False)
    blobs: DirectoryBlobs = attrs.field(init=False)
    private: Private = attrs.field(init=False)
    mirror: Mirror = attrs.field(init=False)
    holdings: Holdings = attrs.field(init=False)
    clock: Clock = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.blobs = DirectoryBlobs(self.folder / "blobs", "blobs", inline, files=self.files)
        self.blobs.startService()
        self.house = House(blobs=self.blobs)  # type: ignore[arg-type]  # of the same interfaces
        self.clock = self.house.clock
        self.clock.advance(time.time() - self.clock.seconds())
        self.private, self.mirror = self.house.with_private(), self.house.new_mirror()
        records = self.house.records
        self.holdings = Holdings(
            [
                Home("private", records, self.blobs),
                Home("mirror", records, self.blobs, self.mirror),
                Home("pypi", records, self.blobs, self.house.proxy, remembers=True),
            ],
            {"blobs": self.blobs},
        )
        upstream = self.house.upstream
        upstream.pages = {"alpha": page("alpha", A_WHEEL), "beta": page("beta", A_SDIST)}
        upstream.bodies = {
            A_WHEEL.url: WHEEL_BYTES,
            A_WHEEL.url + ".metadata": SIDECAR,
            PROVENANCE: DOCUMENT,
            A_SDIST.url: SDIST_BYTES,
        }

    def fill(self) -> None:
        """Put everything in."""
        for data in (OUR_BYTES, OUR_SIDECAR):
            now(put(self.blobs, data))
        entry = File(
            filename(OUR_WHEEL), hashes=(("sha256", digest_of(OUR_BYTES)),), size=len(OUR_BYTES), core_metadata=digest_of(OUR_SIDECAR)
        )
        now(self.house.records.files.add("private", OURS, FileRecord(entry, "1.0"), "add", None))
        bring(self.mirror, ALPHA)
        assert read(self.house.proxy, BETA, SDIST) == SDIST_BYTES
        self.age()

    def age(self, digests: Iterable[Digest] | None = None) -> None:
        """All that is there, or these, came two days ago."""
        places = self.blobs.path.rglob("*") if digests is None else map(self.place, digests)
        for place in places:
            if place.is_file():
                os.utime(place, (time.time() - 2 * DAY,) * 2)

    def place(self, digest: Digest) -> Path:
        """Where that blob lies."""
        return self.blobs.path / digest[:2] / digest[2:4] / digest

    def damage(self, data: bytes, instead: bytes | None = None) -> Digest:
        """Put other bytes in the place of these, of the same length where none are given."""
        digest = digest_of(data)
        self.place(digest).write_bytes(bytes([data[0] ^ 1]) + data[1:] if instead is None else instead)
        return digest

    def lose(self, data: bytes) -> Digest:
        """Take these bytes away."""
        digest = digest_of(data)
        self.place(digest).unlink()
        return digest

    def stray(self, data: bytes) -> Digest:
        """Bytes that nobody needs, two days old."""
        digest = now(put(self.blobs, data))
        self.age([digest])
        return digest

    def delete(self) -> None:
        """Make a tombstone of what is private."""
        now(self.house.records.files.place("private", OURS, (filename(OUR_WHEEL),), Standing.DELETED, "remove"))

    def verify(self, *projects: NormalizedName, repair: bool = False) -> list[Finding]:
        """What is found, in order."""
        found: list[Finding] = []
        means = Means(self.holdings, self.clock, inline, inline, self.folder)
        run = Verification(means, frozenset(projects) or None, repair, None, found.append)
        now(run.run())
        assert run.whole
        assert (run.problems, run.unrepaired) == (len(found), sum(one.repaired is not True for one in found))
        return found

    def held(self) -> set[Digest]:
        """All blobs."""
        return now(held(self.blobs))

    def damaged(self) -> dict[str, bytes]:
        """What was set aside."""
        folder = self.folder / "damaged"
        return {one.name: one.read_bytes() for one in folder.iterdir()} if folder.exists() else {}

    def reads(self, index: Any, name: NormalizedName, spelled: str, companion: Companion = Companion.FILE) -> bytes:
        """What that index gives."""
        return read(index, name, spelled, companion)


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Problems with digests, in order."""
    return sorted((one.problem.value, one.digest) for one in findings)
