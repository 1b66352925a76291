"""The newest uploads that an account may see: of each local index's own history, and of that only what its page still shows."""

from __future__ import annotations

from urllib.parse import quote

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.announcements import Announcements
from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import IAccount, IHostedIndex, IRecords
from pypidaemon.leaves import Leaf, local_page, locals_below
from pypidaemon.model import Change, NormalizedName
from pypidaemon.moments import written
from pypidaemon.shelf import Shelf
from pypidaemon.versions import same_version
from pypidaemon.web.gate import Gate
from pypidaemon.web.shown import Shown

MOST = 10
"""Uploads on the page."""
LOOKED_BACK = 400
"""Rows of the history that are looked at: a release of many wheels has as many."""
LIFETIME = 60.0
"""Seconds after which they are gathered anew though nothing was announced: policies may go by the time."""


@attrs.frozen
class Upload:
    """A release that came: when, in seconds since the epoch, and to which index."""

    name: NormalizedName
    version: str
    label: str
    time: float

    @property
    def path(self) -> str:
        """What leads to it from its project."""
        return f"{quote(self.version, safe='')}/"

    @property
    def moment(self) -> str:
        """When, as it is written."""
        return written(self.time)


@attrs.define
class Newest:
    """Keeps what it gathered for each set of rights, until anything is announced."""

    records: IRecords
    gate: Gate
    clock: IReactorTime
    announcements: Announcements
    _kept: Shelf[tuple[str, str, str], tuple[float, tuple[Upload, ...]]] = attrs.field(factory=lambda: Shelf(256), init=False)
    _age: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.announcements.listen(self.overtaken)

    async def of(self, account: IAccount, shown: Shown) -> tuple[Upload, ...]:
        """The newest first; none where the records cannot say."""
        key = (shown.label, account.scope, shown.view)
        kept = self._kept.get(key)
        if kept is not None and kept[0] <= self.clock.seconds() < kept[0] + LIFETIME:
            return kept[1]
        age = self._age
        try:
            found = await self._gather(account, shown)
        except PypidaemonError:
            return ()
        if age == self._age:
            self._kept.put(key, (self.clock.seconds(), found), 1)
        return found

    def overtaken(self, name: NormalizedName | None) -> None:
        """A listener of `Announcements`."""
        self._age += 1
        self._kept.drop_where(lambda _: True)

    async def _gather(self, account: IAccount, shown: Shown) -> tuple[Upload, ...]:
        rows: dict[tuple[NormalizedName, str], tuple[Change, Leaf]] = {}
        for leaf in locals_below(shown.index):
            label = leaf.index.label
            if IHostedIndex.providedBy(leaf.index):
                high = (await leaf.index.project_names()).serial
                for row in await self.records.files.changes(label, max(high - LOOKED_BACK, 0), LOOKED_BACK):
                    if row.version and account.may("list", label, row.name) and account.may("read", label, row.name):
                        before = rows.get((row.name, same_version(row.version)))
                        # A release is as new as its first file, as far back as is looked.
                        if before is None and row.action.startswith(("add ", "new ")):
                            rows[row.name, same_version(row.version)] = (row, leaf)
        found: list[Upload] = []
        for row, leaf in sorted(rows.values(), key=lambda one: one[0].time, reverse=True):
            if len(found) == MOST:
                break
            assert row.version is not None  # others were left out
            if await _is_shown(leaf, row.name, row.version):
                found.append(Upload(row.name, row.version, leaf.index.label, row.time))
        return tuple(found)


async def _is_shown(leaf: Leaf, name: NormalizedName, version: str) -> bool:
    """Whether the release is on its page, as policies show it."""
    try:
        page = await local_page(leaf, name)
    except PypidaemonError:
        return False
    wanted = same_version(version)
    return page is not None and any(same_version(version_of(file.filename, name) or "") == wanted for file in page.files)
