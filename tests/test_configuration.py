"""The grammar: what reads, what it reads as, and what is refused with one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.configuration import KINDS, parse, read
from pypidaemon.errors import ConfigError


def test_sections_keys_and_use_read_as_written() -> None:
    """A section is kind, label, `use` and the other keys."""
    found = parse("[daemon]\nlisten = tcp:1\n[index:a-1]\nuse = proxy\nupstream: pypi\n", "etc/c.ini")
    assert list(found.sections) == ["daemon", "index:a-1"]
    index = found.sections["index:a-1"]
    assert (index.kind, index.label, index.use, dict(index.values)) == ("index", "a-1", "proxy", {"upstream": "pypi"})
    assert found.daemon.values == {"listen": "tcp:1"}
    assert found.file == "etc/c.ini"


def test_here_is_the_absolute_folder_of_the_file(tmp_path: Path) -> None:
    """`%(here)s` never means the working directory."""
    found = parse("[daemon]\ndata = %(here)s/../var\n", str(tmp_path / "etc" / "c.ini"))
    assert found.here == tmp_path / "etc"
    assert found.daemon.values["data"] == f"{tmp_path}/etc/../var"


def test_a_folder_with_a_per_cent_sign_is_not_interpolated_again(tmp_path: Path) -> None:
    """What `%(here)s` puts in is taken as it is."""
    found = parse("[daemon]\ndata = %(here)s/x\n", str(tmp_path / "100%(here)s" / "c.ini"))
    assert found.daemon.values["data"] == f"{tmp_path}/100%(here)s/x"


@pytest.mark.parametrize(("raw", "value"), [("50%", "50%"), ("50%%", "50%"), ("%%(here)s", "%(here)s"), ("%s %d", "%s %d")])
def test_other_per_cent_signs_are_literal(raw: str, value: str) -> None:
    """A lone or a doubled one is a per cent sign."""
    assert parse(f"[daemon]\nx = {raw}\n", "c.ini").daemon.values["x"] == value


def test_comments_stand_on_their_own_lines_only() -> None:
    """`#` and `;` later in a line belong to the value, also inside one that goes on."""
    found = parse("# a\n; b\n[daemon]\nx = 1 # one ; two\n# between\ny = a\n  # inside\n  b\n", "c.ini")
    assert found.daemon.values == {"x": "1 # one ; two", "y": "a\nb"}


def test_keys_are_not_folded_and_default_is_no_magic_section() -> None:
    """The standard parser's surprises are gone."""
    for text, problem in (("[daemon]\nListen = 1\n", "Listen"), ("[DEFAULT]\nx = 1\n[daemon]\n", "unknown kind of section 'DEFAULT'")):
        with pytest.raises(ConfigError, match=problem):
            parse(text, "c.ini")


def test_a_byte_order_mark_is_harmless(tmp_path: Path) -> None:
    """Some editors write one."""
    file = tmp_path / "c.ini"
    file.write_bytes(b"\xef\xbb\xbf[daemon]\n")
    assert read(str(file)).daemon.values == {}


@pytest.mark.parametrize(
    ("text", "section", "key", "words"),
    [
        ("", "daemon", "", "missing"),
        ("[index:a]\nuse = proxy\n", "daemon", "", "missing"),
        ("x = 1\n", "", "", "line 1"),
        ("[daemon]\nnonsense\n", "", "", "line 2"),
        ("[daemon] # here\nx = 1\n", "", "", "line 1"),
        ("[daemon]\n[index:a] ; junk\nuse = x\n", "daemon", "[index", "alone"),
        ("[daemon]\n[daemon]\n", "daemon", "", "twice"),
        ("[daemon]\nx = 1\nx = 2\n", "daemon", "x", "twice"),
        ("[daemon]\n[indexes:a]\n", "indexes:a", "", "unknown kind"),
        ("[daemon:a]\n", "daemon:a", "", "no label"),
        ("[daemon]\n[index]\n", "index", "", "label"),
        ("[daemon]\n[index:]\n", "index:", "", "label"),
        ("[daemon]\n[index:A]\n", "index:A", "", "label"),
        ("[daemon]\n[index:-a]\n", "index:-a", "", "label"),
        ("[daemon]\n[index:a/b]\n", "index:a/b", "", "label"),
        ("[daemon]\nuse = x\n", "daemon", "use", "no component"),
        ("[daemon]\nx = %(home)s\n", "daemon", "x", "%(home)s is not known"),
        ("[daemon]\nx_y = 1\n", "daemon", "x_y", "not a key"),
        ("[daemon]\nx = a\x00b\n", "daemon", "x", "control"),
    ],
)
def test_a_fault_is_one_line_with_file_section_and_key(text: str, section: str, key: str, words: str) -> None:
    """Each fault says where it is."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "etc/c.ini")
    error = caught.value
    assert (error.file, error.section, error.key) == ("etc/c.ini", section, key)
    assert words in str(error)
    assert str(error).startswith("etc/c.ini")
    assert "\n" not in str(error)


def test_an_unknown_kind_names_the_known_ones() -> None:
    """So that a misspelling is mended at once."""
    with pytest.raises(ConfigError, match=" ".join(sorted(KINDS))):
        parse("[daemon]\n[indx:a]\n", "c.ini")


def test_unreadable_files_are_one_line_too(tmp_path: Path) -> None:
    """Missing, a folder, or not text."""
    other = tmp_path / "latin.ini"
    other.write_bytes(b"[daemon]\n# caf\xe9\n")
    for file, words in ((tmp_path / "none.ini", "No such file"), (tmp_path, "directory"), (other, "line 2: is not UTF-8")):
        with pytest.raises(ConfigError, match=words):
            read(str(file))


@given(st.text(max_size=200))
def test_any_text_reads_or_is_refused(text: str) -> None:
    """Nothing but ConfigError ever comes out, and it is one line."""
    try:
        parse("[daemon]\n" + text, "c.ini")
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017  # any outcome is right but another exception


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True).filter(lambda key: key != "use"),
        st.from_regex(r"[!-~]([ -~]{0,30}[!-~])?", fullmatch=True),
        max_size=5,
    )
)
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    """Plain values come back as they were, with per cent signs doubled on the way."""
    text = "[daemon]\n" + "".join(f"{key} = {value.replace('%', '%%')}\n" for key, value in values.items())
    assert dict(parse(text, "c.ini").daemon.values) == values
