"""The words of configuration: what each reads, and that what it cannot read is a reason and not a surprise."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon import settings
from pypidaemon.settings import Secret


@pytest.mark.parametrize(
    ("convert", "raw", "value"),
    [
        (settings.text, " some words ", "some words"),
        (settings.words, "a  b\n c", ("a", "b", "c")),
        (settings.words, "", ()),
        (settings.flag, "Yes", True),
        (settings.flag, "off", False),
        (settings.count, " 42 ", 42),
        (settings.duration, "30s", 30.0),
        (settings.duration, "1.5 h", 5400.0),
        (settings.duration, "3d", 259200.0),
        (settings.duration, "2w", 1209600.0),
        (settings.size, "512", 512),
        (settings.size, "64KiB", 65536),
        (settings.size, "1.5 GB", 1_500_000_000),
        (settings.path, "some/folder", Path("some/folder")),
        (settings.paths, " one\n\n two three \n", (Path("one"), Path("two three"))),
        (settings.lines, " a  b\n\n c ", ("a b", "c")),
        (settings.show_or_hide, " Show ", "show"),
        (settings.show_or_hide, "hide", "hide"),
        (settings.url, "https://index.example/simple/", "https://index.example/simple/"),
        (settings.url, "http://[::1]:3141/", "http://[::1]:3141/"),
        (settings.urls, "https://a.example/\n http://b.example/x/", ("https://a.example/", "http://b.example/x/")),
        (settings.urls, "", ()),
    ],
)
def test_what_is_understood(convert: Callable[[str], Any], raw: str, value: object) -> None:
    """And how."""
    assert convert(raw) == value


@pytest.mark.parametrize(
    ("convert", "raw", "words"),
    [
        (settings.text, "  ", "empty"),
        (settings.flag, "perhaps", "neither yes nor no"),
        (settings.count, "-1", "whole number"),
        (settings.count, "1e3", "whole number"),
        (settings.duration, "soon", "duration"),
        (settings.duration, "5", "duration"),
        (settings.size, "much", "size"),
        (settings.path, "", "empty"),
        (settings.paths, " \n ", "empty"),
        (settings.lines, "", "empty"),
        (settings.show_or_hide, "yes", "neither show nor hide"),
        (settings.url, "index.example", "http or https"),
        (settings.url, "ftp://index.example/", "http or https"),
        (settings.url, "https:///simple/", "http or https"),
        (settings.url, "https://index.example/ä", "http or https"),
        (settings.url, "https://index.example/a b", "http or https"),
        (settings.url, "http://[::1/", "not a URL"),
        (settings.url, "http://index.example:port/", "not a URL"),
        (settings.url, "https://me:word@index.example/", "credentials"),
        (settings.url, "https://index.example/?q=1", "query"),
        (settings.url, "https://index.example/#x", "fragment"),
        (settings.secret, "plain", "env:NAME or file:PATH"),
        (settings.secret, "env:", "env:NAME or file:PATH"),
        (settings.secret, "env:NO_SUCH_VARIABLE_HERE", "not set"),
        (settings.secret, "file:/no/such/file", "cannot read"),
        (settings.urls, "https://a.example/x https://a.example/x/", "same URL twice"),
    ],
)
def test_what_is_not_understood_has_a_reason(convert: Callable[[str], Any], raw: str, words: str) -> None:
    """One that a person can act on."""
    with pytest.raises(ValueError, match=words):
        convert(raw)


def test_a_refused_url_does_not_repeat_its_credentials() -> None:
    """The line goes into logs."""
    with pytest.raises(ValueError, match="credentials") as caught:
        settings.url("https://me:s3cret@index.example/")
    assert "s3cret" not in str(caught.value)


def test_S71_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither by repr nor by str; a file gives its first line."""
    monkeypatch.setenv("PYPIDAEMON_TEST_SECRET", "s3cret")
    held = settings.secret("env:PYPIDAEMON_TEST_SECRET")
    assert held.reveal() == "s3cret"
    assert "s3cret" not in repr(held) + str(held)
    (tmp_path / "secret").write_text("first\nsecond\n")
    assert settings.secret(f"file:{tmp_path}/secret") == Secret("first")
    (tmp_path / "empty").write_text("")
    assert settings.secret(f"file:{tmp_path}/empty").reveal() == ""


CONVERTERS = st.sampled_from([settings.flag, settings.count, settings.duration, settings.size, settings.url, settings.words])


@given(CONVERTERS, st.text(max_size=80))
def test_any_text_gives_a_value_or_a_reason(convert: Callable[[str], Any], raw: str) -> None:
    """Configuration is input from outside like any other."""
    with suppress(ValueError):
        convert(raw)


def test_a_file_that_a_setting_names_is_read_or_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is, and not without end."""
    monkeypatch.setattr(settings, "LONGEST_CONTENTS", 2 << 20)
    place = tmp_path / "list.txt"
    place.write_bytes(b"\xef\xbb\xbfname\n")
    assert settings.contents(place) == "name\n"
    place.write_bytes(b"\xff")
    with pytest.raises(ValueError, match="it is not UTF-8"):
        settings.contents(place)
    place.write_bytes(b"x" * ((2 << 20) + 1))
    with pytest.raises(ValueError, match="longer than 2 MiB"):
        settings.contents(place)
    with pytest.raises(ValueError, match="Is a directory"):
        settings.contents(tmp_path)
    with pytest.raises(ValueError, match="no file has such a name"):
        settings.contents(Path("list\0.txt"))
