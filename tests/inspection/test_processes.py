"""Inspection in processes of its own: the same verdicts as in this one, whatever the bytes do to a worker (S14-S17)."""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pypidaemon.archives.rules import Rules
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.errors import CorruptContent, InvalidUpload, PypidaemonError
from pypidaemon.inspection import processes, speech
from pypidaemon.inspection.behind import BEHIND
from pypidaemon.inspection.inline import InlineInspector
from pypidaemon.inspection.processes import ProcessInspector
from pypidaemon.interfaces import IDraft, IInFile, IInspector, IMeasured
from pypidaemon.model import Upload
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.uploads import read_upload
from tests import hostile
from tests.gear import inline

LIMITS = "the archive could not be inspected within its limits"
READY = r"""
import os, struct, sys, time
def say(data): sys.stdout.buffer.write(struct.pack(">L", len(data)) + data); sys.stdout.buffer.flush()
say(b'{"word":"ready"}')
head = sys.stdin.buffer.read(4)
"""


def upload(filename: str) -> Upload:
    """What the form of foo-bar 1.0 says."""
    return read_upload([(":action", "file_upload"), ("name", "foo-bar"), ("version", "1.0"), ("description", "long " * 1000)], filename)


async def draft(data: bytes) -> IDraft:
    """A draft in memory with these bytes, not yet ended."""
    made = await MemoryBlobs().draft()
    await made.write(data)
    return made


class Broken:
    """Makes the command line of a worker that does something else than inspect."""

    def __init__(self, *scripts: str) -> None:
        self.scripts = list(scripts)

    def __call__(self, memory: int) -> list[str]:
        if self.scripts:
            return [sys.executable, "-I", "-S", "-c", self.scripts.pop(0)]
        return processes.command(memory)


