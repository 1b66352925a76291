"""Real installers behind the policy that wants attestations, with a real wheel and its real provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.attested import CIRCLECI
from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream

pytestmark = pytest.mark.clients

NAME = str(CIRCLECI.name)
VERSION = "0.0.1.dev137"
"""Of the wheel whose provenance is known."""
PROVENANCE = f"/integrity/{NAME}/{VERSION}/{CIRCLECI.filename}/provenance"

SECTIONS = """
[policy:signed]
use = attested

[index:all]
use = proxy
exposed = yes

[index:root]
use = policed
index = all
policies = signed
"""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon before an index that speaks https, since no other can name provenance (R29)."""
    tmp_path = tmp_path_factory.mktemp("attested")
    authority = trustme.CA()
    chain, ca_file = tmp_path / "server.pem", tmp_path / "ca.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
    authority.cert_pem.write_to_path(ca_file)
    upstream = Upstream.begin(tmp_path / "upstream", str(chain))
    try:
        stock(upstream)
        daemon = Daemon(tmp_path / "daemon", upstream.simple, f"ca-file = {ca_file}\n{SECTIONS}", index="root")
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.stop()
        daemon.check_log()
    finally:
        upstream.end()


def stock(upstream: Upstream) -> None:
    """One release that is attested, and a newer one that is not."""
    newer = upstream.tell("add", NAME, "9.0")
    upstream.tell("recorded", NAME, CIRCLECI.filename)
    files = [
        {"filename": filename, "url": upstream.url + upstream.tell("path", NAME, filename), "hashes": {}, **more}
        for filename, more in (
            (newer, {}),
            (CIRCLECI.filename, {"hashes": {"sha256": CIRCLECI.digest}, "provenance": upstream.url + PROVENANCE}),
        )
    ]
    page = {"meta": {"api-version": "1.0"}, "name": NAME, "files": files}
    upstream.tell("serve_page", NAME, json.dumps(page), "application/vnd.pypi.simple.v1+json")
    upstream.tell("recorded", PROVENANCE, f"{CIRCLECI.filename}.provenance")


@pytest.mark.parametrize("install", [installers.pip, installers.uv_pip], ids=["pip", "uv"])
def test_the_attested_release_is_installed(secure: Daemon, install: installers.Installer, tmp_path: Path) -> None:
    """Without the policy it is the newer one, so it is the policy that decides."""
    for index, version in ((f"{secure.url}/index/all/simple/", "9.0"), (secure.simple, VERSION)):
        place = tmp_path / version
        place.mkdir()
        assert install(index, place, [NAME]) == {NAME: version}
    refused = secure.ask("GET", "/packages/by-name/all/" + f"{NAME}/{NAME.replace('-', '_')}-9.0-py3-none-any.whl")
    assert (refused.status, "it has no provenance" in refused.reason) == (403, True), refused
    document = secure.ask("GET", PROVENANCE)
    assert json.loads(document.body)["attestation_bundles"]
    assert not list((secure.folder / "home").rglob("*sigstore*")), "the root of trust came with the library"
