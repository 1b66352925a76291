"""What publishers, and who runs the index, say of whole projects."""

from __future__ import annotations

import pytest

from pypidaemon.model import File, Filename, NormalizedName, ProjectPage, ProjectStatus
from pypidaemon.policies.statuses import Statuses, markers

FOO = NormalizedName("foo")


def refusals(marker: str, reason: str | None = None) -> dict[str, str]:
    page = ProjectPage(FOO, (File(Filename("foo-1.0.tar.gz")), File(Filename("foo-2.0.tar.gz"))), status=ProjectStatus(marker, reason))
    return {**Statuses("p", ("archived", "quarantined")).refusals(page, 0.0)}


def test_all_files_of_a_project_with_such_a_marker_are_hidden() -> None:
    assert refusals("archived", "moved\nto bar") == dict.fromkeys(
        ("foo-1.0.tar.gz", "foo-2.0.tar.gz"), "the project is archived: moved to bar"
    )
    assert set(refusals("quarantined").values()) == {"the project is quarantined"}


def test_others_are_shown() -> None:
    for marker in ("active", "deprecated", "something-new"):
        assert refusals(marker) == {}


def test_a_file_itself_has_no_status() -> None:
    assert Statuses("p", ("archived",)).refusal(FOO, File(Filename("foo-1.0.tar.gz")), 0.0) is None


def test_markers_are_words() -> None:
    assert markers("Archived quarantined archived") == ("archived", "quarantined")
    for raw in ("", "active", "archvied"):
        with pytest.raises(ValueError, match="is none of archived, deprecated, quarantined"):
            markers(raw)
