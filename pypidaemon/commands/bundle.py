"""The verbs `bundle export`, `bundle import` and `bundle key`: what changed, in a file that can be carried."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import IService

from pypidaemon import __version__
from pypidaemon.assembly import Plan, bundle_means, make, plan, stores
from pypidaemon.commands import control
from pypidaemon.commands.looking import insist_on_data
from pypidaemon.commands.progress import Progress, progress
from pypidaemon.commands.reporting import amount
from pypidaemon.commands.speech import Verbs, named_file, say, wrong
from pypidaemon.commands.standalone import daemon_or_alone, reacting
from pypidaemon.errors import InvalidName, PypidaemonError
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IReadable
from pypidaemon.moments import moment, written
from pypidaemon.services.lock import held
from pypidaemon.services.ordered import OrderedService
from pypidaemon.staff import weighed
from pypidaemon.telling import plural

PAUSE = 0.1
"""Seconds between two looks at how far it has come."""
SHOWN = 20
"""Lines of what was left out that are for people."""


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = verbs.add_parser("bundle", help="carry what changed in one file: bundle export, bundle import, bundle key", allow_abbrev=False)
    inner = verb.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_export(inner, shared)
    verb = inner.add_parser("import", parents=[shared], help="take a bundle in, while the daemon works or without one", allow_abbrev=False)
    verb.add_argument("file", metavar="FILE", help="what `bundle export` has written")
    verb.add_argument("--key", metavar="PUBLIC", help="take it only if this key has signed it, whatever the configuration trusts")
    verb.add_argument(
        "--as",
        dest="names",
        metavar="FROM=TO",
        action="append",
        default=[],
        help="what it has of the index FROM is for TO; may be said again",
    )
    verb.add_argument("--dry-run", action="store_true", help="read and check all of it, and only say what would change")
    verb.set_defaults(act=partial(_import_checked, verb))
    verb = inner.add_parser("key", parents=[shared], help="make a key to sign bundles with, and print its public half", allow_abbrev=False)
    verb.add_argument("file", metavar="FILE", help="where the private key goes; for your own user alone")
    verb.add_argument("--show", action="store_true", help="make none: print the public half of the one that is there")
    verb.set_defaults(act=key)


def _add_export(inner: Verbs, shared: argparse.ArgumentParser) -> None:
    verb = inner.add_parser(
        "export",
        parents=[shared],
        help="write private, mirrored and pinned things into one file, while the daemon works",
        allow_abbrev=False,
    )
    verb.add_argument("file", metavar="FILE", help="the bundle, for your own user alone; it is replaced when the new one is whole")
    verb.add_argument("projects", nargs="*", metavar="PROJECT", help="these projects alone (default: all)")
    verb.add_argument(
        "--since", metavar="MOMENT", help="only what changed here since: 2026-03-01, 2026-03-01T12:30:00Z, or an earlier bundle"
    )
    verb.add_argument("--index", metavar="LABEL", action="append", default=[], help="of this index alone; may be said again")
    for role, what in (("private", "private packages"), ("mirrored", "what mirrors hold"), ("pinned", "what is pinned in proxies")):
        verb.add_argument(f"--{role}", dest="roles", action="append_const", const=role, help=f"{what} alone; may be joined with the others")
    verb.add_argument("--sign", metavar="KEY", help="sign it with the key in this file")
    verb.set_defaults(act=partial(_export_checked, verb))


def _export_checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    try:
        arguments.projects = frozenset(project_name(name) for name in arguments.projects)
        arguments.since = None if arguments.since is None else _since(arguments.since)
    except (InvalidName, ValueError) as error:
        return wrong(verb, arguments, str(error))
    return export(arguments)


def _since(spelled: str) -> float:
    """
    That moment, or that of an earlier bundle.

    :raises ValueError: it is neither a moment nor a file.
    :raises PypidaemonError: the file is no bundle, or cannot be read.
    """
    from pypidaemon.backups.tape import members
    from pypidaemon.bundles.contents import SMALL, WHAT, Head

    if not os.path.isfile(spelled):
        return moment(spelled)
    try:
        with open(spelled, "rb") as file:
            first = next(members(file, WHAT), None)
            return Head.read(b"" if first is None else first.whole(SMALL), os.fstat(file.fileno()).st_size).taken
    except OSError as error:
        raise PypidaemonError(f"cannot read {spelled}: {error.strerror or error}") from error


def export(arguments: argparse.Namespace) -> int:
    """
    Write a bundle. The exit status is 1 where something that belongs into it is not here, or is damaged.

    :raises PypidaemonError: it could not be written.
    """
    from pypidaemon.bundles.exporting import Bundled, Exporting
    from pypidaemon.bundles.gathering import Gathering
    from pypidaemon.bundles.keys import Signer
    from pypidaemon.bundles.parts import ROLES

    planned = plan(named_file(arguments))
    insist_on_data(planned)
    labels = {part.section.label for part in planned.parts.values() if part.section.kind == "index"}
    strange = sorted(set(arguments.index) - labels)
    if strange:
        raise PypidaemonError(f"there is no index {strange[0]}; known are {' '.join(sorted(labels))}")
    signer = Signer.read(Path(arguments.sign)) if arguments.sign is not None else None
    target, now = Path(arguments.file).absolute(), time.time()
    bar = progress(arguments)

    async def work(reactor: Any) -> Bundled:
        made = make(planned, reactor)
        records = made.records()
        read = records.for_reading() if IReadable.providedBy(records) else records
        running = OrderedService((made.given["disk"], made.given["cpu"], IService(read)))
        running.startService()
        try:
            # What reads goes by the records that nothing is written in; of the stores nothing needs to be started to be read.
            homes = [_reading(home, records, read) for home in made.given["holdings"].homes]
            gathering = Gathering(
                homes,
                made.given["disk"],
                arguments.since,
                frozenset(arguments.roles or ROLES),
                frozenset(arguments.index),
                arguments.projects,
            )
            exporting = Exporting(
                gathering, made.given["disk"], __version__, await read.identity(), now, signer, partial(_show_bundled, bar)
            )
            return await exporting.write(target)
        finally:
            await running.stopService()

    os.umask(0o077)
    try:
        bundled = reacting(work)
    finally:
        bar.clear()
    words = [
        f"{target}: {plural(bundled.projects, 'project')}, {_pieces(bundled.files)} with {amount(bundled.bytes)}, as of {written(now)}"
    ]
    words += [f"not in it, since it is not here or damaged: {line}" for line in bundled.lost]
    said = {
        "file": str(target), "projects": bundled.projects, "files": bundled.files, "bytes": bundled.bytes, "taken": written(now),
        "lost": bundled.lost, "key": signer.public if signer is not None else None,
    }  # fmt: skip
    say(arguments, "\n".join(words), said)
    return 1 if bundled.lost else 0


def _reading(home: Any, records: Any, read: Any) -> Any:
    import attrs

    return attrs.evolve(home, records=read) if home.records is records else home


def _import_checked(verb: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    from pypidaemon.bundles.keys import public_key

    if not all(0 < name.find("=") < len(name) - 1 for name in arguments.names):
        return wrong(verb, arguments, "--as takes FROM=TO, two labels of indexes")
    try:
        arguments.key = None if arguments.key is None else public_key(arguments.key)
    except ValueError as error:
        return wrong(verb, arguments, f"--key: {error}")
    return import_(arguments)


def import_(arguments: argparse.Namespace) -> int:
    """
    Take a bundle in, by the running daemon or without one. The exit status is 1 where a file stays as it is since its name means something else here or
    something else was ordered here, where one is not taken since an upload of it would not be, or
    where a project is not all here, since a bundle between was not taken in.

    :raises PypidaemonError: it was not taken; nothing of it is here.
    """
    path = Path(arguments.file).absolute()
    if not os.access(path, os.R_OK):
        raise PypidaemonError(f"cannot read {arguments.file}: {'there is no such file' if not path.exists() else 'permission denied'}")
    bar = progress(arguments)
    try:
        state = daemon_or_alone(
            named_file(arguments),
            lambda socket: _by_the_daemon(socket, path, arguments, partial(_show, bar)),
            lambda planned: _alone(planned, path, arguments, bar),
        )
    finally:
        bar.clear()
    say(arguments, "\n".join(_told(state, arguments.dry_run)), {key: state[key] for key in state if key not in ("run", "running", "error")})
    return 1 if state["refused"] or state["conflicts"] or state["missing"] else 0


def _told(state: Mapping[str, Any], rehearsal: bool) -> list[str]:
    verb = "would change" if rehearsal else "changed"
    who = f", signed by {state['key']}" if state["key"] else ""
    lines = [f"a bundle as of {state['taken']}{who}: {plural(state['projects'], 'project')}, {_pieces(state['blobs'])}"]
    if state["changed"] or state["gone"]:
        lines.append(f"{plural(state['changed'], 'file')} {verb}, {state['gone']} no longer offered; {amount(state['bytes'])} came")
    else:
        lines.append("nothing to do: all of it is here already")
    if state["behind"]:
        lines.append(f"{plural(state['behind'], 'project')} passed over, of which what is here is of a later moment")
    for word in ("refused", "conflicts", "missing"):
        lines += state[word][:SHOWN]
        if len(state[word]) > SHOWN:
            lines.append(f"and {len(state[word]) - SHOWN} more; --json lists them")
    if state["missing"]:
        lines.append("a bundle between was not taken in: one without --since brings what is missing")
    return lines


def _pieces(count: int) -> str:
    """What is in a bundle besides what it says of projects; installers know of the files alone."""
    return f"{plural(count, 'piece')} (files, and the metadata and provenance beside them)"


def _by_the_daemon(socket: Path, path: Path, arguments: argparse.Namespace, show: Callable[[Mapping[str, Any]], None]) -> Mapping[str, Any]:
    query = [("file", str(path)), *(("as", name.replace("=", " ", 1)) for name in arguments.names)]
    query += [("key", arguments.key)] if arguments.key else []
    query += [("rehearsal", "yes")] if arguments.dry_run else []
    state = control.ask(socket, "POST", "/bundle", query)
    run = state["run"]
    while state["running"]:
        show(state)
        time.sleep(PAUSE)
        try:
            state = control.ask(socket, "GET", "/bundle")
        except control.NotRunning:
            state = {}
        if state.get("run") != run:
            raise PypidaemonError("the daemon stopped before everything was taken in: say it again when it runs")
    if state["error"]:
        raise PypidaemonError(state["error"])
    return state


def _alone(planned: Plan, path: Path, arguments: argparse.Namespace, bar: Progress) -> Mapping[str, Any]:
    import attrs
    from twisted.internet.task import LoopingCall

    from pypidaemon.bundles.importing import Importing
    from pypidaemon.bundles.keys import Trust

    os.umask(0o077)
    try:
        planned.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PypidaemonError(f"cannot use the data folder {planned.data}: {error.strerror or error}") from error

    async def work(reactor: Any) -> Mapping[str, Any]:
        made = make(planned, reactor)
        running = OrderedService((*stores(made), made.given["inspector"], *made.living("blobs")))
        running.startService()
        try:
            await weighed(made, reactor)
            means = bundle_means(made, reactor)
            trust = Trust((arguments.key,), unsigned=False) if arguments.key else means.trust
            names = dict(name.split("=", 1) for name in arguments.names)
            importing = Importing(means, trust, names, arguments.dry_run)
            showing = LoopingCall(lambda: _show(bar, attrs.asdict(importing.state)))
            showing.clock = reactor
            showing.start(PAUSE)
            try:
                state = await importing.read(path)
            finally:
                showing.stop()
            return {**attrs.asdict(state), "rehearsal": arguments.dry_run, "taken": written(state.taken)}
        finally:
            await running.stopService()

    with held(planned.data):
        return reacting(work)


def key(arguments: argparse.Namespace) -> int:
    """
    Make a key, and print the line for `[daemon] bundle-keys` of whoever is to trust it.

    :raises PypidaemonError: there is a file already, or with `--show` none that is a key.
    """
    from pypidaemon.bundles.keys import Signer

    path = Path(arguments.file)
    signer = Signer.read(path) if arguments.show else Signer.made(path)
    say(arguments, signer.public, {"file": str(path.absolute()), "public": signer.public})
    return 0


def _show(bar: Progress, state: Mapping[str, Any]) -> None:
    bar.show(state["files"], None, plural(state["projects"], "project"), plural(state["files"], "file"), size=state["bytes"])


def _show_bundled(bar: Progress, bundled: Any) -> None:
    _show(bar, {"projects": bundled.projects, "files": bundled.files, "bytes": bundled.bytes})
