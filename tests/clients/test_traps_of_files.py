"""Those traps of the reference of standards (section 5) that concern files; `test_traps.py` has the others, and says which are left out."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import PROJECTS, eventually, files

pytestmark = pytest.mark.clients


def test_trap_01_no_archive_is_labelled_as_encoded(looked_at: Daemon) -> None:
    """R88: a `.tar.gz` is the file itself; it has a strong ETag, obeys If-Range, and a range beyond its beginning."""
    file = files(looked_at, "seeds-gamma")["seeds_gamma-1.0.tar.gz"]
    for fields in ({}, {"Accept-Encoding": "gzip, deflate, br, zstd"}):
        answer = looked_at.ask("GET", file["path"], fields)
        assert "content-encoding" not in answer.headers
        assert answer.headers["content-type"] == "application/octet-stream"
        assert hashlib.sha256(answer.body).hexdigest() == file["hashes"]["sha256"]
    assert answer.headers["etag"].startswith('"')
    assert looked_at.ask("GET", file["path"], {"Range": "bytes=5-", "If-Range": '"other"'}).status == 200
    assert looked_at.ask("GET", file["path"], {"Range": "bytes=-999999"}).body == answer.body


@pytest.mark.parametrize("name", PROJECTS)
def test_trap_08_every_promised_sidecar_is_served_as_promised(name: str, looked_at: Daemon) -> None:
    """R98, R99: its bytes have the hash that the page says, and a file without a promise has no sidecar."""
    for file in files(looked_at, name).values():
        answer = looked_at.ask("GET", f"{file['path']}.metadata", {"Accept-Encoding": "identity"})
        if file.get("core-metadata"):
            assert hashlib.sha256(answer.body).hexdigest() == file["core-metadata"]["sha256"]
        else:
            assert answer.status == 404, file["filename"]


def test_trap_08_a_sidecar_is_promised_once_the_wheel_is_here(daemon: Daemon, upstream: Upstream) -> None:
    """R102: what upstream lacks is made from the wheel; until then nothing is promised."""
    name = "seeds_delta-1.0-py3-none-any.whl"
    before = files(daemon, "seeds-delta")[name]
    assert not before.get("core-metadata")
    assert daemon.ask("GET", before["path"]).status == 200
    eventually(lambda: bool(files(daemon, "seeds-delta")[name].get("core-metadata")))
    after = files(daemon, "seeds-delta")[name]
    sidecar = daemon.ask("GET", f"{after['path']}.metadata")
    assert hashlib.sha256(sidecar.body).hexdigest() == after["core-metadata"]["sha256"]
    assert upstream.requests("*.metadata") == []


def test_trap_16_files_and_sidecars_may_be_kept_for_ever(looked_at: Daemon) -> None:
    """R86, R87."""
    file = files(looked_at, "seeds-alpha")["seeds_alpha-1.1-py3-none-any.whl"]
    for path in (file["path"], f"{file['path']}.metadata"):
        answer = looked_at.ask("GET", path)
        assert "immutable" in answer.headers["cache-control"]
        assert re.fullmatch(r'"[^"]+"', answer.headers["etag"])


def test_trap_34_a_plus_sign_is_spelt_in_two_ways(looked_at: Daemon) -> None:
    """R8: both lead to the same file, and neither means a blank."""
    [file] = files(looked_at, "seeds-local").values()
    bare = file["path"].replace("%2B", "+")
    answers = [looked_at.ask("GET", path) for path in (bare, bare.replace("+", "%2B"), bare.replace("+", "%2b"))]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.body for answer in answers}) == 1
    assert looked_at.ask("GET", bare.replace("+", "%20")).status == 404
    assert looked_at.ask("GET", bare.replace("+", "%252B")).status == 404


def test_trap_36_the_end_of_a_file_may_be_more_than_the_file(looked_at: Daemon) -> None:
    """R91: poetry's first request."""
    path = files(looked_at, "seeds-alpha")["seeds_alpha-1.1-py3-none-any.whl"]["path"]
    whole = looked_at.ask("GET", path).body
    answer = looked_at.ask("GET", path, {"Range": "bytes=-10000"})
    assert answer.body == whole
    assert answer.status == 200 or answer.headers["content-range"] == f"bytes 0-{len(whole) - 1}/{len(whole)}"


def test_trap_37_ranges_are_offered_and_kept_also_for_a_file_that_is_not_here_yet(daemon: Daemon, upstream: Upstream) -> None:
    """R95, R97: the first request ever for a file asks for a part, and gets that part; HEAD tells the size."""
    name = "seeds_large-1.0-py3-none-any.whl"
    file = files(daemon, "seeds-large")[name]
    part = daemon.ask("GET", file["path"], {"Range": "bytes=1000-1999"})
    assert (part.status, len(part.body)) == (206, 1000)
    head = daemon.ask("HEAD", file["path"])
    assert head.headers["accept-ranges"] == "bytes"
    assert int(head.headers["content-length"]) == file["size"]
    whole = daemon.ask("GET", file["path"]).body
    assert whole[1000:2000] == part.body
    assert len(upstream.requests(f"/packages/*/{name}")) == 1


@pytest.mark.parametrize("coding", ["identity", "gzip", "gzip, deflate, br, zstd", "*"])
def test_trap_38_files_are_never_compressed_on_the_way(coding: str, looked_at: Daemon) -> None:
    """R88, R89: and sidecars are only for those who ask."""
    file = files(looked_at, "seeds-alpha")["seeds_alpha-1.1-py3-none-any.whl"]
    answer = looked_at.ask("GET", file["path"], {"Accept-Encoding": coding})
    assert "content-encoding" not in answer.headers
    assert hashlib.sha256(answer.body).hexdigest() == file["hashes"]["sha256"]
    sidecar = looked_at.ask("GET", f"{file['path']}.metadata", {"Accept-Encoding": coding})
    if sidecar.headers.get("content-encoding") == "gzip":
        assert "gzip" in coding
        sidecar_bytes = gzip.decompress(sidecar.body)
    else:
        assert "content-encoding" not in sidecar.headers
        sidecar_bytes = sidecar.body
    assert hashlib.sha256(sidecar_bytes).hexdigest() == file["core-metadata"]["sha256"]


def test_trap_43_what_may_change_is_not_called_immutable(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """R63, R123: a variants file is listed and served like any other, but may be replaced."""
    name = f"{project.replace('-', '_')}-1.0-variants.json"
    upstream.tell("add_text", project, name, '{"variants": {}}')
    file = files(daemon, project)[name]
    answer = daemon.ask("GET", file["path"])
    assert answer.body == b'{"variants": {}}'
    assert "immutable" not in answer.headers["cache-control"]
    assert answer.headers["etag"]
