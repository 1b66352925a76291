"""What every `IPageCache` promises."""

from __future__ import annotations

import attrs
import pytest
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IPageCache, IRecords
from pypidaemon.model import Digest, File, Filename, NormalizedName, ProjectStatus, Remembered, RememberedNames, UpstreamPage, Validators
from tests.gear import now
from tests.records_gear import BAR, FOO, WHEEL

PAGE = UpstreamPage(
    FOO,
    files=(
        File(
            WHEEL,
            url="https://files.example/foo-1.0-py3-none-any.whl",
            path="aa/bb/" + "c" * 60 + "/" + WHEEL,
            hashes=(("sha256", "a" * 64), ("md5", "b" * 32)),
            size=12,
            upload_time="2024-01-02T03:04:05.678901Z",
            requires_python=">=3.11",
            yanked="",
            core_metadata="d" * 64,
            provenance="https://files.example/provenance",
            gpg_sig=False,
        ),
    ),
    versions=("1.0", "2.0"),
    status=ProjectStatus("archived", "enough"),
    serial=17,
    validators=Validators('"tag"', "Mon, 01 Jan 2024 00:00:00 GMT"),
    max_age=600.0,
    refused=1,
)
NAMES = RememberedNames(Digest("e" * 64), Validators('"list"', None, "https://index.example/simple/"), 99, 5.0, 605.0)


class PageCacheContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def pages(self, records: IRecords) -> IPageCache:
        return records.pages

    def test_keeps_the_interface(self, pages: IPageCache) -> None:
        verifyObject(IPageCache, pages)

    def test_nothing_kept_is_none(self, pages: IPageCache) -> None:
        assert now(pages.recall("pypi", FOO)) is None
        assert now(pages.recall_names("pypi")) is None

    def test_a_page_comes_back_as_it_was_kept(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(PAGE, 100.25, 700.5)))
        assert now(pages.recall("pypi", FOO)) == Remembered(PAGE, 100.25, 700.5)

    def test_one_file_of_a_page_comes_back_alone(self, pages: IPageCache) -> None:
        """With nothing else, for whoever wants a file and not the page."""
        now(pages.keep("pypi", FOO, Remembered(PAGE, 100.25, 700.5)))
        assert now(pages.recall_file("pypi", FOO, WHEEL)) == Remembered(UpstreamPage(FOO, PAGE.files), 100.25, 700.5)
        assert now(pages.recall_file("pypi", FOO, Filename("foo-9.tar.gz"))) == Remembered(UpstreamPage(FOO), 100.25, 700.5)
        assert now(pages.recall_file("pypi", BAR, WHEEL)) is None

    def test_one_file_of_a_quarantined_page_comes_with_that_status(self, pages: IPageCache) -> None:
        """Since it hides the file (PEP 792)."""
        hidden = ProjectStatus("quarantined", "malware")
        now(pages.keep("pypi", FOO, Remembered(attrs.evolve(PAGE, status=hidden), 1.0, 2.0)))
        found = now(pages.recall_file("pypi", FOO, WHEEL))
        assert found is not None
        assert found.page == UpstreamPage(FOO, PAGE.files, status=hidden)

    def test_one_file_of_an_absence_is_an_absence(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(None, 1.0, 61.0)))
        assert now(pages.recall_file("pypi", FOO, WHEEL)) == Remembered(None, 1.0, 61.0)

    def test_an_absence_is_not_nothing(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(None, 1.0, 61.0)))
        assert now(pages.recall("pypi", FOO)) == Remembered(None, 1.0, 61.0)

    def test_an_empty_page_is_not_an_absence(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(UpstreamPage(FOO), 1.0, 2.0)))
        assert now(pages.recall("pypi", FOO)) == Remembered(UpstreamPage(FOO), 1.0, 2.0)

    def test_the_last_kept_counts(self, pages: IPageCache) -> None:
        """A page, its confirmation, an absence, another page: each takes the place of the one before."""
        other = UpstreamPage(FOO, versions=("3.0",))
        for remembered in (
            Remembered(PAGE, 1.0, 2.0),
            Remembered(PAGE, 3.0, 4.0),
            Remembered(None, 5.0, 6.0),
            Remembered(PAGE, 7.0, 8.0),
            Remembered(other, 9.0, 10.0),
        ):
            now(pages.keep("pypi", FOO, remembered))
            assert now(pages.recall("pypi", FOO)) == remembered

    def test_labels_and_names_are_apart(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2.0)))
        assert now(pages.recall("other", FOO)) is None
        assert now(pages.recall("pypi", BAR)) is None

    def test_drop_forgets_that_project_alone(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2.0)))
        now(pages.keep("pypi", BAR, Remembered(None, 1.0, 2.0)))
        now(pages.drop("pypi", FOO))
        now(pages.drop("pypi", FOO))
        assert now(pages.recall("pypi", FOO)) is None
        assert now(pages.recall("pypi", BAR)) is not None

    def test_drop_forgets_an_absence(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(None, 1.0, 2.0)))
        now(pages.drop("pypi", FOO))
        assert now(pages.recall("pypi", FOO)) is None

    def test_a_dropped_page_can_be_kept_again(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2.0)))
        now(pages.drop("pypi", FOO))
        now(pages.keep("pypi", FOO, Remembered(PAGE, 3.0, 4.0)))
        assert now(pages.recall("pypi", FOO)) == Remembered(PAGE, 3.0, 4.0)

    def test_the_list_comes_back_and_is_replaced(self, pages: IPageCache) -> None:
        now(pages.keep_names("pypi", NAMES))
        assert now(pages.recall_names("pypi")) == NAMES
        later = RememberedNames(Digest("f" * 64), Validators(), 0, 7.0, 8.0)
        now(pages.keep_names("pypi", later))
        assert now(pages.recall_names("pypi")) == later
        assert now(pages.recall_names("other")) is None

    def test_what_becomes_of_the_list_is_counted_for_its_label_alone(self, pages: IPageCache) -> None:
        counts = [(pages.names_changed("pypi"), pages.names_changed("other"))]
        for changing in (pages.keep_names("pypi", NAMES), pages.expire("pypi", None), pages.keep_names("pypi", NAMES)):
            now(changing)
            counts.append((pages.names_changed("pypi"), pages.names_changed("other")))
        assert [count for count, _ in counts] == sorted({count for count, _ in counts})
        assert len({other for _, other in counts}) == 1
        now(pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2.0)))
        now(pages.expire("pypi", FOO))
        assert pages.names_changed("pypi") == counts[-1][0]

    def test_remembered_are_the_projects_with_a_page_in_order(self, pages: IPageCache) -> None:
        """An absence is no page; an empty page is one, and so is one that is fresh no longer."""
        assert now(pages.remembered("pypi")) == []
        now(pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2000.0)))
        now(pages.keep("pypi", BAR, Remembered(UpstreamPage(BAR), 1.0, 2000.0)))
        now(pages.keep("pypi", NormalizedName("gone"), Remembered(None, 1.0, 2000.0)))
        now(pages.keep("other", NormalizedName("else"), Remembered(PAGE, 1.0, 2000.0)))
        now(pages.expire("pypi", FOO))
        assert now(pages.remembered("pypi")) == [BAR, FOO]
        now(pages.keep("pypi", BAR, Remembered(None, 2.0, 2000.0)))
        assert now(pages.remembered("pypi")) == [FOO]
        now(pages.drop("pypi", FOO))
        assert now(pages.remembered("pypi")) == []

    def test_expire_one(self, pages: IPageCache) -> None:
        """What was fetched stays, and stays to be had; only the time until which it is fresh is over."""
        now(pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2000.0)))
        now(pages.keep("pypi", BAR, Remembered(None, 1.0, 2000.0)))
        now(pages.keep_names("pypi", NAMES))
        assert now(pages.expire("pypi", FOO)) == 1
        assert now(pages.recall("pypi", FOO)) == Remembered(PAGE, 1.0, 0.0)
        assert now(pages.recall("pypi", BAR)) == Remembered(None, 1.0, 2000.0)
        assert now(pages.recall_names("pypi")) == NAMES

    def test_expire_all_takes_the_list_along(self, pages: IPageCache) -> None:
        now(pages.keep("pypi", FOO, Remembered(PAGE, 1.0, 2000.0)))
        now(pages.keep("pypi", BAR, Remembered(None, 1.0, 2000.0)))
        now(pages.keep("other", FOO, Remembered(PAGE, 1.0, 2000.0)))
        assert now(pages.expire("pypi", None)) == 2
        now(pages.keep_names("pypi", NAMES))
        assert now(pages.expire("pypi", None)) == 3
        assert now(pages.recall("pypi", BAR)) == Remembered(None, 1.0, 0.0)
        names = now(pages.recall_names("pypi"))
        assert (names.fetched, names.fresh_until) == (5.0, 0.0)
        assert now(pages.recall("other", FOO)) == Remembered(PAGE, 1.0, 2000.0)

    def test_expire_what_was_never_kept_is_none(self, pages: IPageCache) -> None:
        assert now(pages.expire("pypi", FOO)) == 0
        assert now(pages.expire("pypi", None)) == 0
