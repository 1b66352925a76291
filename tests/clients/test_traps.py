"""
Each trap that has broken another server (section 5 of the reference of standards), through a real daemon: those about pages.

Those about files (1, 8, 16, 34, 36, 37, 38, 43) are in `test_traps_of_files.py`.

Not here, because they concern what does not exist yet or is not ours to do:

* uploads: 2, 14 (its part about fresh uploads), 27, 28, 29, 30, 31, 32, 33;
* authentication and rights: 22 (its part about a private project), 18 (its part about handing over credentials);
* several indexes merged, which need a common count of serials: 24 (its part about private changes);
* asking XML-RPC of others: 47; and 39, which is about measuring with pip over plain HTTP.
"""

from __future__ import annotations

import hashlib
import json
import re
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.clients.daemon import Daemon, Upstream, ask
from tests.clients.looking import JSON, PROJECTS, files, html, links

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("shape", ["{}", '"other", {}', "W/{}", '"a,b" , W/{},"c"', "*"])
@pytest.mark.parametrize("of", ["page", "file"])
def test_trap_03_lists_and_weak_marks_match(shape: str, of: str, looked_at: Daemon) -> None:
    """R73: If-None-Match as RFC 9110 has it."""
    target = "/simple/seeds-alpha/" if of == "page" else next(iter(files(looked_at, "seeds-alpha").values()))["path"]
    tag = looked_at.ask("GET", target).headers["etag"]
    answer = looked_at.ask("GET", target, {"If-None-Match": shape.format(tag)})
    assert (answer.status, answer.body) == (304, b"")
    assert looked_at.ask("GET", target, {"If-None-Match": shape.format('"nothing"')}).status == (304 if shape == "*" else 200)


def test_trap_04_a_yank_has_a_value_in_html(looked_at: Daemon) -> None:
    """R26: with or without a reason, never the bare attribute."""
    found = links(html(looked_at, "seeds-epsilon"))
    assert 'data-yanked="it eats files"' in found["seeds_epsilon-1.1-py3-none-any.whl"]
    assert 'data-yanked=""' in found["seeds_epsilon-1.2-py3-none-any.whl"]
    assert "data-yanked" not in found["seeds_epsilon-1.0-py3-none-any.whl"]


def test_trap_05_a_yank_without_a_reason_is_true_in_json(looked_at: Daemon) -> None:
    """R54: an empty string would mean one thing to pip and another to uv."""
    found = files(looked_at, "seeds-epsilon")
    assert found["seeds_epsilon-1.1-py3-none-any.whl"]["yanked"] == "it eats files"
    assert found["seeds_epsilon-1.2-py3-none-any.whl"]["yanked"] is True
    assert found["seeds_epsilon-1.0-py3-none-any.whl"].get("yanked", False) is False


@pytest.mark.parametrize("name", PROJECTS)
def test_trap_06_nothing_is_null_where_uv_rejects_it(name: str, looked_at: Daemon) -> None:
    """R52."""
    page = looked_at.page(name)
    assert page.get("project-status", {}) is not None
    for file in page["files"]:
        assert file["hashes"]
        for key in ("size", "upload-time", "yanked"):
            assert file.get(key, "") is not None, (file["filename"], key)


