"""What upstream removes, as a real daemon keeps it on its disk and a real installer gets it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import files

pytestmark = pytest.mark.clients


@pytest.fixture
def keeping(upstream: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that keeps what upstream removes."""
    found = Daemon(tmp_path / "daemon", upstream.simple, "[index:pypi]\nuse = proxy\nupstream = pypi\nremoval = keep\n")
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


def test_F28_C5_a_quarantined_project_is_not_offered_and_a_removed_one_is_installed_after_a_restart(
    keeping: Daemon, upstream: Upstream, project: str, tmp_path: Path
) -> None:
    """The quarantine ends by itself; what is kept is in the records, and on the list of projects."""
    wheel = f"{project.replace('-', '_')}-1.0-py3-none-any.whl"
    path = files(keeping, project)[wheel]["path"]
    assert keeping.ask("GET", path).status == 200
    upstream.tell("quarantine", project)
    upstream.tell("remove", project, wheel)
    assert keeping.page(project)["project-status"]["status"] == "quarantined"
    assert keeping.page(project)["files"] == []
    assert [keeping.ask("GET", hidden).status for hidden in (path, f"{path}.metadata", f"/pypi/{project}/json")] == [404, 404, 404]
    upstream.tell("add", project, "1.0", sdist=True)
    upstream.tell("quarantine", project, None)
    assert wheel in files(keeping, project)
    assert keeping.ask("GET", path).status == 200
    upstream.tell("remove", project)
    assert wheel in files(keeping, project)
    keeping.stop()
    keeping.start()
    assert installers.pip(keeping.simple, tmp_path, [f"{project}==1.0"]) == {project: "1.0"}
    assert f">{project}<" in keeping.ask("GET", "/simple/").body.decode()
    # Whoever made the project takes it away.
    upstream.tell("claim", project)
