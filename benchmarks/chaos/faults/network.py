"""Faults between the subject and its upstream: C11 to C16."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import trustme

from benchmarks.chaos.clients import DEADLINE, Got
from benchmarks.chaos.faults import fault
from benchmarks.chaos.scene import Scene, Stream
from benchmarks.chaos.source import Source
from benchmarks.chaos.subjects import Wanted
from benchmarks.chaos.wire import NONE, Wire

SMALL = 1 << 17
PATIENCE = 12.0
"""Seconds in which somebody who asks for what is not there has to be told so (F32, F34)."""
SLOWER = 2.0
GRACE = 0.3
"""While others wait for upstream, cached things may take so many times as long as without the fault; below so many seconds a busy machine decides."""
CUT = 45.0
"""Seconds in which a transfer that only drips is given up."""


@fault("C11", "fifty transfers of 100 bytes a second", "F30")
def dripping(scene: Scene) -> None:
    known = scene.warm(4)
    cold = [item for item in scene.items(scene.take(8 if scene.quick else 20, SMALL)) if item.size > 3000]
    scene.pages({item.project for item in cold})
    with scene.uploading(), scene.fetching(known, 2) as before:
        time.sleep(1.0)
    with scene.source.broken("/packages/*", drip=100):
        slow = scene.aside(lambda: scene.at_once(lambda item: scene.file(item, deadline=4.0, patient=True), (cold * 50)[:50], clients=50))
        with scene.uploading(), scene.fetching(known, 2) as during:
            slow.wait(2.0)
        slow.over()
        if not scene.quick:
            scene.eventually(lambda: scene.source.wire.busy(5.0) == 0, "transfers that drip are given up", CUT)
    _as_quick(scene, before, during)
    scene.source.wire.cut()
    scene.recover()
    scene.all_good(scene.files(cold), "files that dripped, once they come well")


def _as_quick(scene: Scene, before: Stream, during: Stream) -> None:
    """What is cached is to be had, and about as quickly as before."""
    scene.all_good(during.failures(), "cached things")
    scene.expect(len(during.got) > 0, "nobody asked for anything cached")
    scene.tally.figures["p99_before"], scene.tally.figures["p99_during"] = before.p99(), during.p99()
    scene.expect(
        not scene.timed or during.p99() <= max(before.p99() * SLOWER, GRACE),
        f"p99 of cached things {during.p99():.3f} s after {before.p99():.3f} s",
    )


@fault("C12", "an upstream that accepts and never answers, then one that does not even accept", "F32 F34")
def black_hole(scene: Scene) -> None:
    known = scene.warm(6)
    scene.age()
    scene.source.wire.cut()
    with scene.source.wired(black_hole=True):
        _nobody_there(scene, known, "silent")
    scene.source.wire.accept()
    scene.recover()
    scene.source.wire.swallow()
    _nobody_there(scene, known, "unreachable")
    scene.source.wire.accept()
    scene.recover()


def _nobody_there(scene: Scene, known: list[str], words: str) -> None:
    unknown = scene.take(3, SMALL)
    with scene.uploading():
        scene.all_good(scene.pages(known), f"cached pages ({words})", scene.prompt)
        scene.all_good(scene.files(scene.items(known)), f"cached files ({words})", scene.prompt)
        got = scene.pages(unknown, deadline=PATIENCE if scene.timed else DEADLINE)
        scene.all_unavailable(got, f"pages never seen ({words})")
        scene.tally.figures[f"{words}_s"] = max(one.seconds for one in got)


@fault("C13", "half of the connections are reset at some byte", "F35")
def resets(scene: Scene) -> None:
    projects = scene.take(12 if scene.quick else 50)
    items = [item for item in scene.items(projects) if item.size > 1]
    scene.pages(projects)
    scene.source.wire.cut()
    with scene.source.wired(reset=(1, 20_000), share=0.5):
        got = scene.files(items)
    scene.tally.figures["whole"] = sum(one.status == 200 and one.complete for one in got)
    scene.source.wire.cut()
    for item in items:
        scene.eventually(lambda item=item: scene.file(item).status == 200, f"{item.filename} once nothing is reset")  # type: ignore[misc]


@fault("C14", "an upstream that comes and goes", "F40")
def flapping(scene: Scene) -> None:
    known, unknown = scene.warm(6), scene.take(12, SMALL)
    times, seconds = (4, 0.4) if scene.quick else (10, 2.0)
    scene.source.clear()
    asked: list[Got] = []
    with scene.fetching(known, 2) as stream, scene.uploading(2):
        for turn in range(times):
            scene.source.wire.refuse()
            asked += scene.pages(unknown[turn : turn + 1])
            time.sleep(seconds)
            scene.source.wire.accept()
            time.sleep(seconds)
    scene.all_good(stream.failures(), "cached things")
    scene.all_unavailable([got for got in asked if got.status != 200], "pages never seen")
    asked_for, passed_on = len(stream.got) + len(asked), len(scene.source.requests("/simple/*"))
    scene.tally.figures["asked"], scene.tally.figures["upstream"] = asked_for, passed_on
    scene.expect(passed_on <= 1.1 * asked_for, f"{passed_on} requests upstream for {asked_for} of clients")
    scene.recover()


_HOSTS = f"127.0.0.1 localhost upstream.example {socket.gethostname()}\n"


def hung_resolver(folder: Path, source: Source) -> Iterator[Wanted]:
    """A name server that never answers, and files that have the subject ask it as soon as its upstream's name is taken out of `hosts`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.77", 53))
        (folder / "hosts").write_text(_HOSTS)
        (folder / "resolv.conf").write_text("nameserver 127.0.0.77\noptions timeout:20 attempts:3\n")
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        binds = " && ".join(f"mount --bind {folder / name} /etc/{name}" for name in ("hosts", "resolv.conf", "nsswitch.conf"))
        prefix = ("unshare", "-m", "sh", "-c", f'{binds} && exec "$@"', "sh")
        yield Wanted(prefix=prefix, upstream=f"http://upstream.example:{source.wire.port}/simple/")


