"""The comparison with other servers: what it asks for, how it reckons, and that the documentation has what was kept."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.side_by_side import source
from benchmarks.side_by_side.__main__ import FIGURES, PEERS, estimate, options, said
from benchmarks.side_by_side.clients import get
from benchmarks.side_by_side.figures import BARS, OURS, ROWS, SERVERS, Bar, Other, judge
from benchmarks.side_by_side.pressing import FEW, PIP, Unable, Wish, lua, prepared, spent
from benchmarks.side_by_side.profiles import TOP, summary
from benchmarks.side_by_side.recording import Recorder
from benchmarks.side_by_side.run import MAKES, Scale
from benchmarks.side_by_side.table import KEPT, PAGE, PROFILES, RESULTS, chapter, keep, read, written


def line(figure: str, server: str, number: int = 0, **values: float) -> dict[str, Any]:
    about = {"release": f"{server} 1", "when": "2026-11-27", "machine": "a machine", "python": "3.11", "load": "0.1", "how": ""}
    return {"figure": figure, "server": server, "round": number, "values": values, **about}


class Handler(BaseHTTPRequestHandler):
    """Pages with and without a validator; `/away` is elsewhere, `/pieces` comes in chunks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = b"x" * 1000
        if self.path == "/away":
            self._say(302, b"", Location="/pieces")
        elif self.path == "/pieces":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"1f4\r\n" + body[:500] + b"\r\n1f4\r\n" + body[500:] + b"\r\n0\r\n\r\n")
        elif self.path == "/plain":
            self._say(200, body)
        elif self.path == "/none":
            self._say(404, body)
        elif self.headers["If-None-Match"] == '"tag"':
            self._say(304, b"", ETag='"tag"')
        else:
            self._say(200, body, ETag='"tag"')

    def _say(self, status: int, body: bytes, **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_all_small_files_of_the_upstream_can_be_had_and_have_the_hash_that_its_page_says() -> None:
    made = source.Source({"cold": 10, "warm": 10, "passing": 10}, 100, base="http://upstream.example")
    page = json.loads(made.page("fifty-07", is_json=True) or b"")
    assert len(page["files"]) == 50
    for entry in page["files"]:
        path = entry["url"].removeprefix(made.base)
        data, metadata = made.file(path), made.file(f"{path}.metadata")
        assert data is not None
        assert metadata is not None
        assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["size"], entry["hashes"]["sha256"])
        assert hashlib.sha256(metadata).hexdigest() == entry["core-metadata"]["sha256"]
    assert (made.page("fifty-07", is_json=False) or b"").count(b"#sha256=") == 50
    assert made.page("unknown", is_json=True) is None


def test_the_upstream_has_500_projects_and_a_long_list_besides() -> None:
    made = source.Source({"cold": 10, "warm": 10, "passing": 10}, 100)
    names = [entry["name"] for entry in json.loads(made.page("", is_json=True) or b"")["projects"]]
    assert len(names) == len(set(names)) == source.PROJECTS
    assert all(made.page(name, is_json=True) for name in ("cold-00", "passing-79", "warm-large", "other-000"))
    assert set(names) > {"cold-00", "passing-79", "warm-large", "other-000", "thousands-4"}
    assert len(made.listed(is_long=True)) == source.PROJECTS + 100


def test_a_large_file_is_the_one_that_its_page_promises() -> None:
    made = source.Source({"cold": 3_000_000, "warm": 10, "passing": 10}, 0)
    [entry] = json.loads(made.page("cold-03", is_json=True) or b"")["files"]
    file = made.large_file(entry["url"])
    assert file is not None
    data = b"".join(file.pieces(0))
    assert (len(data), hashlib.sha256(data).hexdigest()) == (3_000_000, entry["hashes"]["sha256"])


def test_every_path_is_asked_for_with_the_head_that_is_wanted(url: str) -> None:
    ready = prepared(url, Wish(["/a", "/b"], PIP, 304))
    assert [request.split(b" ")[1] for request in ready.requests] == [b"/a", b"/b"]
    for request in ready.requests:
        head = request.decode().split("\r\n")
        assert head[-2:] == ["", ""]
        assert {f"{name}: {value}" for name, value in PIP.items()} | {
            'If-None-Match: "tag"',
            f"Host: {url.removeprefix('http://')}",
        } == set(head[1:-2])
    assert ready.length == 0
    script = lua(ready.requests)
    assert '"GET /a HTTP/1.1\\r\\nHost:' in script
    assert 'If-None-Match: \\"tag\\"\\r\\n' in script
    assert '{\\"ci\\":null' in script


