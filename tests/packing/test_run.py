"""A whole pack in memory: what is here afterwards, what is missing and why, and that a kill at any moment leaves nothing half done."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred

from pypidaemon.errors import CorruptContent, NoSuchBlob, PypidaemonError, StorageFull, UpstreamUnavailable
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import Companion, Filename, NormalizedName, NotModified, Pin, UpstreamPage, Validators
from pypidaemon.packing import run
from pypidaemon.packing.bringing import absence
from pypidaemon.packing.means import Means
from pypidaemon.packing.only import Only
from pypidaemon.packing.report import Report, lines
from pypidaemon.packing.run import Order, Packing, abreast
from pypidaemon.packing.targets import Target
from pypidaemon.policies.filenames import Filenames
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.volume import Space
from pypidaemon.waits import Bell
from tests.examples import examples
from tests.fakes import FakeBody, FakeUpstream
from tests.gear import inline, later, now
from tests.house import House

LINUX, WINDOWS = Target("3.12", "linux"), Target("3.12", "windows")


def pack(house: House, files: dict[str, str], targets: Sequence[Target] = (LINUX,), index: Any = None, **more: Any) -> Report:
    """A pack of the proxy, or of that index."""
    index = index or house.proxy
    means = Means({"pypi": index}, "pypi", lambda: [house.blobs], house.records.pins, inline, inline)
    return now(Packing(means, Order(tuple(files), files, tuple(targets), **more), "pypi").run())


def sdist(name: str, version: str, *, requires: Sequence[str] = (), builds: str | None = "requires = []") -> tuple[str, bytes]:
    """A source distribution with a pyproject.toml that says what it takes to build it, or without one."""
    info = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {"PKG-INFO": info} | ({"pyproject.toml": f'[build-system]\n{builds}\nbuild-backend = "x"\n'} if builds is not None else {})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-{version}/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{name}-{version}.tar.gz", buffer.getvalue()


@pytest.fixture
def house() -> House:
    """Alpha needs beta, of which there are wheels for two systems and a source distribution."""
    made = House()
    made.upstream.add("alpha", make_wheel("alpha", "1.0", ["beta>=1"]), make_sdist("alpha", "1.0", ["beta>=1"]))
    made.upstream.add(
        "beta",
        make_wheel("beta", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64"),
        make_wheel("beta", "1.0", tag="cp312-cp312-win_amd64"),
        make_wheel("beta", "1.0", tag="cp312-cp312-macosx_11_0_arm64"),
    )
    return made


def lock(house: House, *projects: str) -> str:
    """Those projects, as uv writes them down."""
    text = "version = 1\n"
    for project in projects:
        page = house.upstream.pages[project]
        assert not isinstance(page, Exception)
        wheels = "".join(f'{{ url = "https://index.example/{file.filename}", hash = "sha256:{file.digest}" }},' for file in page.files)
        text += f'[[package]]\nname = "{project}"\nversion = "1.0"\nsource = {{ registry = "https://index.example/simple" }}\nwheels = [{wheels}]\n'
    return (
        text
        + '[[package]]\nname = "trip"\nversion = "0"\nsource = { virtual = "." }\ndependencies = ['
        + "".join(f'{{ name = "{project}" }},' for project in projects)
        + "]\n"
    )


def offline(house: House) -> None:
    house.upstream.fails(list(house.upstream.pages))
    house.upstream.bodies.clear()
    house.upstream.asked.clear()


def here(house: House, name: str) -> set[str]:
    """The files of a project that the store has."""
    page = now(house.proxy.project_page(NormalizedName(name)))
    found = set()
    for file in page.files:
        try:
            now(house.blobs.open(file.digest)).close()  # type: ignore[arg-type]  # fakes know them
        except NoSuchBlob:
            continue
        found.add(file.filename)
    return found


def test_C11_a_lock_is_here_afterwards_with_its_metadata_and_pinned(house: House) -> None:
    """Of the wheels those that fit, and the source distributions; what was here is not fetched again."""
    files = {"uv.lock": lock(house, "alpha", "beta")}
    report = pack(house, files, [LINUX, WINDOWS])
    assert report.complete
    assert here(house, "beta") == {"beta-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", "beta-1.0-cp312-cp312-win_amd64.whl"}
    assert here(house, "alpha") == {"alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"}
    assert (report.files, sum(one.here for one in report.releases.values())) == (4, 0)
    assert now(house.records.pins.pins()) == [Pin(NormalizedName("alpha"), "1"), Pin(NormalizedName("beta"), "1")]
    house.upstream.asked.clear()
    again = pack(house, files, [LINUX, WINDOWS])
    assert (again.files, sum(one.here for one in again.releases.values()), house.upstream.asked) == (0, 4, [])
    offline(house)
    with closing(
        now(house.proxy.open_file(NormalizedName("alpha"), Filename("alpha-1.0-py3-none-any.whl"), Companion.METADATA))
    ) as document:
        assert b"Requires-Dist: beta>=1" in now(document.read(0, 10_000))


def test_C11_requirements_are_resolved_and_what_they_need_is_here(house: House) -> None:
    """No pin where none is wanted; constraints of the file hold."""
    report = pack(house, {"r.txt": "alpha\n"}, pin=False)
    assert report.complete
    assert [(one.project, one.version) for one in report.releases.values()] == [("alpha", "1.0"), ("beta", "1.0")]
    # Of what is resolved nobody needs a source distribution where there is a wheel.
    assert here(house, "alpha") == {"alpha-1.0-py3-none-any.whl"}
    assert now(house.records.pins.pins()) == []


def test_a_rehearsal_fetches_no_more_than_it_takes_to_know(house: House) -> None:
    """Of a lock nothing but pages."""
    report = pack(house, {"uv.lock": lock(house, "alpha", "beta")}, rehearsal=True)
    assert house.upstream.asked == ["page alpha", "page beta"]
    assert (report.files, report.complete) == (3, True)
    said = list(lines(report.as_json()))
    assert "would fetch alpha-1.0.tar.gz" in said
    assert "3 files would be fetched" in said[-1]


def test_what_is_missing_is_told_with_its_cause(house: House) -> None:
    """One of each kind, and the rest is here."""
    house.upstream.add("gamma", make_wheel("gamma", "1.0"))
    text = lock(house, "alpha", "beta", "gamma")
    house.upstream.add("gamma", make_wheel("gamma", "1.0", size=10))
    house.upstream.add("delta", make_wheel("delta", "2.0"))
    house.upstream.add("refused", make_wheel("refused", "1.0"))
    house.upstream.fails(["down"])
    text += "".join(
        f'[[package]]\nname = "{name}"\nversion = "1.0"\nsource = {{ registry = "https://index.example/simple" }}\n'
        f'wheels = [{{ url = "https://index.example/{name}-1.0-py3-none-any.whl" }}]\n'
        for name in ("absent", "delta", "refused", "down")
    )
    text = text.replace(
        "dependencies = [", 'dependencies = [{ name = "absent" }, { name = "delta" }, { name = "refused" }, { name = "down" },'
    )
    policed = Policed("policed", house.proxy, (Filenames("no-refused", deny=("refused-*",)),), house.records, house.clock, inline)
    report = pack(house, {"uv.lock": text}, [LINUX, Target("3.11", "linux")], index=policed)
    causes = {(one.project, one.cause) for one in report.missing}
    assert causes == {
        ("gamma", "hash"), ("absent", "absent"), ("delta", "absent"), ("refused", "policy"), ("down", "down"), ("beta", "platform"),
    }  # fmt: skip
    said = "\n".join(lines(report.as_json()))
    assert "beta==1.0: no file of it is for 3.11 on linux" in said
    assert "refused-1.0-py3-none-any.whl: the rule no-refused keeps it out" in said
    assert here(house, "alpha") == {"alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"}


def test_what_is_for_others_is_missed_by_nobody(house: House) -> None:
    """What a lock has for Windows alone is not looked for on Linux, nor is what cannot be had and nobody needs."""
    house.upstream.add("pywin", make_wheel("pywin", "1.0", tag="cp312-cp312-win_amd64"))
    house.upstream.fails(["down"])
    text = lock(house, "alpha", "beta").replace(
        "dependencies = [", 'dependencies = [{ name = "pywin", marker = "sys_platform == \'win32\'" },'
    )
    text += lock(house, "pywin").partition("\n")[2].partition('[[package]]\nname = "trip"')[0]
    text += '[[package]]\nname = "down"\nversion = "1.0"\nsource = { registry = "https://index.example/simple" }\n'
    report = pack(house, {"uv.lock": text})
    assert report.complete, report.missing
    assert here(house, "pywin") == set()
    assert pack(house, {"uv.lock": text}, [WINDOWS]).complete
    assert here(house, "pywin") == {"pywin-1.0-cp312-cp312-win_amd64.whl"}


def test_hashes_that_nothing_has_and_releases_that_are_not_there(house: House) -> None:
    """Told apart."""
    hashed = f"alpha==1.0 --hash=sha256:{'a' * 64}\nbeta==7.0 --hash=sha256:{'a' * 64}\n"
    report = pack(house, {"r.txt": hashed})
    assert [(one.project, one.version, one.cause) for one in report.missing] == [("alpha", "1.0", "hash"), ("beta", "7.0", "absent")]
    page = house.upstream.pages["beta"]
    assert not isinstance(page, Exception)
    mac = next(file for file in page.files if "macosx" in file.filename)
    report = pack(house, {"r.txt": f"beta==1.0 --hash=sha256:{mac.digest}\n"})
    assert [(one.project, one.cause) for one in report.missing] == [("beta", "platform")]


def test_a_source_distribution_that_nobody_needs_may_be_kept_out(house: House) -> None:
    """By a policy of wheels only; that is told, and nothing is missing."""
    policed = Policed("policed", house.proxy, (Filenames("wheels", deny=("*.tar.gz",)),), house.records, house.clock, inline)
    report = pack(house, {"uv.lock": lock(house, "alpha", "beta")}, index=policed)
    assert report.complete
    assert any("nobody needs it" in note for note in report.notes)


def test_what_has_to_be_built_brings_what_builds_it(house: House) -> None:
    """And what builds that; where no `pyproject.toml` says it, setuptools."""
    house.upstream.add("old", sdist("old", "1.0", builds='requires = ["builder>=1"]'))
    house.upstream.add("builder", sdist("builder", "1.0", requires=["alpha"], builds='requires = ["flit"]'))
    house.upstream.add("flit", make_wheel("flit", "1.0"))
    report = pack(house, {"r.txt": "old\n"})
    assert report.complete, report.missing
    assert {one.project for one in report.releases.values()} == {"old", "builder", "flit", "alpha", "beta"}
    assert any(note.startswith("old-1.0.tar.gz: has to be built for 3.12 on linux") for note in report.notes)
    assert any("only certain once it is built" in note for note in report.notes)
    house.upstream.add("older", sdist("older", "1.0", builds=None))
    report = pack(house, {"r.txt": "older\n"})
    assert {(one.project, one.cause) for one in report.missing} == {("setuptools", "absent"), ("wheel", "absent")}
    assert any("the build of older-1.0.tar.gz needs it" in one.reason for one in report.missing)


def test_what_it_takes_to_build_may_be_unreadable(house: House) -> None:
    """That is told, and whatever else is wanted is here; a rehearsal cannot know it of a lock."""
    house.upstream.add("odd", sdist("odd", "1.0", builds="requires = 3"))
    house.upstream.add("worse", ("worse-1.0.tar.gz", b"no archive"))
    files = {"uv.lock": lock(house, "odd", "worse", "alpha")}
    rehearsed = pack(house, files, rehearsal=True)
    assert "odd-1.0.tar.gz: what it takes to build it is known once it is here" in rehearsed.notes
    report = pack(house, files)
    assert {name for name in ("odd", "worse") for note in report.notes if note.startswith(f"{name}-1.0.tar.gz: what it takes")} == {
        "odd",
        "worse",
    }
    report = pack(house, {"r.txt": "worse\n"})
    assert [(one.project, one.cause) for one in report.missing] == [("worse", "unknown")]


def test_parts_of_a_project_that_contradict_each_other_are_packed_each_by_itself(house: House) -> None:
    """As extras may; what contradicts itself is missing."""
    house.upstream.add("gamma", make_wheel("gamma", "1.0"), make_wheel("gamma", "2.0"))
    project = "[project]\nname = 'trip'\n[project.optional-dependencies]\nold = ['gamma<2']\nnew = ['gamma>=2']\n[build-system]\nrequires = []\nbuild-backend = 'x'\n"
    report = pack(house, {"pyproject.toml": project})
    assert report.complete
    assert {(one.project, one.version) for one in report.releases.values()} == {("gamma", "1.0"), ("gamma", "2.0")}
    assert any("each by itself" in note for note in report.notes)
    report = pack(house, {"r.txt": "gamma<2\ngamma>=2\n"})
    assert [(one.project, one.cause) for one in report.missing] == [("gamma", "conflict")]


def test_private_projects_are_packed_from_here(house: House) -> None:
    """They are in the store already, and are pinned all the same."""
    from tests.contracts.hosted_index import WHEEL, WHEEL_BYTES, upload

    private = house.with_private()
    draft = now(private.draft())
    now(draft.write(WHEEL_BYTES))
    now(private.publish(upload(WHEEL), draft, "ann", True))
    root = house.door.routes.indexes["root"]
    house.upstream.asked.clear()
    report = pack(house, {"r.txt": f"{upload(WHEEL).name}\n"}, index=root)
    assert report.complete, report.missing
    assert house.upstream.asked == []
    assert [one.here for one in report.releases.values()] == [1]


def test_without_a_resolver_locks_are_packed_and_the_rest_is_told_of(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One clear line, which says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "resolvelib", None)
    report = pack(house, {"uv.lock": lock(house, "alpha"), "r.txt": "beta\n"})
    assert here(house, "alpha") == {"alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"}
    assert [one.reason for one in report.missing] == [run.NO_RESOLVER]


def test_where_there_is_no_room_that_is_said(house: House) -> None:
    """It passed by, and is not here."""
    house.space = Space(0, 100 << 30)
    house.clock.advance(3600)
    report = pack(house, {"uv.lock": lock(house, "beta")})
    assert {one.cause for one in report.missing} == {"room"}


def test_a_file_that_is_no_lock_is_one_line(house: House) -> None:
    """Nothing is asked for then."""
    with pytest.raises(PypidaemonError, match=r"uv\.lock"):
        pack(house, {"uv.lock": "["})
    assert house.upstream.asked == []


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (CorruptContent("x"), "hash"),
        (StorageFull("x"), "room"),
        (UpstreamUnavailable("pypi", "x"), "down"),
        (PypidaemonError("x"), "unknown"),
    ],
)
def test_every_trouble_has_a_cause(error: PypidaemonError, cause: str) -> None:
    """As the report names them."""
    assert absence(error).cause == cause


def test_only_what_was_packed_goes_into_a_tree(house: House) -> None:
    """Whatever else the index has."""
    name, filename = NormalizedName("alpha"), Filename("alpha-1.0-py3-none-any.whl")
    only = Only({name: {filename}}, house.proxy)
    assert [file.filename for file in now(only.project_page(name)).files] == [filename]
    assert [one for one, _ in now(only.project_names()).entries()] == [name]
    assert only.label == "pypi"
    now(only.open_file(name, filename, Companion.FILE)).close()
    assert now(only.changes(0)) == [row for row in now(house.proxy.changes(0)) if row.name == name]
    with pytest.raises(PypidaemonError):
        now(only.find(name, Filename("alpha-1.0.tar.gz")))
    with pytest.raises(PypidaemonError):
        now(only.project_page(NormalizedName("beta")))
    assert now(only.refresh(name)) == 1


def test_what_one_raises_ends_the_others() -> None:
    """And cancelling the wait cancels all."""
    bell, ended = Bell(), []

    async def waits() -> None:
        try:
            await bell.wait()
        except CancelledError:
            ended.append("cancelled")
            raise

    async def fails() -> None:
        raise PypidaemonError("x")

    with pytest.raises(PypidaemonError):
        now(abreast([waits, fails]))
    assert ended == ["cancelled"]
    waiting: Deferred[None] = later(abreast([waits]))
    waiting.cancel()
    with pytest.raises(CancelledError):
        now(waiting)
    assert len(ended) == 2


class Killed(BaseException):
    """The process is no more."""


@attrs.define
class Mortal(FakeUpstream):
    """Ends the process at the so-and-so-many-th question."""

    left: int = 0

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        self._live()
        return await FakeUpstream.fetch_page(self, name, validators)

    async def fetch_body(self, url: str, offset: int) -> FakeBody:
        self._live()
        return await FakeUpstream.fetch_body(self, url, offset)

    def _live(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


@settings(max_examples=examples(15))
@given(st.integers(1, 14), st.booleans())
def test_C11_a_kill_at_any_moment_leaves_nothing_half_there_and_the_next_run_completes(moment: int, locked: bool) -> None:
    """Whatever is in the store is whole, what is pinned is here, and nothing is fetched twice."""
    upstream = Mortal()
    house = House(upstream=upstream)
    house.upstream.add("alpha", make_wheel("alpha", "1.0", ["beta>=1"]), make_sdist("alpha", "1.0", ["beta>=1"]))
    house.upstream.add("beta", make_wheel("beta", "1.0", ["gamma"]), make_wheel("beta", "1.0", tag="py2-none-any"))
    house.upstream.add("gamma", sdist("gamma", "1.0", builds='requires = ["flit"]'))
    house.upstream.add("flit", make_wheel("flit", "1.0"))
    files = {"uv.lock": lock(house, "alpha", "beta", "gamma")} if locked else {"r.txt": "alpha\n"}
    upstream.left = moment
    killed = False
    try:
        pack(house, files)
    except (Killed, AssertionError):
        # What waited for an answer waits for ever.
        killed = True
    upstream.left = 0
    house.restart()
    for digest in list(now(_digests(house))):
        with closing(now(house.blobs.open(digest))) as content:
            assert hashlib.sha256(now(content.read(0, 1 << 20))).hexdigest() == digest
    before = {file for file in ("alpha", "beta", "gamma", "flit") if here(house, file)}
    assert {pin.name for pin in now(house.records.pins.pins())} <= before
    house.upstream.asked.clear()
    report = pack(house, files)
    assert report.complete, report.missing
    assert killed or not any(asked.startswith("body") for asked in house.upstream.asked)
    assert here(house, "gamma") == {"gamma-1.0.tar.gz"}
    assert here(house, "flit")
    assert {pin.name for pin in now(house.records.pins.pins())} == {"alpha", "beta", "gamma", "flit"}


async def _digests(house: House) -> list[Any]:
    return [digest async for digest in house.blobs.digests()]


def test_two_locks_of_one_release_are_both_held_to_what_they_name(house: House) -> None:
    """Each may name other files of it, or say other hashes; what both name is counted once."""
    whole = lock(house, "alpha")
    wheel, source = (
        whole.replace("alpha-1.0.tar.gz", "alpha-1.0.zip"),
        whole.replace("alpha-1.0-py3-none-any.whl", "alpha-1.0-py2-none-any.whl"),
    )
    rehearsed = pack(house, {"a/uv.lock": wheel, "b/uv.lock": source, "c/uv.lock": whole}, rehearsal=True)
    assert sorted(rehearsed.releases["alpha", "1.0"].files) == ["alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"]
    report = pack(house, {"a/uv.lock": wheel, "b/uv.lock": source, "c/uv.lock": whole, "r.txt": "alpha\n"})
    assert here(house, "alpha") == {"alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"}
    assert report.complete
    assert "alpha-1.0.zip: is not taken, and nobody needs it: the index does not have it" in report.notes
    assert sorted(report.releases["alpha", "1.0"].files) == ["alpha-1.0-py3-none-any.whl", "alpha-1.0.tar.gz"]
    assert (report.releases["alpha", "1.0"].fetched, report.releases["alpha", "1.0"].here) == (2, 0)
    digest = whole.partition("sha256:")[2][:64]
    report = pack(house, {"a/uv.lock": whole, "b/uv.lock": whole.replace(digest, "0" * 64)})
    assert [one.cause for one in report.missing] == ["hash"]


def test_an_sdist_that_makes_no_sense_ends_no_pack(house: House) -> None:
    """What it says is not believed, and the rest comes."""
    info = "Metadata-Version: 2.\N{SUPERSCRIPT TWO}\nName: odd\nVersion: 1.0\n".encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, data in (
            ("PKG-INFO", info),
            ("pyproject.toml", b"[build-system]\nrequires = []\n[project]\nname = 'odd'\ndynamic = 5\n"),
        ):
            member = tarfile.TarInfo(f"odd-1.0/{path}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    house.upstream.add("odd", ("odd-1.0.tar.gz", buffer.getvalue()))
    report = pack(house, {"r.txt": "odd\nalpha\n"})
    assert {name for name, _ in report.releases} == {"odd", "alpha", "beta"}


def test_pages_of_a_lock_are_not_kept(house: House) -> None:
    """There may be thousands of them, of megabytes each."""
    means = Means({"pypi": house.proxy}, "pypi", lambda: [house.blobs], house.records.pins, inline, inline)
    packing = Packing(means, Order(("uv.lock",), {"uv.lock": lock(house, "alpha", "beta")}, (LINUX,)), "pypi")
    assert now(packing.run()).complete
    assert packing.known.pages == {}
