"""The audit log as the command line and the HTTP interface give it (S78)."""

from __future__ import annotations

import time
from typing import Any

from pypidaemon.interfaces import IAccountRecords

MOST = 10_000
"""Rows of one answer: some megabytes. Whoever wants more asks by time."""

SINCE = 7 * 86400.0
"""Seconds that are looked back where nothing else is said."""


async def journal(books: IAccountRecords, now: float, back: float) -> dict[str, Any]:
    """
    The rows of the last `back` seconds, oldest first, as a JSON object; `complete` is false where there were more than `MOST`, and the newest are given.

    Times are RFC 3339 in UTC, to the second.
    """
    deeds = await books.deeds(max(now - back, 0.0), MOST + 1)
    rows = [
        {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(deed.time)),
            "account": deed.account,
            "address": deed.address,
            "action": deed.action,
            "subject": deed.subject,
            "detail": deed.detail,
            "done": deed.done,
        }
        for deed in deeds[-MOST:]
    ]
    return {"log": rows, "complete": len(deeds) <= MOST}
