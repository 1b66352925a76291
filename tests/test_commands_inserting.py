"""Values in other programs' configuration files: they come in, once, and everything else stays as it was written."""

from __future__ import annotations

import configparser
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.commands.inserting import options, sections, tables, with_options, with_table

PATH = ("tool", "uv", "index")
OURS = {"name": "ours", "url": "https://index.example/simple/", "default": True}
WORDS = st.from_regex(r"[a-z][a-z-]{0,8}[a-z]", fullmatch=True)
VALUES = st.from_regex(r"[a-z0-9:/.]{1,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "[global]\nindex-url = U\n"),
        ("[global]", "[global]\nindex-url = U\n"),
        ("[install]\nuser = yes\n", "[install]\nuser = yes\n\n[global]\nindex-url = U\n"),
        (
            "# mine\n[global]\ntimeout = 9  \n\n; else\n[install]\nx = 1\n",
            "# mine\n[global]\ntimeout = 9  \n\n; else\nindex-url = U\n[install]\nx = 1\n",
        ),
        ("[global]\nINDEX_URL:old\n\n[b]\nc=1", "[global]\nindex-url = U\n\n[b]\nc=1\n"),
        ("[global]\nindex-url =\n    old\n    older\na = 1\n", "[global]\nindex-url = U\na = 1\n"),
        ("[global]\nindex-url = U\n", "[global]\nindex-url = U\n"),
        ("[global]\nindex-url=U", "[global]\nindex-url=U\n"),
    ],
)
def test_an_option_in_a_file(before: str, after: str) -> None:
    """In place of the one that was there; where there was none, at the end of its section."""
    assert with_options(before, "global", {"index-url": "U"}) == after


@pytest.mark.parametrize("name", ["global", "other"])
def test_lines_end_as_the_others_do(name: str) -> None:
    """As an editor of another system has them."""
    found = with_options("[global]\r\nindex-url = old\r\n", name, {"index-url": "U"})
    assert found.count("\n") == found.count("\r\n") == found.count("\r")
    table = with_table('x = 1\r\n[[tool.uv.index]]\r\nname = "ours"\r\n', PATH, OURS)
    assert table == ("x = 1\n" + TABLE).replace("\n", "\r\n")
    assert with_options("[global]", "global", {"a": "b"}) == "[global]\na = b\n"


def test_comments_are_not_lost() -> None:
    """Those among the lines of a value would be."""
    text = "[global]\ntrusted-host =\n    a\n    # and\n    b\n"
    with pytest.raises(ValueError, match="comments within trusted-host"):
        with_options(text, "global", {"trusted-host": "c"}, ("trusted-host",))
    assert with_options(text, "global", {"trusted-host": "b"}, ("trusted-host",)) == text


def test_lists_are_added_to() -> None:
    """And stay as they are laid out where ours is in them."""
    text = "[distutils]\nindex-servers =\n    pypi\n    other\n"
    assert options(with_options(text, "distutils", {"index-servers": "ours"}, ("index-servers",)), "distutils") == {
        "index-servers": "pypi other ours"
    }
    assert with_options(text, "distutils", {"index-servers": "other"}, ("index-servers",)) == text


@pytest.mark.parametrize("text", ["no section\n", "[a\nb = 1\n", "[global]\n  index-url = x\n\n# c\n   y\n[global]\nindex-url = z\n"])
def test_what_cannot_be_read_or_would_come_out_otherwise_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"."):
        with_options(text, "global", {"index-url": "U"})


