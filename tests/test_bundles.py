"""Bundles: what changed, carried in one file, taken in whole or not at all, and again without harm (issue 8, N8)."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.backups.tape import Unreadable
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.bundles import parts
from pypidaemon.bundles.contents import Head
from pypidaemon.bundles.exporting import Bundled, Exporting
from pypidaemon.bundles.gathering import RUN, Gathering
from pypidaemon.bundles.importing import LARGEST_BESIDE, Imported, Importing, Means
from pypidaemon.bundles.keys import Signer, Trust, public_keys
from pypidaemon.clashes import Clashes
from pypidaemon.errors import NoSuchProject, PypidaemonError, StorageFull
from pypidaemon.filenames import filename
from pypidaemon.indexes.private import Private
from pypidaemon.interfaces import IRecords
from pypidaemon.model import (
    Companion,
    Digest,
    Fact,
    File,
    Filename,
    FileRecord,
    Leaving,
    Mirrored,
    NormalizedName,
    Pin,
    Remembered,
    Standing,
)
from pypidaemon.records.memory import MemoryRecords
from pypidaemon.testing.archives import core_metadata, make_wheel
from pypidaemon.verification.holdings import Holdings, Home
from pypidaemon.volume import Room, Space
from tests import fakes
from tests.contracts.blob_store import held, put
from tests.forgetful import Forgetful
from tests.gear import inline, now
from tests.house import House, Inspectors

NOON = 4_000_000_000.0
"""After all that a machine's own clock says of files."""
ACME, BETA, GAMMA = (NormalizedName(name) for name in ("acme", "beta", "gamma"))
OLD = NOON - 10 * 86_400.0


class Killed(BaseException):
    """The process is gone."""


@attrs.define
class Place:
    """A data folder: a private index, a mirror and a proxy over one store."""

    folder: Path
    name: str = "home"
    in_memory: bool = False
    clock: Clock = attrs.field(factory=Clock)
    records: IRecords = attrs.field(init=False)
    blobs: DirectoryBlobs | MemoryBlobs = attrs.field(init=False)
    holdings: Holdings = attrs.field(init=False)
    announced: list[str | None] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.clock.rightNow = NOON
        self.records = MemoryRecords(label="records", clock=self.clock)
        self.folder.mkdir(exist_ok=True)
        if self.in_memory:
            self.blobs = MemoryBlobs()
        else:
            self.blobs = DirectoryBlobs(self.folder / "blobs", "blobs", inline)
            self.blobs.startService()
        homes = [
            Home("private", self.records, self.blobs),
            Home("mirror", self.records, self.blobs, source=object()),  # type: ignore[arg-type]  # it is never asked
            Home("pypi", self.records, self.blobs, source=object(), remembers=True),  # type: ignore[arg-type]  # it is never asked
        ]
        self.holdings = Holdings(homes, {"blobs": self.blobs})

    def keep(self, data: bytes, came: float = OLD) -> Digest:
        """Have these bytes here since then."""
        digest = now(put(self.blobs, data))
        os.utime(self.folder / "blobs" / digest[:2] / digest[2:4] / digest, (came, came))
        return digest

    def file(self, name: str, data: bytes, *, came: float = OLD, **more: Any) -> File:
        """An entry, with its bytes here."""
        self.keep(data, came)
        return fakes.file(name, data, **more)

    def publish(self, name: NormalizedName, file: File, version: str, **more: Any) -> None:
        record = FileRecord(attrs.evolve(file, url=""), version, "ann", uploaded=self.clock.seconds(), **more)
        now(self.records.files.add("private", name, record, f"add source file {file.filename}", None))

    def mirror(self, name: NormalizedName, *files: File, taken: float = NOON, **more: Any) -> None:
        page = fakes.page(name, *files, max_age=None)
        now(self.records.mirrors.keep("mirror", name, Mirrored(page, 7, taken=taken, **more)))

    def bundle(self, since: float | None = None, signer: Signer | None = None, projects: frozenset[NormalizedName] = frozenset()) -> bytes:
        target = self.folder / "out.bundle"
        assert not self.export(target, since, signer, projects).lost
        return target.read_bytes()

    def export(
        self, target: Path, since: float | None = None, signer: Signer | None = None, projects: frozenset[NormalizedName] = frozenset()
    ) -> Bundled:
        gathering = Gathering(self.holdings.homes, inline, since, frozenset(parts.ROLES), projects=projects)
        return now(Exporting(gathering, inline, "1.0", self.name, self.clock.seconds(), signer).write(target))

    def means(self, disk: Any = inline, **more: Any) -> Means:
        return Means(self.holdings, self.clock, disk, self.folder, announce=self.announced.append, **more)

    def take(self, data: bytes, trust: Trust | None = None, disk: Any = inline, **more: Any) -> Imported:
        path = self.folder / "in.bundle"
        path.write_bytes(data)
        return now(Importing(self.means(disk), trust or Trust(), **more).read(path))

    def state(self) -> dict[str, Any]:
        """All that a bundle is about, but for what tells one folder from another."""
        files = {name: now(self.records.files.page("private", name))[1] for name in now(self.records.files.names("private"))}
        mirrored = {
            name: now(self.records.mirrors.page("mirror", name)) for name, _ in now(self.records.mirrors.serials("mirror", "", 100))
        }
        facts = {name: dict(now(self.records.facts.known(label, name))) for label in ("mirror", "pypi") for name in (ACME, BETA, GAMMA)}
        return {"private": files, "mirror": mirrored, "facts": facts, "pins": now(self.records.pins.pins())}