def test_trap_06_an_upstream_that_says_null_is_put_right(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """R52, R61: nulls of a careless upstream are left out, and its file is offered."""
    name = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
    nothing = dict.fromkeys(("size", "upload-time", "yanked", "requires-python", "core-metadata", "provenance"))
    page = {"meta": {"api-version": "1.1"}, "name": project, "versions": None, "project-status": None}
    path = upstream.tell("path", project, name)
    digest = hashlib.sha256(ask(upstream.url, "GET", path).body).hexdigest()
    text = json.dumps(page | {"files": [{"filename": name, "url": f"../..{path}", "hashes": {"sha256": digest}} | nothing]})
    upstream.tell("serve_page", project, text, JSON)
    [file] = daemon.page(project)["files"]
    assert not {key for key in ("size", "upload-time", "yanked") if key in file and file[key] is None}
    assert daemon.ask("GET", urljoin(f"/simple/{project}/", file["url"])).status == 200


@pytest.mark.parametrize("name", PROJECTS)
def test_trap_07_metadata_is_never_said_to_be_false_in_html(name: str, looked_at: Daemon) -> None:
    """R28: pip takes any value for a promise."""
    assert 'metadata="false"' not in html(looked_at, name)


@pytest.mark.parametrize("name", PROJECTS)
def test_trap_09_sha256_comes_first(name: str, looked_at: Daemon) -> None:
    """R53: pip checks the first hash alone."""
    for file in looked_at.page(name)["files"]:
        assert next(iter(file["hashes"])) == "sha256"
        assert re.fullmatch("[0-9a-f]{64}", file["hashes"]["sha256"])


def test_trap_10_no_link_has_a_hash_that_hides_the_page(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """R22: an upstream's sha1 is left out of the link; uv would discard all links of the page for it."""
    name = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
    path = upstream.tell("path", project, name)
    page = f'<!DOCTYPE html><html><body><a href="../..{path}#sha1={"0" * 40}">{name}</a></body></html>'
    upstream.tell("serve_page", project, page, "text/html")
    tag = links(html(daemon, project))[name]
    assert "sha1" not in tag
    assert "#blake" not in tag


@pytest.mark.parametrize("target", ["/simple/", *(f"/simple/{name}/" for name in PROJECTS)])
def test_trap_11_and_12_the_json_type_is_spelt_exactly(target: str, looked_at: Daemon) -> None:
    """R43, R44: no parameter, no capitals, and never plain `application/json`, even to those who ask for that."""
    assert looked_at.ask("GET", target, {"Accept": JSON}).headers["content-type"] == JSON
    plain = looked_at.ask("GET", target, {"Accept": "application/json"})
    assert (plain.status, plain.headers["content-type"]) == (200, "text/html; charset=utf-8")


def test_trap_13_html_is_the_default(looked_at: Daemon) -> None:
    """R38: for no Accept at all and for `*/*`."""
    for fields in ({}, {"Accept": "*/*"}):
        assert looked_at.ask("GET", "/simple/seeds-alpha/", fields).headers["content-type"] == "text/html; charset=utf-8"


def test_trap_14_and_17_a_page_says_how_long_it_is_still_fresh(daemon: Daemon, upstream: Upstream) -> None:
    """R76: what is left of upstream's time, at most ten minutes, and no `Age` that pip would overlook."""
    upstream.tell("set", "cache_control", "max-age=86400, public")
    answer = daemon.ask("GET", "/simple/seeds-alpha/")
    match = re.search(r"max-age=(\d+)", answer.headers["cache-control"])
    assert match
    assert int(match[1]) <= 600
    assert "age" not in answer.headers
    assert "no-store" not in answer.headers["cache-control"]


@pytest.mark.parametrize("accept", [JSON, "text/html"])
@pytest.mark.parametrize("coding", ["identity", "gzip", "gzip, deflate, br, zstd"])
@pytest.mark.parametrize("target", ["/simple/", "/simple/seeds-alpha/"])
def test_trap_15_validators_are_strong_and_repeated(target: str, coding: str, accept: str, looked_at: Daemon) -> None:
    """R72, R74: also where the page is compressed; the 304 has the same fields."""
    fields = {"Accept": accept, "Accept-Encoding": coding}
    first = looked_at.ask("GET", target, fields)
    assert re.fullmatch(r'"[^"]+"', first.headers["etag"])
    again = looked_at.ask("GET", target, fields | {"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    for name in ("etag", "vary"):
        assert again.headers[name] == first.headers[name]
    assert {"cache-control", "date", "x-pypi-last-serial"} <= set(again.headers)


def test_trap_15_representations_have_validators_of_their_own(looked_at: Daemon) -> None:
    """R72: one ETag for two bodies would give a client the wrong one."""
    seen: dict[str, set[bytes]] = {}
    for accept in (JSON, "text/html"):
        for coding in ("identity", "gzip", "zstd"):
            answer = looked_at.ask("GET", "/simple/seeds-alpha/", {"Accept": accept, "Accept-Encoding": coding})
            seen.setdefault(answer.headers["etag"], set()).add(answer.body)
    assert all(len(bodies) == 1 for bodies in seen.values())
    assert len(seen) > 1


def test_trap_18_permanent_redirects_are_for_spelling_alone(looked_at: Daemon) -> None:
    """R7: one redirect leads to the one spelling, and that answers for itself."""
    for target in ("/simple/Seeds_Alpha/", "/simple/seeds-alpha", "/simple/SEEDS.alpha"):
        answer = looked_at.ask("GET", target, {"Accept": JSON})
        assert answer.status in (301, 308), target
        assert urljoin(f"{looked_at.url}{target}", answer.headers["location"]) == f"{looked_at.simple}seeds-alpha/"
    for target in ("/simple/", "/simple/seeds-alpha/", "/simple/seeds-nowhere/"):
        assert "location" not in looked_at.ask("GET", target).headers


def test_trap_19_absence_is_404_and_failure_is_not(daemon: Daemon, upstream: Upstream) -> None:
    """R10, R218, L10: an unknown project is 404; the same name with nobody to ask is 503; and an outage leaves no 404 behind."""
    assert daemon.ask("GET", "/simple/seeds-nowhere/").status == 404
    for status in (500, 502, 503, 504, 429, 403):
        upstream.tell("break_", "/simple/seeds-alpha/", status=status, times=1)
        assert daemon.ask("GET", "/simple/seeds-alpha/").status == 503, status
    upstream.tell("stop")
    assert daemon.ask("GET", "/simple/seeds-beta/").status == 503


def test_trap_20_and_21_a_failure_says_when_to_come_again_in_seconds(daemon: Daemon, upstream: Upstream) -> None:
    """R217: an integer of at most sixty, whatever upstream said; never 504 and never a bare 429."""
    upstream.tell("break_", "/simple/*", status=429, headers=[["Retry-After", "Wed, 01 Jan 2031 00:00:00 GMT"]])
    for _ in range(3):
        answer = daemon.ask("GET", "/simple/seeds-alpha/")
        assert answer.status == 503
        assert 0 < int(answer.headers["retry-after"]) <= 60


def test_trap_22_what_a_policy_refuses_is_absent_as_a_page_and_refused_as_a_file(upstream: Upstream, tmp_path: Path) -> None:
    """L1 and the table of errors: 404 lets uv look elsewhere; a file's URL says 403 and the rule."""
    sections = "[index:root]\nuse = policed\nindex = cached\npolicies = some\n[index:cached]\nuse = proxy\nupstream = pypi\n"
    sections += "exposed = yes\n[policy:some]\nuse = names\ndeny = seeds-b*\n"
    daemon = Daemon(tmp_path / "policed", upstream.simple, sections, index="root")
    daemon.start()
    try:
        assert daemon.ask("GET", "/simple/seeds-beta/").status == 404
        path = upstream.tell("path", "seeds-beta", "seeds_beta-1.1-py3-none-any.whl")
        answer = daemon.ask("GET", path)
        assert answer.status == 403
        assert "some" in answer.reason
        assert b"some" in answer.body
        assert daemon.ask("GET", "/simple/seeds-alpha/").status == 200
    finally:
        daemon.stop()
    daemon.check_log()


def test_trap_23_a_quarantine_reaches_what_is_kept_here(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """R113, R114: no files on the page, and none at the URLs that were good before."""
    before = files(daemon, project)
    for file in before.values():
        assert daemon.ask("GET", file["path"]).status == 200
    upstream.tell("quarantine", project)
    page = daemon.page(project)
    assert page["files"] == []
    assert page["project-status"]["status"] == "quarantined"
    for file in before.values():
        assert daemon.ask("GET", file["path"]).status in (403, 404)


def test_trap_24_and_26_serials_are_numbers_that_never_fall(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """R67 to R71: over a change, a change back, a restart and an outage; each change has a new one."""

    def serial() -> int:
        answer = daemon.ask("GET", f"/simple/{project}/", {"Accept": JSON})
        found = int(answer.headers["x-pypi-last-serial"])
        assert answer.json()["meta"]["_last-serial"] == found
        return found

    name = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
    seen = [serial()]
    upstream.tell("yank", project, name, "a mistake")
    seen.append(serial())
    upstream.tell("unyank", project, name)
    seen.append(serial())
    assert len(set(seen)) == 3, "a visible change has a serial of its own"
    daemon.restart()
    seen.append(serial())
    upstream.tell("stop")
    seen.append(serial())
    assert seen == sorted(seen)


def test_trap_25_mirrors_find_the_list_without_a_slash_and_files_at_the_root(looked_at: Daemon) -> None:
    """R4, R14, R48."""
    answer = looked_at.ask("GET", "/simple", {"Accept": JSON})
    if answer.status != 200:
        assert answer.status in (301, 308)
        assert urljoin(f"{looked_at.url}/simple", answer.headers["location"]) == looked_at.simple
        answer = looked_at.ask("GET", "/simple/", {"Accept": JSON})
    assert all(type(project["_last-serial"]) is int for project in answer.json()["projects"])
    assert all(file["path"].startswith("/packages/") for file in files(looked_at, "seeds-alpha").values())


def test_trap_35_names_have_one_project_and_files_keep_their_spelling(looked_at: Daemon) -> None:
    """R1, R6: any spelling leads to the project, and a file is had under its own name alone."""
    for spelling in ("seeds_alpha", "Seeds.Alpha", "SEEDS-ALPHA", "seeds-_.alpha"):
        answer = looked_at.ask("GET", f"/simple/{spelling}/")
        assert answer.status == 200 or answer.headers["location"].endswith("seeds-alpha/"), spelling
    path = files(looked_at, "seeds-alpha")["seeds_alpha-1.1-py3-none-any.whl"]["path"]
    assert looked_at.ask("GET", path.replace("seeds_alpha-1.1", "seeds_alpha-1.1.0")).status == 404
    assert looked_at.ask("GET", path.replace("seeds_alpha", "Seeds_Alpha")).status == 404


def test_trap_40_the_version_of_the_interface_is_ours(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """R47, R50, R119, R120: what upstream claims beyond it is not passed on, and `versions` covers the files."""
    name = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
    path = upstream.tell("path", project, name)
    entry = {"filename": name, "url": f"../..{path}", "hashes": {"sha256": "0" * 64}, "size": 1}
    page = {"meta": {"api-version": "1.5", "tracks": ["https://index.example/simple/x/"]}, "name": project, "versions": []}
    text = json.dumps(page | {"namespaces": [{"name": "seeds", "owned": True}], "alternate-locations": [], "files": [entry]})
    upstream.tell("serve_page", project, text, JSON)
    said = daemon.page(project)
    assert said["meta"]["api-version"] == "1.4"
    assert said["versions"] == ["1.0"]
    assert not {"namespaces", "alternate-locations"} & set(said)
    assert "tracks" not in said["meta"]


def test_trap_41_namespaces_is_no_project_without_its_slash(looked_at: Daemon) -> None:
    """R122: that address belongs to PEP 752, so it is absent, not a redirect that pip would remember for ever."""
    assert looked_at.ask("GET", "/simple/namespaces").status == 404


def test_trap_42_the_status_is_an_object_at_the_top(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """R59: with a key `status`; not in `meta`, and not called `state`."""
    upstream.tell("quarantine", project, "archived", "no longer cared for")
    page = daemon.page(project)
    assert page["project-status"] == {"status": "archived", "reason": "no longer cared for"}
    assert "project-status" not in page["meta"]
    assert len(page["files"]) == 2
    assert '<meta name="pypi:project-status" content="archived">' in html(daemon, project)


@pytest.mark.parametrize("accept", ["application/vnd.pypi.simple.latest+json", "application/vnd.pypi.simple.latest+html"])
def test_trap_44_latest_is_only_asked_for(accept: str, looked_at: Daemon) -> None:
    """R41: the answer names the real version."""
    answer = looked_at.ask("GET", "/simple/seeds-alpha/", {"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == accept.replace("latest", "v1")


@pytest.mark.parametrize("field", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"])
def test_trap_45_no_address_is_made_of_what_a_client_says(field: str, looked_at: Daemon) -> None:
    """R13: neither pages, nor documents, nor redirects name a host that a stranger can choose."""
    value = {"X-Forwarded-Proto": "https", "Forwarded": "host=evil.example;proto=https"}.get(field, "evil.example")
    for target in ("/pypi/seeds-alpha/json", "/simple/seeds-alpha/", "/simple/Seeds_Alpha", "/"):
        connection = HTTPConnection("127.0.0.1", looked_at.port, timeout=30)
        connection.putrequest("GET", target, skip_host=field == "Host")
        connection.putheader(field, value)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read()
        assert b"evil.example" not in body, target
        assert b"https://127.0.0.1" not in body, target
        assert "evil.example" not in str(response.headers), target
        connection.close()


def test_trap_46_the_legacy_document_and_the_page_agree_on_urls(looked_at: Daemon) -> None:
    """R143: character by character, once the page's are made absolute; also for a name with a plus sign."""
    for name in ("seeds-alpha", "seeds-local"):
        told = looked_at.ask("GET", f"/pypi/{name}/json").json()
        legacy = {file["url"] for release in told["releases"].values() for file in release}
        assert legacy == {looked_at.url + file["path"] for file in files(looked_at, name).values()}


def test_trap_48_what_the_public_index_does_at_its_edge_is_done_here(looked_at: Daemon) -> None:
    """R9, R42, R137: `?format=`, unknown queries, and any spelling in the legacy document's address."""
    answer = looked_at.ask("GET", f"/simple/seeds-alpha/?format={JSON.replace('+', '%2B')}", {"Accept": "text/html"})
    assert answer.headers["content-type"] == JSON
    assert looked_at.ask("GET", "/simple/seeds-alpha/?format=nonsense&x=1").headers["content-type"] == "text/html; charset=utf-8"
    assert looked_at.ask("GET", "/pypi/SEEDS_alpha/json").status in (200, 301, 308)
