"""The harness itself: the wire does what it is told, and whoever passes on what a broken upstream sends is found out."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import attrs
import pytest

from benchmarks.chaos.clients import Got, get, listed
from benchmarks.chaos.faults import load
from benchmarks.chaos.ordeal import endure
from benchmarks.chaos.source import Source
from benchmarks.chaos.subjects import Wanted
from benchmarks.chaos.table import table
from benchmarks.chaos.tally import Tally
from benchmarks.chaos.wire import Toxics, Wire
from tests.clients.posting import Poster
from tests.faults.conftest import SEED

BODY = bytes(range(256)) * 400


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire before a server that says one thing to everybody."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY))

        thread = threading.Thread(target=serve)
        thread.start()
        found = Wire(server.getsockname()[1], random.Random(1))
        try:
            yield found
        finally:
            found.end()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def ask(wire: Wire, deadline: float = 10.0) -> Got:
    return get(f"http://127.0.0.1:{wire.port}/", keep=True, deadline=deadline)


@pytest.mark.parametrize(
    "toxics",
    [
        Toxics(),
        Toxics(latency=0.001),
        Toxics(bandwidth=10_000_000),
        Toxics(slicer=5000),
        Toxics(slow_close=0.01),
        Toxics(reset=(5, 9), share=0.0),
    ],
    ids=lambda toxics: str(attrs.asdict(toxics, filter=lambda _, value: bool(value))),
)
def test_a_wire_that_only_slows_passes_everything(wire: Wire, toxics: Toxics) -> None:
    wire.toxics = toxics
    got = ask(wire)
    assert (got.status, got.complete, got.body) == (200, True, BODY)


def test_a_wire_breaks_off_where_it_is_told_to(wire: Wire) -> None:
    wire.toxics = Toxics(limit_data=(5000, 5000))
    got = ask(wire)
    assert (got.status, got.complete, got.trouble) == (200, False, "cut short")
    assert 0 < got.length < 5000
    wire.toxics = Toxics(reset=(5000, 5000))
    got = ask(wire)
    assert not got.complete
    assert "reset" in got.trouble.lower()
    wire.toxics = Toxics(timeout=0.01)
    assert ask(wire).status is None
    wire.toxics = Toxics()
    assert ask(wire).complete


def test_a_wire_refuses_is_silent_or_is_not_there(wire: Wire) -> None:
    wire.refuse()
    assert "refused" in ask(wire).trouble.lower()
    wire.accept()
    assert ask(wire).complete
    wire.toxics = Toxics(black_hole=True)
    assert ask(wire, 0.3).hung
    wire.toxics = Toxics()
    # Nobody takes from the queue, so nobody knows that the connection is there.
    wire.swallow()
    assert ask(wire, 0.3).hung
    wire.accept()
    assert ask(wire).complete


@attrs.define(eq=False)
class Through:
    """A subject that keeps nothing: clients see the upstream itself."""

    simple: str
    state: Path
    name: str = "through"
    abilities: frozenset[str] = frozenset({"json"})
    lacks: Mapping[str, str] = {"uploads": "it takes no uploads"}
    freshness: float = 0.0
    settling: float = 0.0
    pid: int = 0
    url: str = ""

    @classmethod
    def make(cls, folder: Path, upstream: str, _: Wanted) -> Through:
        return cls(upstream, folder)

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def kill(self) -> None:
        pass

    def complaints(self) -> list[str]:
        return ["Traceback"]

    def poster(self) -> Poster:
        raise NotImplementedError

    def uploaded(self) -> str:
        raise NotImplementedError

    def sync(self) -> dict[str, object]:
        raise NotImplementedError

    def mirrored(self) -> str:
        raise NotImplementedError

    def alerted(self, filename: str) -> bool:
        raise NotImplementedError

    def verify(self) -> list[str]:
        raise NotImplementedError

    def metric(self, name: str, label: str = "") -> float:
        raise NotImplementedError


def put_through(id: str, source: Source, folder: Path) -> Tally:
    outcome = endure(load()[id], Through.make, source, folder / id, SEED, quick=True, timed=False)
    assert not outcome.skipped
    assert not outcome.tally.survived
    return outcome.tally


def test_whoever_passes_on_turned_bits_is_found_out(source: Source, tmp_path: Path) -> None:
    tally = put_through("C4", source, tmp_path)
    assert tally.corrupt == tally.figures["spoiled"] > 0
    assert "I7: Traceback" in tally.unmet


def test_whoever_passes_on_files_cut_short_or_too_long_has_them_not_counted_as_right(source: Source, tmp_path: Path) -> None:
    tally = put_through("C3", source, tmp_path)
    assert tally.cut >= tally.figures["spoiled"] > 0


def test_whoever_passes_on_odd_pages_is_found_out(source: Source, tmp_path: Path) -> None:
    said = " ".join(put_through("C6", source, tmp_path).unmet)
    for words in ("that was empty is taken", "that was half is taken", "that was another project's is taken", "no page of an index"):
        assert words in said


def test_whoever_is_down_with_his_upstream_is_found_out(source: Source, tmp_path: Path) -> None:
    assert any(words.startswith("cached pages: ") for words in put_through("C1", source, tmp_path).unmet)


def test_what_a_subject_cannot_do_is_left_out(source: Source, tmp_path: Path) -> None:
    outcome = endure(load()["C7"], Through.make, source, tmp_path / "C7", SEED, quick=True, timed=False)
    assert outcome.skipped == "through has no sync"
    assert outcome.line(load()["C7"], "through", SEED).startswith('{"id": "C7", "subject": "through"')
    outcome = endure(load()["C24"], Through.make, source, tmp_path / "C24", SEED, quick=True, timed=False)
    assert outcome.skipped == "it takes no uploads and through has no verify"


def test_pages_are_read_in_both_forms() -> None:
    def page(body: str, content_type: str) -> Got:
        return Got("http://index.example/simple/a/", 200, {"content-type": content_type}, body.encode(), "", 0, True, 0.0)

    html = '<a href="../../f/a-1.tar.gz#sha256=00" data-core-metadata="sha256=11">a-1.tar.gz</a> <a href="b">b&amp;c</a>'
    json = '{"files": [{"filename": "a-1.tar.gz", "url": "../../f/a-1.tar.gz", "hashes": {"sha256": "00"}, "core-metadata": {"sha256": "11"}}]}'
    as_html = listed(page(html, "text/html"))
    assert listed(page(json, "application/vnd.pypi.simple.v1+json"))["a-1.tar.gz"] == as_html["a-1.tar.gz"]
    assert as_html["a-1.tar.gz"].url == "http://index.example/f/a-1.tar.gz"
    assert (as_html["b&c"].sha256, as_html["b&c"].metadata) == (None, None)


def test_several_runs_make_one_table(tmp_path: Path) -> None:
    tally = Tally()
    good = tally.line("C1", "pypidaemon", 1, 1.0)
    tally.wrong("corrupt", "some file")
    bad = tally.line("C1", "devpi", 1, 1.0)
    tally = Tally()
    tally.say("it was slow")
    (tmp_path / "a").write_text(f"{good}\n")
    (tmp_path / "b").write_text(
        f"{bad}\n{tally.line('C2', 'devpi', 1, 1.0)}\n" + '{"id": "C7", "subject": "devpi", "survived": null, "skipped": "no sync"}\n'
    )
    lines = table([tmp_path / "a", tmp_path / "b"]).splitlines()
    rows = [line.strip("* -") for line in lines]
    assert rows[rows.index("C1") + 2 : rows.index("C1") + 4] == ["yes", "1 corrupt"]
    assert rows[rows.index("C2") + 2 : rows.index("C2") + 4] == ["", "no"]
    assert lines[-2:] == ["     - 1 of 1", "     - 0 of 2"]