def fill(place: Place) -> None:
    """One of everything."""
    document = place.keep(b'{"version": 1}')
    metadata = place.keep(b"Metadata-Version: 2.1\nName: acme\n")
    place.publish(ACME, place.file("acme-1.0-py3-none-any.whl", b"acme 1.0", core_metadata=metadata, requires_python=">=3.8"), "1.0")
    place.publish(ACME, place.file("acme-0.9.tar.gz", b"acme 0.9", yanked="it eats files"), "0.9", standing=Standing.HIDDEN)
    place.publish(ACME, fakes.file("acme-0.8.tar.gz", b"gone"), "0.8", standing=Standing.DELETED)
    wheel = place.file("beta-1.0-py3-none-any.whl", b"beta 1.0", provenance="https://files.example/p", yanked="")
    place.mirror(BETA, wheel, documents=((Filename(wheel.filename), document),))
    now(place.records.facts.learn("mirror", BETA, wheel.filename, Fact(digest=wheel.digest, size=8, upload_time="2026-01-02T03:04:05Z")))
    here, elsewhere = place.file("gamma-1.0.tar.gz", b"gamma 1.0"), fakes.file("gamma-2.0.tar.gz", b"not here")
    now(place.records.pages.keep("pypi", GAMMA, Remembered(fakes.page("gamma", here, elsewhere), NOON - 5, NOON + 600)))
    now(place.records.facts.learn("pypi", GAMMA, here.filename, Fact(digest=here.digest, size=9)))
    now(place.records.pins.pin(Pin(GAMMA, "1.0"), True))


@pytest.fixture
def home(tmp_path: Path) -> Place:
    found = Place(tmp_path / "home")
    fill(found)
    return found


@pytest.fixture
def away(tmp_path: Path) -> Place:
    return Place(tmp_path / "away", "away")


def test_everything_arrives_as_it_was_and_a_second_time_there_is_nothing_to_do(home: Place, away: Place) -> None:
    data = home.bundle()
    rehearsed = away.take(data, rehearsal=True)
    assert (rehearsed.projects, rehearsed.changed, rehearsed.conflicts) == (3, 5, [])
    assert away.announced == []
    assert now(held(away.blobs)) == set()
    state = away.take(data)
    assert (state.projects, state.changed, state.files, state.conflicts, state.missing) == (3, 5, 6, [], [])
    assert set(away.announced) == {ACME, BETA, GAMMA}
    assert away.state() == home.state()
    assert away.state()["private"][ACME][2].file.upload_time == "2026-01-02T03:04:05.678901Z"
    kept = now(away.records.pages.recall("pypi", GAMMA))
    assert kept is not None
    assert kept.page is not None
    # Of what is not here nothing could be had; and whoever has a line asks for more.
    assert [file.filename for file in kept.page.files] == ["gamma-1.0.tar.gz"]
    assert (kept.fetched, kept.fresh_until) == (NOON - 5, 0.0)
    again = away.take(data)
    assert (again.changed, again.files, again.behind) == (0, 0, 0)
    assert sorted(path.name for path in away.folder.iterdir()) == ["blobs", "in.bundle"]


