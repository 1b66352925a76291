"""
The index of projects as SQLite keeps it: one card for each project that is here, one line for each name that an upstream's list has, and the trigrams of both.

What is asked for is found in the order of the rows. Names from a list are put in shortest first, so the first ones found are the likeliest, and a search
need not look at all that fit. The trigrams say only which rows may fit: without positions they take half the room, and each row found is looked at.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import attrs

from pypidaemon.model import NormalizedName
from pypidaemon.searching.words import Question, lowered

OWN, HELD, KNOWN = range(3)
"""Whose a project is, first the ones whose home is here; then those a mirror has, then those of an upstream that is asked when need be."""

CARDS, LISTED = "cards", "listed"
"""The two tables."""

MOST = 300
"""Rows that are taken of each table for one question."""

SECONDS = 0.02
"""Processor time that a question may take in each table, where very many rows may fit; after that what was found is the answer."""

_OPERATIONS = 2_000
"""Operations of SQLite's after which it is seen whether that time is over: some 50 µs."""

_BY_LENGTH = 40
"""Names longer than this go in together."""

_SUMMARY = {CARDS: "summary", LISTED: "''"}
"""The column that has a row's summary, of which a line has none."""

_COLUMNS = {CARDS: "name, title, version, summary", LISTED: "name, NULL, NULL, ''"}

_WORDS = "fts5(text, content='', detail=none, columnsize=0, tokenize='trigram case_sensitive 1')"

SCHEMA = (
    f"""
    CREATE TABLE places (id INTEGER PRIMARY KEY, label TEXT NOT NULL, kept TEXT NOT NULL, stamp TEXT NOT NULL DEFAULT '', UNIQUE (label, kept));
    CREATE TABLE listed (id INTEGER PRIMARY KEY, place INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE (place, name));
    CREATE TABLE cards (
        id INTEGER PRIMARY KEY, place INTEGER NOT NULL, name TEXT NOT NULL, title TEXT NOT NULL DEFAULT '', version TEXT NOT NULL DEFAULT '',
        summary TEXT NOT NULL DEFAULT '', due INTEGER NOT NULL DEFAULT 1, serial INTEGER NOT NULL DEFAULT -1,
        UNIQUE (place, name)
    );
    CREATE INDEX cards_due ON cards (place, name) WHERE due;
    CREATE TABLE fresh (name TEXT PRIMARY KEY, serial INTEGER NOT NULL) WITHOUT ROWID;
    CREATE VIRTUAL TABLE listed_words USING {_WORDS};
    CREATE VIRTUAL TABLE cards_words USING {_WORDS};
    """,
)


@attrs.frozen
class Described:
    """
    What a project says of itself.

    :param title: its name as its author spells it; "" where that is not known.
    :param version: the release that says so.
    """

    title: str = ""
    version: str = ""
    summary: str = ""


@attrs.frozen
class Place:
    """An index whose projects may be found, and whose they are."""

    label: str
    kind: int


@attrs.frozen
class Found:
    """
    A project that fits, of the index of that place.

    :param described: what is known of it; None where its name is all there is.
    """

    place: Place
    name: NormalizedName
    rank: int
    described: Described | None = None


def place_of(connection: sqlite3.Connection, label: str, table: str) -> int:
    """The number of an index in that table; it is given one where it has none."""
    connection.execute("INSERT OR IGNORE INTO places (label, kept) VALUES (?, ?)", (label, table))
    number: int = connection.execute("SELECT id FROM places WHERE label = ? AND kept = ?", (label, table)).fetchone()[0]
    return number


def stamp_of(connection: sqlite3.Connection, label: str, table: str) -> str:
    """What was given with the names that are there; "" where they are not, or not all."""
    found = connection.execute("SELECT stamp FROM places WHERE label = ? AND kept = ?", (label, table)).fetchone()
    return "" if found is None else found[0]


def set_stamp(connection: sqlite3.Connection, label: str, table: str, stamp: str) -> None:
    """All names that go with this are there."""
    connection.execute("UPDATE places SET stamp = ? WHERE id = ?", (stamp, place_of(connection, label, table)))


def clear_fresh(connection: sqlite3.Connection) -> None:
    """Begin another list of names."""
    connection.execute("DELETE FROM fresh")


def add_fresh(connection: sqlite3.Connection, names: Sequence[tuple[str, int]]) -> None:
    """Add to the list of names that is being taken in, each with its serial."""
    connection.executemany("INSERT OR IGNORE INTO fresh VALUES (?, ?)", names)


