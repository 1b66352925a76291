"""The serial of a page, also when the books cannot be written."""

from __future__ import annotations

from twisted.logger import Logger

from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IRecords
from pypidaemon.model import NormalizedName

log = Logger()


async def serial_of(records: IRecords, label: str, name: NormalizedName, revision: str, at_least: int) -> int:
    """
    As `ILedger.number`; where the ledger cannot write now, `at_least` or 1, since a full disk must not keep anybody from reading (F53, F54).

    Such a number is not remembered, so the page gets its own as soon as there is room.
    """
    try:
        return await records.ledger.number(label, name, revision, at_least)
    except PypidaemonError as error:
        log.warn("{label}: no serial can be given to {name}: {error}", label=label, name=name, error=str(error))
        return max(at_least, 1)
