"""What a proxy goes on offering when upstream removes it: `follow`, `keep`, `keep-if-used`; and quarantine, which no setting undoes."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import NoSuchFile, NoSuchProject, StorageFull, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.indexes.proxy.removal import way
from pypidaemon.model import Companion, Digest, File, NormalizedName, ProjectStatus
from pypidaemon.upstream_files import holding
from tests.fakes import file, page
from tests.gear import now
from tests.house import House, header

ALPHA = NormalizedName("alpha")
BOTH = (("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.tar.gz", b"two"))
LIST = b'{"meta":{"api-version":"1.4","_last-serial":20},"projects":[%b]}'
ENTRY = b'{"name":"%b","_last-serial":20}'


def home(removal: str, **more: Any) -> House:
    """A house whose proxy has seen alpha with two releases, of which the first is held."""
    house = House(settings={"removal": removal}, **more)
    house.upstream.add("alpha", *BOTH, serial=10)
    house.upstream.names = LIST % (ENTRY % b"alpha")
    shown(house)
    read(house, "alpha-1.0.tar.gz")
    return house


def shown(house: House) -> list[str]:
    """The files on the page."""
    return [entry.filename for entry in now(house.proxy.project_page(ALPHA)).files]


def read(house: House, name: str) -> bytes:
    """The bytes that the proxy gives."""
    content = now(house.proxy.open_file(ALPHA, filename(name), Companion.FILE))
    try:
        return now(content.read(0, 1 << 20))
    finally:
        content.close()


def names(house: House) -> list[str]:
    """The projects on the list."""
    return [str(name) for name, _ in now(house.proxy.project_names()).entries()]


def later_on(house: House) -> None:
    """Every page is old, and the list too."""
    house.clock.advance(10_000)


def status(house: House, marker: str, reason: str | None = None) -> None:
    """Upstream gives alpha that status; a quarantined project has no files there (PEP 792)."""
    files = () if marker == "quarantined" else tuple(file(name, data) for name, data in BOTH)
    house.upstream.pages["alpha"] = page("alpha", *files, serial=30, status=ProjectStatus(marker, reason))


@pytest.mark.parametrize(
    ("removal", "left"),
    [
        ("follow", ["alpha-2.0.tar.gz"]),
        ("keep", ["alpha-2.0.tar.gz", "alpha-1.0.tar.gz", "alpha-1.1.tar.gz"]),
        ("keep-if-used", ["alpha-2.0.tar.gz", "alpha-1.0.tar.gz"]),
    ],
)
def test_C5_the_three_ways_give_three_pages(removal: str, left: list[str]) -> None:
    """While upstream is down everything stays, whatever is chosen; what it drops is dropped, kept, or kept where it is held (F24)."""
    house = House(settings={"removal": removal})
    house.upstream.add("alpha", *BOTH, ("alpha-1.1.tar.gz", b"between"), serial=10)
    everything = shown(house)
    read(house, "alpha-1.0.tar.gz")
    house.upstream.fails(["alpha"])
    later_on(house)
    assert shown(house) == everything
    house.upstream.add("alpha", BOTH[1], serial=11, versions=("2.0",))
    later_on(house)
    assert shown(house) == left
    assert now(house.proxy.project_page(ALPHA)).versions == tuple(sorted({name.split("-")[1].removesuffix(".tar.gz") for name in left}))
    house.restart()
    assert shown(house) == left


@pytest.mark.parametrize("removal", ["follow", "keep", "keep-if-used"])
def test_C5_a_project_that_upstream_has_no_longer(removal: str) -> None:
    """Its page, its files, its place on the list; and it is as it was when upstream has it again."""
    house = home(removal)
    before = now(house.proxy.project_page(ALPHA)).serial
    del house.upstream.pages["alpha"]
    house.upstream.names = LIST % b""
    later_on(house)
    if removal == "follow":
        with pytest.raises(NoSuchProject):
            shown(house)
        with pytest.raises(NoSuchProject):
            read(house, "alpha-1.0.tar.gz")
        assert names(house) == []
    else:
        gone = now(house.proxy.project_page(ALPHA))
        assert [entry.filename for entry in gone.files] == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"][: 2 if removal == "keep" else 1]
        assert gone.fresh_until == house.clock.seconds() + 60
        assert gone.serial >= before
        assert names(house) == ["alpha"]
        assert read(house, "alpha-1.0.tar.gz") == b"one"
        later_on(house)
        house.upstream.fails(["alpha"])
        assert now(house.proxy.project_page(ALPHA)).stale
    house.upstream.add("alpha", *BOTH, serial=40)
    house.upstream.names = LIST % (ENTRY % b"alpha")
    later_on(house)
    assert shown(house) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]
    assert now(house.records.withdrawn.projects("pypi")) == {}
    assert names(house) == ["alpha"]


def test_a_withdrawn_file_that_is_not_here_is_had_from_upstream_or_not_at_all() -> None:
    house = home("keep")
    url = house.upstream.pages["alpha"].files[1].url  # type: ignore[union-attr]  # it is a page
    house.upstream.add("alpha", BOTH[0], serial=11)
    later_on(house)
    assert read(house, "alpha-2.0.tar.gz") == b"two"
    [digest] = [entry.digest for entry in now(house.proxy.project_page(ALPHA)).files if entry.filename == "alpha-2.0.tar.gz"]
    assert digest is not None
    now(house.blobs.remove(digest))
    house.upstream.bodies[url] = UpstreamUnavailable("pypi", "it is down")
    with pytest.raises(UpstreamUnavailable):
        read(house, "alpha-2.0.tar.gz")
    del house.upstream.bodies[url]
    with pytest.raises(NoSuchFile):
        read(house, "alpha-2.0.tar.gz")


def test_keep_if_used_goes_by_what_is_held_when_the_page_is_made() -> None:
    """A withdrawn file whose hash upstream never told is known by the bytes first seen."""
    house = House(settings={"removal": "keep-if-used"})
    entry = file("alpha-1.0.tar.gz", hashes=(), size=None, path="", url="https://files.example/alpha-1.0.tar.gz")
    house.upstream.bodies[entry.url] = b"\x1f\x8bone"
    house.upstream.pages["alpha"] = page("alpha", entry, file("alpha-2.0.tar.gz", hashes=()), serial=10)
    read(house, "alpha-1.0.tar.gz")
    house.upstream.pages["alpha"] = page("alpha", serial=11)
    later_on(house)
    assert shown(house) == ["alpha-1.0.tar.gz"]
    now(house.blobs.remove(next(iter(house.blobs._blobs))))
    later_on(house)
    assert shown(house) == []


def test_switching_to_follow_hides_at_once_what_was_kept() -> None:
    """The facts stay, and switching back shows it again."""
    house = home("keep")
    house.upstream.add("alpha", BOTH[1], serial=11)
    later_on(house)
    kept = shown(house)
    assert len(kept) == 2
    house.settings = {}
    house.restart()
    assert shown(house) == ["alpha-2.0.tar.gz"]
    with pytest.raises(NoSuchFile):
        read(house, "alpha-1.0.tar.gz")
    house.settings = {"removal": "keep"}
    house.restart()
    assert shown(house) == kept


@pytest.mark.parametrize("trouble", ["down", "older", "silent"])
def test_M7_what_is_no_clean_new_page_withdraws_nothing(trouble: str) -> None:
    house = home("keep")
    house.clock.advance(700)
    if trouble == "older":
        house.upstream.add("alpha", BOTH[0], serial=9)
    elif trouble == "down":
        house.upstream.fails(["alpha"])
    else:
        house.upstream.health.doubt()
    assert len(shown(house)) == 2
    assert now(house.records.withdrawn.projects("pypi")) == {}


def test_F27_yank_status_and_reasons_follow_for_what_upstream_lists() -> None:
    """A withdrawn entry stays as upstream last had it."""
    house = home("keep")
    one, two = (file(name, data) for name, data in BOTH)
    house.upstream.pages["alpha"] = page(
        "alpha", attrs.evolve(one, yanked="bad"), two, serial=11, status=ProjectStatus("deprecated", "old")
    )
    later_on(house)
    assert [entry.yanked for entry in now(house.proxy.project_page(ALPHA)).files] == ["bad", None]
    house.upstream.pages["alpha"] = page("alpha", attrs.evolve(two, yanked=""), serial=12)
    later_on(house)
    found = now(house.proxy.project_page(ALPHA))
    assert {entry.filename: entry.yanked for entry in found.files} == {"alpha-2.0.tar.gz": "", "alpha-1.0.tar.gz": "bad"}
    assert found.status == ProjectStatus()
    del house.upstream.pages["alpha"]
    later_on(house)
    assert {entry.yanked for entry in now(house.proxy.project_page(ALPHA)).files} == {"", "bad"}


def test_a_project_that_is_gone_has_the_status_it_last_had() -> None:
    house = home("keep")
    status(house, "archived", "done")
    later_on(house)
    shown(house)
    del house.upstream.pages["alpha"]
    later_on(house)
    house.restart()
    assert now(house.proxy.project_page(ALPHA)).status == ProjectStatus("archived", "done")


@attrs.define
class FullBook:
    """A book in which nothing more can be written."""

    book: Any

    async def withdraw(self, label: str, name: NormalizedName, files: tuple[File, ...], since: float) -> None:
        raise StorageFull("no room")

    async def restore(self, label: str, name: NormalizedName, filenames: tuple[str, ...]) -> None:
        raise StorageFull("no room")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.book, name)


def test_F53_what_cannot_be_recorded_is_not_taken_away() -> None:
    """The page before stays, and is asked about again soon; what comes back is shown all the same."""
    house = home("keep")
    book = house.records.withdrawn
    house.records.withdrawn = FullBook(book)  # type: ignore[assignment]  # as good a book, until somebody writes
    house.upstream.add("alpha", BOTH[1], serial=11)
    later_on(house)
    assert len(shown(house)) == 2
    house.records.withdrawn = book
    house.clock.advance(70)
    assert shown(house) == ["alpha-2.0.tar.gz", "alpha-1.0.tar.gz"]
    house.records.withdrawn = FullBook(book)  # type: ignore[assignment]  # as above
    house.upstream.add("alpha", *BOTH, serial=12)
    later_on(house)
    assert shown(house) == ["alpha-1.0.tar.gz", "alpha-2.0.tar.gz"]


def test_the_list_has_what_is_kept_in_its_place_and_nothing_that_is_reserved() -> None:
    house = home("keep", reserved=("secret-*",))
    entry = file("secret-x-1.0.tar.gz", b"")
    now(house.records.withdrawn.withdraw("pypi", NormalizedName("secret-x"), (entry,), 1.0))
    before = now(house.proxy.project_names()).revision
    del house.upstream.pages["alpha"]
    house.upstream.names = LIST % b",".join(ENTRY % name for name in (b"zeta", b"aaa"))
    later_on(house)
    shown(house)
    found = now(house.proxy.project_names())
    assert [str(name) for name, _ in found.entries()] == ["aaa", "alpha", "zeta"]
    assert all(serial >= 1 for _, serial in found.entries())
    assert found.revision != before


def test_a_kept_file_is_found_without_its_page_having_been_asked_for() -> None:
    """After a restart, of a page with files or of a project that is gone; also among very many; and what never was there is not."""
    house = House(settings={"removal": "keep"})
    many = [(f"alpha-{number}.0.tar.gz", b"%d" % number) for number in range(300)]
    house.upstream.add("alpha", *many, serial=10)
    house.upstream.names = LIST % b""
    assert len(shown(house)) == 300
    house.upstream.add("alpha", many[7], serial=11)
    later_on(house)
    assert len(shown(house)) == 300
    for gone in (False, True):
        if gone:
            del house.upstream.pages["alpha"]
            later_on(house)
            shown(house)
        for wanted in ("alpha-7.0.tar.gz", "alpha-200.0.tar.gz"):
            house.restart()
            assert now(house.proxy.find(ALPHA, filename(wanted))).file.filename == wanted
        house.restart()
        with pytest.raises(NoSuchFile):
            now(house.proxy.find(ALPHA, filename("alpha-300.0.tar.gz")))
        assert names(house) == ["alpha"]


def test_a_store_that_cannot_answer_for_many_is_asked_one_by_one() -> None:
    house = home("keep")

    class Plain:
        """A store from elsewhere."""

        open = staticmethod(house.blobs.open)

    held = next(iter(house.blobs._blobs))
    assert now(holding(Plain(), [held, Digest("ab" * 32)])) == {held}  # type: ignore[arg-type]  # as much of a store as is asked for


def test_a_way_is_one_of_three() -> None:
    assert way(" keep ") == "keep"
    with pytest.raises(ValueError, match="none of follow, keep, keep-if-used"):
        way("Keep it")


@pytest.mark.parametrize("removal", ["follow", "keep", "keep-if-used"])
def test_S45_F28_R113_quarantine_hides_everything_and_ends_by_itself(removal: str) -> None:
    """Page, file, sidecar, legacy document; also what was withdrawn before; and it is back without anybody's doing."""
    house = home(removal)
    house.upstream.add("alpha", *BOTH, ("alpha-0.9.tar.gz", b"old"), serial=20)
    later_on(house)
    read(house, "alpha-0.9.tar.gz")
    house.upstream.add("alpha", *BOTH, serial=21)
    later_on(house)
    before = shown(house)
    assert ("alpha-0.9.tar.gz" in before) == (removal != "follow")
    path = "/packages/" + now(house.proxy.find(ALPHA, filename("alpha-1.0.tar.gz"))).file.path
    assert house.get(path).status == 200
    assert house.get("/pypi/alpha/json").status == 200
    status(house, "quarantined", "malware")
    house.upstream.names = LIST % b""
    later_on(house)
    answer = house.get("/simple/alpha/", accept="application/vnd.pypi.simple.v1+json")
    document = json.loads(house.body(answer))
    assert document["files"] == []
    assert document["project-status"] == {"status": "quarantined", "reason": "malware"}
    for hidden in (path, f"{path}.metadata"):
        with pytest.raises(NoSuchFile):
            house.get(hidden)
    for kept in ("alpha-0.9.tar.gz", "alpha-1.0.tar.gz"):
        with pytest.raises(NoSuchFile):
            now(house.proxy.find(ALPHA, filename(kept)))
    with pytest.raises(NoSuchProject):
        house.get("/pypi/alpha/json")
    assert names(house) == []
    house.restart()
    assert shown(house) == []
    assert names(house) == []
    house.upstream.add("alpha", *BOTH, serial=40)
    house.upstream.names = LIST % (ENTRY % b"alpha")
    later_on(house)
    assert shown(house) == before
    assert house.body(house.get(path)) == b"one"
    assert house.get("/pypi/alpha/json").status == 200
    assert names(house) == ["alpha"]


