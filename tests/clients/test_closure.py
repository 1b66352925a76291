"""What a package needs is fetched with it, so that real installers are content when upstream is away (the train)."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream

pytestmark = pytest.mark.clients

HERE = f"{'macos' if sys.platform == 'darwin' else 'linux'}-{platform.machine()}"
SECTIONS = f"""
[index:{{index}}]
use = {{index}}
exposed = yes

[service:nightly]
use = mirroring
index = {{index}}
requirements = requirements.txt
dependencies = yes
pythons = {sys.version_info[0]}.{sys.version_info[1]}
platforms = {HERE}
releases = 1
schedule = weekly sun 03:15
"""


@pytest.fixture(params=["mirror", "proxy"])
def filled(request: pytest.FixtureRequest, upstream: Upstream, tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose index was filled with seeds-alpha and what it needs."""
    found = Daemon(tmp_path / "daemon", upstream.simple, SECTIONS.format(index=request.param), index=request.param)
    found.folder.mkdir()
    (found.folder / "requirements.txt").write_text("seeds-alpha\n")
    found.start()
    try:
        found.order("sync")
        yield found
    finally:
        found.stop()
    found.check_log()


def test_M2_a_requirement_and_what_it_needs_install_without_upstream(filled: Daemon, upstream: Upstream, tmp_path: Path) -> None:
    """A mirror has nothing else; a proxy has the pages of upstream, of which these files are here."""
    fetched = {path.rpartition("/")[2] for path in upstream.paths("/packages/*.whl")}
    assert fetched == {"seeds_alpha-1.1-py3-none-any.whl", "seeds_beta-1.1-py3-none-any.whl"}
    upstream.tell("stop")
    for name in ("pip", "uv"):
        (tmp_path / name).mkdir()
    assert installers.pip(filled.simple, tmp_path / "pip", ["seeds-alpha"]) == {"seeds-alpha": "1.1", "seeds-beta": "1.1"}
    assert installers.uv_pip(filled.simple, tmp_path / "uv", ["seeds-alpha"]) == {"seeds-alpha": "1.1", "seeds-beta": "1.1"}
