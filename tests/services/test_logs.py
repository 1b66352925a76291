"""Where the log goes, and a log that cannot be written (F83)."""

from __future__ import annotations

import errno
import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger, LogPublisher, textFileLogObserver

from pypidaemon.services.logs import LogFile, LostLines, Transcript
from tests.running import running

TEXT = "[daemon]\nlisten = tcp:3141\nindex = root\n[index:root]\nuse = tests.parts:example.Fixed\nprojects = alpha\n"


def test_F83_what_cannot_be_written_is_counted_and_stops_nothing(tmp_path: Path) -> None:
    """Not a word is logged about it; and when there is room again the log goes on."""
    seen = []
    publisher = LogPublisher(seen.append)
    lines = LostLines(publisher=publisher)
    lines.startService()
    full = LogFile(Path("/dev/full"))
    publisher.addObserver(textFileLogObserver(full))  # type: ignore[arg-type]  # as much of a file as it needs
    log = Logger(observer=publisher)
    for number in range(3):
        log.info("line {number}", number=number)
    assert lines.measures() == {"lost": 3}
    assert [event["number"] for event in seen if "number" in event] == [0, 1, 2]
    full.path = tmp_path / "log"
    full.reopen()
    log.info("there is room again")
    assert lines.measures() == {"lost": 3}
    assert full.path.read_text().endswith("there is room again\n")
    lines.stopService()
    full.close()


def test_F83_a_folder_that_is_gone_costs_lines_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    """Each line tries anew."""
    file = LogFile(tmp_path / "logs" / "log")
    with pytest.raises(FileNotFoundError):
        file.write("lost\n")
    (tmp_path / "logs").mkdir()
    file.write("kept\n")
    assert (tmp_path / "logs" / "log").read_text() == "kept\n"
    file.close()


def test_a_log_that_was_moved_away_goes_on_in_a_new_file_when_it_is_told(tmp_path: Path) -> None:
    """As log rotation does it; where there can be no new one the old one goes on."""
    file = LogFile(tmp_path / "log")
    file.write("one\n")
    (tmp_path / "log").rename(tmp_path / "log.1")
    file.write("two\n")
    file.reopen()
    file.write("three\n")
    assert ((tmp_path / "log.1").read_text(), (tmp_path / "log").read_text()) == ("one\ntwo\n", "three\n")
    (tmp_path / "log").unlink()
    (tmp_path / "log").mkdir()
    with pytest.raises(IsADirectoryError):
        file.reopen()
    file.write("four\n")
    file.close()
    file.close()


def test_a_log_that_is_copied_and_truncated_begins_at_its_beginning(tmp_path: Path) -> None:
    """Not with a hole as long as what was there before."""
    file = LogFile(tmp_path / "log")
    file.write("a long line that was copied\n")
    os.truncate(tmp_path / "log", 0)
    file.write("next\n")
    assert (tmp_path / "log").read_text() == "next\n"
    file.close()


def test_F83_what_follows_half_a_line_begins_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a disk which was full for a moment costs no line that was written whole; a new file begins with its own."""
    file, room = LogFile(tmp_path / "log"), 8
    real = os.write

    def full(descriptor: int, data: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = real(descriptor, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        file.write("one\ntwo lines\n")
    room = 5
    file.write("two\n")
    assert (tmp_path / "log").read_text() == "one\ntwo \ntwo\n"
    room = 1
    with pytest.raises(OSError, match="No space"):
        file.write("three\n")
    (tmp_path / "log").unlink()
    file.reopen()
    room = 5
    file.write("four\n")
    assert (tmp_path / "log").read_text() == "four\n"
    file.close()


def test_a_pipe_that_nobody_reads_is_refused_at_once(tmp_path: Path) -> None:
    """To wait for a reader would be to wait with everything. Where there is one, it is given more than a pipe holds."""
    os.mkfifo(tmp_path / "pipe")
    file = LogFile(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        file.write("lost\n")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    text = "line\n" * 40_000
    with ThreadPoolExecutor(1) as pool:
        os.set_blocking(reader, True)
        with open(reader, encoding="ascii") as read:
            file.reopen()
            heard = pool.submit(read.read)
            file.write(text)
            file.close()
            assert heard.result() == text


def test_without_a_file_it_is_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """Also where it holds what nobody could encode."""
    file = LogFile()
    file.reopen()
    file.flush()
    file.write("line \udc80 é\n")
    assert capfd.readouterr().out == "line \\udc80 é\n"


def test_F83_the_count_is_among_the_others(tmp_path: Path) -> None:
    """And survives a new configuration."""
    with running(tmp_path, TEXT) as daemon:
        daemon.household.house.made.given["log"].lost = 5
        daemon.reload(TEXT + "[policy:p]\nuse = names\n")
        assert b"pypidaemon_log_lines_lost_total 5.0\n" in daemon.ask("/+metrics").body


@given(st.lists(st.none() | st.floats(0, 4e9), min_size=1, max_size=9))
def test_a_line_of_the_transcript_is_one_of_twisteds_own_at_any_time(moments: list[float | None]) -> None:
    ours, theirs = io.StringIO(), io.StringIO()
    transcript, plain = Transcript(cast(LogFile, ours)), textFileLogObserver(theirs)
    for moment in moments:
        for observer in (transcript, plain):
            observer({"log_time": moment, "log_namespace": "here", "log_format": "{it}\n", "it": 3})
    assert ours.getvalue() == theirs.getvalue()
