"""`python -m benchmarks.chaos`: faults, one after the other, and a line of JSON for each."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import secrets
import shutil
import socket
import struct
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos.faults import Fault, load
from benchmarks.chaos.ordeal import endure
from benchmarks.chaos.source import FULL, QUICK, Source
from benchmarks.chaos.subjects import release, subjects
from benchmarks.measuring import circumstances, machine

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "benchmarks"


def main(arguments: list[str]) -> int:
    """Do what is asked; the exit status is 1 where a subject did not survive a fault."""
    faults, makes = load(), subjects()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description="Faults of upstream, network, disk and process.")
    parser.add_argument("--fault", default="", help="numbers, such as C1,C13; all where none are given")
    parser.add_argument("--subject", choices=sorted(makes), default="pypidaemon")
    parser.add_argument("--seed", type=int, default=secrets.randbits(16), help="repeats what is left to chance, though not the timing")
    parser.add_argument("--ci", action="store_true", help="less of everything")
    parser.add_argument("--untimed", action="store_true", help="seconds do not count, apart from what nobody waits for; for a busy machine")
    parser.add_argument("--kills", type=int, help="how often a subject is killed in C18, C19 and C20")
    parser.add_argument("--folder", type=Path, default=CACHE, help="where folders for one run are made; what was not survived stays there")
    parser.add_argument("--list", action="store_true", help="say what there is, and do nothing")
    options = parser.parse_args(arguments)
    chosen = _chosen(faults, options.fault, parser)
    if options.list:
        for one in chosen:
            print(f"{one.id:4} {one.title} ({one.covers})")
        return 0
    print(circumstances(), file=sys.stderr)
    options.folder.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="chaos-", dir=options.folder))
    how = " ".join(
        word for word in ("--ci" if options.ci else "", "--untimed" if options.untimed else "", f"--seed {options.seed}") if word
    )
    try:
        released = release(options.subject)
    except LookupError as error:
        parser.error(str(error))
    about = {"release": released, "how": how, "when": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
    is_good = True
    source = Source.begin(folder / "upstream", options.seed, QUICK if options.ci else FULL)
    try:
        for one in chosen:
            outcome = endure(
                one,
                makes[options.subject],
                source,
                folder / one.id,
                options.seed,
                quick=options.ci,
                timed=not options.untimed,
                kills=options.kills,
            )
            # Where it lay on this machine is nobody's business.
            line = outcome.line(one, options.subject, options.seed).replace(str(folder), "FOLDER").replace(str(ROOT), "ROOT")
            print(json.dumps(json.loads(line) | about), flush=True)
            is_good = is_good and (outcome.tally.survived or bool(outcome.skipped))
    finally:
        source.end()
    if is_good:
        shutil.rmtree(folder)
    return 0 if is_good else 1


def _chosen(faults: dict[str, Fault], wanted: str, parser: argparse.ArgumentParser) -> list[Fault]:
    ids = [id.strip() for id in wanted.split(",") if id.strip()] or list(faults)
    unknown = [id for id in ids if id not in faults]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(faults)}")
    return [faults[id] for id in ids]


def apart(arguments: list[str]) -> None:
    """
    Go on in a world where this user is root, with mounts and a loopback interface of its own, if he is not root already.

    Several faults mount small disks or listen on port 53. All processes are in that world, so nothing else is touched.
    """
    if os.geteuid() == 0:
        return
    os.execvp("unshare", ["unshare", "-rmn", sys.executable, "-m", "benchmarks.chaos", *arguments])


def raise_loopback() -> None:
    """Switch the loopback interface on, which is off in a network of one's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        found = struct.unpack("16sh14x", fcntl.ioctl(handle, SIOCGIFFLAGS, struct.pack("16sh14x", b"lo", 0)))[1]
        if not found & IFF_UP:
            fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", found | IFF_UP))


if __name__ == "__main__":
    apart(sys.argv[1:])
    raise_loopback()
    sys.exit(main(sys.argv[1:]))
