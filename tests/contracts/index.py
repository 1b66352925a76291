"""What every `IIndex` promises. A subclass makes an index over upstreams that have `alpha`, with two files, and `empty`, with none."""

from __future__ import annotations

import hashlib

import attrs
import pytest
from zope.interface.verify import verifyObject

from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.explaining import explain
from pypidaemon.filenames import filename
from pypidaemon.interfaces import IIndex
from pypidaemon.model import Companion, NormalizedName, Outcome, ProjectPage
from tests.fakes import file, page
from tests.gear import now
from tests.house import House

ALPHA, EMPTY, ABSENT = NormalizedName("alpha"), NormalizedName("empty"), NormalizedName("absent")
SIDECAR = b"Metadata-Version: 2.1\nName: alpha\nVersion: 1.0\n"
WHEEL = file(
    "alpha-1.0-py3-none-any.whl",
    b"wheel",
    requires_python=">=3.8",
    yanked="broken",
    core_metadata=hashlib.sha256(SIDECAR).hexdigest(),
    provenance="https://files.example/provenance",
)
SDIST = file("alpha-1.0.tar.gz", b"sdist")
LIST = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"empty","_last-serial":8},{"name":"alpha","_last-serial":9}]}'


def stock(house: House) -> None:
    """Let the upstream of that house have the two projects."""
    house.upstream.pages = {"alpha": page("alpha", WHEEL, SDIST, serial=9), "empty": page("empty", serial=8)}
    house.upstream.bodies = {WHEEL.url: b"wheel", SDIST.url: b"sdist", WHEEL.url + ".metadata": SIDECAR}
    house.upstream.names = LIST


@attrs.frozen
class Contents:
    """The bytes of the files that `alpha` has."""

    wheel: bytes = b"wheel"
    sidecar: bytes = SIDECAR
    sdist: bytes = b"sdist"


class AnyIndexContract:
    """Run by every index, wherever its truth is. It has `alpha` with files called as `WHEEL` and `SDIST`, and `empty` with none."""

    @pytest.fixture
    def contents(self) -> Contents:
        return Contents()

    @pytest.fixture
    def index(self, house: House) -> IIndex:
        raise NotImplementedError

    def test_keeps_the_interface(self, index: IIndex) -> None:
        verifyObject(IIndex, index)

    def test_law_3_a_project_without_files_is_a_page_without_files(self, index: IIndex) -> None:
        assert now(index.project_page(EMPTY)).files == ()

    def test_absence_is_its_own_error_by_every_question(self, index: IIndex) -> None:
        for question in (index.project_page(ABSENT), index.find(ABSENT, SDIST.filename)):
            with pytest.raises(NoSuchProject):
                now(question)
        with pytest.raises(NoSuchProject):
            now(index.open_file(ABSENT, filename("absent-1.0.tar.gz"), Companion.FILE))

    def test_an_entry_is_the_one_of_the_page(self, index: IIndex) -> None:
        page = now(index.project_page(ALPHA))
        assert {file.filename for file in page.files} == {WHEEL.filename, SDIST.filename}
        for one in page.files:
            found = now(index.find(ALPHA, one.filename))
            assert (found.name, found.file, found.source) == (ALPHA, one, page.source)

    def test_law_2_only_what_the_page_lists_can_be_found_or_opened(self, index: IIndex) -> None:
        unlisted = filename("alpha-2.0.tar.gz")
        with pytest.raises(NoSuchFile):
            now(index.find(ALPHA, unlisted))
        for companion in Companion:
            with pytest.raises(NoSuchFile):
                now(index.open_file(ALPHA, unlisted, companion))
        with pytest.raises(NoSuchFile):
            now(index.open_file(ALPHA, SDIST.filename, Companion.METADATA))

    def test_an_explanation_comes_to_what_the_page_shows(self, index: IIndex) -> None:
        for name in (ALPHA, EMPTY):
            told, page = now(explain(index, name)), now(index.project_page(name))
            assert (told.outcome, told.index) == (Outcome.ANSWERS, index.label)
            assert told.page is not None
            assert (told.page.files, told.page.versions, told.page.sources) == (page.files, page.versions, page.sources)
            assert not {one.file.filename for one in told.hidden} & {one.filename for one in page.files}
        absent = now(explain(index, ABSENT))
        assert (absent.outcome, absent.page, absent.hidden) == (Outcome.ABSENT, None, ())
        assert set(page.sources) <= set(told.leaves) == set(absent.leaves)

    def test_the_bytes_are_those_of_the_page(self, index: IIndex, contents: Contents) -> None:
        for one, companion, data in (
            (WHEEL, Companion.FILE, contents.wheel),
            (WHEEL, Companion.METADATA, contents.sidecar),
            (SDIST, Companion.FILE, contents.sdist),
        ):
            content = now(index.open_file(ALPHA, one.filename, companion))
            assert now(content.read(0, 1 << 20)) == data
            assert (content.size, content.digest) == (len(data), hashlib.sha256(data).hexdigest())
            content.close()
        found = now(index.find(ALPHA, WHEEL.filename)).file
        assert (found.digest, found.size) == (hashlib.sha256(contents.wheel).hexdigest(), len(contents.wheel))
        assert found.core_metadata == hashlib.sha256(contents.sidecar).hexdigest()

    def test_the_list_has_every_name_once_in_order_with_a_serial(self, index: IIndex) -> None:
        listing = now(index.project_names())
        entries = list(listing.entries())
        assert [name for name, _ in entries] == ["alpha", "empty"]
        assert all(serial > 0 for _, serial in entries)
        assert listing.serial >= max(serial for _, serial in entries)
        assert list(listing.entries()) == entries

    def test_R70_a_page_is_never_behind_the_list(self, index: IIndex) -> None:
        listed = dict(now(index.project_names()).entries())
        assert now(index.project_page(ALPHA)).serial >= listed[ALPHA]


