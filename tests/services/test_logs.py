"""Where the log goes, and a log that cannot be written (F83)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from twisted.logger import Logger, LogPublisher, textFileLogObserver

from pypidaemon.services.logs import LogFile, LostLines
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