def test_what_goes_by_way_of_a_quarantine_is_not_kept() -> None:
    """Malware is taken off like that: the release is missing when the quarantine ends, or the whole project is deleted."""
    house = home("keep")
    status(house, "quarantined")
    later_on(house)
    assert shown(house) == []
    house.upstream.add("alpha", BOTH[0], serial=40)
    later_on(house)
    assert shown(house) == ["alpha-1.0.tar.gz"]
    house.upstream.add("alpha", ("alpha-3.0.tar.gz", b"three"), serial=41)
    later_on(house)
    assert shown(house) == ["alpha-3.0.tar.gz", "alpha-1.0.tar.gz"]
    status(house, "quarantined")
    later_on(house)
    assert shown(house) == []
    del house.upstream.pages["alpha"]
    house.upstream.names = LIST % b""
    later_on(house)
    for _ in range(2):
        with pytest.raises(NoSuchProject):
            shown(house)
        assert names(house) == []
        house.restart()


def test_law_8_a_quarantine_outlives_the_cache_and_so_does_the_last_status() -> None:
    """What was withdrawn before a quarantine does not come back when upstream deletes the project after the cache was lost."""
    for marker, expected in (("quarantined", None), ("archived", ProjectStatus("archived"))):
        house = home("keep")
        house.upstream.add("alpha", BOTH[0], serial=11)
        later_on(house)
        shown(house)
        status(house, marker)
        later_on(house)
        shown(house)
        if expected is not None:
            del house.upstream.pages["alpha"]
            later_on(house)
            shown(house)
        now(house.records.pages.drop("pypi", ALPHA))
        house.upstream.pages.pop("alpha", None)
        house.restart()
        later_on(house)
        if expected is None:
            with pytest.raises(NoSuchProject):
                shown(house)
        else:
            assert now(house.proxy.project_page(ALPHA)).status == expected


