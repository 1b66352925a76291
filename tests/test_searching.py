"""What is looked for, and the index that it is looked for in."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Container, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.searching import cards
from pypidaemon.searching.cards import CARDS, HELD, KNOWN, LISTED, OWN, Described, Place
from pypidaemon.searching.index import FILE, SearchIndex
from pypidaemon.searching.words import BEGINS, EXACT, LONGEST, MOST, NAMED, SAID, Question, Unsearchable, read_question
from tests.gear import inline, now

OURS, MIRROR, PYPI = Place("private", OWN), Place("mirror", HELD), Place("pypi", KNOWN)


def question(text: str) -> Question:
    """A question with a word in it."""
    found = read_question(text)
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["", "  ", "\x00", "\x00\t\n", "---", "._-", "\u202e", "\ud800"])
def test_what_has_no_word_is_no_question(text: str) -> None:
    """Whatever characters it is made of."""
    assert read_question(text) is None


def test_a_question_is_bounded() -> None:
    """In its length, which is refused, and in its words, of which the first count."""
    with pytest.raises(Unsearchable, match="at most 200 characters"):
        read_question("x" * (LONGEST + 1))
    assert len(question(" ".join(f"w{number}" for number in range(40))).words) == MOST
    assert question("a a a").joined == "a"


@pytest.mark.parametrize(
    ("text", "name", "summary", "rank"),
    [
        ("Django", "django", "", EXACT),
        ("zope_interface", "zope-interface", "", EXACT),
        ("Zope.Interface", "zope-interface", "", EXACT),
        ("http client", "http-client", "", EXACT),
        ("djan", "django", "", BEGINS),
        ("client http", "http-client", "", NAMED),
        ("ango", "django", "", NAMED),
        ("py3.11", "thing", "for py3.11 and later", SAID),
        ("web django", "django", "a web framework", SAID),
    ],
)
def test_how_well_a_project_fits(text: str, name: str, summary: str, rank: int) -> None:
    """By its name in any spelling, and by words of its summary."""
    assert question(text).fits(name, summary)
    assert question(text).rank(name) == rank


def test_every_word_counts() -> None:
    """One that is nowhere is not found."""
    assert not question("django wrong").fits("django", "a web framework")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[SearchIndex]:
    """An empty one."""
    index = SearchIndex(tmp_path / FILE, inline, inline)
    index.startService()
    yield index
    now(index.stopService())


def fill(index: SearchIndex, place: Place, table: str, names: list[str]) -> None:
    """Have these be the names of that index."""
    now(index.take_in(place.label, table, " ".join(names) or "none", iter([(name, len(names)) for name in names]), inline))


def found(index: SearchIndex, text: str, *places: Place, hides: Container[str] = ()) -> list[str]:
    """The names that are found, in their order."""
    hits = now(index.find(question(text), places or (OURS, MIRROR, PYPI), lambda label, name: label not in hides and name not in hides))
    return [hit.name for hit in hits]


def test_exact_then_prefix_then_ours_then_the_shorter_one(index: SearchIndex) -> None:
    """Whatever table a name is in."""
    fill(index, PYPI, LISTED, ["django", "django-extras", "adjango", "my-django-thing", "other"])
    fill(index, OURS, CARDS, ["our-django", "django-ours"])
    fill(index, MIRROR, CARDS, ["web"])
    now(index.put("mirror", {"web": Described("Web", "1.0", "Much like Django")}))
    assert found(index, "django") == ["django", "django-ours", "django-extras", "our-django", "adjango", "my-django-thing", "web"]
    assert found(index, "dj") == ["django-ours", "django", "django-extras"]
    assert found(index, "DJANGO_EXTRAS") == ["django-extras"]
    assert found(index, "like much") == ["web"]
    assert found(index, "my thing") == ["my-django-thing"]


def test_L4_a_name_of_ours_is_not_found_elsewhere(index: SearchIndex) -> None:
    """Also by who may not see ours, and whichever comes first."""
    fill(index, PYPI, LISTED, ["secret-thing", "thing"])
    fill(index, OURS, CARDS, ["secret-thing"])
    assert found(index, "thing", hides=("private",)) == ["thing"]
    assert found(index, "thing", PYPI, OURS, hides=("private",)) == ["thing"]
    assert found(index, "thing", PYPI) == ["thing", "secret-thing"]
    hits = now(index.find(question("secret"), (PYPI, OURS), lambda *_: True))
    assert [hit.place for hit in hits] == [OURS]


def test_a_list_is_replaced_by_the_next(index: SearchIndex) -> None:
    """What went is not found, what stayed and came is."""
    fill(index, PYPI, LISTED, ["alpha-one", "alpha-two"])
    fill(index, PYPI, LISTED, ["alpha-two", "alpha-three", "a" * 60])
    assert found(index, "alpha") == ["alpha-two", "alpha-three"]
    assert found(index, "aaaaa") == ["a" * 60]
    assert now(index.stamp("pypi", LISTED)) == " ".join(["alpha-two", "alpha-three", "a" * 60])
    now(index.drop_others({("pypi", CARDS)}))
    assert found(index, "alpha") == []
    assert now(index.counts()) == (0, 0)


def test_a_card_says_what_was_said_last(index: SearchIndex) -> None:
    """And is not found by what it said before; one that is gone is not found at all."""
    fill(index, OURS, CARDS, ["alpha", "beta"])
    assert now(index.due("private", 10)) == ["alpha", "beta"]
    now(index.put("private", {"alpha": Described("Alpha", "1.0", "Ölförderung Maßstab"), "beta": None}))
    assert now(index.due("private", 10)) == []
    assert found(index, "ÖLFÖRDERUNG") == found(index, "maßstab") == ["alpha"]
    now(index.put("private", {"alpha": Described("Alpha", "2.0", "weather")}))
    now(index.put("private", {"alpha": Described("Alpha", "2.1", "weather"), "gamma": Described("Gamma", "1", "weather")}))
    assert found(index, "ölförderung") == []
    assert found(index, "weather") == ["alpha", "gamma"]
    assert found(index, "beta") == []
    assert now(index.counts()) == (2, 0)


def test_no_more_is_taken_than_one_answer_needs(index: SearchIndex) -> None:
    """The shortest names come first, and a few of many are found by who may see few."""
    fill(index, PYPI, LISTED, [*sorted(f"x{number:05}-common" for number in range(1000)), "z-common"])
    names = found(index, "common")
    assert names[0] == "z-common"
    assert len(names) <= cards.MOST
    hidden = {f"x{number:05}-common" for number in range(990)}
    assert len(found(index, "common", hides=hidden)) == 11


@given(st.text(max_size=LONGEST))
def test_no_question_is_a_query_of_its_own(text: str) -> None:
    """Quotation marks, operators, columns and NULs are text; an index answers each."""
    asked = read_question(text)
    if asked is not None:
        assert cards.find(_filled(), asked, [PYPI], lambda *_: True) is not None


@pytest.mark.parametrize(
    "text",
    [
        '"',
        '""',
        '"abc"',
        "abc AND",
        "NOT abc",
        "abc NEAR/2 def",
        "text:abc",
        "abc*",
        "^abc",
        "(abc",
        "a'b'c",
        "%abc%",
        "abc\x00def",
        "abc; --",
        "{abc def}: x",
    ],
)
def test_hostile_questions(text: str) -> None:
    """The same, of those that somebody would try."""
    cards.find(_filled(), question(text), [PYPI], lambda *_: True)


_FILLED: list[sqlite3.Connection] = []


def _filled() -> sqlite3.Connection:
    if not _FILLED:
        connection = sqlite3.connect(":memory:")
        for script in cards.SCHEMA:
            connection.executescript(script)
        cards.add_fresh(connection, [(name, 1) for name in ("abc", "abcdef", "def-abc", "text")])
        for length in cards.LENGTHS:
            cards.add_new(connection, "pypi", LISTED, length)
        _FILLED.append(connection)
    return _FILLED[0]


def test_a_file_that_is_damaged_or_gone_is_made_anew(tmp_path: Path, index: SearchIndex) -> None:
    """It may be removed at any time, also while it is open."""
    fill(index, PYPI, LISTED, ["alpha"])
    index.complete = True
    os.unlink(tmp_path / FILE)
    now(index.look())
    assert not index.complete
    assert found(index, "alpha") == []
    now(index.stopService())
    (tmp_path / FILE).write_bytes(b"not a database at all" * 1000)
    fill(index, PYPI, LISTED, ["alpha"])
    assert found(index, "alpha") == ["alpha"]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_where_nothing_may_be_written_it_lies_elsewhere_until_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the system's folder for such files."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    index = SearchIndex(None, inline, inline)
    fill(index, PYPI, LISTED, ["alpha"])
    assert found(index, "alpha") == ["alpha"]
    assert len(list(tmp_path.iterdir())) == 1
    now(index.stopService())
    assert list(tmp_path.iterdir()) == []