def test_a_server_that_cannot_do_what_is_asked_says_why(url: str) -> None:
    with pytest.raises(Unable, match="have no ETag"):
        prepared(url, Wish(["/plain"], PIP, 304))
    with pytest.raises(Unable, match="404 instead of 200"):
        prepared(url, Wish(["/none"], PIP))


def test_a_slow_server_is_asked_over_few_connections_and_for_few_paths(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [f"/{number}" for number in range(9)]
    monkeypatch.setattr("benchmarks.side_by_side.pressing.SLOW", 1000.0)
    assert len(prepared(url, Wish(paths, PIP)).requests) == 9
    monkeypatch.setattr("benchmarks.side_by_side.pressing.SLOW", -1.0)
    ready = prepared(url, Wish(paths, PIP))
    assert (len(ready.requests), ready.connections) == (5, FEW)


def test_what_comes_in_chunks_after_a_redirect_is_hashed_without_them(url: str) -> None:
    got = get(f"{url}/away")
    assert (got.status, got.length, got.sha256, got.hops) == (200, 1000, hashlib.sha256(b"x" * 1000).hexdigest(), 1)
    assert 0 < got.first <= got.total


def test_children_that_have_ended_count_in_what_a_process_spent() -> None:
    before = spent(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    assert spent(os.getpid()) - before >= 0.02


def test_shares_of_a_profile_are_by_function_and_name_no_folders() -> None:
    stacks = [
        "process 1:python;thread 0x1;main (/home/somebody/checkout/pypidaemon/tap.py:3);send (/opt/x/site-packages/twisted/internet/tcp.py:10) 3",
        "main (/home/somebody/checkout/pypidaemon/tap.py:9);main (/home/somebody/checkout/pypidaemon/tap.py:9) 1",
        "main (/home/somebody/checkout/pypidaemon/tap.py:9);_Pool._work (/home/somebody/checkout/pypidaemon/threads.py:66) 90",
        "not a stack",
    ]
    text = summary(stacks)
    assert text.startswith("4 looks")
    alone, within = (part.splitlines()[1:] for part in text.split("\n\n")[1:])
    assert alone == ["  75.0%  send (twisted/internet/tcp.py)", "  25.0%  main (pypidaemon/tap.py)"]
    assert within == [" 100.0%  main (pypidaemon/tap.py)", "  75.0%  send (twisted/internet/tcp.py)"]
    many = summary([f"f{number} (a.py:1) 1" for number in range(100)])
    assert many.count("%") == 2 * TOP
    assert "nothing" in summary([])


def test_a_ratio_is_that_of_each_round_and_its_median_counts() -> None:
    bar = Bar("page", "cpu_us", "", 1.25, Other("nginx"))
    ours, theirs = (10, 22, 90), (10, 20, 30)
    lines = [line("page", OURS, number, cpu_us=value) for number, value in enumerate(ours)]
    lines += [line("page", "nginx", number, cpu_us=value) for number, value in enumerate(theirs)]
    assert (judge(lines, bar).is_, judge(lines, bar).met) == (1.1, True)
    assert judge(lines[:-1], bar).is_ == pytest.approx(1.05)
    assert judge(lines[:3], bar).met is None
    assert judge(lines, Bar("page", "cpu_us", "", 1.25, Other("nginx"), least=True)).met is False
    assert judge(lines, Bar("page", "cpu_us", "", 50.0, worst=True)).is_ == 90
    assert judge(lines, Bar("page", "cpu_us", "", 50.0)).met is True


def test_a_bar_may_compare_two_figures_of_ours() -> None:
    lines = [line("page", OURS, cpu_us=20), line("page-token", OURS, cpu_us=22)]
    verdict = judge(lines, Bar("page-token", "cpu_us", "", 1.15, Other(figure="page")))
    assert (verdict.is_, verdict.met) == (1.1, True)


def test_every_figure_that_is_measured_has_a_row_and_bars_are_about_rows() -> None:
    shown = {row.figure for row in ROWS}
    assert shown - {"list-first"} == set(FIGURES)
    assert {bar.figure for bar in BARS} <= shown
    assert {(bar.figure, bar.value) for bar in BARS} - {(row.figure, row.value) for row in ROWS} == {("mixed", "ratio")}
    assert set(SERVERS) == {*MAKES, "bandersnatch"} == {OURS, *PEERS}


def test_figures_and_peers_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = options(["--figure", "cold,page", "--peer", "peryx"])
    assert (chosen.figures, chosen.peers) == (["page", "cold"], ["peryx"])
    assert options([]).figures == FIGURES
    assert said(options(["--figure", "cold", "--output", "somewhere", "--keep", "--quick"])) == "--figure cold --quick"
    with pytest.raises(SystemExit):
        options(["--figure", "pages"])
    assert "there is no figure pages" in capsys.readouterr().err


def test_a_whole_run_is_meant_to_take_less_than_25_minutes() -> None:
    whole = estimate(FIGURES, len(MAKES), Scale())
    assert whole < 25 * 60
    assert estimate(["page"], 2, Scale()) < whole / 20


def test_lines_say_what_was_measured_and_once_what_was_not(tmp_path: Path) -> None:
    recorder = Recorder({"when": "today"}, {"nginx": "nginx 1"}, tmp_path / "lines")
    recorder.note("page", "nginx", 0, {"cpu_us": 12.34567, "requests": 123456, "type": "x"})
    recorder.absent("uploads", "nginx", "it takes\nno uploads")
    recorder.absent("uploads", "nginx", "again")
    first, second = (json.loads(text) for text in (tmp_path / "lines").read_text().splitlines())
    assert first == {
        "figure": "page", "server": "nginx", "round": 0, "release": "nginx 1", "when": "today",
        "values": {"cpu_us": 12.35, "requests": 123456, "type": "x"},
    }  # fmt: skip
    assert second["absent"] == "it takes no uploads"
    assert recorder.lines == [first, second]


def test_a_figure_that_is_run_anew_replaces_what_was_kept_of_it(tmp_path: Path) -> None:
    (tmp_path / "old").write_text(
        "".join(json.dumps(one) + "\n" for one in (line("cold", "nginx", cpu_s=1), line("page", "nginx", cpu_us=1)))
    )
    (tmp_path / "new").write_text(json.dumps(line("page", OURS, cpu_us=2)) + "\n")
    keep([tmp_path / "old"], tmp_path)
    keep([tmp_path / "new"], tmp_path)
    assert [(one["figure"], one["server"]) for one in read([tmp_path / KEPT])] == [("page", OURS), ("cold", "nginx")]


def test_the_chapter_has_figures_bars_reasons_and_what_was_tried(tmp_path: Path) -> None:
    lines = [
        line("page", OURS, cpu_us=30),
        line("page", "nginx", cpu_us=20),
        line("cold", "direct", total_s=4.77),
        line("cold", OURS, total_s=4.8),
    ]
    absent = {name: value for name, value in line("uploads", "nginx").items() if name not in {"round", "values"}} | {
        "absent": "it takes no uploads"
    }
    (tmp_path / KEPT).write_text("".join(json.dumps(one) + "\n" for one in (*lines, absent)))
    (tmp_path / "words.toml").write_text('"page cpu_us" = "A shorter way was tried."\n')
    (tmp_path / PROFILES).mkdir()
    (tmp_path / PROFILES / "page.txt").write_text("")
    text = chapter(tmp_path)
    assert "   * - page of 50 files as pip asks, CPU µs\n     - 30\n     - 20\n" in text
    assert "all of it, s (directly: 4.77)" in text
    assert "   * - page of 50 files / nginx\n     - 1.5\n     - ≤ 1.25\n     - **missed**\n" in text
    assert "   * - cold file, total / directly\n     - 1.01\n     - ≤ 1.02\n     - met\n" in text
    assert "     - 1 of 2\n" in text
    assert (
        "* page of 50 files / nginx: 1.5 instead of ≤ 1.25. Profile: ``benchmarks/results/profiles/page.txt``. A shorter way was tried."
        in text.replace("\n  ", " ")
    )
    assert "* uploads: nginx, since it takes no uploads" in text
    assert "``python -m benchmarks.side_by_side``" in text


def test_the_documentation_has_what_was_kept() -> None:
    """Otherwise: `python -m benchmarks.side_by_side.table --write`."""
    page = PAGE.read_text("utf-8")
    assert written(page) == page


def test_the_kept_results_are_of_known_figures_and_of_no_machine_s_folders() -> None:
    for one in read(RESULTS.glob("*.jsonl")):
        assert one["figure"] in {row.figure for row in ROWS}
        assert one["server"] in {*SERVERS, "direct"}
    for place in RESULTS.rglob("*"):
        if place.is_file():
            text = place.read_text("utf-8")
            assert len(text) < 300_000
            assert not re.search(r"(?<![\w:./-])/(work|root|tmp|home|var)/", text), place
