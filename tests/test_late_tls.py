"""What an idle daemon has not loaded, and that it can be had when it is needed: TLS above all."""

from __future__ import annotations

import gc
import json
import linecache
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

import pytest
import trustme
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from pypidaemon.commands import control
from pypidaemon.commands.foreground import _can_do_without_tls
from pypidaemon.components import BUILT_IN, is_ours
from pypidaemon.configuration import parse
from pypidaemon.late_tls import is_plain, is_put_off, put_off
from pypidaemon.long_lived import settle, stir
from pypidaemon.testing import TestIndex
from tests.upstreams.parts import serve
from tests.upstreams.test_tls import context

ROOT = Path(__file__).parents[1]

UNUSED = {
    # TLS, and what only it needs.
    "OpenSSL", "cryptography", "service_identity", "pyasn1", "twisted.internet.ssl", "twisted.protocols.tls", "pypidaemon.upstreams.authorities",
    # What one verb, one policy or one rare request needs.
    "pypi_attestations", "sigstore", "pydantic", "requests", "urllib3", "readme_renderer", "docutils", "pygments", "rich", "resolvelib", "ijson",
    "prometheus_client", "distlib", "cronsim", "jwt", "twisted.web.static", "twisted.words", "twisted.conch", "setuptools", "pip",
    "pypidaemon.testing", "pypidaemon.exports", "pypidaemon.backups", "pypidaemon.adoption", "pypidaemon.advisories", "pypidaemon.closure",
    "pypidaemon.locks", "pypidaemon.packing.run", "pypidaemon.pushes.pushing", "pypidaemon.bundles", "pypidaemon.records.memory", "pypidaemon.blobs.memory", "pypidaemon.archives.zipped", "pypidaemon.archives.tarred",
    "pypidaemon.indexes.mirror", "pypidaemon.indexes.merged", "pypidaemon.indexes.directory", "pypidaemon.services.mirroring", "pypidaemon.inspection.worker",
    "twisted.web.server", "twisted.spread", "hyperlink", "treq", "xmlrpc", "importlib.metadata", "pypidaemon.web.views.desk", "pypidaemon.web.views.frame",
    "pypidaemon.workers.front", "pypidaemon.workers.process", "pypidaemon.commands.running", "pypidaemon.commands.people",
}  # fmt: skip
"""An import that stands at the top of a module costs every daemon for months; one of these that stands there now was better made where it is used."""

# What it has loaded is written down when it is told to, by which time it is idle; the rest is the daemon as anybody has it.
_PROGRAM = """
import gc, json, os, signal, sys
def tell(*_):
    seen = {"modules": sorted(sys.modules), "frozen": gc.get_freeze_count()}
    with open(sys.argv[2] + ".part", "w") as file:
        json.dump(seen, file)
    os.rename(sys.argv[2] + ".part", sys.argv[2])
signal.signal(signal.SIGWINCH, tell)
from pypidaemon.commands import main
sys.exit(main(["run", "-c", sys.argv[1]]))
"""


