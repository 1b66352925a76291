"""
What mirrors of old offer besides packages: when they were last brought up to date, and how often each file was taken (PEP 381).

Signatures (`/serversig`, `/serverkey`) are not offered: PEP 464 took them back, and pages give a sha256 for each file.
"""

from __future__ import annotations

import bz2
import csv
import hashlib
import io
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.errors import NoSuchFile
from pypidaemon.flights import Flights
from pypidaemon.interfaces import IAccount, IRecords
from pypidaemon.leaves import leaves
from pypidaemon.model import Downloads, InThread
from pypidaemon.moments import day as day_of
from pypidaemon.shelf import Shelf
from pypidaemon.validators import matches
from pypidaemon.web.ask import Ask
from pypidaemon.web.reply import Reply
from pypidaemon.web.shown import Shown

MOST_ROWS = 200_000
"""Rows of one day at most, of more those that were taken most often: some 15 MB before they are compressed."""

KEPT = 8 << 20
"""Bytes of finished days that are kept in memory; a busy one has some hundred thousand."""

_DAY = re.compile(r"(\d{4}-\d\d-\d\d)\.bz2", re.ASCII)
_PRODUCT = re.compile(r"[A-Za-z][\w.+-]{0,39}(?:/\w[\w.+-]{0,19})?", re.ASCII)
_SEEING = ("list", "read")


@attrs.define(eq=False)
class Pep381:
    """
    Answers `/last-modified` and `/local-stats/days/…` of every exposed index.

    :param counted: whether it is put on record which files are taken; without it there are no statistics.
    """

    records: IRecords
    doorkeeper: Doorkeeper
    clock: IReactorTime
    cpu: InThread
    counted: bool
    flights: Flights[tuple[str, str, int], bytes] = attrs.field(factory=Flights, init=False)
    _days: Shelf[tuple[str, str, int], bytes] = attrs.field(factory=lambda: Shelf(KEPT), init=False)

    async def last_modified(self, ask: Ask, account: IAccount, shown: Shown) -> Reply:
        """
        When the last complete run began that filled an index: of those below, the first of which the account may see anything.

        :raises NoSuchFile: there was none yet.
        """
        for label in () if shown.view else _labels(shown):
            if any(account.may(action, label, None) for action in _SEEING):
                started = (await self.records.mirrors.progress(label)).started
                if started > 0:
                    said = datetime.fromtimestamp(started // 1, UTC).strftime("%Y%m%dT%H:%M:%S\n")
                    headers = (("Content-Type", "text/plain"), ("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"))
                    return Reply(200, headers, said.encode())
        raise NoSuchFile("last-modified")

    async def local_stats(self, ask: Ask, shown: Shown, spelled: str) -> Reply:
        """
        How often each file was taken whole on a day that is over, in UTC: a CSV file, compressed by bzip2, the same for all who ask.

        Nothing is in it of projects that anybody may not list and read without a login, and a day without any is not there.

        :raises NoSuchFile: there is nothing of that day, or it is not over.
        """
        found = _DAY.fullmatch(spelled)
        if not self.counted or shown.view or found is None or not _is_day(found[1]) or found[1] >= day_of(self.clock.seconds()):
            raise NoSuchFile(f"local-stats/days/{spelled}"[:200])
        # With the age of the rights: after a change of them more or less may be public.
        key = (shown.label, found[1], self.doorkeeper.age)
        body = self._days.get(key)
        if body is None:
            body = await self.flights.join(key, lambda: self._made(key, shown))
        if not body:
            raise NoSuchFile(f"local-stats/days/{spelled}")
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers = (("ETag", etag), ("Cache-Control", "no-cache"))
        tested = ask.headers.every("if-none-match")
        if tested and matches(tested, etag):
            return Reply(304, headers)
        return Reply(200, (*headers, ("Content-Type", "application/x-bzip2"), ("X-Content-Type-Options", "nosniff")), body)

    async def _made(self, key: tuple[str, str, int], shown: Shown) -> bytes:
        _, day, age = key
        anybody = await self.doorkeeper.admit(None, "")
        rows = await self.records.fetches.counts(day, MOST_ROWS)
        body = await self.cpu(rendered, rows, frozenset(_labels(shown)), anybody)
        if age == self.doorkeeper.age:
            self._days.drop_where(lambda other: other[2] != age)
            self._days.put(key, body, len(body) + 100)
        return body


def rendered(rows: Iterable[Downloads], labels: frozenset[str], anybody: IAccount) -> bytes:
    """
    The statistics of a day, compressed; b"" where nothing is public. Slow for many rows, so call it on a thread.

    :param labels: the indexes that they are about.
    :param anybody: the account of who does not log in.
    """
    seen: dict[tuple[str, str, str], int] = {}
    for row in rows:
        if row.index in labels and all(anybody.may(action, row.index, row.name) for action in _SEEING):
            key = (row.name, row.filename, simplified(row.agent))
            seen[key] = seen.get(key, 0) + row.count
    if not seen:
        return b""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("# package", "filename", "useragent", "count"))
    writer.writerows((*key, count) for key, count in sorted(seen.items()))
    return bz2.compress(text.getvalue().encode())


def simplified(agent: str) -> str:
    """A client as statistics name it: a product, with its version where it says one; "-" for whoever calls itself something else."""
    return agent if _PRODUCT.fullmatch(agent) else "-"


def _labels(shown: Shown) -> list[str]:
    """The indexes below in which projects are, in the order in which they are asked."""
    return list(dict.fromkeys(leaf.index.label for leaf in leaves(shown.index)))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
