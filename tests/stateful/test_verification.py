"""
Whatever was stored, broken and cleared away in whatever order: a look finds exactly what was broken, a repair puts right all that can be had, and nothing
that is needed ever goes.
"""

from __future__ import annotations

import tempfile
from itertools import count
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pypidaemon.errors import Conflict
from pypidaemon.filenames import filename
from pypidaemon.model import File, FileRecord, Leaving, NormalizedName
from pypidaemon.services.janitor import DAY, FIRST, Janitor
from tests.contracts.blob_store import put
from tests.examples import examples
from tests.fakes import file
from tests.fakes import page as page_of
from tests.filling import bring, read
from tests.gear import now
from tests.larder import Larder, digest_of, told

CONTENTS = st.sampled_from([b"one", b"two", b"three", b"four"])
NAMES = st.sampled_from([NormalizedName("alpha"), NormalizedName("beta")])


class Verified(RuleBasedStateMachine):
    """The model is what each index needs, and which bytes are broken and how."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.larder = Larder(Path(self.folder.name))
        self.larder.house.upstream.pages.clear()
        self.private: set[bytes] = set()
        self.mirrored: dict[NormalizedName, set[bytes]] = {}
        self.cached: dict[NormalizedName, set[bytes]] = {}
        self.pinned: set[bytes] = set()
        """What a proxy offered once: its name keeps its bytes, should it ever be offered again (S28)."""
        self.loose: set[bytes] = set()
        self.broken: dict[bytes, str] = {}
        self.serials = count(1)

    def teardown(self) -> None:
        self.folder.cleanup()

    def needed(self) -> set[bytes]:
        return self.private.union(*self.mirrored.values())

    def named(self) -> set[bytes]:
        return self.needed().union(self.pinned, *self.cached.values())

    def offer(self, name: NormalizedName, contents: set[bytes]) -> None:
        files = [(f"{name}-{data.decode()}.tar.gz", data) for data in sorted(contents)]
        entries = [file(called, data) for called, data in files]
        self.larder.house.upstream.bodies.update({entry.url: data for entry, (_, data) in zip(entries, files, strict=True)})
        self.larder.house.upstream.pages[name] = page_of(name, *entries, serial=next(self.serials))

    @rule(data=CONTENTS)
    def upload(self, data: bytes) -> None:
        now(put(self.larder.blobs, data))
        entry = File(filename(f"ours-{data.decode()}.tar.gz"), hashes=(("sha256", digest_of(data)),), size=len(data))
        try:
            now(self.larder.house.records.files.add("private", NormalizedName("ours"), FileRecord(entry, "1"), "add", None))
        except Conflict:
            raise AssertionError("the same bytes were refused") from None
        self.private.add(data)
        self.come(data)

    @rule(name=NAMES, contents=st.sets(CONTENTS))
    def mirror(self, name: NormalizedName, contents: set[bytes]) -> None:
        contents = contents - self.broken.keys()
        self.offer(name, contents)
        gone = self.mirrored.get(name, set()) - contents
        if self.broken.keys() & gone:
            return
        bring(self.larder.mirror, name)
        self.larder.clock.advance(8 * DAY)
        now(self.larder.house.records.mirrors.forget_leaving("mirror", self.larder.clock.seconds()))
        self.mirrored[name] = contents
        for data in contents:
            self.come(data)
        self.loosen(gone)

    @rule(name=NAMES, contents=st.sets(CONTENTS))
    def take(self, name: NormalizedName, contents: set[bytes]) -> None:
        contents = contents - self.broken.keys()
        before = self.cached.get(name, set())
        if self.broken.keys() & before:
            return
        self.offer(name, contents)
        now(self.larder.house.proxy.refresh(name))
        now(self.larder.house.proxy.project_page(name))
        for data in contents:
            assert read(self.larder.house.proxy, name, f"{name}-{data.decode()}.tar.gz") == data
            self.come(data)
        self.cached[name] = contents
        self.pinned |= before - contents

    @rule(name=NAMES)
    def drop(self, name: NormalizedName) -> None:
        """A project leaves the mirror, and its time is over."""
        mirrored = now(self.larder.house.records.mirrors.page("mirror", name))
        if mirrored is None or self.broken.keys() & self.mirrored[name]:
            return
        now(self.larder.house.records.mirrors.leave("mirror", [Leaving(name, None, 0.0, 0.0, mirrored)]))
        now(self.larder.house.records.mirrors.forget_leaving("mirror", 1.0))
        self.loosen(self.mirrored.pop(name))

    @rule(data=CONTENTS)
    def stray(self, data: bytes) -> None:
        now(put(self.larder.blobs, data))
        self.come(data)
        self.loosen({data})

    @rule(data=CONTENTS)
    def lose(self, data: bytes) -> None:
        if self.here(data) and data in self.named() and data not in self.broken:
            self.larder.lose(data)
            if data in self.needed():
                self.broken[data] = "missing"

    @rule(data=CONTENTS, instead=st.sampled_from([None, b"", b"longer than it was"]))
    def damage(self, data: bytes, instead: bytes | None) -> None:
        if self.here(data) and data in self.named() and data not in self.broken:
            self.larder.damage(data, instead)
            self.broken[data] = "altered" if instead is None else "short"

    @rule()
    def look(self) -> None:
        self.larder.age()
        wanted = [(problem, digest_of(data)) for data, problem in self.broken.items()]
        wanted += [("unowned", digest_of(data)) for data in self.loose]
        before = self.larder.held()
        assert told(self.larder.verify()) == sorted(wanted)
        assert self.larder.held() == before

    @rule()
    def repair(self) -> None:
        self.larder.age()
        found = self.larder.verify(repair=True)
        assert len(found) == len(self.broken) + len(self.loose)
        fetched = set().union(*self.mirrored.values(), *self.cached.values())
        left = {data for data in self.broken if data in self.private and data not in fetched}
        assert {one.digest for one in found if not one.repaired} == {digest_of(data) for data in left}
        self.broken = dict.fromkeys(left, "missing")
        self.loose = set()
        again = self.larder.verify(repair=True)
        assert told(again) == sorted(("missing", digest_of(data)) for data in left)

    @rule()
    def tidy(self) -> None:
        self.larder.age()
        janitor = Janitor(label="tidy", holdings=self.larder.holdings, clock=self.larder.clock)
        janitor.startService()
        self.larder.clock.pump([FIRST, *([0.1] * 10)])
        now(janitor.stopService())
        self.loose = set()

    @invariant()
    def nothing_needed_is_gone(self) -> None:
        wanted = {digest_of(data) for data in self.needed() if self.broken.get(data) != "missing"}
        assert wanted <= self.larder.held()

    def here(self, data: bytes) -> bool:
        return digest_of(data) in self.larder.held()

    def come(self, data: bytes) -> None:
        """These bytes were stored again, which mends them."""
        self.broken.pop(data, None)
        self.loose.discard(data)

    def loosen(self, contents: set[bytes]) -> None:
        """Nobody may need these any more."""
        self.loose = {data for data in self.loose | contents if data not in self.named() and self.here(data)}


TestVerified = Verified.TestCase
TestVerified.settings = settings(max_examples=examples(25), stateful_step_count=25, deadline=None)
