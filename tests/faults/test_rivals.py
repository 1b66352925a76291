"""The other index servers of the harness: how they are started and ended, and the table that the documentation has of them."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.clients import Got, offered
from benchmarks.chaos.faults import load
from benchmarks.chaos.subjects import Wanted, release, runs, subjects
from benchmarks.chaos.subjects.peers import Devpi, Peer, Peryx, Proxpi
from benchmarks.chaos.table import COMPLAINTS, LONG, PAGE, RESULTS, chapter, keep, read, written
from benchmarks.measuring import family

SERVER = """
import fcntl, http.server, os, signal, sys, threading
configured, state, is_stubborn, is_alone = sys.argv[1:5]
os.makedirs(state, exist_ok=True)
lock = open(state + "/lock", "w")
if is_alone:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(3)
if is_stubborn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        signal.pause()
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(open(configured).read())), Handler).serve_forever()
"""


class Pretender(Peer):
    """A peer that is quickly there: `stubborn` ignores that it is told to end and has a child, `alone` ends where another one has its state."""

    name = "pretender"
    stubborn = alone = ""

    def configure(self) -> None:
        """As `Peer`."""
        (self.folder / "port").write_text(str(self.port))

    def command(self) -> Sequence[str]:
        """As `Peer`."""
        return [sys.executable, "-c", SERVER, str(self.folder / "port"), str(self.state), self.stubborn, self.alone]


@pytest.fixture
def pretender(tmp_path: Path) -> Iterator[Pretender]:
    """One that was not started yet; it is ended afterwards, however that went."""
    found = Pretender.make(tmp_path / "subject", "http://upstream.example/simple/", Wanted())
    try:
        yield found
    finally:
        if found.process is not None:
            found.kill()


def test_a_peer_is_killed_and_starts_anew_on_the_same_port(pretender: Pretender) -> None:
    pretender.start()
    first, port = pretender.pid, pretender.port
    assert pretender.ask("GET", "/")[0] == 404
    pretender.kill()
    assert not runs(first)
    with pytest.raises(OSError, match="refused"):
        pretender.ask("GET", "/")
    pretender.start()
    assert (pretender.ask("GET", "/")[0], pretender.port) == (404, port)
    pretender.stop()
    assert pretender.complaints() == []


@pytest.mark.parametrize(("alone", "ended"), [("", None), ("yes", 3)])
def test_a_second_peer_on_the_same_state_has_a_port_of_its_own(pretender: Pretender, alone: str, ended: int | None) -> None:
    pretender.alone = alone
    pretender.start()
    port, before = pretender.port, family(os.getpid())
    assert pretender.second() == ended
    assert (pretender.port, (pretender.folder / "port").read_text()) == (port, str(port))
    assert pretender.ask("GET", "/")[0] == 404
    assert set(family(os.getpid())) <= set(before)


def test_a_peer_that_does_not_stop_is_killed_with_all_its_processes(pretender: Pretender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.chaos.subjects.peers.STOPPING", 0.2)
    pretender.stubborn = "yes"
    pretender.start()
    members = family(pretender.pid)
    assert len(members) == 2
    with pytest.raises(AssertionError, match="did not stop"):
        pretender.stop()
    assert not any(map(runs, members))


def test_a_peer_that_ends_at_once_is_not_ready(pretender: Pretender) -> None:
    other = Pretender.make(pretender.folder.parent / "other", "", Wanted(state=pretender.state))
    other.alone = pretender.alone = "yes"
    pretender.start()
    with pytest.raises(AssertionError, match="not ready"):
        other.start()


def test_each_peer_is_told_where_its_upstream_and_its_state_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.chaos.subjects.peers.installed", lambda name: Path("/programs") / name)
    url = "http://upstream.example/simple/"
    peers = [kind.make(tmp_path / kind.name, url, Wanted(state=tmp_path / "disk")) for kind in (Devpi, Proxpi, Peryx)]
    for peer in peers:
        peer.folder.mkdir()
        peer.configure()
    devpi, proxpi, peryx = peers
    assert [peer.command()[0] for peer in peers] == ["/programs/devpi/devpi-server", "/programs/proxpi/gunicorn", "/programs/peryx/peryx"]
    assert str(devpi.port) in devpi.command()
    assert str(tmp_path / "disk") in devpi.command()
    assert (proxpi.environment()["PROXPI_INDEX_URL"], proxpi.environment()["PROXPI_CACHE_DIR"]) == (url, str(tmp_path / "disk"))
    written_down = (peryx.folder / "peryx.toml").read_text()
    assert f"port = {peryx.port}\ndata_dir = '{tmp_path / 'disk'}'" in written_down
    assert f"url = '{url}'" in written_down
    for peer in (devpi, peryx):
        assert peer.poster().port == peer.port
        assert peer.uploaded().startswith(peer.url)


def test_a_page_that_is_none_offers_nothing() -> None:
    def answer(status: int, body: str) -> Got:
        return Got("http://index.example/simple/a/", status, {"content-type": "application/json"}, body.encode(), "", 0, True, 0.0)

    assert offered(answer(502, '{"files": [{"filename": "a-1.tar.gz", "url": "a", "hashes": {}}]}')) == {}
    assert offered(answer(200, '{"message": "no"}')) == {}
    assert set(offered(answer(200, '{"files": [{"filename": "a-1.tar.gz", "url": "a", "hashes": {}}]}'))) == {"a-1.tar.gz"}


def said(id: str, subject: str, **more: Any) -> str:
    about = {"release": f"{subject} 1", "how": "--ci --seed 3", "when": "2026-01-02", "machine": "1 x A"}
    numbers = dict.fromkeys(("lost", "corrupt", "dangling", "hung", "bad_5xx"), 0)
    return json.dumps({"id": id, "subject": subject, "survived": True, "seconds": 30, "unmet": [], **numbers, **about, **more}) + "\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results of one peer."""
    (tmp_path / "words.toml").write_text('[devpi]\nC1 = "it is down as well"\nC3 = "of before"\n')
    (tmp_path / "devpi.jsonl").write_text(
        said("C1", "devpi", survived=False, bad_5xx=2, unmet=["bad_5xx: http://127.0.0.1:1234/a/ 500 b'`'"])
        + said("C3", "devpi")
        + said("C4", "devpi", survived=False, how="--seed 4", unmet=["corrupt: http://127.0.0.1:1234/a/ `x`"])
        + '{"id": "C7", "subject": "devpi", "survived": null, "skipped": "it has no mirror", "release": "devpi 1", "how": "--ci --seed 3", '
        '"when": "2026-01-02", "machine": "1 x A"}\n'
    )
    return tmp_path