def drop_gone(connection: sqlite3.Connection, label: str, table: str, limit: int) -> int:
    """Take out what the list has no longer, so many at most; answer how many those were."""
    gone = connection.execute(
        f"SELECT id, name, {_SUMMARY[table]} FROM {table} AS old"  # noqa: S608  # one of two names of ours
        " WHERE place = ? AND NOT EXISTS (SELECT 1 FROM fresh WHERE fresh.name = old.name) LIMIT ?",
        (place_of(connection, label, table), limit),
    ).fetchall()
    _drop(connection, table, gone)
    return len(gone)


def add_new(connection: sqlite3.Connection, label: str, table: str, length: int) -> None:
    """Put in what is new on the list and so long; with `_BY_LENGTH` all that is as long or longer."""
    compared = ">=" if length >= _BY_LENGTH else "="
    top = connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0] or 0  # noqa: S608  # as above
    place = place_of(connection, label, table)
    connection.execute(
        f"INSERT INTO {table} (place, name) SELECT ?1, name FROM fresh WHERE length(name) {compared} ?2"  # noqa: S608  # as above
        f" AND NOT EXISTS (SELECT 1 FROM {table} AS old WHERE old.place = ?1 AND old.name = fresh.name)",
        (place, length),
    )
    connection.execute(f"INSERT INTO {table}_words (rowid, text) SELECT id, name FROM {table} WHERE id > ?", (top,))  # noqa: S608  # as above


def mark_changed(connection: sqlite3.Connection, label: str) -> None:
    """Have the cards be written anew of the projects whose serial is another one than when that was last done."""
    connection.execute(
        "UPDATE cards SET due = 1, serial = fresh.serial FROM fresh WHERE place = ? AND fresh.name = cards.name AND fresh.serial != cards.serial",
        (place_of(connection, label, CARDS),),
    )


LENGTHS = range(1, _BY_LENGTH + 1)
"""What `add_new` is called with, one after the other."""


def optimize(connection: sqlite3.Connection) -> None:
    """Put the trigrams together as after a first filling: less room, and quicker to ask."""
    for table in (CARDS, LISTED):
        connection.execute(f"INSERT INTO {table}_words ({table}_words) VALUES ('optimize')")  # noqa: S608  # as above


def put(connection: sqlite3.Connection, label: str, cards: Mapping[str, Described | None]) -> None:
    """Have the cards of these projects say that; of those with None there is to be none."""
    place = place_of(connection, label, CARDS)
    for name, said in cards.items():
        before = connection.execute("SELECT id, name, summary FROM cards WHERE place = ? AND name = ?", (place, name)).fetchall()
        if said is None:
            _drop(connection, CARDS, before)
            continue
        values = (said.title, said.version, said.summary)
        if before:
            number = before[0][0]
            connection.execute("UPDATE cards SET title = ?, version = ?, summary = ?, due = 0 WHERE id = ?", (*values, number))
            if before[0][2] == said.summary:
                continue
            _unsay(connection, CARDS, before)
        else:
            insert = "INSERT INTO cards (place, name, title, version, summary, due) VALUES (?, ?, ?, ?, ?, 0) RETURNING id"
            number = connection.execute(insert, (place, name, *values)).fetchone()[0]
        connection.execute("INSERT INTO cards_words (rowid, text) VALUES (?, ?)", (number, _text(name, said.summary)))


def due(connection: sqlite3.Connection, label: str, limit: int) -> list[NormalizedName]:
    """Projects of that index whose card says no more than their name as yet."""
    asked = "SELECT name FROM cards WHERE place = (SELECT id FROM places WHERE label = ? AND kept = 'cards') AND due ORDER BY name LIMIT ?"
    return [NormalizedName(name) for (name,) in connection.execute(asked, (label, limit))]


