"""
What is opened is what was asked about: an entry and its bytes come by two questions, and in between an index may change.

Rights, and the rules of policies, are held against entries. So whoever lets bytes through on the strength of an entry sees to it that they are of that
entry: by what it promises of them, and where it promises nothing, by asking for it once more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs

from pypidaemon.errors import Changed, UpstreamUnavailable
from pypidaemon.interfaces import IContent, IIndex
from pypidaemon.model import Companion, Digest, File, Listed

TRIES = 3
"""How often an entry is asked for and opened, before it is said that it does not stay the same for so long."""


def promised(file: File, companion: Companion) -> str | None:
    """The sha256 that an entry promises of its bytes, or of its metadata; None where it promises none."""
    if companion is Companion.FILE:
        return file.digest
    return (file.core_metadata or None) if companion is Companion.METADATA else None


def with_digest(file: File, digest: Digest | None) -> File:
    """The entry as if it said that sha256, where it says none itself."""
    if digest is None or file.digest is not None:
        return file
    return attrs.evolve(file, hashes=(("sha256", digest), *file.hashes))


async def open_listed(index: IIndex, listed: Listed, companion: Companion) -> IContent:
    """
    The bytes of that entry of the index, or of its companion.

    :raises Changed: what the index has by now is something else than the entry promises.
    :raises PypidaemonError: as `IIndex.open_file`.
    """
    content = await index.open_file(listed.name, listed.file.filename, companion)
    if promised(listed.file, companion) in (None, content.digest):
        return content
    content.close()
    raise Changed(listed.file.filename + companion.value)


async def opened(
    index: IIndex,
    companion: Companion,
    ask: Callable[[], Awaitable[Listed]],
    again: Callable[[Digest | None], Awaitable[Listed]],
) -> tuple[Listed, IContent]:
    """
    An entry that was asked for, and its bytes or those of its companion.

    :param ask: gives the entry, or raises why its bytes are not to be had.
    :param again: the same, of an entry that promised nothing and was opened, with the sha256 of the file's bytes where that is known by now.
    :raises UpstreamUnavailable: it was another entry each time.
    :raises PypidaemonError: what `ask` or `again` raises, or as `IIndex.open_file`.
    """
    for _ in range(TRIES):
        listed = await ask()
        try:
            content = await open_listed(index, listed, companion)
        except Changed:
            continue
        if promised(listed.file, companion) is not None:
            return listed, content
        try:
            now = await again(content.digest if companion is Companion.FILE else None)
            if _same(listed, now, companion, content):
                return now, content
        except BaseException:
            content.close()
            raise
        content.close()
    raise UpstreamUnavailable(listed.source or index.label, f"what it says of {listed.file.filename} keeps changing")


def _same(listed: Listed, now: Listed, companion: Companion, content: IContent) -> bool:
    """Whether an entry that promised nothing is still the one that was opened; it may promise by now what came."""
    if now.source != listed.source or promised(now.file, companion) not in (None, content.digest):
        return False
    return companion is Companion.FILE or now.file.digest == listed.file.digest