def test_what_was_yanked_hidden_deleted_and_taken_away_since_travels_and_an_older_bundle_undoes_nothing(home: Place, away: Place) -> None:
    first = home.bundle()
    away.take(first)
    home.clock.advance(2 * RUN)
    since = home.clock.seconds()
    for version, standing in (("1.0", Standing.DELETED), ("0.9", Standing.SHOWN)):
        record = next(one for one in home.state()["private"][ACME] if one.version == version)
        now(home.records.files.place("private", ACME, (record.file.filename,), standing, "place"))
    (wheel,) = home.state()["mirror"][BETA].page.files
    later = home.file("beta-2.0.tar.gz", b"beta 2.0", came=since)
    home.mirror(BETA, attrs.evolve(wheel, yanked="it never worked"), later, taken=since)
    now(home.records.mirrors.leave("mirror", [Leaving(BETA, wheel.filename, since, since + 100, home.state()["mirror"][BETA])]))
    second = home.bundle(since)
    away.clock.advance(3 * RUN)
    state = away.take(second)
    assert (state.gone, state.conflicts, state.missing) == (1, [], [])
    assert away.state()["private"] == home.state()["private"]
    assert [file.filename for file in away.state()["mirror"][BETA].page.files] == ["beta-2.0.tar.gz"]
    now_known = away.state()
    assert away.take(first).behind == 2
    assert away.state() == now_known
    now(home.records.mirrors.leave("mirror", [Leaving(BETA, None, since + 9, since + 100, home.state()["mirror"][BETA])]))
    assert away.take(home.bundle(since)).gone == 1
    assert away.state()["mirror"] == {}


def test_a_delta_has_what_changed_alone_and_a_gap_is_told(home: Place, away: Place) -> None:
    """The bar: one new release among 10,000 files."""
    many = [
        FileRecord(
            File(Filename(f"acme-1.{number}.zip"), hashes=(("sha256", f"{number:064x}"),), size=10), f"1.{number}", "ann", uploaded=OLD
        )
        for number in range(1, 10_001)
    ]
    now(home.records.files.settle("private", ACME, many, "add"))
    home.clock.advance(2 * RUN)
    since = home.clock.seconds()
    release = os.urandom(100_000)
    home.publish(ACME, home.file("acme-3.0.tar.gz", release), "3.0")
    data = home.bundle(since)
    assert len(data) <= 1.1 * len(release)
    state = away.take(data)
    assert (state.projects, state.changed, state.files) == (1, 1, 1)
    assert state.missing == ["acme in private has 10004 files at the source, and 1 here"]


def test_of_two_meanings_of_a_name_that_which_is_here_stays_and_it_is_told(home: Place, away: Place) -> None:
    away.publish(ACME, away.file("acme-0.9.tar.gz", b"another"), "0.9")
    away.mirror(BETA, away.file("beta-1.0-py3-none-any.whl", b"another"))
    now(away.records.facts.learn("pypi", GAMMA, Filename("gamma-1.0.tar.gz"), Fact(digest=Digest("0" * 64), size=1)))
    before = away.state()
    state = away.take(home.bundle())
    assert sorted(line.partition(" has other bytes here")[0] for line in state.conflicts) == [
        "acme-0.9.tar.gz of acme in private",
        "beta-1.0-py3-none-any.whl of beta in mirror",
        "gamma-1.0.tar.gz of gamma in pypi",
    ]
    after = away.state()
    assert after["mirror"][BETA].page.files == before["mirror"][BETA].page.files
    assert [one.file.digest for one in after["private"][ACME] if one.version == "0.9"] == [before["private"][ACME][0].file.digest]
    assert {one.version for one in after["private"][ACME]} == {"0.8", "0.9", "1.0"}
    assert now(away.records.facts.known("pypi", GAMMA))[Filename("gamma-1.0.tar.gz")].digest == "0" * 64


@attrs.frozen
class Made:
    """A bundle, what it is of, and who has signed it: made once, for all who damage it."""

    data: bytes
    state: dict[str, Any]
    key: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("bundles")
    home, signer = Place(folder / "home"), Signer.made(folder / "key")
    fill(home)
    return Made(home.bundle(signer=signer), home.state(), signer.public)


@given(st.data())
def test_whatever_is_altered_or_cut_off_of_a_signed_one_is_refused_whole(
    tmp_path_factory: pytest.TempPathFactory, made: Made, data: st.DataObject
) -> None:
    away = Place(tmp_path_factory.mktemp("bundles"), "away", in_memory=True)
    trust = Trust((made.key,), unsigned=False)
    whole = made.data
    position = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        damaged = whole[:position]
    else:
        damaged = whole[:position] + bytes([whole[position] ^ data.draw(st.integers(1, 255))]) + whole[position + 1 :]
    before = away.state()
    try:
        away.take(damaged, trust)
    except PypidaemonError:
        assert away.state() == before
        assert now(held(away.blobs)) == set()
    else:
        # What fills up a block means nothing.
        assert away.state() == made.state


