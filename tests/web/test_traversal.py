"""Ways out of the folders that files are served from, over the real channel, before stores on a real disk with something worth having beside them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.indexes.directory import Directory
from pypidaemon.testing.archives import make_sdist
from tests.gear import inline
from tests.house import House
from tests.web.wire import Client, answers, get

CANARY = b"the canary sings"

UP = (
    "..", "%2e%2e", "%2E%2e", ".%2e", "%2e.", "..%2f", "%2e%2e%2f", "..%5c", "..\\", "%5c..", "..;", "..;a=b", "..%00", "..%01", "%252e%252e", "%25%32%65%25%32%65",
    "..%c0%af", "%c0%ae%c0%ae", "%c0%ae%c0%ae%c0%af", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae", "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "%e2%80%a4%e2%80%a4", "....//", "...", "....",
    "..%20", "%20..", "..%09", "..%0d%0a", ". .", "..%3b", "..%23", "..%3f", "~", "~root", "%7eroot", "C:", "file:", ".%00.", "%00", "%fe%2e",
)  # fmt: skip
ROOTS = (
    "/",
    "/packages/",
    "/packages/aa/bb/",
    "/packages/by-name/files/alpha/",
    "/index/files/packages/by-name/files/alpha/",
    "/simple/",
    "/index/files/simple/",
    "/local-stats/days/",
)
ENDS = ("canary.txt", "canary-1.0.tar.gz", "%63anary.txt")


def variants() -> Iterator[str]:
    """Request targets."""
    for root, up, end in itertools.product(ROOTS, UP, ENDS):
        yield f"{root}{up}/{end}"
    for root, up in itertools.product(ROOTS, UP):
        yield f"{root}{up}/{up}/{up}/canary.txt"
    for root in ROOTS:
        yield from (
            f"http://index.example{root}../canary.txt",
            f"file://{root}canary.txt",
            f"*{root}",
            f"/{root}/canary.txt",
            f"{root}?../canary.txt",
            f"{root}canary.txt%00.whl",
        )


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Blobs and a folder of files on the disk, and beside both what nobody is to get."""
    for place in (".", "blobs", "files", "files/alpha"):
        (tmp_path / place).mkdir(exist_ok=True)
    for outside in (tmp_path / "canary.txt", tmp_path / "canary-1.0.tar.gz", tmp_path / "blobs.txt"):
        outside.write_bytes(CANARY)
    filename, data = make_sdist("alpha", "1.0")
    (tmp_path / "files" / "alpha" / filename).write_bytes(data)
    house = House()
    blobs = DirectoryBlobs(tmp_path / "blobs", "blobs", inline)
    blobs.startService()
    house.blobs = blobs  # type: ignore[assignment]  # the real one
    house.restart()
    house.upstream.add("beta", ("beta-1.0.tar.gz", b"beta one"))
    files = Directory("files", tmp_path / "files", house.records, house.clock, inline, house.announcements)
    files.startService()
    for _ in range(5):
        # What is new is shown once it has stayed the same for a while.
        house.clock.advance(5)
    house.open({"pypi": house.proxy, "files": files}, "files")
    return house


def test_S5_no_variant_of_a_path_leads_out_of_the_folders(house: House) -> None:
    """Thousands of targets: 400 or 404 each, and never a byte of what lies outside."""
    client, asked = Client(house.door.site), 0
    for target in variants():
        if client.wire.closed:
            client.hang_up()
            client = Client(house.door.site)
        out = client.say(get(target))
        (answer,) = answers(out)
        asked += 1
        assert CANARY not in out, target
        assert answer.status in (400, 404) or (answer.status in (200, 301) and "?" in target), (target, answer)
    client.hang_up()
    assert asked >= 500


def test_S5_what_lies_inside_is_served(house: House) -> None:
    """Or the other test would show nothing."""
    client = Client(house.door.site)
    (page,) = answers(client.say(get("/simple/alpha/", "Accept: application/vnd.pypi.simple.v1+json")))
    [file] = json.loads(page.body)["files"]
    assert answers(client.say(get("/" + file["url"].removeprefix("../../"))))[0].body == make_sdist("alpha", "1.0")[1]
    client.hang_up()