class ProcessTests(TestCase):
    """With real workers."""

    def inspector(self, *scripts: str, **options: Any) -> ProcessInspector:
        """An inspector that runs until the test is over; its first workers are these scripts."""
        made = ProcessInspector(reactor, command=Broken(*scripts), **options)
        made.startService()
        self.addCleanup(made.stopService)
        return made

    async def refused(self, inspector: IInspector, filename: str, data: bytes) -> str:
        try:
            await inspector.inspect(await draft(data), upload(filename))
        except InvalidUpload as error:
            return str(error)
        raise AssertionError("it passed")

    def test_it_is_an_inspector(self) -> None:
        inspector = self.inspector()
        verifyObject(IInspector, inspector)
        verifyObject(IMeasured, inspector)
        verifyObject(IInspector, inspector.under(Rules(strict=True)))
        verifyObject(IInspector, InlineInspector())

    async def test_verdicts_are_those_of_this_process(self) -> None:
        # Whether a busy machine takes long over a bomb says nothing about the verdict.
        inspector, here = self.inspector(patience=600.0), InlineInspector()
        for filename, data in [*islice(hostile.good(), 4), make_sdist("foo-bar", "1.0", ["a>1"], size=300_000)]:
            expected = await here.inspect(await draft(data), upload(filename))
            assert await inspector.inspect(await draft(data), upload(filename)) == expected
        for bad in [*islice(hostile.bad_zips(), 9), *islice(hostile.bad_tars(), 8), next(hostile.bombs())]:
            line = await self.refused(inspector, bad.filename, bad.data)
            assert line == await self.refused(here, bad.filename, bad.data)
            assert bad.words in line
        assert inspector.measures() == {"inspected": 5, "refused": 18, "started": 1, "lost": 0}

    async def test_an_archive_that_no_pipe_has_room_for_at_once_is_whole_and_the_next_one_is_not_mixed_into_it(self) -> None:
        inspector = self.inspector(size=1)
        for size in (200_000, 10, 240_000, 250_000, 10):
            filename, data = make_wheel("foo-bar", "1.0", size=size)
            assert (await inspector.inspect(await draft(data), upload(filename))).version == "1.0"
        assert inspector.measures() == {"inspected": 5, "refused": 0, "started": 1, "lost": 0}

    async def test_S24_what_nobody_compares_is_not_sent_and_no_form_costs_a_worker(self) -> None:
        """A control character is six bytes in JSON, and nothing of these is held against an archive."""
        inspector = self.inspector()
        filename, data = make_wheel("foo-bar", "1.0")
        padded = attrs.evolve(
            upload(filename), metadata=(("description", "\1" * 2**22), ("summary", "\1" * 2**22), ("keywords", "\1" * 2**22))
        )
        assert len(speech.question(padded, Rules(), None, 1)) < 1000
        assert (await inspector.inspect(await draft(data), padded)).version == "1.0"
        endless = attrs.evolve(upload(filename), metadata=(("requires_dist", "\1" * 2**22),))
        with pytest.raises(InvalidUpload, match="requires_dist"):
            await inspector.inspect(await draft(data), endless)
        assert (await inspector.inspect(await draft(data), upload(filename))).version == "1.0"
        assert (inspector.started, inspector.lost) == (1, 0)

    async def test_a_draft_in_a_file_is_read_there(self) -> None:
        """Without its bytes passing through the daemon, and before it has ended."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        store = DirectoryBlobs(path=Path(folder.name), label="x", disk=inline)
        store.startService()
        self.addCleanup(store.stopService)
        filename, data = make_wheel("foo-bar", "1.0", size=600_000)
        made = await store.draft()
        await made.write(data)
        verifyObject(IInFile, made)
        self.patch(processes, "pieces", None)
        inspector = self.inspector()
        assert (await inspector.inspect(made, upload(filename))).version == "1.0"
        await made.commit(None)
        content = await store.open(made.digest)
        self.addCleanup(content.close)
        assert (await inspector.inspect(content, upload(filename))).version == "1.0"

    async def test_one_worker_serves_many_who_come_at_once(self) -> None:
        """A second one would take as much memory as half a daemon, to save somebody some milliseconds."""
        self.patch(processes, "HASTE", 600.0)
        inspector = self.inspector(size=2)
        filename, data = make_wheel("foo-bar", "1.0")
        waiting = [Deferred.fromCoroutine(inspector.inspect(await draft(data), upload(filename))) for _ in range(12)]
        assert {found.name for found in await gatherResults(waiting)} == {"foo-bar"}
        assert (inspector.started, inspector.inspected) == (1, 12)

    async def test_how_long_a_worker_takes_to_start_has_no_other_one_started(self) -> None:
        """However busy the machine is: they have their turn when it is there."""
        inspector = self.inspector(size=2)
        inspector.reactor = late = Later()
        drafts = [await draft(hostile.wheel()) for _ in range(4)]
        waiting = [Deferred.fromCoroutine(inspector.inspect(made, upload(hostile.WHEEL))) for made in drafts]
        late.passed += processes.HASTE + 1
        await gatherResults(waiting)
        assert (inspector.started, inspector.inspected) == (1, 4)

    async def test_who_waits_too_long_for_a_worker_at_work_gets_another_one(self) -> None:
        self.patch(processes, "HASTE", 0.01)
        inspector = self.inspector(READY + "time.sleep(1000)", size=2, patience=600.0)
        kept = Deferred.fromCoroutine(inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL)))
        assert (await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))).name == "foo-bar"
        assert (inspector.started, kept.called) == (2, False)
        kept.cancel()
        await self.assertFailure(kept, CancelledError)

    async def test_who_waits_for_a_worker_that_dies_gets_another_one(self) -> None:
        self.patch(processes, "HASTE", 600.0)
        inspector = self.inspector(READY + "os._exit(3)", size=2)
        lost = Deferred.fromCoroutine(inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL)))
        behind = Deferred.fromCoroutine(inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL)))
        await self.assertFailure(lost, InvalidUpload)
        assert (await behind).name == "foo-bar"
        assert (inspector.started, inspector.lost) == (2, 1)

    async def test_a_worker_serves_many_and_no_more_are_started_than_may_be(self) -> None:
        self.patch(processes, "HASTE", 0.0)
        inspector = self.inspector(size=2)
        assert inspector.started == 0
        filename, data = make_wheel("foo-bar", "1.0")
        waiting = [Deferred.fromCoroutine(inspector.inspect(await draft(data), upload(filename))) for _ in range(12)]
        assert {found.name for found in await gatherResults(waiting)} == {"foo-bar"}
        assert (inspector.started, inspector.inspected) == (2, 12)

    async def test_rules_can_differ_by_view(self) -> None:
        inspector = self.inspector()
        data = hostile.wheel(record="")
        assert "does not list" in await self.refused(inspector, hostile.WHEEL, data)
        lenient = inspector.under(Rules(record=False))
        assert (await lenient.inspect(await draft(data), upload(hostile.WHEEL))).name == "foo-bar"
        assert inspector.started == 1

    async def test_S16_a_worker_that_dies_hangs_or_talks_nonsense_is_replaced(self) -> None:
        found = '{"word":"found","name":"foo-bar","version":"1.0","metadata":"%s"}'
        for script in (
            READY + "os._exit(3)",
            READY + "os.kill(os.getpid(), 9)",
            READY + "time.sleep(1000)",
            READY + "os.close(1); time.sleep(1000)",
            READY + "say(b'hello')",
            READY + "say(b'[]')",
            READY + 'say(b\'{"word":"refused"}\')',
            READY + 'say(b\'{"word":"refused", "line":"two\\nlines"}\')',
            READY + 'say(b\'{"word":"ready"}\')',
            READY + 'say(b\'{"word":"more"}\'); ' + 'say(b\'{"word":"found","name":"../x","version":"1","metadata":""}\')',
            READY + f"say(b'{{\"word\":\"more\"}}'); say(b'{found % '*'}')",
            READY + "sys.stdout.buffer.write(b'\\xff' * 100); sys.stdout.flush(); time.sleep(1000)",
            READY + "os.write(1, b'\\0\\0\\0\\x09half'); os._exit(0)",
        ):
            inspector = self.inspector(script, size=1, patience=0.5)
            filename, data = make_wheel("foo-bar", "1.0")
            assert await self.refused(inspector, filename, data) == LIMITS, script
            assert inspector.lost == 1
            inspector.patience = 10.0
            assert (await inspector.inspect(await draft(data), upload(filename))).name == "foo-bar"
            assert inspector.started == 2

    async def test_S16_the_time_of_the_processor_is_limited_without_the_daemon(self) -> None:
        """A worker whose parser never ends is ended by the system."""
        endless = "import sys; sys.path[:] = sys.argv[2:]\nfrom pypidaemon.inspection import worker\ndef inspect(*_):\n while 1: pass\n"
        script = endless + f"worker.inspect = inspect; sys.path[:] = {sys.path!r}; worker.main(2**29)"
        script = f"import sys; sys.path[:] = {sys.path!r}\n" + script.split("\n", 1)[1]
        inspector = self.inspector(script, patience=0)
        # Patience 0 is one second of processor time, and the daemon looks away.
        inspector.reactor = Patient()
        assert await self.refused(inspector, *make_wheel("foo-bar", "1.0")) == LIMITS

    async def test_S16_memory_is_limited(self) -> None:
        inspector = self.inspector(memory=160 * 2**20)
        filename, data = make_wheel("foo-bar", "1.0", size=200 * 2**20)
        assert await self.refused(inspector, filename, data) == LIMITS
        assert (await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))).name == "foo-bar"

    async def test_a_worker_has_its_limits_and_nothing_of_the_environment(self) -> None:
        self.patch(os, "environ", {**os.environ, "SECRET": "s3cret"})
        inspector = self.inspector()
        await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))
        (worker,) = inspector._living
        process = Path(f"/proc/{worker.transport.pid}")
        assert b"SECRET" not in (process / "environ").read_bytes()
        limits = {line[:26].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()}
        assert limits["Max file size"] == ["0", "0"]
        assert limits["Max core file size"] == ["0", "0"]
        assert limits["Max processes"] == ["0", "0"]
        assert limits["Max open files"] == ["16", "16"]
        assert limits["Max address space"] == [str(inspector.memory)] * 2
        assert os.getsid(worker.transport.pid) == worker.transport.pid
        behind = min(19, os.getpriority(os.PRIO_PROCESS, 0) + BEHIND)
        assert os.getpriority(os.PRIO_PROCESS, worker.transport.pid) == behind
        assert len(list((process / "fd").iterdir())) == 3

    async def test_a_worker_comes_behind_the_daemon_and_the_daemon_behind_nobody(self) -> None:
        """A session may be put behind all others as a whole: the worker's, and not the one that it is started in."""
        before = nice("self")
        inspector = self.inspector()
        await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))
        (worker,) = inspector._living
        assert nice("self") == before
        found = nice(str(worker.transport.pid))
        assert found is None or before is None or found == min(19, before + BEHIND)

    async def test_a_worker_is_replaced_after_many_archives(self) -> None:
        self.patch(processes, "MOST_JOBS", 2)
        inspector = self.inspector(size=1)
        for _ in range(4):
            await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))
        assert (inspector.started, inspector.lost) == (2, 0)

    async def test_S16_a_worker_is_replaced_after_some_minutes_however_few_it_was_given(self) -> None:
        """One that was won over may lie of what comes later: where little comes, a number alone would let it do so for weeks."""
        inspector = self.inspector(size=1)
        inspector.reactor = late = Later()
        for seconds, started in ((0, 1), (processes.OLDEST - 1, 1), (2, 2), (processes.OLDEST - 1, 2), (0, 2)):
            late.passed += seconds
            await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))
            assert inspector.started == started
        late.passed += 2
        await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))
        assert (inspector.started, inspector.lost, len(inspector._idle)) == (3, 0, 1)
        await gatherResults([worker.gone() for worker in inspector._living if worker not in inspector._idle])
        assert len(inspector._living) == 1

    async def test_a_worker_that_nobody_needs_is_ended_when_it_is_old(self) -> None:
        """It would hold its memory until the next archive comes, and be given none."""
        inspector = self.inspector(size=1)
        inspector.reactor = late = Later()
        await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))
        (worker,) = inspector._living
        assert inspector._due is not None
        inspector._due.reset(0)
        await deferLater(reactor, 0)
        assert inspector._idle == [worker]
        late.passed += processes.OLDEST + 1
        inspector._due.reset(0)
        await worker.gone()
        assert (inspector._idle, inspector._living, inspector._due) == ([], set(), None)

    async def test_content_that_breaks_off_is_not_the_archives_fault(self) -> None:
        inspector = self.inspector(size=1)
        made = await draft(hostile.wheel())
        await made.abort()
        try:
            await inspector.inspect(made, upload(hostile.WHEEL))
        except CorruptContent:
            pass
        else:
            raise AssertionError
        assert (await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))).name == "foo-bar"

    async def test_who_stops_waiting_leaves_no_worker_in_doubt(self) -> None:
        inspector = self.inspector(READY + "time.sleep(1000)", size=1)
        waiting = Deferred.fromCoroutine(inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL)))
        behind = Deferred.fromCoroutine(inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL)))
        waiting.cancel()
        await self.assertFailure(waiting, CancelledError)
        assert (await behind).name == "foo-bar"

    async def test_stopping_ends_all_workers(self) -> None:
        self.patch(processes, "HASTE", 0.0)
        inspector = self.inspector(READY + "time.sleep(1000)", size=2)
        waiting = Deferred.fromCoroutine(inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL)))
        await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))
        await inspector.stopService()
        assert inspector._living == set()
        await self.assertFailure(waiting, PypidaemonError)
        await self.assertFailure(Deferred.fromCoroutine(inspector.inspect(await draft(b""), upload(hostile.WHEEL))), PypidaemonError)

    async def test_a_worker_that_does_not_start_is_our_own_fault(self) -> None:
        inspector = self.inspector("import sys; sys.exit('no interpreter')", size=1)
        await self.assertFailure(Deferred.fromCoroutine(inspector.inspect(await draft(b""), upload(hostile.WHEEL))), PypidaemonError)
        assert (await inspector.inspect(await draft(hostile.wheel()), upload(hostile.WHEEL))).name == "foo-bar"


def nice(process: str) -> int | None:
    """How nice the session of that process is as a whole; None where the system does not group processes so, or says nothing of it, as in some containers."""
    try:
        said = Path(f"/proc/{process}/autogroup").read_text("ascii").split()
    except OSError:
        return None
    return int(said[-1]) if said else None


class Patient:
    """The reactor, but for calls later, which never come."""

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def callLater(self, seconds: float, *args: Any) -> Any:
        """Call after an hour; whoever is done by then cancels it."""
        return reactor.callLater(3600, *args)


class Later:
    """The reactor, by whose clock so many seconds have passed and no others."""

    passed = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def seconds(self) -> float:
        """Those."""
        return self.passed
