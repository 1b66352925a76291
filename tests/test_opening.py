"""What is opened is what was asked about."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest

from pypidaemon.errors import Changed, Refused, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.interfaces import IContent
from pypidaemon.model import Companion, Digest, File, Listed, NormalizedName
from pypidaemon.opening import TRIES, open_listed, opened
from pypidaemon.pace import Held
from tests.fakes import file
from tests.gear import now

NAME = NormalizedName("foo")
GOOD, EVIL = file("foo-1.0.tar.gz", b"good"), file("foo-1.0.tar.gz", b"evil")
BARE = attrs.evolve(GOOD, hashes=(("md5", "0"),))


def digest(entry: File) -> Digest:
    found = entry.digest
    assert found is not None
    return found


@attrs.define
class Telling(Held):
    """Bytes that tell whether they were closed."""

    closed: bool = False

    def close(self) -> None:
        self.closed = True


@attrs.define
class Opening:
    """An index that opens one content after the other, whatever it lists."""

    contents: Iterator[Telling]
    label: str = "opening"
    given: list[Telling] = attrs.field(factory=list)

    async def open_file(self, name: NormalizedName, wanted: str, companion: Companion) -> IContent:
        assert (name, wanted) == (NAME, filename("foo-1.0.tar.gz"))
        self.given.append(next(self.contents))
        return self.given[-1]


def contents(*entries: File | None) -> Opening:
    """An index that opens the bytes of these; None is a content that does not know its digest."""
    return Opening(iter([Telling(b"", None if entry is None else entry.digest) for entry in entries]))


def listed(*entries: File | Exception, source: str = "pypi") -> Iterator[Listed | Exception]:
    return iter([entry if isinstance(entry, Exception) else Listed(NAME, entry, source) for entry in entries])


def take(index: Opening, first: Iterator[Listed | Exception], second: Iterator[Listed | Exception], companion: Companion = Companion.FILE):  # type: ignore[no-untyped-def]  # noqa: ANN201
    """Open by these answers; what comes, and the digests that `again` was told."""
    told: list[Digest | None] = []

    def answer(answers: Iterator[Listed | Exception]) -> Listed:
        found = next(answers)
        if isinstance(found, Exception):
            raise found
        return found

    async def ask() -> Listed:
        return answer(first)

    async def again(known: Digest | None) -> Listed:
        told.append(known)
        return answer(second)

    return now(opened(index, companion, ask, again)), told  # type: ignore[arg-type]  # it has all that is asked of an index here


@pytest.mark.parametrize(
    ("companion", "entry"), [(Companion.FILE, GOOD), (Companion.METADATA, attrs.evolve(BARE, core_metadata=GOOD.digest))]
)
def test_an_entry_that_promises_a_digest_is_opened_as_promised_and_asked_for_once(companion: Companion, entry: File) -> None:
    (got, content), told = take(contents(GOOD), listed(entry), listed(), companion)
    assert (got.file, content.digest, told) == (entry, GOOD.digest, [])
    assert not content.closed


def test_other_bytes_than_the_entry_promises_are_closed_and_both_are_asked_for_again() -> None:
    index = contents(EVIL, None, GOOD)
    (got, content), _ = take(index, listed(GOOD, GOOD, GOOD), listed())
    assert (got.file, content) == (GOOD, index.given[2])
    assert [one.closed for one in index.given] == [True, True, False]


def test_after_some_tries_it_keeps_changing() -> None:
    index = contents(*[EVIL] * TRIES)
    with pytest.raises(UpstreamUnavailable, match=r"what it says of foo-1\.0\.tar\.gz keeps changing"):
        take(index, listed(*[GOOD] * TRIES), listed())
    assert all(one.closed for one in index.given)


@pytest.mark.parametrize("entry", [BARE, GOOD])
def test_where_nothing_was_promised_the_entry_is_asked_for_again_with_what_came(entry: File) -> None:
    """By then it may promise what came."""
    (got, content), told = take(contents(GOOD), listed(BARE), listed(entry))
    assert (got.file, told) == (entry, [GOOD.digest])
    assert not content.closed


@pytest.mark.parametrize(
    "other", [Listed(NAME, EVIL, "pypi"), Listed(NAME, BARE, "private"), Refused("no", "it is evil")], ids=["bytes", "source", "refused"]
)
def test_where_nothing_was_promised_another_entry_than_before_is_not_let_through(other: Listed | Refused) -> None:
    index = contents(*[GOOD] * TRIES)
    with pytest.raises((UpstreamUnavailable, Refused)):
        take(index, listed(*[BARE] * TRIES), iter([other] * TRIES))
    assert index.given
    assert all(one.closed for one in index.given)


def test_a_companion_of_which_nothing_is_promised_belongs_to_the_same_bytes() -> None:
    for before, after, comes in ((GOOD, GOOD, True), (GOOD, EVIL, False), (BARE, BARE, True)):
        index = contents(*[None] * TRIES)
        answers = (listed(*[before] * TRIES), listed(*[after] * TRIES), Companion.PROVENANCE)
        if comes:
            assert take(index, *answers)[1] == [None]
        else:
            with pytest.raises(UpstreamUnavailable):
                take(index, *answers)


def test_what_changed_says_which_file() -> None:
    with pytest.raises(Changed, match=r"foo-1\.0\.tar\.gz changed while it was opened"):
        now(open_listed(contents(EVIL), Listed(NAME, GOOD), Companion.FILE))  # type: ignore[arg-type]  # as above