@pytest.mark.parametrize("marker", ["archived", "deprecated"])
def test_R112_other_statuses_reach_json_and_html_within_one_refresh(marker: str) -> None:
    house = home("follow")
    house.get("/simple/alpha/")
    status(house, marker, "ask bob")
    house.clock.advance(601)
    # Just past its time the page is given once more, while it is asked for.
    house.get("/simple/alpha/")
    answer = house.get("/simple/alpha/", accept="application/vnd.pypi.simple.v1+json")
    assert json.loads(house.body(answer))["project-status"] == {"status": marker, "reason": "ask bob"}
    html = house.get("/simple/alpha/")
    assert header(html, "Content-Type") == "text/html; charset=utf-8"
    assert f'name="pypi:project-status" content="{marker}"' in house.body(html).decode()


STEPS = st.lists(
    st.sampled_from(["1", "2", "12", "none", "404", "down", "restart", "read 1", "read 2", "quarantine"]),
    max_size=12,
)


def happens(house: House, step: str, serial: int) -> None:
    """Upstream does, or the daemon suffers, what the step says."""
    if step in ("1", "2", "12", "none"):
        released = [(f"alpha-{version}.0.tar.gz", version.encode()) for version in step if step != "none"]
        house.upstream.add("alpha", *released, serial=serial)
    elif step == "404":
        house.upstream.pages.pop("alpha", None)
    elif step == "down":
        house.upstream.fails(["alpha"])
    elif step == "quarantine":
        status(house, "quarantined")
    elif step == "restart":
        house.restart()