@given(st.integers(1, 120))
def test_whoever_is_killed_leaves_nothing_half_and_the_next_run_does_the_rest(
    tmp_path_factory: pytest.TempPathFactory, made: Made, calls: int
) -> None:
    away = Place(tmp_path_factory.mktemp("bundles"), "away", in_memory=True)
    whole, before, after = made.data, away.state(), made.state
    left = calls

    async def disk(function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        return function(*arguments, **keywords)

    with contextlib.suppress(Killed):
        away.take(whole, disk=disk)
    found = away.state()
    for word in ("private", "mirror"):
        assert found[word] in (before[word], after[word])

    async def needed() -> set[Digest]:
        return {one.digest async for _, one in away.holdings.named() if one.role.needed}

    assert now(needed()) <= now(held(away.blobs))
    away.take(whole)
    assert away.state() == after


def test_F78_whatever_a_power_cut_leaves_has_the_bytes_of_all_that_is_on_record(made: Made, tmp_path: Path) -> None:
    """On a disk that forgets what was not synced."""
    away = Place(tmp_path / "away", "away")
    files = Forgetful(away.folder / "blobs")
    away.blobs = DirectoryBlobs(away.folder / "blobs", "blobs", inline, files=files)
    away.blobs.startService()
    away.holdings.homes = [attrs.evolve(home, blobs=away.blobs) for home in away.holdings.homes]
    away.holdings.stores = {"blobs": away.blobs}
    files.settle()
    last: frozenset[Digest] = frozenset()

    async def needed() -> frozenset[Digest]:
        return frozenset([one.digest async for _, one in away.holdings.named() if one.role.needed])

    def look(*_: Any) -> None:
        nonlocal last
        found = now(needed())
        if found != last:
            last = found
            files.note(found)

    files.sees = look
    path = away.folder / "in.bundle"
    path.write_bytes(made.data)
    now(Importing(Means(away.holdings, away.clock, inline, away.folder, announce=look), Trust()).read(path))
    look()
    assert len(last) == 5
    cuts = 0
    for wreck in files.wrecks():
        needs: frozenset[Digest] = next(reversed(wreck.notes), frozenset())
        held_then = {place.rpartition("/")[2] for place in wreck.tree if place.count("/") == 2}
        assert needs <= held_then, wreck.step
        cuts += 1
    assert cuts > 20


def test_who_may_bring_one(home: Place, away: Place, tmp_path: Path) -> None:
    signer, stranger = Signer.made(tmp_path / "key"), Signer.made(tmp_path / "other")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert Signer.read(tmp_path / "key").public == signer.public
    with pytest.raises(PypidaemonError, match="File exists"):
        Signer.made(tmp_path / "key")
    trust = Trust(public_keys(f"{signer.public}\n  {signer.public}"), unsigned=False)
    with pytest.raises(PypidaemonError, match="is not signed"):
        away.take(home.bundle(), trust)
    with pytest.raises(PypidaemonError, match="whom nobody trusts"):
        away.take(home.bundle(signer=stranger), trust)
    assert away.take(home.bundle(signer=stranger)).key is None
    assert away.take(home.bundle(signer=signer), trust).key == signer.public
    for wrong in ("ed25519:AAAA", "rsa:" + signer.public, "x"):
        with pytest.raises(ValueError, match="no public key"):
            public_keys(wrong)
    for path, words in (
        (tmp_path, "cannot be read"),
        (tmp_path / "none", "cannot be read"),
        (tmp_path / "away" / "in.bundle", "no private key"),
    ):
        with pytest.raises(PypidaemonError, match=words):
            Signer.read(path)


def rewritten(data: bytes, change: Callable[[dict[str, bytes]], None], blobs: int | None = None) -> bytes:
    """The bundle with other contents, and a head that speaks of these, as anybody can write one."""
    contents: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member)
            contents[member.name] = file.read() if file is not None else b""
    head = json.loads(contents.pop("bundle.json"))
    change(contents)
    facts = contents["facts.jsonl"]
    found = [name for name in contents if name.startswith("blobs/")]
    head |= {"facts": hashlib.sha256(facts).hexdigest(), "size": len(facts), "blobs": len(found) if blobs is None else blobs}
    head["length"] = sum(len(contents[name]) for name in found)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, body in {"bundle.json": json.dumps(head).encode(), **contents}.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def saying(old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    """Has the facts say something else."""

    def change(contents: dict[str, bytes]) -> None:
        assert old in contents["facts.jsonl"]
        contents["facts.jsonl"] = contents["facts.jsonl"].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (saying(b"acme-0.9.tar.gz", b"../../x.tar.gz"), "what it says of a project is damaged"),
        (saying(b"acme-0.9.tar.gz", b"other-0.9.tar.gz"), "what it says of a project is damaged"),
        (saying(b'"project":"acme"', b'"project":"Acme"'), "what it says of a project is damaged"),
        (saying(b'"index":"private"', b'"index":"../x"'), "what it says of a project is damaged"),
        (saying(b'"standing":"hidden"', b'"standing":"x"'), "what it says of a project is damaged"),
        (saying(b'"size":8', b'"size":-8'), "what it says of a project is damaged|is not as long"),
        (saying(b'"role":"private"', b'"role":"pinned"'), "what it says of a project is damaged"),
        (saying(b'"index":"private"', b'"index":"nowhere"'), r"there is no \[index:nowhere\]"),
        (saying(b'"index":"private"', b'"index":"mirror"'), "cannot have that: say --as mirror=LABEL"),
        (saying(b"\n", b""), "too long, or has no end"),
        (lambda contents: contents.update({"blobs/" + "0" * 64: b"x"}), "does not have the files that it speaks of"),
        (lambda contents: contents.update({"etc/passwd": b"x"}), "holds something that it does not speak of"),
        (lambda contents: contents.pop(next(name for name in contents if name.startswith("blobs/"))), "does not have the files"),
    ],
)
def test_a_hostile_one_is_refused_in_one_line(home: Place, away: Place, change: Callable[[dict[str, bytes]], None], words: str) -> None:
    before = away.state()
    with pytest.raises(PypidaemonError, match=words) as raised:
        away.take(rewritten(home.bundle(), change))
    assert "\n" not in str(raised.value)
    assert away.state() == before
    assert now(held(away.blobs)) == set()


