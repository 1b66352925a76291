"""What tells one state of a page from another."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given

from pypidaemon.filenames import filename, project_name
from pypidaemon.model import File, ProjectPage, ProjectStatus
from pypidaemon.simple.revision import revise
from tests.strategies import pages

FILE = File(filename("foo-1.0.tar.gz"), url="https://files.example/x", path="p/foo-1.0.tar.gz", hashes=(("sha256", "a" * 64),))
PAGE = ProjectPage(project_name("foo"), (FILE,), ("1.0",))


@given(pages())
def test_R71_a_revision_is_a_matter_of_content_alone(page: ProjectPage) -> None:
    revised = revise(page)
    assert len(bytes.fromhex(revised.revision)) == 16
    assert revise(revised) == revised
    elsewhere = attrs.evolve(revised, serial=page.serial + 1, fresh_until=5.0, source="x", stale=True, revision="")
    assert revise(elsewhere).revision == revised.revision


def test_the_revision_is_the_same_in_every_process() -> None:
    assert revise(PAGE).revision == "5c618eb7707b4c5af925a17eb3859854"


def test_where_bytes_come_from_is_no_part_of_it() -> None:
    assert revise(attrs.evolve(PAGE, files=(attrs.evolve(FILE, url="https://other.example/"),))).revision == revise(PAGE).revision


@pytest.mark.parametrize(
    "change",
    [
        {"filename": "foo-1.1.tar.gz"},
        {"path": "q/foo-1.0.tar.gz"},
        {"hashes": ()},
        {"size": 5},
        {"upload_time": "2024-01-02T03:04:05Z"},
        {"requires_python": ">=3"},
        {"yanked": ""},
        {"yanked": "why"},
        {"core_metadata": ""},
        {"provenance": "https://x.example/"},
        {"gpg_sig": False},
    ],
)
def test_R71_every_fact_of_a_file_changes_it(change: dict[str, Any]) -> None:
    assert revise(attrs.evolve(PAGE, files=(attrs.evolve(FILE, **change),))).revision != revise(PAGE).revision


@pytest.mark.parametrize(
    "change",
    [
        {"name": "bar"},
        {"versions": ("1.0", "2.0")},
        {"status": ProjectStatus("archived")},
        {"status": ProjectStatus("active", "x")},
        {"files": ()},
    ],
)
def test_R71_every_fact_of_the_page_changes_it(change: dict[str, Any]) -> None:
    assert revise(attrs.evolve(PAGE, **change)).revision != revise(PAGE).revision
