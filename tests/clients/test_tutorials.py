"""Every tutorial, followed from its top to its end: with real installers, a real web server, and an upstream that can be cut off."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.clients.daemon import Upstream
from tests.clients.walking import LEFT_OUT, Walk
from tests.documents import DOCS, blocks, commands

pytestmark = pytest.mark.clients

TUTORIALS = sorted((DOCS / "tutorials").glob("*.rst"))
WALKED = [page for page in TUTORIALS if page.name != "first-steps.rst"]
"""The first steps begin with `make run`, and go on with each installer there is; `test_consoles.py` has their commands."""


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """What stands for the public index: some projects, one release of today, and somebody who has taken a name of the company's."""
    found = Upstream.begin(tmp_path_factory.mktemp("public"))
    for name, version in (("requests", "2.32.0"), ("requests", "2.33.0"), ("flask", "3.1"), ("django", "5.2"), ("acme-core", "99")):
        found.tell("add", name, version)
    found.tell("add", "flask", "3.2", upload_time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z"))
    yield found
    found.end()


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upstream]:
    """A company's own index, for those who know its password."""
    found = Upstream.begin(tmp_path_factory.mktemp("company"))
    found.tell("add", "acme-core", "1.2")
    found.tell("set", "credentials", ["reader", "secret"])
    yield found
    found.end()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Files of a web server that speaks TLS."""
    folder, authority = tmp_path_factory.mktemp("certificate"), trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    found = {name: folder / f"{name}.pem" for name in ("key", "chain", "authority")}
    issued.private_key_pem.write_to_path(found["key"])
    issued.private_key_and_cert_chain_pem.write_to_path(found["chain"])
    authority.cert_pem.write_to_path(found["authority"])
    return found


@pytest.fixture
def machine() -> Iterator[Path]:
    """A folder that stands for a machine, with a package of one's own; its path is short, since sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="walk-") as place:
        for folder in ("dist", "srv/packages", "srv/backups"):
            (Path(place) / folder).mkdir(parents=True)
        for filename, data in (make_wheel("acme-core", "1.2"), make_sdist("acme-core", "1.2")):
            for folder in ("dist", "srv/packages"):
                (Path(place) / folder / filename).write_bytes(data)
        yield Path(place)


@pytest.mark.parametrize("page", WALKED, ids=[page.stem for page in WALKED])
def test_whoever_follows_it_gets_there(
    page: Path, public: Upstream, company: Upstream, certificate: Mapping[str, Path], machine: Path
) -> None:
    """Each file is written, each command given, and what is printed is what the page says."""
    walk = Walk(machine, public, company, certificate)
    walk.whole(page)
    assert walk.given == [command for block in blocks(page, "console") if not block.inner for command, _ in commands(block.text)]


def test_what_walks_pass_over_stands_in_tutorials() -> None:
    """Else it would be an excuse for nothing."""
    text = "\n".join(page.read_text("utf-8") for page in TUTORIALS)
    for pattern in LEFT_OUT:
        assert pattern.strip("*/ ") in text, pattern
