"""A daemon that writes nothing, since its data folder lies where that can only be read (N8): what stands in it for the stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import IService

from pypidaemon.blueprints import Part, Plan
from pypidaemon.model import InThread
from pypidaemon.services.folder import LISTS, NAMES, RENDERED, DataFolder, ReadFolder


def folder(plan: Plan) -> IService:
    """The data folder, to be worked in or to be read."""
    return ReadFolder(plan.data) if plan.daemon.read_only else DataFolder(plan.data)


def list_stores(plan: Plan, disk: InThread) -> tuple[Any, Any]:
    """The stores of upstreams' project lists, and of those that were rendered; what a daemon that only reads makes of these is in memory."""
    from pypidaemon.blobs.directory import DirectoryBlobs

    places = ((plan.data / NAMES, NAMES), (plan.data / RENDERED / LISTS, RENDERED))
    if plan.daemon.read_only:
        from pypidaemon.blobs.only_read import OnlyReadBlobs, Overlaid

        first, second = (Overlaid(OnlyReadBlobs(path=path, label=label, disk=disk)) for path, label in places)
        return first, second
    lists, rendered = (DirectoryBlobs(path=path, label=label, disk=disk) for path, label in places)
    return lists, rendered


def itself(part: Part, made: Any) -> Any:
    """What stands for a part in a daemon: the part."""
    return made


def stand_ins(plan: Plan, reactor: Any) -> Callable[[Part, Any], Any]:
    """What stands for the parts: where nothing is written, for stores something that refuses to."""
    if not plan.daemon.read_only:
        return itself
    from pypidaemon.blobs.directory import DirectoryBlobs
    from pypidaemon.blobs.only_read import OnlyReadBlobs
    from pypidaemon.records.only_read import OnlyReadRecords

    def stand_in(part: Part, made: Any) -> Any:
        if part.section.kind == "records":
            return OnlyReadRecords(made, reactor)
        if isinstance(made, DirectoryBlobs):
            return OnlyReadBlobs(path=made.path, label=made.label, disk=made.disk)
        return made

    return stand_in
