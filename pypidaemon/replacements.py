"""
Files of which an upstream promises other bytes than those first seen under their names: listed, and the others accepted by order (S28).

Until then nobody is given the others. Who accepts them says that they are what the name means from now on; the first ones are then as any bytes that nobody
needs, save that a mirror keeps them for a while, so that they can be brought back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.callers import Caller
from pypidaemon.interfaces import IRecords
from pypidaemon.model import Deed, Filename, Leaving, NormalizedName, Replaced, Waiting
from pypidaemon.moments import written

MOST = 10_000
"""Files that are listed and counted."""

KEPT = 7 * 86_400.0
"""Seconds for which a mirror's first bytes can be brought back after others were accepted."""

log = Logger(namespace="pypidaemon")


async def _nobody(name: NormalizedName) -> None:
    """Nobody holds pages in memory."""


@attrs.frozen
class Replacements:
    """
    Those of all indexes of one place of records.

    :param again: has what is shown of a project made anew.
    """

    records: IRecords
    clock: IReactorTime
    again: Callable[[NormalizedName], Awaitable[None]] = _nobody

    async def listed(self) -> dict[str, Any]:
        """
        All of them, by index, project and file, at most `MOST`, as JSON.

        :raises PypidaemonError: the records cannot be read.
        """
        found = await self.records.facts.replaced(("", "", ""), MOST + 1)
        return {"replaced": [_shown(one) for one in found[:MOST]], "more": len(found) > MOST}

    async def accept(self, name: NormalizedName, filename: Filename, label: str | None, caller: Caller) -> dict[str, Any]:
        """
        Accept the other bytes of that file, in that index or in all; answer what was accepted, as JSON. When this comes back the next request follows it;
        a mirror has them after its next run.

        :raises Unacceptable: upstream has no other bytes for it.
        :raises PypidaemonError: the records cannot be read or written.
        """
        found = [one async for one in self._of(name)]
        wanted = [one for one in found if one.filename == filename and label in (None, one.label)]
        if not wanted:
            near = sorted({one.filename for one in found})
            hint = f"; of {name} it has for: {' '.join(near[:20])}" if near else ""
            where = f" in {label}" if label is not None else ""
            raise Unacceptable(f"upstream is not known to have other bytes for {filename} of {name}{where}{hint}")
        for one in wanted:
            await self.records.facts.accept(one.label, name, filename)
            await self._let_go(one)
            detail = f"sha256:{one.other or 'unknown'} instead of sha256:{one.first or 'unknown'}"
            await self.records.accounts.note(
                Deed(self.clock.seconds(), caller.account.name, caller.client, "accept", f"{one.label}/{name} {filename}", detail)
            )
            log.info("{label}: the other bytes of {file} are accepted: {detail}", label=one.label, file=filename, detail=detail)
        await self.again(name)
        return {"accepted": [_shown(one) for one in wanted]}

    async def _of(self, name: NormalizedName) -> AsyncIterator[Replaced]:
        """Those of a project, however many there are of others."""
        after = ("", "", "")
        while found := await self.records.facts.replaced(after, MOST):
            for one in found:
                if one.name == name:
                    yield one
            after = (found[-1].label, found[-1].name, found[-1].filename)

    async def _let_go(self, one: Replaced) -> None:
        """Have a mirror offer the first bytes no longer, and take the others with its next run."""
        mirrors, now = self.records.mirrors, self.clock.seconds()
        mirrored = await mirrors.page(one.label, one.name)
        if mirrored is None:
            return
        if any(file.filename == one.filename for file in mirrored.page.files):
            await mirrors.leave(one.label, [Leaving(one.name, one.filename, now, now + KEPT, mirrored)])
        await mirrors.wait(one.label, [Waiting(one.name, 0, due=now, reason=f"other bytes of {one.filename} were accepted")])


async def counts(records: IRecords) -> Mapping[str, int]:
    """
    How many there are in each index that has any.

    :raises PypidaemonError: the records cannot be read.
    """
    return Counter(one.label for one in await records.facts.replaced(("", "", ""), MOST))


def _shown(one: Replaced) -> dict[str, Any]:
    return {
        "index": one.label,
        "project": one.name,
        "file": one.filename,
        "first": one.first,
        "other": one.other or None,
        "since": written(one.since),
    }
