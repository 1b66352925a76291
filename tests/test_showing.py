"""What is shown of what upstream said and of what was found out here."""

from __future__ import annotations

import pytest

from pypidaemon.filenames import filename
from pypidaemon.model import Digest, Fact, File, NormalizedName, ProjectPage, ProjectStatus, UpstreamPage
from pypidaemon.showing import bytes_of, chosen, show
from pypidaemon.simple.links import by_name

ALPHA = NormalizedName("alpha")
OURS, OTHER = Digest("a" * 64), Digest("b" * 64)
WHEEL = filename("alpha-1.0-py3-none-any.whl")


@pytest.mark.parametrize(
    ("file", "fact", "size"),
    [
        (File(WHEEL, hashes=(("sha256", OURS),)), Fact(OURS, 5), 5),
        (File(WHEEL, hashes=(("sha256", OURS),), size=7), Fact(OURS, 5), 7),
        (File(WHEEL, size=7), Fact(OURS, 5), 5),
        (File(WHEEL, size=7), Fact(OURS), 7),
        (File(WHEEL, hashes=(("sha256", OTHER),), size=7), Fact(OURS, 5), 5),
        (File(WHEEL), Fact(metadata_broken=True), None),
    ],
)
def test_S28_the_size_is_that_of_the_bytes_that_are_given(file: File, fact: Fact, size: int | None) -> None:
    (shown,) = show("pypi", UpstreamPage(ALPHA, (file,)), {WHEEL: fact}).files
    assert shown.size == size
    assert shown.digest == (fact.digest or file.digest)


def test_a_file_says_where_it_lies_or_is_found_by_its_name() -> None:
    for fact in (None, Fact(OURS)):
        facts = {} if fact is None else {WHEEL: fact}
        for told, path in (("pypi/files/ab/" + WHEEL, "pypi/files/ab/" + WHEEL), ("", by_name("pypi", ALPHA, WHEEL))):
            (shown,) = show("pypi", UpstreamPage(ALPHA, (File(WHEEL, path=told),)), facts).files
            assert shown.path == path


def test_R113_a_quarantined_project_offers_no_files() -> None:
    page = UpstreamPage(ALPHA, (File(WHEEL),), status=ProjectStatus("quarantined"))
    assert show("pypi", page, {}).files == ()


@pytest.mark.parametrize(
    ("said", "fact", "sidecar"),
    [
        (None, Fact(OURS, metadata=OTHER), OTHER),
        ("", Fact(OURS, metadata=OTHER), OTHER),
        (OTHER, Fact(OURS, metadata=OURS), OTHER),
        (OTHER, Fact(OURS, metadata_broken=True), None),
        ("", Fact(OURS), ""),
    ],
)
def test_metadata_is_what_upstream_says_else_what_was_found(said: str | None, fact: Fact, sidecar: str | None) -> None:
    (shown,) = show("pypi", UpstreamPage(ALPHA, (File(WHEEL, core_metadata=said),)), {WHEEL: fact}).files
    assert shown.core_metadata == sidecar


@pytest.mark.parametrize(("fact", "given"), [(None, OTHER), (Fact(size=5), OTHER), (Fact(OURS), OURS)])
def test_S28_the_bytes_are_those_first_seen(fact: Fact | None, given: Digest) -> None:
    assert bytes_of(File(WHEEL, hashes=(("sha256", OTHER),)), fact) == given


def test_what_is_chosen_of_a_page_keeps_no_version_of_which_nothing_is() -> None:
    """But one that never had a file stays; a name without a version is in nobody's way."""
    files = (File(filename("alpha-2.0.zip")), File(WHEEL), File(filename("strange.zip")))
    page = ProjectPage(ALPHA, files, ("1.0", "2.0", "3.0"), serial=7)
    kept = chosen(page, files[1:])
    assert {file.filename for file in kept.files} == {WHEEL, "strange.zip"}
    assert (kept.versions, kept.serial) == (("1.0", "3.0"), 7)
