"""What proxies keep: listed, taken away and pinned, by orders on the control socket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from twisted.logger import Logger

from pypidaemon.caches import Caches, is_pinned
from pypidaemon.filenames import project_name, version_of
from pypidaemon.interfaces import IUses
from pypidaemon.model import NormalizedName, Pin, Use, UsedProject
from pypidaemon.telling import plural
from pypidaemon.versions import same_version
from pypidaemon.web.ask import Ask
from pypidaemon.web.operations import json_reply, moment
from pypidaemon.web.reply import Reply, text

MOST = 1_000
"""Projects that one answer lists; the next asks for those after the last of them."""

MOST_SPELLED = 200
"""Projects with pins whose files are looked at for that."""

_log = Logger(namespace="pypidaemon")


@attrs.define
class CacheDesk:
    """
    Answers `GET /cache[?project=NAME][&after=NAME]`, and `POST /cache/rm`, `/cache/pin` and `/cache/unpin` with `project=NAME[&version=VERSION]`.
    """

    caches: Caches | None

    async def operate(self, ask: Ask) -> Reply:
        """
        What the operator asks.

        :raises InvalidName: a project's name cannot be one.
        :raises PypidaemonError: the records cannot be read or written.
        """
        if self.caches is None:
            return text(404, "this daemon keeps no cache", ask.id)
        asked = dict(ask.query)
        name = project_name(asked["project"]) if asked.get("project") else None
        match (ask.method, ask.segments[1:]):
            case ("GET", ()):
                return json_reply(200, await listed(self.caches, name, asked.get("after", "")))
            case ("POST", ("rm" | "pin" | "unpin" as verb,)) if name is not None:
                version = same_version(asked["version"]) if asked.get("version") else None
                done = await ordered(self.caches, verb, name, version)
                _log.info("cache {verb} {title}: {done}", verb=verb, title=Pin(name, version or "").title, done=_in_words(done))
                return json_reply(200, done)
        return text(405, "GET /cache, or POST /cache/rm, /cache/pin or /cache/unpin with project=", ask.id, (("Allow", "GET, POST"),))


async def ordered(caches: Caches, verb: str, name: NormalizedName, version: str | None) -> dict[str, Any]:
    """
    Do what is ordered; answer what came of it, as JSON.

    :raises PypidaemonError: the records cannot be read or written.
    """
    if verb == "rm":
        return attrs.asdict(await caches.remove(name, version))
    return {"changed": await caches.records.pins.pin(Pin(name, version or ""), verb == "pin")}


async def listed(caches: Caches, name: NormalizedName | None, after: str, most: int = MOST) -> dict[str, Any]:
    """
    What is held, as JSON: by project, those behind `after`, at most so many; with a name its files too.

    :raises PypidaemonError: the records cannot be read.
    """
    uses, pins = caches.records.uses, await caches.records.pins.pins()
    count, size = await uses.weight()
    if name is not None:
        held = await uses.listed(name)
        found = [UsedProject(name, len(held), sum(use.size for use in held), max(use.used for use in held))] if held else []
    else:
        held = []
        found = await uses.projects(after, most + 1)
    return {
        "files": count,
        "bytes": size,
        "pins": await _titles(uses, pins),
        "projects": [
            {
                "project": one.name,
                "files": one.files,
                "bytes": one.size,
                "used": _moment(one.used),
                "pinned": Pin(one.name) in pins,
                **({"held": [_file(use, pins) for use in held]} if name is not None else {}),
            }
            for one in found[:most]
        ],
        "more": len(found) > most,
    }


async def _titles(uses: IUses, pins: Sequence[Pin]) -> list[str]:
    """
    Pins in the words of the command line, with versions as the names of what is held spell them.

    The records have a version without what means nothing in it, so that one pin is one: 1.0 is kept as 1.
    """
    names = list(dict.fromkeys(pin.name for pin in pins if pin.version))[:MOST_SPELLED]
    spelled = {}
    for name in names:
        for use in await uses.listed(name):
            if (version := version_of(use.filename, name)) is not None:
                spelled[Pin(name, same_version(version))] = f"{name}=={version}"
    return [spelled.get(pin, pin.title) for pin in pins]


def _in_words(done: Mapping[str, Any]) -> str:
    if "changed" in done:
        return "done" if done["changed"] else "it was so already"
    return f"{plural(done['files'], 'file')} with {done['bytes']} bytes taken out, {done['kept']} stay"


def _file(use: Use, pins: list[Pin]) -> dict[str, Any]:
    return {
        "file": use.filename,
        "version": version_of(use.filename, use.name),
        "index": use.label,
        "bytes": use.size,
        "sha256": use.digest,
        "used": _moment(use.used),
        "pinned": is_pinned(use, pins),
    }


def _moment(seconds: float) -> str | None:
    return moment(seconds) if seconds else None
