"""
What programs ask that are not run here, sent as they send it.

The requests are those of the table "client x endpoint/behaviour" in the reference of standards: of mirrors, update services,
publishers and checkers, and of the installers' rarer moments.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from urllib.parse import urljoin

import pytest

from tests.clients.daemon import Answer, Daemon, Upstream

pytestmark = pytest.mark.clients

JSON = "application/vnd.pypi.simple.v1+json"
HTML_V1 = "application/vnd.pypi.simple.v1+html"
PIP = f"{JSON}, {HTML_V1}; q=0.1, text/html; q=0.01"
UV = f"{JSON}, {HTML_V1};q=0.2, text/html;q=0.01"
DEVPI = f"{HTML_V1};q=0.2, {JSON}, text/html;q=0.01"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
URLLIB = {"User-Agent": "Python-urllib/3.11", "Accept-Encoding": "identity", "Connection": "close"}
WHEEL = "seeds_alpha-1.1-py3-none-any.whl"


def file_url(daemon: Daemon, project: str, filename: str) -> str:
    """The path of a file, as the page has it."""
    [url] = [file["url"] for file in daemon.page(project)["files"] if file["filename"] == filename]
    return urljoin(f"/simple/{project}/", str(url))


@pytest.mark.parametrize(
    ("client", "accept", "expected"),
    [
        ("pip and pdm", PIP, JSON),
        ("uv", UV, JSON),
        ("poetry", f"{JSON}, */*;q=0.1", JSON),
        ("devpi", DEVPI, JSON),
        ("pypi-simple", f"{JSON}, {HTML_V1}, text/html", JSON),
        ("bandersnatch", JSON, JSON),
        ("dependabot", "text/html", "text/html; charset=utf-8"),
        ("hatch and requests", "*/*", "text/html; charset=utf-8"),
        ("zc.buildout and urllib", None, "text/html; charset=utf-8"),
        ("a browser", BROWSER, "text/html; charset=utf-8"),
        ("old pip", "text/html", "text/html; charset=utf-8"),
        ("a strict reader of HTML", HTML_V1, f"{HTML_V1}; charset=utf-8"),
        ("one that takes nothing we have", "application/xml", "text/html; charset=utf-8"),
    ],
)
@pytest.mark.parametrize("target", ["/simple/seeds-alpha/", "/simple/"])
def test_R35_to_R45_each_client_gets_the_type_it_reads(
    client: str, accept: str | None, expected: str, target: str, looked_at: Daemon
) -> None:
    """The header fields of the real clients, on a project's page and on the list."""
    answer = looked_at.ask("GET", target, {} if accept is None else {"Accept": accept})
    assert answer.status == 200, client
    assert answer.headers["content-type"] == expected, client
    assert "accept" in answer.headers["vary"].lower(), client
    head = looked_at.ask("HEAD", target, {} if accept is None else {"Accept": accept})
    assert (head.status, head.body) == (200, b""), client
    assert head.headers["content-length"] == answer.headers["content-length"], client


def test_pip_index_page_with_pips_own_fields(looked_at: Daemon) -> None:
    """pip asks for compression and against caches; it gets gzip, and the same page as everybody."""
    fields = {"Accept": PIP, "Accept-Encoding": "gzip, deflate", "Cache-Control": "max-age=0", "Connection": "keep-alive"}
    answer = looked_at.ask("GET", "/simple/seeds-alpha/", {**fields, "User-Agent": 'pip/26.3 {"ci":null}'})
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == looked_at.ask("GET", "/simple/seeds-alpha/", {"Accept": JSON}).body


def test_R85_R90_pip_fast_deps_reads_a_wheel_by_ranges(looked_at: Daemon) -> None:
    """HEAD for the length and `Accept-Ranges`, then pieces."""
    url = file_url(looked_at, "seeds-alpha", WHEEL)
    whole = looked_at.ask("GET", url, {"Accept-Encoding": "identity"})
    head = looked_at.ask("HEAD", url, {"Accept-Encoding": "identity"})
    assert head.headers["accept-ranges"] == "bytes"
    assert int(head.headers["content-length"]) == len(whole.body)
    piece = looked_at.ask("GET", url, {"Range": "bytes=100-299", "Accept-Encoding": "identity", "Cache-Control": "no-cache"})
    assert piece.status == 206
    assert piece.headers["content-range"] == f"bytes 100-299/{len(whole.body)}"
    assert piece.body == whole.body[100:300]


