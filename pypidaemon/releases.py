"""
The life of a release after its upload: yanked, hidden, deleted, promoted, and each of these taken back.

What the command line and the HTTP interface ask for comes as a verb and a JSON object, and is answered by one. Every order leaves a row in the
audit log, done or refused (S78); of refusals no more than the disk can bear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.accounts.people import Unacceptable
from pypidaemon.callers import THE_OPERATOR as THE_OPERATOR
from pypidaemon.callers import Caller as Caller
from pypidaemon.clashes import Clashes
from pypidaemon.errors import NoSuchFile, NoSuchProject, NotAllowed, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IAccount, IAccountRecords, IHostedIndex
from pypidaemon.model import Deed, FileRecord, NormalizedName, Standing
from pypidaemon.refusals import Refusals
from pypidaemon.returns import Returns
from pypidaemon.simple.entries import clean

VERBS = ("yank", "unyank", "hide", "unhide", "delete", "undelete", "promote")
FIELDS = ("project", "version", "index", "reason", "to")
"""What an order can say; all are texts, or null for what is not said."""

MOST_DIGESTS = 200
"""Digests in one row of the audit log."""
_LONGEST = 1000
_MOVES: Mapping[str, tuple[Standing, Standing | None]] = {
    "hide": (Standing.HIDDEN, None),
    "unhide": (Standing.SHOWN, Standing.HIDDEN),
    "delete": (Standing.DELETED, None),
    "undelete": (Standing.SHOWN, Standing.DELETED),
}
"""What becomes of the files, and of which of them: to undelete must not show what somebody hid."""

_ABOUT: Mapping[str, tuple[Standing, ...]] = {"undelete": (Standing.DELETED,), "unhide": (Standing.HIDDEN,), "promote": (Standing.SHOWN,)}
"""Of which standing the files are that these verbs are about; all others are about what is not deleted."""

Answer = dict[str, Any]


class Check(Protocol):
    """Insists on a right."""

    def __call__(self, account: IAccount, action: str, index: str, name: NormalizedName, /) -> None:
        """Raise NotAllowed, or NoSuchProject for who may not even know, where the account may not do that."""


@attrs.frozen
class _Order:
    """An order whose words have been read. `version` None is every release."""

    verb: str
    name: NormalizedName
    version: str | None
    reason: str
    to: str | None

    @property
    def spelled(self) -> str:
        return f"{self.name}=={self.version}" if self.version else self.name


@attrs.define(eq=False)
class Releases:
    """
    Carries out orders about releases.

    :param indexes: the hosted indexes by their labels.
    :param default: the label of the index that uploads go to.
    :param founded: told of every project that was begun by a promotion, with its owner.
    """

    indexes: Mapping[str, IHostedIndex]
    default: str | None
    clashes: Clashes
    audit: IAccountRecords
    clock: IReactorTime
    founded: Callable[[str, str, NormalizedName], None]
    returns: Returns | None = None
    """Brings back what left mirrors; None where there are none."""
    refusals: Refusals = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.refusals = Refusals(self.audit, self.clock)

    async def perform(self, verb: str, order: Mapping[str, Any], caller: Caller, check: Check) -> Answer:
        """
        Carry out one order and answer what came of it, with the number of files that it changed.

        It takes the right `delete` in the project; to promote, `read` where the release is, and `upload` or `create` where it goes.

        :param verb: one of `VERBS`.
        :raises Unacceptable: it makes no sense; the line says why.
        :raises InvalidName: the project's name cannot be one.
        :raises NotAllowed: the caller may not.
        :raises NoSuchProject: there is no such project.
        :raises NoSuchFile: there is no such release.
        :raises Conflict: what is promoted collides with what is there.
        :raises InvalidUpload: the index promoted to does not take such files.
        """
        read = _read(verb, order)
        wanted = order.get("index")
        subject = f"{wanted}/{read.spelled}" if wanted else read.spelled
        try:
            mirror = await self._mirror(read, wanted)
            if mirror is not None and self.returns is not None:
                subject = f"{mirror}/{read.spelled}"
                check(caller.account, "delete", mirror, read.name)
                count = await self._return(read, mirror, self.returns)
                await self._note(caller, verb, subject, "pinned")
                return {"project": read.name, "version": None, "index": mirror, "files": count}
            label = await self._index(read, wanted, caller, check)
            subject = f"{label}/{read.spelled}" + (f" to {read.to}" if read.to else "")
            changed, answer = await self._do(read, label, caller, check)
        except PypidaemonError as error:
            await self.refusals.note(caller, caller.account, subject, str(error), verb)
            raise
        await self._note(caller, verb, subject, _detail(changed, read.reason))
        return {"project": read.name, "version": read.version, "index": label, **answer}

    async def _mirror(self, order: _Order, wanted: str | None) -> str | None:
        """The mirror that an order to bring something back is about; what is ours comes first."""
        if order.verb != "undelete" or self.returns is None:
            return None
        if wanted is None and any([await index.has(order.name) for index in self.indexes.values()]):
            return None
        return await self.returns.mirror_of(order.name, wanted)

    async def _return(self, order: _Order, label: str, returns: Returns) -> int:
        if order.version is not None:
            raise Unacceptable(f"{label} is a mirror, to which a project is brought back as a whole: name no version")
        return await returns.bring_back(label, order.name)

    async def _index(self, order: _Order, wanted: str | None, caller: Caller, check: Check) -> str:
        """
        The index that the order is about: the one that has the release. Of several none is guessed, or the wrong one would be changed.

        Who may do it nowhere learns nothing.
        """
        right = "read" if order.verb == "promote" else "delete"
        if wanted is not None:
            check(caller.account, right, wanted, order.name)
            if wanted not in self.indexes:
                raise Unacceptable(f"{wanted} is no index of packages of your own (known: {' '.join(sorted(self.indexes))})")
            return wanted
        if not self.indexes:
            raise Unacceptable("there is no index of packages of your own")
        labels = sorted(self.indexes, key=lambda label: (label != self.default, label))
        if not any(caller.account.may(right, label, order.name) for label in labels):
            check(caller.account, right, labels[0], order.name)
        holders = [label for label in labels if await self.indexes[label].has(order.name)]
        if not holders:
            raise NoSuchProject(order.name)
        # Who may not do it in an index is not told what that one has.
        open_ = [label for label in holders if caller.account.may(right, label, order.name)]
        if not open_:
            check(caller.account, right, holders[0], order.name)
        concerned = [label for label in open_ if label != order.to and await self._concerns(order, label)]
        if len(concerned) > 1:
            raise Unacceptable(
                f"several indexes have {order.spelled}: {' '.join(sorted(concerned))}; say which, by --index or over HTTP the field index"
            )
        return (concerned or [label for label in open_ if label != order.to] or open_)[0]

    async def _concerns(self, order: _Order, label: str) -> bool:
        """Whether the index has something of the release that the order can be about: what is deleted is only brought back."""
        try:
            release = await self.indexes[label].release(order.name, order.version)
        except (NoSuchFile, NoSuchProject):
            return False
        return any(record.standing in _ABOUT.get(order.verb, (Standing.SHOWN, Standing.HIDDEN)) for record in release)

    async def _do(self, order: _Order, label: str, caller: Caller, check: Check) -> tuple[Sequence[FileRecord], Answer]:
        index = self.indexes[label]
        if order.verb == "promote":
            return await self._promote(order, index, caller, check)
        before = {record.file.filename: record for record in await index.release(order.name, order.version)}
        if order.verb in ("yank", "unyank"):
            assert order.version is not None  # `_read` insists on it
            await index.yank(order.name, order.version, order.reason if order.verb == "yank" else None)
        else:
            await index.place(order.name, order.version, *_MOVES[order.verb])
        after = await index.release(order.name, order.version)
        changed = [record for record in after if record != before.get(record.file.filename)]
        return changed, {"files": len(changed)}

    async def _promote(self, order: _Order, source: IHostedIndex, caller: Caller, check: Check) -> tuple[Sequence[FileRecord], Answer]:
        assert order.version is not None  # `_read` insists on it
        assert order.to is not None
        account = caller.account
        founding = False
        if not account.may("upload", order.to, order.name):
            check(account, "create", order.to, order.name)
            founding = True
        target = self.indexes.get(order.to)
        if target is None:
            raise Unacceptable(f"{order.to} is no index of packages of your own (known: {' '.join(sorted(self.indexes))})")
        if target is source:
            raise Unacceptable(f"{order.spelled} is in {order.to} already")
        await source.release(order.name, order.version)
        await self.clashes.consider(order.to, target, order.name)
        before = await target.release(order.name, None) if await target.has(order.name) else []
        taken = await target.take(order.name, order.version, source, account.name, founding)
        if founding:
            self.founded(account.name, order.to, order.name)
        changed = [record for record in taken if record not in before]
        return changed, {"to": order.to, "files": len(changed)}

    async def _note(self, caller: Caller, verb: str, subject: str, detail: str) -> None:
        """A row of the audit log about what was done."""
        await self.audit.note(Deed(self.clock.seconds(), caller.account.name, caller.client, verb, subject, detail))


def insist(account: IAccount, action: str, index: str, name: NormalizedName) -> None:
    """
    The plainest `Check`.

    :raises NotAllowed: the account may not.
    """
    if not account.may(action, index, name):
        raise NotAllowed(f"{account.name} may not {action} {name} in {index}", would_help=not account.authenticated)


def _read(verb: str, order: Mapping[str, Any]) -> _Order:
    for field, value in order.items():
        if field not in FIELDS:
            raise Unacceptable(f"there is no field {field[:40]!r} (known: {' '.join(FIELDS)})")
        if value is not None and (not isinstance(value, str) or (not value.strip() and field != "reason")):
            raise Unacceptable(f"the field {field} is no text")
        if field in ("version", "index", "to") and value and (len(value) > 200 or not value.isprintable()):
            raise Unacceptable(f"the field {field} is malformed")
    if order.get("project") is None:
        raise Unacceptable("the field project is missing")
    if verb not in ("delete", "undelete") and order.get("version") is None:
        raise Unacceptable(f"the field version is missing: to {verb} takes one release")
    if (order.get("to") is None) is (verb == "promote"):
        raise Unacceptable("the field to says where to promote to, and nothing else has it")
    if order.get("reason") and verb != "yank":
        raise Unacceptable(f"the field reason is for yank, not for {verb}")
    # Line ends become blanks before what cannot be shown is left out.
    reason = clean(" ".join((order.get("reason") or "").split()))
    return _Order(verb, project_name(order["project"].strip()), order.get("version"), reason[:_LONGEST], order.get("to"))


def _detail(changed: Sequence[FileRecord], reason: str) -> str:
    """What the audit log says of what was done: the digests of the files, and the reason given."""
    digests = [f"sha256:{record.file.digest}" for record in changed if record.file.digest]
    more = f"and {len(digests) - MOST_DIGESTS} more" if len(digests) > MOST_DIGESTS else ""
    return " ".join(filter(None, [*digests[:MOST_DIGESTS], more, f"reason: {reason}" if reason else "", "" if changed else "no change"]))