@fault("C15", "a name server that never answers", "F36 F37", needs=("prefix",), prepare=hung_resolver)
def no_names(scene: Scene) -> None:
    known, unknown = scene.warm(6), scene.take(10, SMALL)
    (scene.folder / "hosts").write_text("127.0.0.1 localhost\n")
    # Connections that are open need no name.
    scene.source.wire.cut()
    with scene.uploading():
        asked = scene.aside(lambda: scene.pages(unknown, deadline=PATIENCE if scene.timed else DEADLINE))
        with scene.fetching(known, 4) as stream:
            asked.wait(2.0)
        got = asked.over()
    scene.all_good(stream.failures(), "cached things")
    scene.all_good(stream.got, "cached things", scene.prompt)
    scene.expect(bool(stream.got), "nobody asked for anything cached")
    scene.all_unavailable(got, "pages never seen")
    scene.tally.figures["p99"], scene.tally.figures["unknown_s"] = stream.p99(), max(one.seconds for one in got)
    # Neither the upstream's name nor the machine's own can be found.
    if not scene.restart():
        (scene.folder / "hosts").write_text(_HOSTS)
        scene.subject.start()
    scene.all_good(scene.pages(known), "cached pages after a start without names", scene.prompt)
    (scene.folder / "hosts").write_text(_HOSTS)
    scene.recover()


def own_authority(folder: Path, source: Source) -> Iterator[Wanted]:
    """A wire that speaks TLS, with a certificate that is good, and others to be put in its place."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    past = datetime.now(UTC) - timedelta(days=2)
    for name, certificate in (
        ("good", authority.issue_cert("localhost")),
        ("expired", authority.issue_cert("localhost", not_before=past - timedelta(days=30), not_after=past)),
        ("stranger", authority.issue_cert("other.example")),
        ("unknown", trustme.CA().issue_cert("localhost")),
    ):
        certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / f"{name}.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Who takes up a session of before is shown no certificate.
    context.options |= ssl.OP_NO_TICKET
    context.minimum_version, context.num_tickets = ssl.TLSVersion.TLSv1_3, 0
    context.load_cert_chain(folder / "good.pem")
    plain, source.wire = source.wire, Wire(source.wire.target, source.wire.chance, context)
    plain.end()
    yield Wanted(upstream=f"https://localhost:{source.wire.port}/simple/", ca_file=folder / "authority.pem")


@fault(
    "C16",
    "TLS: a certificate that expired, of another host, of nobody known, and a handshake that stalls",
    "F38 F39",
    needs=("tls",),
    prepare=own_authority,
)
def bad_certificates(scene: Scene) -> None:
    known = scene.warm(4)
    scene.age()
    wire = scene.source.wire
    assert wire.tls is not None
    for words in ("expired", "stranger", "unknown", "stalled"):
        [unknown] = scene.take(1, SMALL)
        if words == "stalled":
            wire.toxics = attrs.evolve(wire.toxics, black_hole=True)
        else:
            wire.tls.load_cert_chain(scene.folder / f"{words}.pem")
        wire.cut()
        scene.all_good(scene.pages(known), f"cached pages ({words})")
        page = scene.page(unknown, deadline=PATIENCE if scene.timed else DEADLINE)
        scene.all_unavailable([page], f"page never seen ({words})")
        reason = page.body.decode("utf-8", "replace").lower()
        scene.tally.figures[f"{words}_s"] = page.seconds
        scene.expect(words == "stalled" or "certificate" in reason, f"{words}: the reason is not said: {reason[:200]!r}")
        wire.toxics = NONE
        wire.tls.load_cert_chain(scene.folder / "good.pem")
        wire.cut()
        scene.recover()
