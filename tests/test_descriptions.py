"""What METADATA says of files, where it is here, and that rules on it hold from the moment it comes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.internet.task import Clock
from zope.interface import implementer
from zope.interface.verify import verifyObject

from pypidaemon.announcements import Announcements
from pypidaemon.assembly import make, plan
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.descriptions import Descriptions, described
from pypidaemon.errors import CorruptContent, NoSuchBlob, Refused
from pypidaemon.filenames import filename
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IAgeing, IBlobStore, IContent, IDraft, IIndex, IPolicy
from pypidaemon.model import Companion, Described, Digest, File, Filename, Knowledge, NormalizedName
from pypidaemon.policies.classifiers import Classifiers
from pypidaemon.policies.licences import Licences
from pypidaemon.policies.newest import Newest
from pypidaemon.settings import Lines
from pypidaemon.testing.archives import make_wheel
from tests.contracts.blob_store import put
from tests.fakes import file
from tests.gear import inline, now
from tests.house import House


@implementer(IReactorTime, IReactorCore)
class Reactor(Clock):
    """A reactor that is only looked at."""


T = TypeVar("T")
ALPHA = NormalizedName("alpha")
WHEEL = filename("alpha-1.0-py3-none-any.whl")
MIT = b"Metadata-Version: 2.4\nName: alpha\nVersion: 1.0\nLicense-Expression: MIT\n"
GPL = b"Metadata-Version: 2.4\nName: alpha\nVersion: 1.0\nLicense-Expression: GPL-3.0-only\n\nLong words.\n"
NO_GPL = Licences("no-gpl", deny=Lines(["GPL-*"]))


def digest_of(document: bytes) -> Digest:
    return Digest(hashlib.sha256(document).hexdigest())


def of(document: bytes, name: str = WHEEL) -> File:
    return File(Filename(name), core_metadata=digest_of(document))


@attrs.define
class Counting:
    """Runs functions here and counts them."""

    calls: int = 0

    async def __call__(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        self.calls += 1
        return function(*args, **kwargs)


@implementer(IBlobStore)
@attrs.define
class PlainStore:
    """A store that promises no more than it must; what is in `broken` cannot be read."""

    inner: MemoryBlobs = attrs.field(factory=MemoryBlobs)
    broken: set[Digest] = attrs.field(factory=set)
    opened: list[Digest] = attrs.field(factory=list)

    async def open(self, digest: Digest) -> IContent:
        self.opened.append(digest)
        content = await self.inner.open(digest)
        return Broken(content.size, digest) if digest in self.broken else content

    async def draft(self) -> IDraft:
        return await self.inner.draft()

    async def remove(self, digest: Digest) -> None:
        await self.inner.remove(digest)

    def digests(self) -> Iterator[Digest]:
        return self.inner.digests()  # type: ignore[return-value]  # an asynchronous one


@implementer(IContent)
@attrs.define
class Broken:
    """Bytes that the disk does not give back."""

    size: int | None
    digest: Digest | None
    closed: bool = False

    async def read(self, offset: int, limit: int) -> bytes:
        raise CorruptContent("the disk is broken")

    def close(self) -> None:
        self.closed = True


def test_it_keeps_the_interface() -> None:
    assert verifyObject(IAgeing, Descriptions(MemoryBlobs(), inline, Announcements()))


@pytest.mark.parametrize("store", [MemoryBlobs(), PlainStore()])
def test_what_is_held_is_said_and_what_is_not_stays_unknown(store: IBlobStore) -> None:
    house, files = House(), (of(MIT), of(GPL, "alpha-2.0-py3-none-any.whl"), File(filename("alpha-3.0.tar.gz")))
    unknown = attrs.evolve(files[0], filename=filename("alpha-4.0-py3-none-any.whl"), core_metadata="")
    now(put(store, MIT))
    told = now(Descriptions(store, inline, Announcements()).inform(house.proxy, ALPHA, (*files, unknown)))
    assert told == {WHEEL: attrs.evolve(files[0], described=Described("MIT"))}
    assert house.upstream.asked == []


def test_a_sidecar_is_read_once() -> None:
    """Also by way of another file: it is the same for ever."""
    store = PlainStore()
    now(put(store, MIT))
    descriptions = Descriptions(store, inline, Announcements())
    for name in (WHEEL, WHEEL, "alpha-1.0-py2-none-any.whl"):
        assert now(descriptions.inform(House().proxy, ALPHA, (of(MIT, name),)))
    assert store.opened == [digest_of(MIT)]


def test_one_that_came_later_is_found() -> None:
    store = MemoryBlobs()
    descriptions = Descriptions(store, inline, Announcements())
    assert now(descriptions.inform(House().proxy, ALPHA, (of(MIT),))) == {}
    now(put(store, MIT))
    assert now(descriptions.inform(House().proxy, ALPHA, (of(MIT),)))[WHEEL].described == Described("MIT")


def test_one_that_cannot_be_read_leaves_its_file_unknown() -> None:
    store = PlainStore(broken={digest_of(MIT)})
    now(put(store, MIT))
    now(put(store, GPL))
    files = (of(MIT), of(GPL, "alpha-2.0-py3-none-any.whl"))
    assert set(now(Descriptions(store, inline, Announcements()).inform(House().proxy, ALPHA, files))) == {"alpha-2.0-py3-none-any.whl"}


def test_a_store_that_fails_tells_nothing() -> None:
    @attrs.define
    class Failing(MemoryBlobs):
        async def holding(self, digests: object) -> frozenset[Digest]:
            raise OSError("no disk")

    assert now(Descriptions(Failing(), inline, Announcements()).inform(House().proxy, ALPHA, (of(MIT),))) == {}


def test_one_that_goes_while_it_is_looked_for_is_not_here() -> None:
    @attrs.define
    class Forgetting(MemoryBlobs):
        async def open(self, digest: Digest) -> IContent:
            raise NoSuchBlob(digest)

    store = Forgetting()
    now(put(store, MIT))
    assert now(Descriptions(store, inline, Announcements()).inform(House().proxy, ALPHA, (of(MIT),))) == {}


def test_many_are_parsed_on_a_thread_a_few_at_a_time() -> None:
    store, cpu = MemoryBlobs(), Counting()
    documents = [MIT + f"Summary: {number}\n".encode() for number in range(120)]
    for document in documents:
        now(put(store, document))
    files = [of(document, f"alpha-{number}-py3-none-any.whl") for number, document in enumerate(documents)]
    descriptions = Descriptions(store, cpu, Announcements())
    assert len(now(descriptions.inform(House().proxy, ALPHA, files))) == 120
    assert cpu.calls == 4


def test_fields_are_read_as_they_stand_on_one_line_each_and_cut() -> None:
    document = (
        b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\nLicense: BSD\n  3-clause\n"
        b"Classifier: License :: OSI Approved ::\n  BSD License\nClassifier: Typing :: Typed\nClassifier:  \n"
    )
    assert described(document) == Described(None, "BSD 3-clause", ("License :: OSI Approved :: BSD License", "Typing :: Typed"))
    many = described(MIT + b"License: " + b"x" * 5000 + b"\n" + b"Classifier: y\n" * 5000)
    assert (len(many.license or ""), len(many.classifiers)) == (1000, 200)


@given(st.binary(max_size=200) | st.binary(max_size=60).map(MIT.__add__))
def test_any_bytes_are_read(document: bytes) -> None:
    assert isinstance(described(document), Described)


def policed(house: House, policy: IPolicy = NO_GPL) -> Policed:
    """The house's proxy seen through a policy that goes by METADATA."""
    informants = {Knowledge.METADATA: Descriptions(house.blobs, inline, house.announcements)}
    return Policed("policed", house.proxy, (policy,), house.records, house.clock, inline, informants)


