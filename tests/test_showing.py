"""What is shown of what upstream said and of what was found out here."""

from __future__ import annotations

import pytest

from pypidaemon.filenames import filename
from pypidaemon.model import Digest, Fact, File, NormalizedName, ProjectStatus, UpstreamPage
from pypidaemon.showing import show

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


def test_R113_a_quarantined_project_offers_no_files() -> None:
    page = UpstreamPage(ALPHA, (File(WHEEL),), status=ProjectStatus("quarantined"))
    assert show("pypi", page, {}).files == ()