def seen(house: House, step: str) -> set[str]:
    """The files on the page, after one of them was read where the step says so; `find` agrees with the page."""
    try:
        found = set(shown(house))
    except (NoSuchProject, UpstreamUnavailable):
        found = set()
    wanted = f"alpha-{step[-1]}.0.tar.gz"
    if step.startswith("read") and wanted in found:
        assert read(house, wanted) == step[-1].encode()
        assert set(shown(house)) == found
    for name in ("alpha-1.0.tar.gz", "alpha-2.0.tar.gz"):
        if name in found:
            assert now(house.proxy.find(ALPHA, filename(name))).file.filename == name
        else:
            with pytest.raises((NoSuchFile, NoSuchProject, UpstreamUnavailable)):
                now(house.proxy.find(ALPHA, filename(name)))
    return found


@given(STEPS)
def test_whatever_happens_the_ways_differ_only_in_what_upstream_no_longer_lists(steps: list[str]) -> None:
    """What is followed is a part of what is kept if used, and that of what is kept; a quarantine leaves nothing of any."""
    houses = [House(settings={"removal": removal}) for removal in ("follow", "keep-if-used", "keep")]
    for number, step in enumerate(steps):
        pages = []
        for house in houses:
            house.clock.advance(10_000)
            happens(house, step, 11 + number)
            pages.append(seen(house, step))
        follow, used, keep = pages
        assert follow <= used <= keep
        if step == "quarantine":
            assert keep == set()


def test_two_proxies_over_one_upstream_do_not_share_what_they_keep() -> None:
    house = home("keep")
    other = house.new_proxy("other")
    house.upstream.add("alpha", BOTH[1], serial=11)
    later_on(house)
    assert len(shown(house)) == 2
    assert [entry.filename for entry in now(other.project_page(ALPHA)).files] == ["alpha-2.0.tar.gz"]
