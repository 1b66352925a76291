"""The traps that were seen in other servers (section 4 of the reference of peers), where no other test of this folder meets them."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import PROJECTS, files

pytestmark = pytest.mark.clients


def test_peers_a_project_is_had_without_the_list_of_all(daemon: Daemon, upstream: Upstream) -> None:
    """The list of everything is long and late; a page and its files need it not."""
    file = files(daemon, "seeds-alpha")["seeds_alpha-1.1-py3-none-any.whl"]
    assert daemon.ask("GET", file["path"]).status == 200
    assert upstream.requests("/simple/") == []


def test_peers_a_missing_project_that_appears_is_found(daemon: Daemon, upstream: Upstream, project: str) -> None:
    """A wrong answer during a failure is not remembered: the next one comes from upstream."""
    upstream.tell("break_", f"/simple/{project}/", status=502, times=1)
    assert daemon.ask("GET", f"/simple/{project}/").status == 503
    assert daemon.ask("GET", f"/simple/{project}/").status == 200


def test_peers_file_urls_have_no_query(looked_at: Daemon) -> None:
    """pip puts `.metadata` after whatever the URL ends in."""
    for name in PROJECTS:
        assert all("?" not in file["url"] and "#" not in file["url"] for file in looked_at.page(name)["files"])


def test_peers_the_first_file_that_is_kept_hides_no_other(daemon: Daemon, upstream: Upstream) -> None:
    """A page lists what upstream lists, before and after one of its files is here."""
    before = set(files(daemon, "seeds-alpha"))
    assert daemon.ask("GET", files(daemon, "seeds-alpha")["seeds_alpha-1.0.tar.gz"]["path"]).status == 200
    assert set(files(daemon, "seeds-alpha")) == before
    assert len(before) == 4


def test_peers_upload_times_are_upstreams(looked_at: Daemon) -> None:
    """R55, L12: the moment at which a file came here is nobody's business."""
    times = {file["upload-time"] for file in looked_at.page("seeds-timely")["files"]}
    assert {time[:10] for time in times} == {"2020-06-01", "2022-06-01", "2024-06-01"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", time) for time in times)


def test_peers_nothing_is_listened_for_beyond_this_machine(tmp_path: Path, looked_at: Daemon) -> None:
    """The configuration names loopback; nobody answers on the machine's other addresses."""
    with socket.socket() as other:
        other.settimeout(5)
        # 127.0.0.2 is this machine too, but not the address that was named.
        assert other.connect_ex(("127.0.0.2", looked_at.port)) != 0