class Idle(TestCase):
    """One daemon, before an upstream that speaks TLS, from its start to what it loads."""

    async def test_what_it_has_not_loaded_it_has_when_it_is_asked(self) -> None:
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        folder = Path(held.name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        index = TestIndex()
        index.add("thing", "1.0")
        served = serve(self, index, context(authority.issue_cert("127.0.0.1")))
        config = folder / "config.ini"
        text = (
            "[daemon]\nlisten = {}\ndata = var\nindex = root\nuploads = private\n[index:root]\nuse = first-match\nindexes = private pypi\n[index:private]\nuse = private\n"
            f"[index:pypi]\nuse = proxy\nupstream = pypi\n[upstream:pypi]\nuse = http\nurl = {served.simple}\nproxy = none\n"
        )
        config.write_text(text.format("tcp:0:interface=127.0.0.1"))
        # The authority is one of the machine's to it: with `ca-file` it would be loaded at once, and a mistake in it told.
        environment = os.environ | {"PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(folder / "ca.pem")}
        command = [sys.executable, "-c", _PROGRAM, str(config), str(folder / "seen")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as daemon:
            try:
                await deferToThread(self._look, daemon, folder, config, text)
            finally:
                daemon.kill()

    def _look(self, daemon: subprocess.Popen[str], folder: Path, config: Path, text: str) -> None:
        assert daemon.stdout is not None
        line = daemon.stdout.readline()
        address = line.partition(" answers at ")[2].partition(" ")[0]
        assert address, line
        loaded = self._loaded(daemon, folder)
        assert {name for name in loaded["modules"] if any(f"{name}.".startswith(f"{unused}.") for unused in UNUSED)} == set()
        assert loaded["frozen"] > 10_000
        socket = folder / "var" / "control.sock"
        config.write_text(text.format("ssl:0:interface=127.0.0.1"))
        with pytest.raises(control.Refused, match=r"\[daemon\] listen: .*started without: that needs a restart"):
            control.ask(socket, "POST", "/reload")
        config.write_text(text.format("tcp:0:interface=127.0.0.1") + "[upstream:other]\nuse = tests.parts:Silent\n")
        with pytest.raises(
            control.Refused, match=r"\[upstream:other\] use: cannot come into a daemon that was started with built-in parts alone"
        ):
            control.ask(socket, "POST", "/reload")
        assert "OpenSSL" not in self._loaded(daemon, folder)["modules"]
        with urlopen(f"{address}simple/thing/") as answer:  # the scheme is http
            assert b"thing-1.0" in answer.read()
        assert "OpenSSL" in self._loaded(daemon, folder)["modules"]
        config.write_text(text.format("tcp:0:interface=127.0.0.1") + "# as before\n")
        assert control.ask(socket, "POST", "/reload")["file"]
        assert self._loaded(daemon, folder)["frozen"] == 0
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=30)
        assert daemon.returncode == 0

    def _loaded(self, daemon: subprocess.Popen[str], folder: Path) -> dict[str, object]:
        seen = folder / "seen"
        seen.unlink(missing_ok=True)
        daemon.send_signal(signal.SIGWINCH)
        # A signal is heard when something turns the loop, which a request does.
        while not seen.exists():
            control.ask(folder / "var" / "control.sock", "GET", "/status")
        found: dict[str, object] = json.loads(seen.read_text())
        return found


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("[daemon]\n", True),
        ("[daemon]\nlisten = tcp:1 tcp6:2\n  unix:/x systemd:domain=INET:index=0\n", True),
        ("[daemon]\nlisten = tcp:1 ssl:2\n", False),
        ("[daemon]\nlisten = tls:3\n", False),
        ("[daemon]\n[upstream:x]\nuse = http\nurl = https://index.example/\n[policy:y]\n", True),
        ("[daemon]\n[policy:x]\nuse = package:Class\n", False),
        ("[daemon]\n[accounts:x]\nuse = strcred\n", False),
        ("[daemon]\n[blobs:x]\nuse = of-another-distribution\n", False),
    ],
)
def test_twisted_has_tls_wherever_something_could_want_it(text: str, can: bool) -> None:
    """Listening, and code of others; upstreams need nothing of it."""
    assert _can_do_without_tls(parse(text, "c.ini")) is can


def test_every_built_in_component_but_one_is_known_throughout() -> None:
    """What checks passwords by `strcred` is a plugin."""
    assert {use for kind, offered in BUILT_IN.items() for use in offered if not is_ours(kind, use)} == {"strcred"}


def test_what_is_loaded_stays() -> None:
    """It is too late here."""
    before = sys.modules["OpenSSL"]
    put_off()
    assert sys.modules["OpenSSL"] is before
    assert not is_put_off()
    assert not is_put_off({})
    assert is_plain("tcp:80")
    assert not is_plain("haproxy:tcp:80")


def test_what_was_made_is_looked_through_no_more_until_it_may_go() -> None:
    """The collector leaves it alone, and what only debuggers read of it is gone."""
    try:
        linecache.cache["<generated>"] = (1, None, ["x\n"], "<generated>")
        settle()
        assert gc.get_freeze_count() > 0
        assert "<generated>" not in linecache.cache
    finally:
        stir()
    assert gc.get_freeze_count() == 0
