"""`pypidaemon.testing`: what tests are built on must itself be right."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.metadata import parse_email
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.web.server import Site
from twisted.web.test.requesthelper import DummyRequest

from pypidaemon.testing import Fault, TestIndex, make_sdist, make_wheel
from pypidaemon.testing.faults import repeated
from pypidaemon.testing.seeding import seed
from pypidaemon.testing.stock import Project, stocked


def test_archives_are_the_same_each_time_and_named_as_they_should_be() -> None:
    for make in (make_wheel, make_sdist):
        assert make("Some.Thing", "1.0", ["a>=1"], size=1000) == make("Some.Thing", "1.0", ["a>=1"], size=1000)
    name, data = make_wheel("Some.Thing", "1.0", ["a>=1"], size=1000)
    assert parse_wheel_filename(name)[:2] == (parse_sdist_filename(make_sdist("Some.Thing", "1.0")[0])[0], parse_wheel_filename(name)[1])
    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
        metadata, _ = parse_email(wheel.read("some_thing-1.0.dist-info/METADATA"))
        assert (metadata["name"], metadata["requires_dist"], metadata["requires_python"]) == ("Some.Thing", ["a>=1"], ">=3.8")
        assert wheel.testzip() is None
    assert len(data) > 1000


def test_a_wheel_says_whatever_else_its_metadata_should() -> None:
    index = TestIndex()
    filename = index.add("alpha", "1.0", requires=["a>=1"], fields=["License-Expression: MIT", "Classifier: Typing :: Typed"])
    metadata, strange = parse_email(index.metadata("alpha", filename))
    assert (metadata["metadata_version"], metadata["license_expression"], metadata["classifiers"]) == ("2.4", "MIT", ["Typing :: Typed"])
    assert (metadata["requires_dist"], strange) == (["a>=1"], {})


def test_both_kinds_of_archive_install(tmp_path: Path) -> None:
    for number, (name, data) in enumerate((make_wheel("Some.Thing", "1.0"), make_sdist("Some.Thing", "1.0"))):
        (tmp_path / name).write_bytes(data)
        target = tmp_path / str(number)
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "install",
            "-q",
            "--offline",
            "--no-cache",
            "--target",
            str(target),
            str(tmp_path / name),
        ]
        subprocess.run(command, check=True)
        assert (target / "some_thing" / "__init__.py").read_text() == "__version__ = '1.0'\n"


def test_an_sdist_holds_one_folder() -> None:
    _, data = make_sdist("thing", "1.0")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {"thing-1.0"}


def test_a_wheel_that_is_none_has_no_metadata() -> None:
    assert stocked("a-1-py3-none-any.whl", b"x", None, "").metadata is None
    assert Project("a", 1, {"a-1.tar.gz": stocked("a-1.tar.gz", b"x", None, "")}).versions() == ["1"]


def test_everything_changes_between_two_requests() -> None:
    index = TestIndex()
    wheel = index.add("Thing", "1.0", sdist=True)
    serial = index.serial
    index.yank("thing", wheel, "bad")
    index.quarantine("thing", reason="malware")
    shown = json.loads(ask(index, "/simple/thing/"))
    assert shown["project-status"] == {"status": "quarantined", "reason": "malware"}
    assert [file["yanked"] for file in shown["files"]] == [False, "bad"]
    assert shown["meta"]["_last-serial"] == index.serial > serial
    index.unyank("thing", wheel)
    index.quarantine("thing", None)
    index.hashes = index.sidecars = index.serials = False
    index.absolute = "https://files.example"
    [sdist, shown_wheel] = json.loads(ask(index, "/simple/thing/"))["files"]
    assert shown_wheel["yanked"] is False
    assert shown_wheel["hashes"] == {}
    assert shown_wheel["core-metadata"] is False
    assert shown_wheel["url"] == "https://files.example" + index.path("thing", wheel)
    before = index.data("thing", wheel)
    index.replace("thing", wheel, b"other")
    assert ask(index, index.path("thing", wheel)) == b"other" != before
    assert json.loads(ask(index, "/pypi/thing/json"))["info"] == {"name": "thing", "version": "1.0", "requires_python": ">=3.8"}
    index.remove("thing", sdist["filename"])
    index.claim("empty")
    assert b"empty" in ask(index, "/simple/")
    index.remove("empty")
    index.break_("/simple/*", Fault(status=500), times=1)
    assert ask(index, "/simple/") == b"status 500\n"
    assert b"empty" not in ask(index, "/simple/")
    assert ask(index, "/simple/Thing") == b""
    assert index.count("/simple/thing/") == 2
    index.clear()
    assert index.count() == 0


def test_a_frozen_page_stays_with_its_serial() -> None:
    index = TestIndex()
    wheel = index.add("thing", "1.0")
    index.freeze("Thing")
    before = ask(index, "/simple/thing/")
    index.yank("thing", wheel)
    index.add("thing", "2.0")
    assert ask(index, "/simple/thing/") == before
    assert json.loads(ask(index, "/simple/"))["projects"][0]["_last-serial"] > json.loads(before)["meta"]["_last-serial"]
    index.thaw("thing")
    assert len(json.loads(ask(index, "/simple/thing/"))["files"]) == 2


def test_a_stock_is_the_same_for_the_same_number() -> None:
    first, again, other = TestIndex(), TestIndex(), TestIndex()
    for index, number in ((first, 1), (again, 1), (other, 2)):
        seed(index, number, 10, 50, 200_000)
    assert first.projects == again.projects != other.projects
    sizes = [len(file.data) for project in first.projects.values() for file in project.files.values()]
    assert len(sizes) == 50
    assert min(sizes) < 100
    assert max(sizes) > 200_000
    assert len(first.projects) == 10


def test_a_text_is_repeated() -> None:
    index = TestIndex()
    index.break_("/simple/thing/", repeated("<a>x</a>", 3))
    index.add("thing", "1.0")
    assert ask(index, "/simple/thing/").count(b"<a>x</a>") == 3


@pytest.mark.parametrize("fault", [Fault(truncate=300_000), Fault(endless=True)], ids=["truncated", "endless"])
def test_a_long_answer_that_is_sent_wrongly_ends_or_goes_on(fault: Fault) -> None:
    """A connection whose producer was paused while the bytes were under way is closed all the same."""
    index = TestIndex()
    wheel = index.add("thing", "1.0", size=400_000)
    index.break_("/packages/*", fault)
    transport = StringTransportWithDisconnection()
    channel = Site(index).buildProtocol(None)
    transport.protocol = channel
    channel.makeConnection(transport)
    channel.dataReceived(f"GET {index.path('thing', wheel)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    if fault.endless:
        size = len(index.data("thing", wheel))
        for _ in range(3):
            transport.producer.resumeProducing()
        assert len(transport.value()) > 3 * size
        transport.producer.stopProducing()
    else:
        assert len(transport.value()) > 300_000
        # With one that waits to go on, a real connection would not close.
        assert transport.producer is None
        assert not transport.connected


def ask(index: TestIndex, path: str) -> bytes:
    """The body of the answer to a plain request for JSON."""
    request: Any = DummyRequest([])
    request.method, request.uri = b"GET", path.encode()
    request.requestHeaders.setRawHeaders("accept", ["application/vnd.pypi.simple.v1+json"])
    request.channel = object()
    index.render(request)
    return b"".join(request.written)


def test_it_runs_on_its_own() -> None:
    command = [sys.executable, "-m", "pypidaemon.testing", "--projects", "thing==2.0", "--many", "3", "--versions", "2", "--size", "1KiB"]
    with subprocess.Popen([*command, "--rate", "1MiB"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            simple = process.stdout.readline().strip()
            request = urllib.request.Request(simple, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
            with urllib.request.urlopen(request) as answer:
                names = [project["name"] for project in json.load(answer)["projects"]]
            assert names == ["project-0", "project-1", "project-2", "thing"]
            with urllib.request.urlopen(simple + "thing/") as answer:
                assert b"thing-2.0-py3-none-any.whl" in answer.read()
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(simple + "none/")
        finally:
            process.terminate()
