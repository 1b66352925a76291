"""A simple index by its URL, over real connections: what its pages tell is kept, and one thing that is wrong stops nothing else."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from pypidaemon.adoption import fetched
from pypidaemon.adoption.checking import RULES, NotTaken
from pypidaemon.adoption.found import Role
from pypidaemon.adoption.hosting import Hosting
from pypidaemon.adoption.origins import ILinkable, IOrigin
from pypidaemon.adoption.outcomes import Outcome, Tally
from pypidaemon.adoption.remote import SimpleOrigin
from pypidaemon.adoption.run import Adoption
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.clashes import Clashes
from pypidaemon.errors import NoSuchProject, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.model import Companion, NormalizedName
from pypidaemon.settings import Secret
from pypidaemon.testing import Fault, TestIndex
from pypidaemon.volume import Room, Space
from tests.adoption.remotes import Hurried, all_of, fetching, files, passed, read
from tests.gear import inline
from tests.house import House, Inspectors
from tests.upstreams.parts import QUICK, serve, started

UPLOADED = "2021-02-03T04:05:06.000000Z"
JANUARY = 1_577_836_800.0
"""The date of all files of a scriptable index."""


class Simple(TestCase):
    """A scriptable index with two projects."""

    def setUp(self) -> None:
        self.index = TestIndex(last_modified=True)
        self.wheel = self.index.add("thing", "1.0", size=50_000, upload_time=UPLOADED)
        self.other = self.index.add("other", "2.0")
        self.served = serve(self, self.index)
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.folder = Path(held.name)
        self.origin = self.made()

    def made(self, blobs: MemoryBlobs | None = None, **settings: object) -> SimpleOrigin:
        upstream = started(self, self.served.simple, limits=QUICK, patience=0.1, **settings)
        return SimpleOrigin(upstream, fetching(upstream, self.folder, blobs), inline)

    async def test_what_is_told_of_files_is_kept(self) -> None:
        self.index.yank("thing", self.wheel, "broken")
        verifyObject(IOrigin, self.origin)
        found = files(await all_of(self.origin))
        assert self.origin.role is Role.PRIVATE
        assert list(found) == [self.other, self.wheel]
        file = found[self.wheel].file
        assert (file.upload_time, file.yanked, file.requires_python, found[self.wheel].project) == (UPLOADED, "broken", ">=3.8", "thing")
        assert await read(self.origin, found[self.wheel]) == self.index.data("thing", self.wheel)
        assert list(self.folder.iterdir()) == []

    async def test_an_index_of_html_without_a_word_of_dates(self) -> None:
        """As pypiserver's: then a file is as old as the server says that it is."""
        self.index.html_only = True
        found = files(await all_of(self.origin))[self.wheel]
        assert found.file.upload_time is None
        content = await self.origin.open(found)
        verifyObject(ILinkable, content)
        assert (content.modified, content.descriptor(), content.digest) == (JANUARY, None, None)
        content.close()
        self.index.last_modified = False
        content = await self.origin.open(found)
        assert not ILinkable.providedBy(content)
        content.close()

    async def test_what_is_here_is_not_fetched_again(self) -> None:
        blobs = MemoryBlobs()
        draft = await blobs.draft()
        await draft.write(self.index.data("thing", self.wheel))
        await draft.commit(None)
        origin = self.made(blobs)
        found = files(await all_of(origin))
        assert await read(origin, found[self.wheel]) == self.index.data("thing", self.wheel)
        assert self.index.count(self.index.path("thing", self.wheel)) == 0

    async def test_a_transfer_that_breaks_off_is_taken_up(self) -> None:
        path, found = self.index.path("thing", self.wheel), files(await all_of(self.origin))
        self.index.break_(path, Fault(truncate=20_000), times=2)
        assert await read(self.origin, found[self.wheel]) == self.index.data("thing", self.wheel)
        assert [seen.headers.get("range") for seen in self.index.requests if seen.path == path][-3:-1] == [None, "bytes=20000-"]

    async def test_a_file_that_is_broken_for_good_stops_no_other(self) -> None:
        path, found = self.index.path("thing", self.wheel), files(await all_of(self.origin))
        for fault, words in (
            (Fault(truncate=0), "it cannot be fetched"),
            (Fault(status=404), "does not have it"),
            (Fault(status=500), "status 500"),
            (Fault(status=403), "403"),
        ):
            self.index.break_(path, fault)
            with pytest.raises(NotTaken, match=words):
                await self.origin.open(found[self.wheel])
            self.index.heal()
        assert await read(self.origin, found[self.other]) == self.index.data("other", self.other)
        assert list(self.folder.iterdir()) == []

    async def test_a_file_may_have_so_many_bytes_and_no_more(self) -> None:
        found, path = files(await all_of(self.origin)), self.index.path("thing", self.wheel)
        self.patch(fetched, "LARGEST", 1000)
        with pytest.raises(NotTaken, match="more than 1000 bytes"):
            await self.origin.open(found[self.wheel])
        self.index.break_(path, Fault(no_length=True))
        with pytest.raises(NotTaken, match="more than 1000 bytes"):
            await self.origin.open(found[self.wheel])

    async def test_there_must_be_room_also_for_what_the_server_does_not_say_the_length_of(self) -> None:
        found, path = files(await all_of(self.origin)), self.index.path("thing", self.wheel)
        clock: Any = Hurried()
        full = Room(self.folder, clock, inline, lambda _: Space(1, 1 << 40))
        origin = SimpleOrigin(self.origin.upstream, attrs.evolve(self.origin.fetching, room=full), inline)
        for fault in (Fault(), Fault(no_length=True)):
            self.index.break_(path, fault)
            with pytest.raises(StorageFull):
                await origin.open(found[self.wheel])
        assert list(self.folder.iterdir()) == []

    async def test_a_page_that_is_broken_stops_no_other(self) -> None:
        self.index.break_("/simple/thing/", Fault(body=b"<html>", content_type="text/html"))
        findings = await all_of(self.origin)
        assert list(files(findings)) == [self.other]
        assert "its page cannot be had" in passed(findings)["thing"]
        self.index.heal()
        self.index.break_("/simple/thing/", Fault(status=404))
        assert "no page of it" in passed(await all_of(self.origin))["thing"]

    async def test_a_server_that_is_gone_ends_it(self) -> None:
        found = files(await all_of(self.origin))
        await self.served.stop()
        with pytest.raises(UpstreamUnavailable):
            await self.origin.open(found[self.wheel])
        with pytest.raises(UpstreamUnavailable):
            await all_of(self.origin)

    async def test_what_is_no_list_is_said_in_one_line(self) -> None:
        self.index.break_("/simple/", Fault(body=b"{}", content_type="application/vnd.pypi.simple.v1+json"))
        with pytest.raises(PypidaemonError, match="list of projects cannot be read"):
            await all_of(self.origin)

    async def test_what_was_interrupted_is_done_by_the_next_run(self) -> None:
        """Each time after another number of files; what came before is whole, and is not fetched again."""
        for number in range(3):
            self.index.add("thing", f"2.{number}", sdist=True)
        house = House()
        private = house.with_private()
        paths = sorted(found.path.removeprefix(self.served.url) for found in files(await all_of(self.origin)).values())
        for most in range(len(paths)):
            self.index.clear()
            adoption = self.adoption(house, private, most)
            with pytest.raises(PypidaemonError, match="stopped"):
                await adoption.run()
            taken = await self.published(private)
            assert len(taken) == adoption.tally.here + adoption.tally.taken
            assert self.fetched(paths) == adoption.tally.taken
        self.index.clear()
        last = self.adoption(house, private, len(paths) + 1)
        await last.run()
        assert (last.tally.taken + last.tally.here, last.tally.skipped) == (len(paths), 0)
        assert self.fetched(paths) == last.tally.taken
        assert set(await self.published(private)) == {path.rpartition("/")[2] for path in paths}

    def adoption(self, house: House, private: Any, most: int) -> Adoption:
        """One that is stopped once it has told of so many files."""
        origin, tally = self.made(house.blobs), Tally()
        told: list[Outcome] = []

        def tell(outcome: Outcome) -> None:
            told.append(outcome)
            if len(told) > most:
                adoption.stop()

        clashes = Clashes({}, {}, house.reserved)
        hosting = Hosting(private, origin, Inspectors().under(RULES), inline, clashes, tally)
        adoption = Adoption(origin, hosting, tally, "simple", "private", False, tell, house.records.accounts, house.clock)
        return adoption

    async def published(self, private: Any) -> list[str]:
        """The files that are offered, with all their bytes."""
        found = []
        for name in ("thing", "other"):
            with contextlib.suppress(NoSuchProject):
                for file in (await private.project_page(NormalizedName(name))).files:
                    content = await private.open_file(name, file.filename, Companion.FILE)
                    assert await content.read(0, content.size) == self.index.data(name, file.filename)
                    content.close()
                    found.append(file.filename)
        return found

    def fetched(self, paths: list[str]) -> int:
        """How many files were fetched, each at most once."""
        counted = [self.index.count(path) for path in paths]
        assert max(counted) <= 1
        return sum(counted)

    async def test_credentials_are_those_of_the_index(self) -> None:
        self.index.credentials = ("ann", "secret")
        with pytest.raises(UpstreamUnavailable, match="401"):
            await all_of(self.origin)
        origin = self.made(username="ann", password=Secret("secret"))
        found = files(await all_of(origin))
        assert await read(origin, found[self.wheel]) == self.index.data("thing", self.wheel)