@pytest.mark.parametrize("said", [b"", b"{}", b"[]", b"{", b'{"bundle": 2}', b'{"bundle": 1, "version": 3}'])
def test_what_is_none_is_refused(away: Place, said: bytes) -> None:
    with pytest.raises(Unreadable):
        Head.read(said, 1000)
    with pytest.raises(Unreadable):
        away.take(said)
    good = Head("1.0", "home", NOON, None, "0" * 64, 10, 1, 10)
    assert Head.read(good.written(), 10_000) == good
    for wrong in (
        {"size": 10**12},
        {"blobs": 10**7},
        {"taken": -1.0},
        {"facts": "x"},
        {"source": "../x"},
        {"length": -1},
        {"since": 1e300},
    ):
        with pytest.raises(Unreadable):
            Head.read(attrs.evolve(good, **wrong).written(), 10_000)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=4,
    )
)
def test_a_part_is_read_or_refused(said: Any) -> None:
    base = json.loads(parts.Part(parts.MIRRORED, "mirror", BETA, 1, parts.Sum(0, "")).written())
    for key in base:
        try:
            parts.read(json.dumps({**base, key: said}).encode())
        except Unreadable:
            continue


def test_room_is_looked_for_before_anything_is_written_and_labels_may_be_others(home: Place, away: Place) -> None:
    data = home.bundle(projects=frozenset({ACME}))
    path = away.folder / "in.bundle"
    path.write_bytes(data)
    room = Room(away.folder, away.clock, inline, lambda _: Space(10, 100))
    with pytest.raises(StorageFull, match="are free"):
        now(Importing(away.means(room=room), Trust()).read(path))
    assert now(held(away.blobs)) == set()
    away.holdings.homes = [attrs.evolve(home, label="work") if home.label == "private" else home for home in away.holdings.homes]
    state = now(Importing(away.means(), Trust(), {"private": "work"}).read(path))
    assert (state.projects, state.changed) == (1, 3)
    assert len(now(away.records.files.page("work", ACME))[1]) == 3