def test_R93_a_resumed_download_needs_the_same_file(looked_at: Daemon) -> None:
    """If-Range with our ETag gives the rest; with another, or with a date, the whole."""
    url = file_url(looked_at, "seeds-alpha", WHEEL)
    whole = looked_at.ask("GET", url)
    rest = looked_at.ask("GET", url, {"Range": "bytes=500-", "If-Range": whole.headers["etag"]})
    assert (rest.status, rest.body) == (206, whole.body[500:])
    for other in ('"another"', f"W/{whole.headers['etag']}", "Wed, 01 Jan 2020 00:00:00 GMT"):
        again = looked_at.ask("GET", url, {"Range": "bytes=500-", "If-Range": other})
        assert (again.status, again.body) == (200, whole.body), other


def test_R92_a_range_beyond_the_end_tells_the_size(looked_at: Daemon) -> None:
    """Poetry reads the size from it."""
    url = file_url(looked_at, "seeds-alpha", WHEEL)
    size = len(looked_at.ask("GET", url).body)
    answer = looked_at.ask("GET", url, {"Range": f"bytes={size}-"})
    assert (answer.status, answer.headers["content-range"]) == (416, f"bytes */{size}")


def test_R202_a_bandersnatch_finds_its_way(looked_at: Daemon) -> None:
    """The list without a slash, the legacy document, files below `/packages/` at the root, their metadata, serials that agree."""
    answer = looked_at.ask("GET", "/simple", {"Accept": JSON})
    if answer.status in (301, 308):
        answer = looked_at.ask("GET", urljoin("/simple", answer.headers["location"]), {"Accept": JSON})
    listing = answer.json()
    serials = {project["name"]: project["_last-serial"] for project in listing["projects"]}
    assert isinstance(listing["meta"]["_last-serial"], int)
    assert int(answer.headers["x-pypi-last-serial"]) == listing["meta"]["_last-serial"]
    document = looked_at.ask("GET", "/pypi/seeds-alpha/json", {"Accept": "application/json"})
    assert document.headers["content-type"] == "application/json"
    told = document.json()
    assert told["info"]["name"] == "seeds-alpha"
    assert int(document.headers["x-pypi-last-serial"]) == told["last_serial"] >= serials["seeds-alpha"]
    files = [file for release in told["releases"].values() for file in release]
    assert len(files) == 4
    for file in files:
        assert file["url"].startswith(f"{looked_at.url}/packages/")
        assert file["upload_time_iso_8601"].endswith("Z")
        got = looked_at.ask("GET", file["url"].removeprefix(looked_at.url))
        assert (len(got.body), hashlib.sha256(got.body).hexdigest()) == (file["size"], file["digests"]["sha256"])
        if file.get("core-metadata"):
            sidecar = looked_at.ask("GET", file["url"].removeprefix(looked_at.url) + ".metadata")
            assert hashlib.sha256(sidecar.body).hexdigest() == file["core-metadata"]["sha256"]


