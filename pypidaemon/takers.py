"""Who took a file, as the command line and the HTTP interface give it. Addresses are personal data: only administrators are told."""

from __future__ import annotations

from typing import Any

from pypidaemon.interfaces import IFetchRecords
from pypidaemon.model import Digest, Fetch, InThread
from pypidaemon.moments import written
from pypidaemon.rulings import digest_of, project_of, target, version_in

MOST = 10_000
"""Rows of one answer: some megabytes. Whoever wants more asks by time."""


async def takers(books: IFetchRecords, wanted: str, now: float, back: float | None, cpu: InThread) -> dict[str, Any]:
    """
    Who took that project, release or content within the last `back` seconds, or ever as far as it is on record, oldest first, as a JSON object.

    `complete` is false where there were more than `MOST`, and the newest are given. Times are RFC 3339 in UTC, to the second.

    :param wanted: as `pypidaemon.rulings.target` reads it.
    :param cpu: for the putting together, since `MOST` rows are too many for the reactor's thread.
    :raises InvalidName: it is no such thing.
    :raises PypidaemonError: the records cannot be read.
    """
    about = target(wanted)
    found = await fetches_of(books, about, _since(now, back), MOST + 1)
    return {"target": about, **await cpu(_told, found)}


async def taken(
    books: IFetchRecords, account: str | None, address: str | None, now: float, back: float | None, cpu: InThread
) -> dict[str, Any]:
    """
    What was taken, as `takers`: by that account, where one is said, "" for who had not logged in; and from that address, as it is on record.

    :raises PypidaemonError: the records cannot be read.
    """
    return await cpu(_told, await books.of_client(account, address, _since(now, back), MOST + 1))


def _since(now: float, back: float | None) -> float:
    return 0.0 if back is None else max(now - back, 0.0)


def _told(found: list[Fetch]) -> dict[str, Any]:
    rows = [
        {
            "time": written(fetch.time),
            "account": fetch.account,
            "address": fetch.address,
            "agent": fetch.agent,
            "index": fetch.index,
            "project": fetch.name,
            "version": fetch.version,
            "filename": fetch.filename,
            "sha256": fetch.digest,
        }
        for fetch in found[-MOST:]
    ]
    return {"fetches": rows, "complete": len(found) <= MOST}


async def fetches_of(books: IFetchRecords, about: str, since: float, limit: int) -> list[Fetch]:
    """
    The fetches of what a target in its one spelling is about, as `IFetchRecords`.

    :raises PypidaemonError: the records cannot be read.
    """
    name = project_of(about)
    if name is None:
        return await books.of_digest(Digest(digest_of(about)), since, limit)
    return await books.of_project(name, version_in(about), since, limit)
