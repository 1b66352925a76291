"""From what somebody asks for to an adoption that can run: the layout, the place, and the index that takes it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import attrs
from twisted.internet.interfaces import IReactorTime

from pypidaemon.adoption.checking import RULES
from pypidaemon.adoption.filling import Filling
from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Role
from pypidaemon.adoption.hosting import Hosting, Tell
from pypidaemon.adoption.knowing import Knowing
from pypidaemon.adoption.layouts import LAYOUTS, ILayout, IParted, layout
from pypidaemon.adoption.origins import FolderOrigin, IOrigin
from pypidaemon.adoption.outcomes import Tally
from pypidaemon.adoption.run import Adoption, Taker
from pypidaemon.announcements import Announcements
from pypidaemon.archives.rules import Rules
from pypidaemon.clashes import Clashes
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import IBlobStore, IFillable, IHostedIndex, IIndex, IInspector, ILocal, IMirror, IRecords, IUpstream
from pypidaemon.model import InThread
from pypidaemon.policies.blocked import Blocked
from pypidaemon.rulings import Rulings
from pypidaemon.volume import Allotments

REMOTE: Mapping[str, str] = MappingProxyType(dict.fromkeys(("devpi", "pypiserver", "simple"), "pypidaemon.adoption.servers:remote"))
"""What is adopted from a running server by its URL: by the same names as layouts, `module:function`, which takes an order and the means and answers an `IOrigin`."""

_WORDS = {Role.PRIVATE: "a private index", Role.MIRRORED: "a mirror, or a proxy", Role.PROXIED: "a proxy, or a mirror"}


class WrongOrder(PypidaemonError):
    """What was asked for cannot be meant: no such layout, or no index that takes it."""


class Inspectors(Protocol):
    """As the daemon gives it."""

    def under(self, rules: Rules) -> IInspector:
        """An inspector that judges by these rules."""


@attrs.frozen
class Order:
    """
    What somebody asks for.

    :param source: an absolute path, or a URL.
    :param index: the label of the index that takes it, "" for the one that there is.
    :param owner: the account that owns projects that are begun.
    :param copy: whether every file is copied.
    :param unasked: whether upstream is not asked.
    :param more: what only some layouts want, by their own words.
    """

    layout: str
    source: str
    index: str = ""
    owner: str = ""
    rehearsal: bool = False
    copy: bool = False
    unasked: bool = False
    more: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Order:
        """
        The order in a JSON object.

        :raises WrongOrder: it is none.
        """
        texts = {key: said.get(key, "") for key in ("layout", "source", "index", "owner")}
        flags = {key: said.get(key, False) for key in ("rehearsal", "copy", "unasked")}
        more = said.get("more", {})
        right = all(isinstance(one, str) for one in texts.values()) and all(isinstance(one, bool) for one in flags.values())
        if not right or not isinstance(more, dict) or not all(isinstance(one, str) for one in (*more, *more.values())):
            raise WrongOrder("the order is not one")
        return cls(**texts, **flags, more=more)

    def as_json(self) -> dict[str, Any]:
        """The order as a JSON object that `read` understands."""
        return attrs.asdict(self)

    @property
    def remote(self) -> bool:
        """Whether it is about a server."""
        return "://" in self.source


@attrs.frozen
class Means:
    """
    What every adoption of a daemon works with.

    :param indexes: every index by its label, exposed or not, leaves without what stands before them.
    :param uploads: the label of the index that uploads go to.
    :param data: the data folder, where what a server gives lies while it is looked at.
    :param blobs: what is in there need not be fetched from a server.
    :param strangers: whether there are accounts that are not on record here.
    """

    indexes: Mapping[str, IIndex]
    uploads: str | None
    records: IRecords
    upstreams: Mapping[str, IUpstream]
    clashes: Clashes
    inspectors: Inspectors
    rulings: Rulings
    announcements: Announcements
    allotments: Allotments
    clock: IReactorTime
    cpu: InThread
    disk: InThread
    reactor: Any
    data: Path
    blobs: IBlobStore
    strangers: bool = False

    def adoption(self, order: Order, told: Tell) -> Adoption:
        """
        An adoption that was not begun yet. Nothing is read for it.

        :raises WrongOrder: there is no such layout, or no such index, or several may be meant.
        """
        origin = self._origin(order)
        label = self._label(order, origin.role)
        tally = Tally()
        index = self.indexes[label]
        taker: Taker
        if origin.role is Role.PRIVATE:
            assert IHostedIndex.providedBy(index)  # by `_label`
            taker = Hosting(
                index, origin, self.inspectors.under(RULES), self.cpu, self.clashes, tally, order.owner, rehearsal=order.rehearsal
            )
        else:
            taker = self._filling(index, origin, order, tally)
        title = f"{order.layout} {order.source}"
        owner = "" if self.strangers else order.owner
        return Adoption(origin, taker, tally, title, label, order.rehearsal, told, self.records.accounts, self.clock, owner)

    def _filling(self, index: Any, origin: IOrigin, order: Order, tally: Tally) -> Filling:
        stays = index.removal != "follow"
        ours = [one for one in self.indexes.values() if ILocal.providedBy(one)]
        knowing = Knowing(index, index.records, tally, ours, self.clashes.reserved, not order.unasked, stays, order.rehearsal)
        return Filling(
            index=index,
            records=index.records,
            origin=origin,
            inspector=self.inspectors.under(RULES),
            cpu=self.cpu,
            clock=self.clock,
            knowing=knowing,
            blocked=Blocked("blocked", self.rulings),
            allotment=self.allotments.mirrored,
            announcements=self.announcements,
            tally=tally,
            rehearsal=order.rehearsal,
        )

    def _origin(self, order: Order) -> IOrigin:
        if order.remote:
            if order.layout not in REMOTE:
                raise WrongOrder(
                    f"nothing of the layout {order.layout} is adopted from a server (known: {' '.join(sorted(REMOTE)) or 'none'})"
                )
            module, _, function = REMOTE[order.layout].partition(":")
            make: Callable[[Order, Means], IOrigin] = getattr(importlib.import_module(module), function)
            return make(order, self)
        if order.layout not in LAYOUTS:
            raise WrongOrder(f"there is no layout {order.layout} of a folder (known: {' '.join(sorted(LAYOUTS))})")
        if not os.path.isabs(order.source) or "\0" in order.source:
            raise WrongOrder("the folder is not named by an absolute path")
        return FolderOrigin(_part(layout(order.layout), order), Folder(order.source), self.disk, links=not order.copy)

    def _label(self, order: Order, role: Role) -> str:
        """
        The label of the index that takes files of that role.

        :raises WrongOrder: there is none, or several, or the one that was named is another kind.
        """
        able = self._able(role)
        fit = [label for labels in able for label in labels]
        if order.index:
            if order.index not in fit:
                known = f"known: {' '.join(fit)}" if fit else "there is none in the configuration"
                raise WrongOrder(f"{order.index} is not {_WORDS[role]}, which the files of this layout go to ({known})")
            return order.index
        for labels in able:
            if len(labels) == 1:
                return labels[0]
            if role is Role.PRIVATE and self.uploads in labels:
                return str(self.uploads)
            if labels:
                raise WrongOrder(f"say --index: the files of this layout may go to {' or to '.join(labels)}")
        raise WrongOrder(f"the files of this layout go to {_WORDS[role]}, and the configuration has none")

    def _able(self, role: Role) -> tuple[list[str], ...]:
        """The labels of the indexes that take files of that role: those that are meant first, and those that will do."""
        every = sorted(self.indexes.items())
        hosted = [label for label, index in every if IHostedIndex.providedBy(index)]
        mirrors = [label for label, index in every if IMirror.providedBy(index)]
        proxies = [label for label, index in every if IFillable.providedBy(index) and label not in mirrors]
        if role is Role.PRIVATE:
            return (hosted,)
        return (mirrors, proxies) if role is Role.MIRRORED else (proxies, mirrors)


def _part(found: ILayout, order: Order) -> ILayout:
    """
    The layout, of the part that was chosen.

    :raises WrongOrder: it has no parts.
    """
    if "part" not in order.more:
        return found
    if not IParted.providedBy(found):
        raise WrongOrder(f"a folder of the layout {order.layout} has no parts to choose from")
    return found.of(order.more["part"])