def test_R204_a_devpi_revalidates(looked_at: Daemon) -> None:
    """The exact JSON type, a serial that does not fall, and 304 for what it has, on pages and on the list."""
    for target in ("/simple/", "/simple/seeds-alpha/"):
        first = looked_at.ask("GET", target, {"Accept": DEVPI})
        again = looked_at.ask("GET", target, {"Accept": DEVPI, "If-None-Match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        assert int(again.headers["x-pypi-last-serial"]) >= int(first.headers["x-pypi-last-serial"])


def test_dependabot_asks_the_legacy_document_by_the_name_as_written(looked_at: Daemon) -> None:
    """R137: any spelling is answered, directly or by one redirect; it reads the last file of each release."""
    answer = looked_at.ask("GET", "/pypi/Seeds_Alpha/json", {"Accept": "application/json"})
    if answer.status in (301, 308):
        answer = looked_at.ask("GET", urljoin("/pypi/Seeds_Alpha/json", answer.headers["location"]), {"Accept": "application/json"})
    releases = answer.json()["releases"]
    assert {version: files[-1]["yanked"] for version, files in releases.items()} == {"1.0": False, "1.1": False}
    assert all(files[-1]["upload_time"] == "2020-01-01T00:00:00" for files in releases.values())


def test_dependabot_and_renovate_read_versions_off_the_html_page(looked_at: Daemon) -> None:
    """R21: the text of a link is the file's name; they know nothing else of it."""
    page = looked_at.ask("GET", "/simple/seeds-alpha/", {"Accept": "text/html"}).body.decode()
    names = re.findall(r"<a [^>]*>([^<]+)</a>", page)
    assert sorted(names) == sorted(file["filename"] for file in looked_at.page("seeds-alpha")["files"])


def test_hatch_finds_nothing_uploaded_where_nothing_can_be(looked_at: Daemon) -> None:
    """R8, R175: its look before an upload is answered 404, not by an error, and by no page with links, while uploads are off."""
    answer = looked_at.ask("GET", "/legacy/%2Bsimple/seeds-alpha/", {"Accept": "*/*"})
    assert answer.status == 404
    assert b"<a " not in answer.body


def test_R144_R143_pip_tools_matches_urls_as_text(looked_at: Daemon) -> None:
    """It asks beside the simple index, and compares with the page's URLs made absolute by pip."""
    told = looked_at.ask("GET", "/seeds-alpha/json", {"Accept": "*/*"}).json()
    legacy = {file["filename"]: file["url"] for release in told["releases"].values() for file in release}
    simple = {file["filename"]: urljoin(f"{looked_at.simple}seeds-alpha/", file["url"]) for file in looked_at.page("seeds-alpha")["files"]}
    assert legacy == simple


def test_buildout_falls_back_to_the_whole_list(looked_at: Daemon) -> None:
    """On a miss it reads the list of all projects as HTML, so that has to be complete, and the 404 must hold no links (R217)."""
    miss = looked_at.ask("GET", "/simple/seeds-nowhere/", URLLIB)
    assert miss.status == 404
    assert b"href" not in miss.body
    listing = looked_at.ask("GET", "/simple/", URLLIB)
    assert "html" in listing.headers["content-type"]
    assert set(re.findall(rb'<a href="(?:/simple/)?(seeds-[a-z]+)/">', listing.body)) >= {b"seeds-alpha", b"seeds-gamma"}


def test_pip_audit_and_pip_index_versions_need_only_the_page(looked_at: Daemon) -> None:
    """R50: `versions` covers every file, yanked ones too."""
    page = looked_at.page("seeds-epsilon")
    assert set(page["versions"]) == {"1.0", "1.1", "1.2"}


@pytest.mark.parametrize(
    "target", ["/_/oidc/audience", "/.well-known/pytp?discover=%2Flegacy%2F", "/integrity/seeds-alpha/1.1/x/provenance"]
)
def test_R200_what_publishers_and_verifiers_probe_for_is_plainly_absent(target: str, looked_at: Daemon, upstream: Upstream) -> None:
    """404 at once, without a request to the upstream."""
    assert looked_at.ask("GET", target).status == 404
    assert upstream.requests() == []


@pytest.mark.parametrize("target", ["/simple/", "/simple/seeds-alpha/", "/legacy/", "/pypi", "/RPC2"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_R11_writing_is_answered_405_where_there_is_only_reading(method: str, target: str, looked_at: Daemon) -> None:
    """uv turns this into its hint about a wrong URL; `Allow` says what there is."""
    answer = looked_at.ask(method, target, {"Content-Type": "text/plain"}, b"anything")
    assert answer.status == 405
    assert "GET" in answer.headers["allow"]


def test_peers_the_agent_makes_no_difference(looked_at: Daemon) -> None:
    """The format is chosen by `Accept` alone; other servers have read `User-Agent` and been wrong about the next program."""
    pages: set[tuple[str, bytes]] = set()
    for agent in ("pip/26.3", "pip/9.0.1", "uv/0.13.9", "setuptools/84 Python-urllib/3.11", "poetry/2.5.1", "Mozilla/5.0", "curl/8"):
        answer: Answer = looked_at.ask("GET", "/simple/seeds-alpha/", {"User-Agent": agent, "Accept": UV})
        pages.add((answer.headers["content-type"], answer.body))
    assert len(pages) == 1