@given(
    st.dictionaries(WORDS, st.dictionaries(WORDS, VALUES, max_size=4), max_size=4),
    WORDS,
    st.dictionaries(WORDS, VALUES, min_size=1, max_size=3),
)
def test_whatever_else_is_there_stays(before: dict[str, dict[str, str]], section: str, values: dict[str, str]) -> None:
    """And doing it again changes nothing."""
    parser = configparser.RawConfigParser()
    parser.read_dict(before)
    text = "".join(f"# {name}\n[{name}]\n" + "".join(f"{key}: {value}\n" for key, value in parser.items(name)) + "\n" for name in before)
    found = with_options(text, section, values)
    assert sections(found) == {**before, section: {**before.get(section, {}), **values}}
    assert all(line in found for line in text.splitlines() if line.startswith("#"))
    assert with_options(found, section, values) == found


TABLE = '[[tool.uv.index]]\nname = "ours"\nurl = "https://index.example/simple/"\ndefault = true\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", TABLE),
        ('[project]\nname = "x"', '[project]\nname = "x"\n\n' + TABLE),
        (TABLE, TABLE),
        (TABLE.replace("index.example", "old.example") + "\n[tool.x]\na = 1\n", TABLE + "\n[tool.x]\na = 1\n"),
        (
            '[[tool.uv.index]]\nname = "b"\nurl = "u"\n\n[[ tool.uv.index ]] # ours\n"name" = "ours"  \nurl = "v" # w\nformat = "flat"\n\n[c]',
            (
                '[[tool.uv.index]]\nname = "b"\nurl = "u"\n\n[[ tool.uv.index ]] # ours\nname = "ours"\nurl = "https://index.example/simple/"\n'
                'format = "flat"\ndefault = true\n\n[c]\n'
            ),
        ),
    ],
)
def test_a_table_in_a_file(before: str, after: str) -> None:
    """The one of that name, else one more."""
    assert with_table(before, PATH, OURS) == after


@pytest.mark.parametrize(
    "text",
    [
        "[tool",
        "[tool]\nuv = 3\n",
        "[tool.uv]\nindex = 3\n",
        "[tool.uv]\nindex = [3]\n",
        '[tool.uv]\nindex = [{name = "b", url = "u"}]\n',
        '[tool.uv]\nindex = [{name = "ours", url = "u"}]\n',
        '[[tool.uv.index]]\nname = "ours"\nurl = """\nu\n"""\n',
        'x = """\n[[tool.uv.index]]\n"""\n[[tool.uv.index]]\nname = "ours"\nurl = "u"\n',
    ],
)
def test_a_table_that_cannot_be_told_from_the_rest_is_refused(text: str) -> None:
    """What comes out is read again, and held against what was meant."""
    with pytest.raises(ValueError, match=r"."):
        with_table(text, PATH, OURS)


PLAIN = st.booleans() | VALUES
NAMED = st.lists(st.tuples(WORDS, st.dictionaries(WORDS.filter(lambda word: word not in ("name", "url")), PLAIN, max_size=2)), max_size=3)


@given(st.dictionaries(WORDS.filter(lambda word: word != "tool"), PLAIN, max_size=3), NAMED, st.booleans())
def test_every_other_table_stays(root: dict[str, Any], others: list[tuple[str, dict[str, Any]]], ours: bool) -> None:
    """And doing it again changes nothing."""
    spelled = {True: "true", False: "false"}

    def lines(values: dict[str, Any]) -> str:
        return "".join(f"{key} = {spelled[value] if isinstance(value, bool) else repr(value)}\n" for key, value in values.items())

    known = [{"name": f"x-{name}", "url": "u", **more} for name, more in others] + ([{"name": "ours", "url": "old"}] if ours else [])
    text = lines(root) + "".join(f"\n[[tool.uv.index]]\n{lines(one)}" for one in known) + "\n[tool.uv.pip]\na = 1\n"
    found = with_table(text, PATH, OURS)
    assert tables(found, PATH) == [one for one in known if one["name"] != "ours"] + [OURS]
    assert {key: value for key, value in tomllib.loads(found).items() if key != "tool"} == root
    assert tomllib.loads(found)["tool"]["uv"]["pip"] == {"a": 1}
    assert with_table(found, PATH, OURS) == found