def test_what_is_lost_is_left_out_and_told(home: Place, away: Place, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"acme 1.0").hexdigest()
    now(home.blobs.remove(Digest(digest)))
    bundled = home.export(tmp_path / "out")
    assert bundled.lost == [f"{filename('acme-1.0-py3-none-any.whl')} of acme in private sha256:{digest}"]
    assert away.take((tmp_path / "out").read_bytes()).missing == ["acme in private has 3 files at the source, and 2 here"]
    wheel = home.file("beta-3.0-py3-none-any.whl", b"beta 3.0", core_metadata="e" * 64)
    home.mirror(BETA, wheel)
    assert home.export(tmp_path / "out").lost[-1] == f"{wheel.filename}.metadata in mirror sha256:{'e' * 64}"
    away.take((tmp_path / "out").read_bytes())
    assert [file.core_metadata for file in away.state()["mirror"][BETA].page.files if file.filename == wheel.filename] == [None]
    place = next(path for path in (home.folder / "blobs").rglob("*") if path.name == hashlib.sha256(b"acme 0.9").hexdigest())
    place.chmod(0o600)
    place.write_bytes(b"acme 0.?")
    with pytest.raises(PypidaemonError, match="is damaged here"):
        home.export(tmp_path / "more")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["away", "home", "out"]


def test_what_was_pinned_elsewhere_is_served_by_a_proxy_that_has_no_line(home: Place, tmp_path: Path) -> None:
    """Also where it had known that there is no such project."""
    house = House()
    with pytest.raises(NoSuchProject):
        now(house.proxy.project_page(GAMMA))
    house.upstream.health.doubt()
    path = tmp_path / "in.bundle"
    path.write_bytes(home.bundle(projects=frozenset({GAMMA})))
    holdings = Holdings([Home("pypi", house.records, house.blobs, house.proxy, remembers=True)], {"blobs": house.blobs})
    now(Importing(Means(holdings, house.clock, inline, tmp_path, announce=house.announcements.announce), Trust()).read(path))
    page = now(house.proxy.project_page(GAMMA))
    assert [file.filename for file in page.files] == ["gamma-1.0.tar.gz"]
    assert page.stale
    content = now(house.proxy.open_file(GAMMA, Filename("gamma-1.0.tar.gz"), Companion.FILE))
    assert now(content.read(0, 100)) == b"gamma 1.0"


def test_what_a_mirror_has_elsewhere_is_shown_by_one_here_at_once(home: Place, tmp_path: Path) -> None:
    house = House()
    mirror = house.new_mirror()
    with pytest.raises(NoSuchProject):
        now(mirror.project_page(BETA))
    path = tmp_path / "in.bundle"
    path.write_bytes(home.bundle(projects=frozenset({BETA})))
    holdings = Holdings([Home("mirror", house.records, house.blobs, mirror)], {"blobs": house.blobs})
    now(Importing(Means(holdings, house.clock, inline, tmp_path, announce=house.announcements.announce), Trust()).read(path))
    page = now(mirror.project_page(BETA))
    assert [(file.filename, file.yanked, file.upload_time) for file in page.files] == [
        ("beta-1.0-py3-none-any.whl", "", "2026-01-02T03:04:05.678901Z")
    ]
    for companion, said in ((Companion.FILE, b"beta 1.0"), (Companion.PROVENANCE, b'{"version": 1}')):
        content = now(mirror.open_file(BETA, page.files[0].filename, companion))
        assert now(content.read(0, 100)) == said
    assert house.upstream.asked == []


def test_numbers_beyond_all_measure_are_a_damaged_head(away: Place) -> None:
    head = json.loads(Head("1.0", "home", NOON, None, "0" * 64, 10, 1, 10).written())
    for word in ("taken", "since", "size", "blobs", "length"):
        for huge in (10**400, -(10**400)):
            with pytest.raises(Unreadable):
                Head.read(json.dumps(head | {word: huge}).encode(), 10_000)


def test_what_follows_the_end_of_a_bundle_is_no_part_of_it(home: Place, away: Place) -> None:
    data = home.bundle()
    before = away.state()
    for more in (b"\0" * 511 + b"x", data, b"x", bytes(2 << 20)):
        with pytest.raises(Unreadable, match="goes on behind its end"):
            away.take(data + more)
        assert away.state() == before
    assert away.take(data + b"\0" * 8192).changed == 5


