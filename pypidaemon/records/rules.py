"""
The rules that every place of records follows, whatever it writes with: pure functions over what is known and what is new.

They stand here once, so that SQLite and memory cannot come to differ in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from pypidaemon.errors import Conflict
from pypidaemon.model import Change, Digest, Downloads, Fact, Fetch, File, FileRecord, Grant, NormalizedName, Standing

FIRST_GRANTS = (Grant("anonymous", "list", "*"), Grant("anonymous", "read", "*"))
"""What new records grant (design, section 10): everybody may look, nobody may write."""

MOST_DEEDS = 100_000
"""How many rows of the audit log one answer has at most, some 300 bytes each; whoever wants more asks by time."""

MOST_FETCHES = 100_000
"""How many fetches one answer has at most, some 500 bytes each."""

LONGEST_AGENT = 200
"""How many characters are kept of what a client calls itself: as much as it likes to say, were there no bound."""

LONGEST_ADDRESS = 64
"""The same of its address; the longest of IPv6 with the name of a zone has fewer."""


def numbered(known: tuple[str, int] | None, revision: str, at_least: int, high: int) -> int:
    """
    The serial of a project at that revision (R68-R71).

    :param known: its revision and serial so far, None for a project never numbered.
    :param at_least: what upstream says, 0 or less where it says nothing.
    :param high: the highest number that its label has given so far, 0 where none was.
    """
    if known is None:
        return at_least if at_least > 0 else high + 1
    before, serial = known
    if revision == before:
        return max(serial, at_least)
    return max(high + 1, at_least)


def merged(known: Fact, new: Fact) -> Fact:
    """
    What is known once `new` was learned: it fills gaps, and what was pinned stays as it was (S29).

    A date goes with who says it, so that nobody is named for another's.
    """
    dated = new if known.upload_time is None else known
    return Fact(
        digest=new.digest if known.digest is None else known.digest,
        size=new.size if known.size is None else known.size,
        metadata=new.metadata if known.metadata is None else known.metadata,
        metadata_broken=known.metadata_broken or new.metadata_broken,
        upload_time=dated.upload_time,
        dated_by=dated.dated_by,
    )


def cut(rows: Sequence[Change], limit: int) -> list[Change]:
    """
    At most `limit` of these rising rows, such that whoever asks on from the last serial misses none.

    Two projects may have the same serial, because upstream's numbers are taken over as they are. Such a pair is not torn apart unless it
    alone exceeds the limit. `rows` may be longer than `limit` by one, which is enough to see this.
    """
    if limit <= 0:
        return []
    if len(rows) <= limit:
        return list(rows)
    torn = rows[limit].serial
    whole = [row for row in rows[:limit] if row.serial < torn]
    return whole or list(rows[:limit])


@attrs.frozen
class Holder:
    """A record that has a certain file name: in which project it is, and what became of it."""

    name: NormalizedName
    digest: Digest | None
    standing: Standing


def may_found(name: NormalizedName, founder: str | None, exists: bool, owner: str | None) -> None:
    """
    Let nobody found a project that is somebody else's, or nobody's.

    Who founds a project may go on adding to it while those who asked before do not know yet that it exists: of many files of a first
    release sent at once all are taken (F100).

    :param founder: who is to start the project; None asks for nothing.
    :param exists: whether the project does; `owner` is then who owns it.
    :raises Conflict: it exists, and the founder does not own it.
    """
    if founder is not None and exists and owner != founder:
        # Uploaders that skip what "already exists" must not take this for success.
        raise Conflict(f"the name {name} is taken by a project of somebody else")


def is_new(name: NormalizedName, file: File, holders: Sequence[Holder]) -> bool:
    """
    Whether the file is to be added to that project; False where it is there already with the same bytes (R165).

    :param holders: the index's records of that file name, in this project or another.
    :raises Conflict: the file name is taken: by other bytes (R166), by a tombstone (R181), or in another project.
    """
    here = [holder for holder in holders if holder.name == name]
    if not here and holders:
        raise Conflict(f"File already exists: {file.filename} is in another project")
    if not here:
        return True
    if here[0].standing is Standing.DELETED:
        raise Conflict(f"the file name {file.filename} was used before and cannot be used again")
    if file.digest is None or here[0].digest != file.digest:
        raise Conflict(f"File already exists: {file.filename} has other content")
    return False


def replaces(name: NormalizedName, file: File, holders: Iterable[Holder]) -> bool:
    """Whether the file, where it may, stands in place of one of that project that has other bytes. A tombstone stays (R181)."""
    return any(
        holder.name == name and holder.standing is not Standing.DELETED and None is not file.digest != holder.digest for holder in holders
    )


def takes_over(name: NormalizedName, record: FileRecord, holders: Iterable[tuple[NormalizedName, FileRecord]]) -> bool:
    """
    Whether a record that was taken over from elsewhere changes anything in that project.

    :param holders: the index's records of that file name, each with its project.
    :raises Conflict: the name is used by other bytes, or in another project.
    """
    for holder, known in holders:
        if holder != name:
            raise Conflict(f"File already exists: {record.file.filename} is in another project")
        if record.file.digest is None or known.file.digest != record.file.digest:
            raise Conflict(f"File already exists: {record.file.filename} has other content")
        return known != record
    return True


def common(versions: Iterable[str]) -> str | None:
    """The one version that they all are, None where they differ: what a change of several files says in the history."""
    different = set(versions)
    return different.pop() if len(different) == 1 else None


def later(known: float | None, time: float) -> float:
    """The later of the two times, of which the first may not be known."""
    return time if known is None else max(known, time)


def noted(fetch: Fetch) -> Fetch:
    """The fetch as it is kept: what the client chose cut to a bounded length, and of characters that every database can store."""
    return attrs.evolve(fetch, address=_plain(fetch.address, LONGEST_ADDRESS), agent=_plain(fetch.agent, LONGEST_AGENT))


def counted(downloads: Downloads) -> Downloads:
    """Downloads as they are kept, as of `noted`."""
    return attrs.evolve(downloads, agent=_plain(downloads.agent, LONGEST_AGENT))


def most_first(downloads: Downloads) -> tuple[int, str, str, str, str]:
    """What the downloads of a day are sorted by."""
    return -downloads.count, downloads.index, downloads.name, downloads.filename, downloads.agent


def _plain(text: str, longest: int) -> str:
    """At most that many characters; a lone surrogate, which no encoding takes, becomes a question mark."""
    return text[:longest].encode("utf-8", "replace").decode("utf-8")


def order(grant: Grant) -> tuple[str, str, str, str]:
    """What grants are sorted by."""
    return grant.subject, grant.right, grant.index, grant.projects
