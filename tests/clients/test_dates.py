"""An index that gives no dates, made usable for those who leave out what is too new."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream

pytestmark = pytest.mark.clients

NAME = "seeds-timely"
BEFORE_2021 = ("pip", "install", "-q", "--exclude-newer", "2021-01-01T00:00:00Z", "--target", "target", NAME)


@pytest.fixture
def dateless(tmp_path: Path) -> Iterator[Upstream]:
    """An index with the same releases as the stock has, which speaks HTML alone and so says nothing of dates."""
    found = Upstream.begin(tmp_path / "dateless")
    try:
        for version in ("1.0", "2.0", "3.0"):
            found.tell("add", NAME, version)
        for setting in ("html_only", "last_modified"):
            found.tell("set", setting, 1)
        yield found
    finally:
        found.end()


@pytest.mark.parametrize(
    ("setting", "chosen"),
    [("", None), ("dates = dated\n", "1.0"), ("dates-from-files = yes\n", "3.0")],
    ids=["neither", "another index", "files"],
)
def test_R56_uv_exclude_newer_sees_dates_that_were_found(
    setting: str, chosen: str | None, dateless: Upstream, upstream: Upstream, tmp_path: Path
) -> None:
    """From another index those of the releases; from the files themselves one that is before all the limits; by default none at all."""
    sections = f"[index:pypi]\nuse = proxy\nupstream = pypi\n{setting}[upstream:dated]\nuse = http\nurl = {upstream.simple}\n"
    daemon = Daemon(tmp_path / "daemon", dateless.simple, sections)
    daemon.start()
    try:
        outcome = installers.run(installers.uv_command(*BEFORE_2021), tmp_path, installers.uv_environment(daemon.simple, tmp_path))
        assert (outcome.code == 0) == (chosen is not None), outcome.said
        assert installers.present(tmp_path / "target") == ({} if chosen is None else {NAME: chosen})
        assert ("HEAD" in {seen.method for seen in dateless.requests()}) == setting.startswith("dates-from-files")
    finally:
        daemon.stop()
    daemon.check_log()