def drop_others(connection: sqlite3.Connection, kept: Iterable[tuple[str, str]], limit: int) -> int:
    """Take out what is of no index and table among these, so many rows at most; answer how many those were."""
    wanted, count = set(kept), 0
    for number, label, table in connection.execute("SELECT id, label, kept FROM places").fetchall():
        if (label, table) not in wanted:
            asked = f"SELECT id, name, {_SUMMARY[table]} FROM {table} WHERE place = ? LIMIT ?"  # noqa: S608  # as above
            rows = connection.execute(asked, (number, limit)).fetchall()
            _drop(connection, table, rows)
            count += len(rows)
            if not rows:
                connection.execute("DELETE FROM places WHERE id = ?", (number,))
    return count


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many cards there are, and how many lines."""
    cards, listed = (connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in (CARDS, LISTED))  # noqa: S608  # as above
    return cards, listed


def find(
    connection: sqlite3.Connection, question: Question, places: Sequence[Place], may_see: Callable[[str, NormalizedName], bool]
) -> list[Found]:
    """
    What fits, best first: by rank, then by whose it is, the shorter name first. Each name comes once.

    A project that an index of ours has is that index's alone, also where whoever asks may not see it there (law 4).

    :param places: in the order in which they answer.
    :param may_see: whether a name of the index of that label may be given to whoever asks; called in this thread.
    """
    search = _Search(connection, question, places, may_see)
    best: dict[NormalizedName, tuple[tuple[int, int, bool], Found]] = {}
    for look in (search.beginning, search.having):
        for table in (CARDS, LISTED):
            for one in look(table):
                standing = (0 if one.place.kind == OWN else 1, places.index(one.place), one.described is None)
                if one.name not in best or standing < best[one.name][0]:
                    best[one.name] = (standing, one)
    found = sorted((one for _, one in best.values()), key=lambda one: (one.rank, one.place.kind, len(one.name), one.name))
    return [one for one in found if search.is_whose(one)]


@attrs.define
class _Search:
    """One question on its way through the tables."""

    connection: sqlite3.Connection
    question: Question
    places: Sequence[Place]
    may_see: Callable[[str, NormalizedName], bool]

    def beginning(self, table: str) -> Iterator[Found]:
        """What has a name that begins with all of it; first comes the one that is just that."""
        asked = f"SELECT place, {_COLUMNS[table]} FROM {table} WHERE place = ?1 AND name >= ?2 AND name < ?2 || char(1114111) ORDER BY name"  # noqa: S608  # names of ours
        numbers = self._numbers(table)
        for number in numbers:
            yield from islice(self._fitting(asked, (number, self.question.joined), numbers), MOST // 3)

    def having(self, table: str) -> Iterator[Found]:
        """What has every word somewhere."""
        if self.question.expression:
            short = self.question.short
            asked = (
                f"SELECT place, {_COLUMNS[table]} FROM {table}_words AS words JOIN {table} AS rows ON rows.id = words.rowid"  # noqa: S608  # as above
                f" WHERE {table}_words MATCH ?"
                + f" AND (instr(name, ?) OR instr(lower({_SUMMARY[table]}), ?))" * len(short)
                + " ORDER BY words.rowid"
            )
            values = (self.question.expression, *(word for word in short for _ in range(2)))
            yield from islice(self._fitting(asked, values, self._numbers(table)), MOST)

    def _numbers(self, table: str) -> dict[int, Place]:
        known = dict(self.connection.execute("SELECT label, id FROM places WHERE kept = ?", (table,)).fetchall())
        return {known[place.label]: place for place in self.places if place.label in known}

    def _fitting(self, asked: str, values: tuple[object, ...], numbers: Mapping[int, Place]) -> Iterator[Found]:
        """Of the rows those that fit and may be seen, as many as there are in time."""
        until = time.thread_time() + SECONDS
        self.connection.set_progress_handler(lambda: time.thread_time() > until, _OPERATIONS)
        try:
            for number, name, title, version, summary in self.connection.execute(asked, values):
                place = numbers.get(number)
                if place is not None and self.question.fits(name, lowered(summary)) and self.may_see(place.label, NormalizedName(name)):
                    said = None if title is None else Described(title, version, summary)
                    yield Found(place, NormalizedName(name), self.question.rank(name), said)
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
                raise
        finally:
            self.connection.set_progress_handler(None, 0)

    def is_whose(self, found: Found) -> bool:
        """Whether no other index of ours has a project of that name, before it where it is of one itself."""
        asked = "SELECT 1 FROM cards WHERE place = (SELECT id FROM places WHERE label = ? AND kept = 'cards') AND name = ?"
        for place in self.places:
            if place == found.place and place.kind == OWN:
                return True
            if place.kind == OWN and self.connection.execute(asked, (place.label, found.name)).fetchone():
                return False
        return True


def _drop(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[int, str, str]]) -> None:
    _unsay(connection, table, rows)
    connection.executemany(f"DELETE FROM {table} WHERE id = ?", ((row[0],) for row in rows))  # noqa: S608  # one of two names of ours


def _unsay(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[int, str, str]]) -> None:
    """Take the trigrams of these rows out; the index has to be told what they were."""
    connection.executemany(
        f"INSERT INTO {table}_words ({table}_words, rowid, text) VALUES ('delete', ?, ?)",  # noqa: S608  # as above
        ((number, _text(name, summary)) for number, name, summary in rows),
    )


def _text(name: str, summary: str) -> str:
    return f"{name}\n{lowered(summary)}" if summary else name