@pytest.mark.parametrize("promised", [digest_of(GPL), ""])
def test_a_file_is_hidden_from_when_a_sidecar_of_upstream_said_why(promised: str) -> None:
    """Whether the page promised its digest or not; whoever keeps the page is told."""
    house = House()
    entry = file(WHEEL, b"a wheel", core_metadata=promised)
    known = house.upstream.add("alpha", (WHEEL, b"a wheel"), ("alpha-1.0.tar.gz", b"an sdist"))
    house.upstream.pages["alpha"] = attrs.evolve(known, files=(entry, known.files[1]))
    house.upstream.bodies[entry.url + ".metadata"] = GPL
    index = policed(house)
    heard: list[NormalizedName | None] = []
    house.announcements.listen(heard.append)
    before = now(index.project_page(ALPHA))
    assert len(before.files) == 2
    now(index.open_file(ALPHA, WHEEL, Companion.METADATA)).close()
    assert heard == [ALPHA]
    after = now(index.project_page(ALPHA))
    assert [shown.filename for shown in after.files] == ["alpha-1.0.tar.gz"]
    assert after.serial > before.serial
    for companion in (Companion.FILE, Companion.METADATA):
        with pytest.raises(Refused, match=r"no-gpl: its licence, GPL-3\.0-only, is not allowed"):
            now(index.open_file(ALPHA, WHEEL, companion))
    now(house.proxy.open_file(ALPHA, WHEEL, Companion.METADATA)).close()
    assert heard == [ALPHA]


