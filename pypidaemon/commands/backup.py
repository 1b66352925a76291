"""The verbs `backup` and `restore`: all that must not be lost, in one file, and from it."""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import time
from functools import partial
from pathlib import Path
from typing import Any

from pypidaemon import __version__
from pypidaemon.assembly import Plan, make, plan, stores
from pypidaemon.backups.contents import Head
from pypidaemon.backups.restoring import Restored, Restoring
from pypidaemon.backups.taking import Taken, Taking
from pypidaemon.commands.progress import Progress, progress
from pypidaemon.commands.reporting import amount
from pypidaemon.commands.speech import Verbs, named_file, say
from pypidaemon.commands.standalone import reacting
from pypidaemon.errors import PypidaemonError
from pypidaemon.interfaces import ISaved
from pypidaemon.services.folder import RESTORING
from pypidaemon.services.lock import LOCK, held
from pypidaemon.services.ordered import OrderedService
from pypidaemon.telling import plural
from pypidaemon.web.operations import moment


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add these verbs to the command line."""
    verb = verbs.add_parser(
        "backup", parents=[shared], help="write all that must not be lost into one file, while the daemon works", allow_abbrev=False
    )
    verb.add_argument("file", metavar="FILE", help="a tar file, for your own user alone; it is replaced when the new one is whole")
    verb.add_argument("--all", action="store_true", dest="everything", help="also what can be fetched again")
    verb.set_defaults(act=backup)
    verb = verbs.add_parser(
        "restore", parents=[shared], help="bring a backup back into an empty data folder, without a daemon", allow_abbrev=False
    )
    verb.add_argument("file", metavar="FILE", help="what `backup` has written")
    verb.set_defaults(act=restore)


def backup(arguments: argparse.Namespace) -> int:
    """
    Take a backup. The exit status is 1 where something that belongs into it is not here, or is damaged.

    :raises PypidaemonError: it could not be taken.
    """
    planned = plan(named_file(arguments))
    if not planned.data.is_dir():
        raise PypidaemonError(f"there is no data folder {planned.data} yet")
    target = Path(arguments.file).absolute()
    now = int(time.time())
    bar = progress(arguments)

    async def work(reactor: Any) -> Taken:
        made = make(planned, reactor)
        running = OrderedService((made.given["disk"], made.given["cpu"], *made.living("blobs")))
        running.startService()
        try:
            holdings = made.given["holdings"]
            head = Head(__version__, moment(now), tuple(holdings.stores), arguments.everything)
            taking = Taking(
                made.records(), holdings, made.given["disk"], head, now, planned.text, arguments.everything, partial(_show, bar)
            )
            return await taking.write(target)
        finally:
            await running.stopService()

    os.umask(0o077)
    try:
        taken = reacting(work)
    finally:
        bar.clear()
    words = f"{target}: records, and {plural(taken.files, 'file')} with {amount(taken.bytes)}"
    if taken.lost:
        words += "\n" + "\n".join(f"not in it, since it is not here or damaged: {line}" for line in taken.lost)
    say(arguments, words, {"file": str(target), "files": taken.files, "bytes": taken.bytes, "lost": taken.lost})
    return 1 if taken.lost else 0


def restore(arguments: argparse.Namespace) -> int:
    """
    Bring a backup back.

    What another one has left that was killed is taken away first.

    :raises PypidaemonError: a daemon runs, the data folder is not empty, or the backup is not right; the data folder is then as empty as before.
    """
    planned = plan(named_file(arguments))
    try:
        source = Path(arguments.file).open("rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise PypidaemonError(f"cannot read {arguments.file}: {error.strerror or error}") from error
    os.umask(0o077)
    bar = progress(arguments)
    with source:
        _make(planned.data)
        with held(planned.data, unasked=True):
            if (planned.data / RESTORING).is_file():
                # Another one was killed; all that is here is what it had brought.
                _empty(planned.data)
            _insist_on_nothing(planned.data)
            try:
                (planned.data / RESTORING).touch(0o600)
                restored = reacting(lambda reactor: _restored(planned, source, reactor, bar))
            except BaseException:
                _empty(planned.data)
                raise
            finally:
                bar.clear()
            written = _keep_configuration(planned, restored)
            _hand_over(planned.data)
            (planned.data / RESTORING).unlink()
    words = f"records, and {plural(restored.files, 'file')} with {amount(restored.bytes)}, as of {restored.head.taken}"
    if written:
        words += f"\nthe configuration was another one then; it is kept as {written}"
    say(arguments, words, {"files": restored.files, "bytes": restored.bytes, "taken": restored.head.taken, "configuration": written})
    return 0


async def _restored(planned: Plan, source: Any, reactor: Any, bar: Progress) -> Restored:
    made = make(planned, reactor)
    records = made.records()
    if not ISaved.providedBy(records):
        raise PypidaemonError("a backup can only be brought back into records that are files")
    running = OrderedService((made.given["disk"], made.given["cpu"], *made.living("blobs")))
    running.startService()
    try:
        holdings = made.given["holdings"]
        restored = await Restoring(holdings.stores, records.places(), made.given["disk"], partial(_show, bar)).read(source)
    finally:
        await running.stopService()
    records.severed()
    # What came is opened once, so that records of a later version, or damaged ones, are found now.
    opened = OrderedService(stores(made))
    opened.startService()
    await opened.stopService()
    return restored


def _make(data: Path) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PypidaemonError(f"cannot use the data folder {data}: {error.strerror or error}") from error


def _insist_on_nothing(data: Path) -> None:
    found = sorted(name for name in os.listdir(data) if name != LOCK)
    if found:
        raise PypidaemonError(f"the data folder {data} is not empty: it has {found[0]}; a backup is only brought back into an empty one")


def _empty(data: Path) -> None:
    """Take away what was begun in a folder that was empty before."""
    for entry in data.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        elif entry.name not in (LOCK, RESTORING):
            entry.unlink(missing_ok=True)
    # At last, so that who is killed meanwhile leaves what the next one knows.
    (data / RESTORING).unlink(missing_ok=True)


def _hand_over(data: Path) -> None:
    """Where root has brought it back into a folder of another user, who is to run the daemon, let all of it be that user's."""
    found = data.stat()
    if os.geteuid() != 0 or found.st_uid == 0:
        return
    for folder, folders, files in os.walk(data):
        for path in (os.path.join(folder, name) for name in (*folders, *files)):
            its = os.lstat(path)
            # What that user may have put there meanwhile, such as another name of a file of root's, is given to nobody.
            if its.st_uid == 0 and (stat.S_ISDIR(its.st_mode) or its.st_nlink == 1):
                os.chown(path, found.st_uid, found.st_gid, follow_symlinks=False)


def _keep_configuration(planned: Plan, restored: Restored) -> str | None:
    """Where the configuration of the backup was put, which is not the present one."""
    if restored.configuration == planned.text.encode():
        return None
    place = planned.data / "configuration-of-backup.ini"
    place.write_bytes(restored.configuration)
    return str(place)


def _show(bar: Progress, state: Taken | Restored) -> None:
    bar.show(state.files, None, plural(state.files, "file"), size=state.bytes)