def test_law_7_of_a_bundle_that_is_taken_back_stays_what_somebody_wants_by_then(home: Place, away: Place) -> None:
    """He was told that it is here, and is about to record it."""
    away.clock.seconds = time.time  # type: ignore[method-assign]
    wanted: set[Digest] = set()

    async def disk(function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Any:
        if len(wanted) < 2:
            wanted.update(await away.blobs.renew(await held(away.blobs)))
        return function(*arguments, **keywords)

    with pytest.raises(PypidaemonError):
        away.take(home.bundle() + b"more", disk=disk)
    assert len(wanted) >= 2
    assert now(held(away.blobs)) == wanted


def test_what_was_ordered_here_of_a_release_stays_and_it_is_told(home: Place, away: Place) -> None:
    """Neither a hiding, nor a deletion, nor a yank is undone by a bundle, nor are they ordered by one where they were undone here."""
    away.take(home.bundle())
    records = {one.version: one for one in away.state()["private"][ACME]}
    files = away.records.files
    now(files.place("private", ACME, (records["1.0"].file.filename,), Standing.DELETED, "remove release"))
    unyanked = attrs.evolve(records["0.9"].file, yanked=None)
    now(files.amend("private", ACME, unyanked.filename, unyanked, "unyank release"))
    ordered = away.state()["private"]
    home.publish(ACME, home.file("acme-2.0.tar.gz", b"acme 2.0"), "2.0")
    data = home.bundle()
    rehearsed = away.take(data, rehearsal=True)
    state = away.take(data)
    assert rehearsed.conflicts == state.conflicts
    assert state.conflicts == [
        "acme-0.9.tar.gz of acme in private was unyanked here, and stays as it is",
        "acme-1.0-py3-none-any.whl of acme in private was removed here, and stays as it is",
    ]
    assert [one for one in away.state()["private"][ACME] if one.version != "2.0"] == ordered[ACME]
    assert [one.version for one in away.state()["private"][ACME]] == ["0.8", "0.9", "1.0", "2.0"]


def test_what_a_mirror_asked_its_upstream_later_counts(home: Place, away: Place) -> None:
    data = home.bundle()
    (wheel,) = home.state()["mirror"][BETA].page.files
    away.keep(b"beta 1.0")
    away.mirror(BETA, attrs.evolve(wheel, yanked="it never worked", provenance=None), taken=NOON + 60)
    away.clock.advance(100)
    before = away.state()["mirror"]
    state = away.take(data)
    assert (state.behind, away.state()["mirror"]) == (1, before)
    away.mirror(BETA, away.file("beta-3.0.tar.gz", b"beta 3.0", yanked="no"), taken=NOON + 60, complete=False)
    state = away.take(data)
    found = away.state()["mirror"][BETA]
    assert {file.filename: file.yanked for file in found.page.files} == {"beta-1.0-py3-none-any.whl": "", "beta-3.0.tar.gz": "no"}
    assert (found.taken, found.complete) == (NOON + 60, False)
    now(home.records.mirrors.leave("mirror", [Leaving(BETA, None, NOON, NOON + 100, home.state()["mirror"][BETA])]))
    assert away.take(home.bundle(NOON)).behind == 1
    assert BETA in away.state()["mirror"]


def test_what_a_proxy_knows_later_counts(home: Place, away: Place) -> None:
    here = away.file("gamma-3.0.tar.gz", b"gamma 3.0", yanked="no")
    now(away.records.pages.keep("pypi", GAMMA, Remembered(fakes.page("gamma", here), NOON - 1, NOON + 600)))
    away.take(home.bundle())
    kept = now(away.records.pages.recall("pypi", GAMMA))
    assert kept is not None
    assert kept.page is not None
    assert {file.filename: file.yanked for file in kept.page.files} == {"gamma-1.0.tar.gz": None, "gamma-3.0.tar.gz": "no"}


def test_what_was_lent_is_no_word_of_upstream_s_and_none_that_stands_against_it(home: Place, away: Place) -> None:
    lent = away.file("beta-1.0-py3-none-any.whl", b"lent"), away.file("beta-0.1.tar.gz", b"lent too")
    away.mirror(BETA, *lent, taken=NOON - 60, lent=frozenset(file.filename for file in lent))
    bundled = away.export(away.folder / "lent")
    assert (bundled.projects, bundled.files) == (0, 0)
    state = away.take(home.bundle())
    assert state.conflicts == []
    found = away.state()["mirror"][BETA]
    assert found.lent == {"beta-0.1.tar.gz"}
    assert {file.filename: file.digest for file in found.page.files} == {
        "beta-0.1.tar.gz": lent[1].digest, "beta-1.0-py3-none-any.whl": hashlib.sha256(b"beta 1.0").hexdigest()
    }  # fmt: skip


def test_a_pin_that_says_something_else_than_the_file_that_comes_is_refused(home: Place, away: Place) -> None:
    digest = hashlib.sha256(b"beta 1.0").hexdigest().encode()
    wrong = saying(
        b'"facts":{"beta-1.0-py3-none-any.whl":{"digest":"' + digest, b'"facts":{"beta-1.0-py3-none-any.whl":{"digest":"' + b"0" * 64
    )
    with pytest.raises(Unreadable, match="damaged"):
        away.take(rewritten(home.bundle(), wrong))
    now(away.records.facts.learn("mirror", BETA, Filename("beta-1.0-py3-none-any.whl"), Fact(digest=Digest("1" * 64))))
    assert away.take(home.bundle()).conflicts == ["beta-1.0-py3-none-any.whl of beta in mirror has other bytes here, which stay"]
    assert away.state()["mirror"][BETA].page.files == ()


def test_what_lies_beside_a_file_is_not_without_bounds(home: Place, away: Place) -> None:
    metadata, huge = b"Metadata-Version: 2.1\nName: acme\n", bytes(LARGEST_BESIDE + 1)
    small, large = (hashlib.sha256(data).hexdigest() for data in (metadata, huge))

    def change(contents: dict[str, bytes]) -> None:
        contents["facts.jsonl"] = contents["facts.jsonl"].replace(small.encode(), large.encode())
        del contents[f"blobs/{small}"]
        contents[f"blobs/{large}"] = huge

    with pytest.raises(Unreadable, match="too large"):
        away.take(rewritten(home.bundle(), change))


@pytest.fixture
def private(away: Place) -> Private:
    """The private index away, which looks into what it takes."""
    index = Private("private", away.records, away.blobs, away.clock, inline, Announcements(), Inspectors())
    away.holdings.homes[0] = Home("private", away.records, away.blobs, hosted=index)
    return index


def test_private_files_are_held_against_what_an_upload_is_held_against(home: Place, away: Place, private: Private) -> None:
    wheel, data = make_wheel("acme", "3.0")
    other, other_data = make_wheel("acme", "4.0")
    sidecar = home.keep(core_metadata("acme", "3.0"))
    home.publish(ACME, home.file(wheel, data, core_metadata=sidecar), "3.0")
    home.publish(ACME, home.file(other, other_data, core_metadata=sidecar), "4.0")
    home.publish(ACME, home.file("acme-5.0-py3-none-any.whl", data), "5.0")
    home.publish(GAMMA, home.file("gamma-1.0.exe", b"MZ"), "1.0")
    state = away.take(home.bundle())
    assert [line.partition(" is not taken into private: ")[0] for line in state.refused] == [
        "acme-0.9.tar.gz of acme",
        "acme-1.0-py3-none-any.whl of acme",
        "acme-4.0-py3-none-any.whl of acme",
        "acme-5.0-py3-none-any.whl of acme",
        "gamma-1.0.exe of gamma",
    ]
    assert state.refused[2].endswith("what the bundle has beside it as its metadata is not what is inside")
    # What was deleted there claims its name alone.
    assert [one.version for one in away.state()["private"][ACME]] == ["0.8", "3.0"]
    assert set(away.state()["private"]) == {ACME}
    assert (state.conflicts, state.missing) == ([], [])
    assert away.take(home.bundle()).changed == 0


def test_a_strict_index_begins_no_project_by_a_bundle_that_an_upstream_is_known_to_have(home: Place, away: Place, private: Private) -> None:
    wheel, data = make_wheel("gamma", "3.0")
    home.publish(GAMMA, home.file(wheel, data), "3.0")
    house = House()
    now(house.records.pages.keep("pypi", GAMMA, Remembered(fakes.page("gamma"), NOON, NOON)))
    clashes = Clashes({"pypi": house.proxy}, {}, ())
    path = away.folder / "in.bundle"
    path.write_bytes(home.bundle(projects=frozenset({GAMMA})))
    away.holdings.homes[0] = attrs.evolve(away.holdings.homes[0], hosted=attrs.evolve(private, strict=True))
    state = now(Importing(away.means(clashes=clashes), Trust()).read(path))
    assert state.refused == [
        f"{wheel} of gamma is not taken into private: the name gamma is taken: pypi has a project of that name, and private is strict"
    ]
    assert away.state()["private"] == {}


def test_of_two_who_write_one_bundle_at_once_the_second_spoils_nothing(
    home: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, partial = tmp_path / "out", tmp_path / ".out.partial"
    with partial.open("wb") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        with pytest.raises(PypidaemonError, match="somebody else writes"):
            home.export(target)
        first.write(b"whole")
    lock = fcntl.flock

    def late(descriptor: int, how: int) -> None:
        # The first has put it in its place between opening and locking.
        partial.rename(target)
        lock(descriptor, how)

    monkeypatch.setattr("fcntl.flock", late)
    with pytest.raises(PypidaemonError, match="somebody else writes"):
        home.export(target)
    assert target.read_bytes() == b"whole"