def test_a_file_is_hidden_from_when_its_wheel_came_where_upstream_has_no_sidecars() -> None:
    """Its METADATA is taken from it, and says here that it has no classifier."""
    house = House()
    name, data = make_wheel("alpha", "1.0")
    house.upstream.add("alpha", (name, data))
    index = policed(house, Classifiers("typed", Lines(["Typing :: Typed"])))
    assert now(index.project_page(ALPHA)).files
    now(index.open_file(ALPHA, Filename(name), Companion.FILE)).close()
    assert now(index.project_page(ALPHA)).files == ()
    with pytest.raises(Refused, match="typed: none of its classifiers is among the allowed ones"):
        now(index.open_file(ALPHA, Filename(name), Companion.FILE))


@attrs.define
class Counted(Descriptions):
    """Notes of how many files somebody wanted to know something."""

    asked: list[int] = attrs.field(factory=list, init=False)

    async def inform(self, index: IIndex, name: NormalizedName, files: Sequence[File]) -> Mapping[Filename, File]:
        """As `IInformant`."""
        self.asked.append(len(files))
        return await Descriptions.inform(self, index, name, files)


def test_a_page_is_judged_once_until_more_is_known_of_its_files_or_the_clock_goes_back() -> None:
    """Also where files can only be judged with their page: then each file that is opened is looked into, and not all of them."""
    house = House()
    known = house.upstream.add("alpha", (WHEEL, b"a wheel"), ("alpha-1.0.tar.gz", b"an sdist"))
    entries = tuple(attrs.evolve(entry, core_metadata=digest_of(document)) for entry, document in zip(known.files, (GPL, MIT), strict=True))
    house.upstream.pages["alpha"] = attrs.evolve(known, files=entries, max_age=1e6)
    house.upstream.bodies |= {f"{entries[0].url}.metadata": GPL, f"{entries[1].url}.metadata": MIT}
    counted = Counted(house.blobs, inline, house.announcements)
    rules = (NO_GPL, Newest("newest", 5))
    index = Policed("policed", house.proxy, rules, house.records, house.clock, inline, {Knowledge.METADATA: counted})
    for _ in range(3):
        assert len(now(index.project_page(ALPHA)).files) == 2
        now(index.find(ALPHA, filename("alpha-1.0.tar.gz")))
    assert counted.asked == [2, 1, 1, 1]
    house.announcements.announce(NormalizedName("beta"))
    now(index.project_page(ALPHA))
    assert counted.asked == [2, 1, 1, 1]
    now(house.proxy.open_file(ALPHA, WHEEL, Companion.METADATA)).close()
    with pytest.raises(Refused, match="GPL"):
        now(index.find(ALPHA, WHEEL))
    assert counted.asked == [2, 1, 1, 1, 2]
    house.clock.rightNow -= 1
    now(index.project_page(ALPHA))
    assert counted.asked == [2, 1, 1, 1, 2, 2]


def test_a_daemon_looks_in_its_default_store(tmp_path: Path) -> None:
    """Where proxies and private indexes keep sidecars, unless they are told otherwise."""
    file = tmp_path / "c.ini"
    file.write_text("[daemon]\nindex = p\n[index:p]\nuse = policed\nindex = pypi\npolicies = l\n[policy:l]\nuse = licences\nallow = MIT\n")
    made = make(plan(str(file)), Reactor())
    informant = made.given["informants"][Knowledge.METADATA]
    assert informant.blobs is made.objects[made.plan.blobs]
    assert made.objects["index:p"].view.informants[Knowledge.METADATA] is informant
