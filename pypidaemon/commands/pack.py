"""The verb `pack`: have everything here that a project needs, before the line is cut (C11 of switching.md)."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.application.service import IService

from pypidaemon.assembly import Plan, make, pack_means, plan, rulemaking, stores, weighed
from pypidaemon.commands import control
from pypidaemon.commands.export import made_to_look
from pypidaemon.commands.progress import Progress, progress
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import daemon_or_alone, reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IIndex, ILocal, IReadying
from pypidaemon.leaves import leaves
from pypidaemon.model import ProjectPage
from pypidaemon.packing.orders import LARGEST, MOST_FILES, read_order
from pypidaemon.packing.report import lines
from pypidaemon.packing.targets import targets
from pypidaemon.services.lock import held
from pypidaemon.services.ordered import OrderedService
from pypidaemon.settings import contents
from pypidaemon.telling import no_address, plural

PAUSE = 0.2
"""Seconds between two looks at how far it is."""

LARGEST_REPORT = 1 << 28
"""Bytes of a report: of a lock as large as can be it has some 40 MB."""

REFUSED = {"policy", "hash"}
"""Why something is missing that is not to stay where an earlier pack put it."""

Answer = dict[str, Any]


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "pack",
        parents=[shared],
        help="fetch everything that lock files, requirements or a pyproject.toml need",
        description=(
            "Have everything here that these files need, for the Pythons and platforms that are named: pages, files, their metadata, and what it takes"
            " to build what has no wheel. uv.lock, pylock.toml, poetry.lock, pdm.lock and Pipfile.lock are taken as they are; what requirements files"
            " and pyproject.toml ask for is resolved first. What is packed is never evicted."
        ),
        epilog="Exit status: 0 everything is here, 1 something is missing, or it failed, 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument("files", nargs="+", metavar="FILE", type=Path, help="a lock file, a requirements file or a pyproject.toml")
    verb.add_argument(
        "--into", metavar="DIR", type=Path, help="also write what was packed to DIR, as an index of plain files that needs no daemon"
    )
    verb.add_argument("--python", metavar="VERSION", action="append", default=[], help="a Python such as 3.12, or 3.13t; may be said again")
    verb.add_argument(
        "--platform",
        metavar="NAME",
        action="append",
        default=[],
        help="linux, macos, windows, or such as manylinux_2_28_x86_64, macosx_14_0_arm64, win_amd64; may be said again (default: this machine)",
    )
    verb.add_argument("--index", metavar="LABEL", help="an index with an address (default: that at /simple/)")
    verb.add_argument("--dry-run", action="store_true", help="say what would be fetched, and fetch no more than it takes to know that")
    verb.add_argument("--no-pin", action="store_true", help="let what is packed be evicted again where room is short")
    verb.set_defaults(act=partial(_checked, verb))


def _checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        targets(tuple(arguments.python), tuple(arguments.platform))
    except ValueError as error:
        return wrong(verb, arguments, str(error))
    if arguments.into is not None and arguments.dry_run:
        return wrong(verb, arguments, "--dry-run brings nothing that could be written --into")
    return pack(arguments)


def pack(arguments: argparse.Namespace) -> int:
    """
    Have it here, by the running daemon or without one, and say what came of it. The exit status is 1 where something is missing.

    :raises PypidaemonError: a file cannot be read, or the daemon, the records or the folder cannot be used.
    """
    body, query = _order(arguments)
    if arguments.into is not None:
        _try(arguments.into)
    bar = progress(arguments)
    try:
        report = daemon_or_alone(
            named_file(arguments),
            lambda socket: _by_the_daemon(socket, body, query, arguments, bar),
            lambda planned: _alone(planned, body, query, arguments, bar),
        )
    finally:
        bar.clear()
    text = "\n".join(lines(report))
    tree = report.get("tree", {})
    if "files" in tree:
        verb = "is" if tree["files"] == 1 else "are"
        text += f"\n{plural(tree['files'], 'file')} {verb} in {tree['folder']}: pip install --index-url {_as_url(tree['folder'])}"
    say(arguments, text, report)
    if "error" in tree:
        sys.stderr.write(f"pypidaemon: {tree['error']}\n")
    return 0 if report["complete"] and "error" not in tree else 1


def _try(folder: Path) -> None:
    """
    See that a tree can be written there, before anybody waits for what comes into it.

    :raises PypidaemonError: it cannot.
    """
    from pypidaemon.exports.tree import Tree

    Tree.open(folder, flat=True).close()


def _as_url(folder: str) -> str:
    return f"file://{quote(folder)}/simple/"


def _order(arguments: argparse.Namespace) -> tuple[bytes, list[tuple[str, str]]]:
    """
    The order as the daemon takes it: it has another folder, and may be another user, so it is given the texts.

    :raises PypidaemonError: a file cannot be read, or they are too large together.
    """
    from pypidaemon.packing.gathering import gathered

    try:
        names, texts = gathered(arguments.files, contents)
    except ValueError as error:
        raise PypidaemonError(str(error)) from None
    try:
        body = json.dumps({"files": names, "texts": texts}, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        odd = next(name for name in texts if not name.isprintable())
        raise PypidaemonError(f"{odd!a}: is no name of a file in UTF-8; give it another") from None
    if len(body) > LARGEST or len(texts) > MOST_FILES:
        raise PypidaemonError(f"these files have more than {LARGEST >> 20} MiB together, or are more than {MOST_FILES}")
    query = [("python", word) for word in arguments.python] + [("platform", word) for word in arguments.platform]
    if not arguments.python or not arguments.platform:
        # The machine meant is that of whoever asks.
        named = targets(tuple(arguments.python), tuple(arguments.platform))
        query = [("python", word) for word in dict.fromkeys(one.python for one in named)]
        query += [("platform", word) for word in dict.fromkeys(one.platform for one in named)]
    if arguments.index:
        query.append(("index", arguments.index))
    if arguments.no_pin:
        query.append(("pin", "no"))
    if arguments.dry_run:
        query.append(("rehearsal", "yes"))
    return body, query


def _by_the_daemon(path: Path, body: bytes, query: list[tuple[str, str]], arguments: argparse.Namespace, bar: Progress) -> Answer:
    begun = control.ask(path, "POST", "/pack", query, body=body)
    number = str(begun["pack"])
    while True:
        state = control.ask(path, "GET", "/pack", [("run", number)], largest=LARGEST_REPORT)
        if not state["running"]:
            break
        _show(bar, state)
        time.sleep(PAUSE)
    if state["error"]:
        raise PypidaemonError(str(state["error"]))
    report: Answer = state["report"]
    if arguments.into is not None:
        planned = plan(named_file(arguments))
        report["tree"] = reacting(lambda reactor: _written(planned, arguments.into, report, bar, reactor))
    return report


def _alone(planned: Plan, body: bytes, query: list[tuple[str, str]], arguments: argparse.Namespace, bar: Progress) -> Answer:
    # What is written belongs to the daemon's own user alone (S87).
    os.umask(0o077)
    planned.data.parent.mkdir(parents=True, exist_ok=True)
    planned.data.mkdir(mode=0o700, exist_ok=True)

    async def both(reactor: Any) -> Answer:
        report = await _packed(planned, body, query, bar, reactor)
        if arguments.into is not None:
            report["tree"] = await _written(planned, arguments.into, report, bar, reactor)
        return report

    with held(planned.data):
        return reacting(both)


async def _packed(planned: Plan, body: bytes, query: list[tuple[str, str]], bar: Progress, reactor: Any) -> Answer:
    from twisted.internet.task import LoopingCall

    from pypidaemon.packing.run import Packing

    made = make(planned, reactor)
    running = OrderedService(
        (
            *stores(made),
            rulemaking(made, reactor),
            *made.living("blobs"),
            made.given["lists"],
            made.given["spool"],
            *made.living("upstream", "policy", "index"),
        )
    )
    running.startService()
    try:
        await weighed(made, reactor)
        means = pack_means(made)
        order, label = read_order(body, query, is_json=True)
        label = label or means.default
        if label not in means.indexes:
            raise PypidaemonError(no_address(label, means.indexes))
        await _ready(made.living("policy"), means.indexes[label])
        packing = Packing(means, order, label)
        looking = LoopingCall(lambda: _show(bar, packing.report.progress()))
        looking.clock = reactor
        looking.start(PAUSE)
        try:
            return (await packing.run()).as_json()
        finally:
            looking.stop()
    finally:
        await running.stopService()


async def _written(planned: Plan, folder: Path, report: Mapping[str, Any], bar: Progress, reactor: Any) -> Answer:
    """As `_into`; where that fails it is told beside the report, which has been waited for."""
    try:
        return await _into(planned, folder, report, bar, reactor)
    except PypidaemonError as error:
        return {"folder": str(folder.absolute()), "error": str(error)}


async def _into(planned: Plan, folder: Path, report: Mapping[str, Any], bar: Progress, reactor: Any) -> Answer:
    """
    Write what was packed as a tree of plain files; what lies there of an earlier pack and is in this one no longer is taken out.

    Where something is missing it stays: it may be the very thing, and the line is down. Only what is refused by now goes.
    """
    from pypidaemon.exports.gathering import Export
    from pypidaemon.exports.tree import Tree
    from pypidaemon.packing.only import Only

    files: dict[Any, set[str]] = {}
    for release in report["releases"]:
        files.setdefault(project_name(release["project"]), set()).update(release["files"])
    packed = {name: frozenset(some) for name, some in files.items()}
    for missed in report["missing"]:
        if missed["file"] and missed["cause"] not in REFUSED:
            files.setdefault(project_name(missed["project"]), set()).add(missed["file"])
    refused = {missed["project"] for missed in report["missing"] if missed["cause"] in REFUSED}
    tree = Tree.open(folder, flat=True)
    try:
        made, records = made_to_look(planned, reactor)
        policies = made.living("policy")
        running = OrderedService((made.given["disk"], made.given["cpu"], IService(records), *policies))
        running.startService()
        try:
            made.given["rulings"].replace(await records.rulings.rulings())
            exposed = made.exposed()
            if report["index"] not in exposed:
                raise PypidaemonError(no_address(report["index"], exposed))
            await _ready(policies, exposed[report["index"]])
            index = Only(files, exposed[report["index"]])
            blobs = [store for name, store in made.objects.items() if name.startswith("blobs:")]
            export = Export(index, blobs, tree, _anything, made.given["disk"], made.given["cpu"], partial(_show_written, bar))
            stamp = time.strftime("%Y%m%dT%H:%M:%S\n", time.gmtime(reactor.seconds())).encode()
            left = [] if report["complete"] else [project_name(name) for name in tree.names() if name not in refused]
            done = await export.run(sorted(name for name, some in files.items() if some), None, stamp, left)
        finally:
            await running.stopService()
    finally:
        tree.close()
    lacking = sum(len(packed.get(name, frozenset()) & {*some}) for name, some in done.left_out.items()) + len(done.unknown)
    if lacking:
        raise PypidaemonError(
            f"{folder}: {lacking} of the files that were packed could not be written there, since they are not here any more"
        )
    return {"folder": str(folder.absolute()), "files": done.files, "new": tree.added, "removed": tree.removed}


async def _ready(policies: Iterable[Any], index: IIndex) -> None:
    """Wait for policies that have to read something first, and for folders that have to be looked at: a daemon has done so by the time it is asked."""
    for policy in policies:
        if IReadying.providedBy(policy):
            await policy.ready()
    for leaf in leaves(index):
        if ILocal.providedBy(leaf.index):
            await leaf.index.refresh(None)


def _anything(page: ProjectPage) -> bool:
    return True


def _show_written(bar: Progress, count: int, of: int) -> None:
    bar.show(count, of, f"{count} of {plural(of, 'project')}", phase="writes")


def _show(bar: Progress, said: Mapping[str, Any]) -> None:
    words = (f"{said['looked']} of {plural(said['found'], 'release')}", plural(said["files"], "file"))
    bar.show(said["looked"], said["found"], *words, size=said["bytes"], phase=said["phase"])