def test_the_chapter_says_how_each_was_run_and_what_each_failure_was(results: Path) -> None:
    text = chapter(results)
    assert "2 bad 5xx" in text
    assert "1 of 3" in text
    assert "``python -m benchmarks.chaos --ci --seed 3 --subject devpi --fault C1,C3,C7``" in " ".join(text.split())
    assert "\n* C1: it is down as well\n" in text
    # What nobody has put into words is said in those of the harness, without what is of this machine.
    assert "\n* C4: ``corrupt: /a/ 'x'``\n" in text
    assert "of before" not in text
    assert "Not done to devpi: C7, since it has no mirror." in text


def test_lines_that_are_kept_replace_those_of_the_same_fault(results: Path) -> None:
    new = results / "new"
    new.write_text(said("C4", "devpi", unmet=["x" * 1000] * 20) + said("C10", "devpi") + said("C2", "peryx"))
    keep([new], results)
    lines = read([results / "devpi.jsonl"])["devpi"]
    assert list(lines) == ["C1", "C3", "C4", "C7", "C10"]
    assert lines["C4"]["survived"]
    assert lines["C4"]["unmet"] == ["x" * LONG] * COMPLAINTS
    assert list(read([results / "peryx.jsonl"])) == ["peryx"]


def test_the_documentation_has_what_was_kept() -> None:
    """Otherwise: `python -m benchmarks.chaos.table --write`."""
    page = PAGE.read_text("utf-8")
    assert written(page) == page


def test_the_kept_results_are_of_known_faults_and_of_no_machine_s_folders() -> None:
    found = read(RESULTS.glob("*.jsonl"))
    assert set(found) == set(subjects())
    for lines in found.values():
        assert set(lines) <= set(load())
    for place in RESULTS.iterdir():
        text = place.read_text("utf-8")
        assert len(text) < 100_000
        # In a path of devpi's URLs there is a folder `root` as well.
        assert not re.search(r"(?<![\w:./-])/(work|root|tmp|home|var)/", text)


def test_our_own_release_is_said() -> None:
    assert release("pypidaemon").startswith("pypidaemon ")