class IndexContract(AnyIndexContract):
    """Run by every index whose truth is an upstream; `house` is where that lives."""

    @pytest.fixture
    def house(self) -> House:
        house = House()
        stock(house)
        return house

    def test_law_12_the_facts_of_upstream_pass_unchanged(self, index: IIndex) -> None:
        found = now(index.project_page(ALPHA))
        assert isinstance(found, ProjectPage)
        assert found.files == (WHEEL, SDIST)
        assert found.versions == ("1.0",)
        assert found.revision
        assert found.serial >= 9
        assert found.fresh_until is not None

    def test_law_10_an_outage_is_its_own_error_by_every_question(self, house: House, index: IIndex) -> None:
        house.upstream.fails(["alpha"])
        for question in (index.project_page(ALPHA), index.find(ALPHA, SDIST.filename)):
            with pytest.raises(UpstreamUnavailable):
                now(question)
        with pytest.raises(UpstreamUnavailable):
            now(index.open_file(ALPHA, SDIST.filename, Companion.FILE))

    def test_an_explanation_asks_upstream_for_no_more_than_a_page(self, house: House, index: IIndex) -> None:
        for name in ("alpha", "empty"):
            # Stale at once, so that every question would go upstream.
            house.upstream.pages[name] = page(name, max_age=0.0)
        for name in (ALPHA, EMPTY, ABSENT):
            now(explain(index, name))
            # Who knows by itself that it has none asks nobody.
            assert house.upstream.asked == [f"page {name}"] or (name == ABSENT and not house.upstream.asked)
            house.upstream.asked.clear()
        house.upstream.fails(["alpha"])
        told = now(explain(index, ALPHA))
        assert (told.outcome, told.cause) == (Outcome.ANSWERS, "")
        assert house.upstream.asked == ["page alpha"]

    def test_an_outage_is_explained(self, house: House, index: IIndex) -> None:
        house.upstream.fails(["alpha"])
        told = now(explain(index, ALPHA))
        assert (told.outcome, told.answers) == (Outcome.UNKNOWN, "cannot be asked: upstream pypi: it is down")
        assert house.upstream.asked == ["page alpha"]

    def test_R71_a_change_raises_the_serial_and_changes_the_revision(self, house: House, index: IIndex) -> None:
        before = now(index.project_page(ALPHA))
        house.upstream.pages["alpha"] = page("alpha", attrs.evolve(WHEEL, yanked=None), SDIST, serial=9)
        house.clock.advance(100_000)
        after = now(index.project_page(ALPHA))
        assert after.serial > before.serial
        assert after.revision != before.revision
        assert [row.serial for row in now(index.changes(before.serial)) if row.name == ALPHA] == [after.serial]

    def test_refresh_lets_the_next_question_see_a_change(self, house: House, index: IIndex) -> None:
        now(index.project_page(ALPHA))
        house.upstream.pages["alpha"] = page("alpha", SDIST, serial=12)
        assert now(index.refresh(ALPHA)) >= 1
        assert now(index.project_page(ALPHA)).files == (SDIST,)
        with pytest.raises(NoSuchFile):
            now(index.find(ALPHA, WHEEL.filename))
