"""The verb `export`: everything of an index that is here, as a tree of plain files that any web server can deliver (S2 of switching.md)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import IService

from pypidaemon.assembly import Made, Part, Plan, make, plan
from pypidaemon.commands import control
from pypidaemon.commands.looking import insist_on_data
from pypidaemon.commands.progress import progress
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.exports.gathering import Export, Exported, known, summary, synchronised
from pypidaemon.exports.tree import Tree
from pypidaemon.globs import Globs
from pypidaemon.interfaces import IAccount, IIndex, IReadable, IReadying, IRecords
from pypidaemon.model import ProjectPage
from pypidaemon.records.unwritten import Unwritten
from pypidaemon.services.ordered import OrderedService
from pypidaemon.services.sockets import CONTROL
from pypidaemon.telling import plural
from pypidaemon.upstreams.unasked import Unasked, UnaskedUpstream

_UNASKED = Unasked("an export asks nobody")


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "export",
        parents=[shared],
        help="write what is here of an index as plain files for any web server",
        description=(
            "Write the pages of an index and the files that are here to DIR, as a complete static index: simple/, packages/ and last-modified."
            " Said again it brings DIR up to date, also while it is read. Nothing is fetched."
        ),
        epilog="Exit status: 0 done, 1 done without what is not here (--json lists it), or failed, 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument("folder", metavar="DIR", type=Path, help="an empty folder, one that is to be made, or an export from before")
    verb.add_argument("--index", metavar="LABEL", help="an index with an address (default: that at /simple/)")
    verb.add_argument("--project", metavar="GLOB", action="append", default=[], help="only projects whose names match; may be said again")
    verb.add_argument(
        "--hidden-names", action="store_true", help="also projects that nobody sees without a login; anybody who reaches DIR then does"
    )
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        globs = Globs(tuple(arguments.project)) if arguments.project else None
    except ValueError as error:
        return wrong(verb, arguments, f"--project: {error}")
    planned = plan(named_file(arguments))
    labels = sorted(part.section.label for part in planned.parts.values() if part.exposed)
    label = arguments.index or planned.parts[planned.index].section.label
    if label not in labels:
        return wrong(verb, arguments, f"no index {label!r} has an address; known are {' '.join(labels)}")
    return export(arguments, planned, label, globs)


def export(arguments: argparse.Namespace, planned: Plan, label: str, globs: Globs | None) -> int:
    """
    Bring the tree up to date, and say what it came to. The exit status is 1 where something is not in it because it is not here.

    What is on pages is what the configuration and the orders in force say now; a running daemon is not disturbed.

    :raises PypidaemonError: the index cannot be read, or the folder cannot be used; then what is there stays.
    """
    insist_on_data(planned)
    tree = Tree.open(arguments.folder)
    bar = progress(arguments)

    def told(count: int, of: int) -> None:
        bar.show(count, of, f"{count} of {plural(of, 'project')}")

    try:
        done = reacting(lambda reactor: _export(planned, label, globs, tree, told, arguments.hidden_names, reactor))
    finally:
        bar.clear()
        tree.close()
    say(arguments, "\n".join(summary(done, tree)), _as_json(done, tree, label))
    return 1 if done.left_out or done.standing or done.unknown else 0


async def _export(
    planned: Plan, label: str, globs: Globs | None, tree: Tree, told: Callable[[int, int], None], everything: bool, reactor: Any
) -> Exported:
    made, records = made_to_look(planned, reactor)
    policies = made.living("policy")
    running = OrderedService((made.given["disk"], made.given["cpu"], IService(records), *policies))
    running.startService()
    try:
        made.given["rulings"].replace(await records.rulings.rulings())
        for policy in policies:
            if IReadying.providedBy(policy):
                await policy.ready()
        index: IIndex = made.exposed()[label]
        stores = [store for name, store in made.objects.items() if name.startswith("blobs:")]
        now = await synchronised(index, records, reactor.seconds())
        stamp = datetime.fromtimestamp(now // 1, UTC).strftime("%Y%m%dT%H:%M:%S\n").encode()
        visible = _anything if everything else partial(_public, await _anybody(made, records, reactor))
        work = Export(index, stores, tree, visible, made.given["disk"], made.given["cpu"], told)
        return await work.run(await known(index, records), globs, stamp)
    finally:
        await running.stopService()


def made_to_look(planned: Plan, reactor: Any) -> tuple[Made, IRecords]:
    """What the plan comes to, with upstreams that are never asked and records in which nothing is written; and the records themselves."""
    found: list[IRecords] = []
    running = _is_running(planned)

    def stand_in(part: Part, made: Any) -> Any:
        match part.section.kind:
            case "upstream":
                return UnaskedUpstream(part.section.label, _UNASKED)
            case "records":
                # A daemon that begins its work meanwhile must find them as another process has them open for good, not as it looks at them.
                read = made.for_reading() if running and IReadable.providedBy(made) else made
                if part.name == planned.records:
                    found.append(read)
                return Unwritten(read, reactor, {})
        return made

    made = make(planned, reactor, stand_in)
    return made, found[0]


def _is_running(planned: Plan) -> bool:
    try:
        control.ask(planned.data / CONTROL, "GET", "/status")
    except control.NotRunning:
        return False
    except PypidaemonError:
        # It does not say what it should, but it is there.
        return True
    return True


async def _anybody(made: Made, records: IRecords, reactor: Any) -> IAccount:
    from pypidaemon.accounts.doorkeeper import Doorkeeper

    return await Doorkeeper(made.objects[made.plan.accounts], records, reactor, os.urandom).admit(None, "")


def _public(anybody: IAccount, page: ProjectPage) -> bool:
    return all(anybody.may(action, source, page.name) for source in page.sources for action in ("list", "read"))


def _anything(page: ProjectPage) -> bool:
    return True


def _as_json(done: Exported, tree: Tree, label: str) -> dict[str, Any]:
    return {
        "folder": str(tree.path),
        "index": label,
        "projects": len(done.projects),
        "files": done.files,
        "new": tree.added,
        "removed": tree.removed,
        "left_out": done.left_out,
        "standing": done.standing,
        "unknown": done.unknown,
        "kept": done.kept,
        "concealed": done.concealed,
    }
