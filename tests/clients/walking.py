"""Tutorials, walked: their files are written, their commands are given in order, and what these print is held against the page."""

from __future__ import annotations

import doctest
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

import attrs

from tests.clients.daemon import IMPORTS, PAUSE, STOPPING, TRIES, Upstream, ask, bare_environment, free_port
from tests.clients.installers import PATIENCE
from tests.clients.nginx import nginx
from tests.clients.tools import ROOT, acquainted, forkable, installed
from tests.documents import Block, blocks, commands
from tests.forked import NURSERIES, Forked

SAID = "correct horse battery\n"
"""What is typed where a command asks for a password."""
LEFT_OUT = {
    "python3 -m venv *": "tests/frame installs the package, and walks have no place to install it to",
    "*/pip install *": "the same",
    "ln -s *": "the same",
    "useradd *": "tests make no users",
    "install -d *": "nor anything that belongs to one",
    "chmod *": "the same",
    "mkdir *": "a walk makes the folders of files that it writes",
    "install -m 644 etc/systemd/*": "tests start no services of the machine; that the units are sound is looked at elsewhere",
    "systemctl daemon-reload": "the same",
}
"""Commands of tutorials that a walk passes over, and why."""


@attrs.define(eq=False)
class Walk:
    """One walk over one page, in a folder that stands for the machine."""

    folder: Path
    upstream: Upstream
    company: Upstream | None = None
    certificate: Mapping[str, Path] = attrs.field(factory=dict)
    """Where `key`, `chain` and `authority` of the web server in front lie."""
    stack: ExitStack = attrs.field(factory=ExitStack)
    port: int = attrs.field(factory=free_port)
    front: int = attrs.field(factory=free_port)
    daemon: subprocess.Popen[bytes] | Forked | None = None
    environment: dict[str, str] = attrs.field(init=False)
    token: str = "TOKEN"
    fails: bool = False
    """Whether the commands of the next block have to fail."""
    down: list[Upstream] = attrs.field(factory=list)
    given: list[str] = attrs.field(factory=list)
    """The commands that were given, as the page has them."""

    def __attrs_post_init__(self) -> None:
        home = self.folder / "home"
        self.environment = {
            **bare_environment(home),
            "PYTHONPATH": str(ROOT),
            "PATH": os.pathsep.join([str(installed("uv").folder / "bin"), str(installed("twine").folder / "bin"), "/usr/bin", "/bin"]),
            "PIP_TARGET": str(self.folder / "installed"),
            "UV_CACHE_DIR": str(acquainted()),
            "UV_NO_CACHE": "1",
            "UV_PYTHON": sys.executable,
            "UV_PYTHON_DOWNLOADS": "never",
            # By itself it tries again for some seconds what is unavailable.
            "UV_HTTP_RETRIES": "0",
        }
        # It would keep pip from writing and reading what the page has it write.
        del self.environment["PIP_CONFIG_FILE"]
        if self.certificate:
            authority = str(self.certificate["authority"])
            self.environment |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), authority)

    def here(self, text: str) -> str:
        """What the page says, with the addresses, ports and places of this walk."""
        url = f"http://127.0.0.1:{self.port}"
        changes = {
            "http://127.0.0.1:3141": url,
            "http://server.example:3141": url,
            "trusted-host server.example": "trusted-host 127.0.0.1",
            "tcp:3141:interface=127.0.0.1": f"tcp:{self.port}:interface=127.0.0.1",
            "tcp:3141": f"tcp:{self.port}:interface=127.0.0.1",
            "https://packages.example": f"https://127.0.0.1:{self.front}",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.front} ssl;",
            "server_name packages.example;": "",
            "machine packages.example": "machine 127.0.0.1",
            "@packages.example/": f"@127.0.0.1:{self.front}/",
            "/etc/ssl/packages.example.pem": str(self.certificate.get("chain", "")),
            "/etc/ssl/packages.example.key": str(self.certificate.get("key", "")),
            "https://index.example/simple/": self.company.simple if self.company else "https://index.example/simple/",
            "use = pypi\n": f"use = http\nurl = {self.upstream.simple}\n",
            "~/": f"{self.folder}/home/",
            "TOKEN": self.token,
            **{f"{place}/": f"{self.folder}{place}/" for place in ("/etc/pypidaemon", "/etc/nginx", "/srv", "/run")},
            "/var/lib/pypidaemon": f"{self.folder}/var/lib/pypidaemon",
        }
        return re.sub("|".join(map(re.escape, sorted(changes, key=len, reverse=True))), lambda found: changes[found[0]], text)

    def take(self, step: Block) -> None:
        """Do what that part of the page says."""
        match step.language:
            case "console":
                for command, expected in commands(step.text):
                    self.give(step, command, expected)
                self.fails = False
            case "walk":
                self.directed(step.text)
            case _ if step.caption:
                file = Path(self.here(step.caption))
                file = file if file.is_absolute() else self.folder / file
                file.parent.mkdir(parents=True, exist_ok=True)
                text = step.text
                if step.language == "ini" and "[daemon]" in text and "[upstream:pypi]" not in text:
                    text += "\n[upstream:pypi]\nuse = pypi\n"
                file.write_text(self.here(text))
                if step.caption == "/etc/pypidaemon/config.ini":
                    # Where commands look by themselves on a real machine.
                    self.environment["PYPIDAEMON_CONFIG"] = str(file)

    def directed(self, words: str) -> None:
        """What happens beside what the reader types."""
        match words:
            case "the line is cut":
                self.cut(self.upstream)
            case "the line is there again":
                self.down.remove(self.upstream)
                self.upstream.tell("start")
            case "the company is down":
                assert self.company is not None
                self.cut(self.company)
            case "Control-C":
                self.stop()
            case "the command fails":
                self.fails = True
            case _:
                raise AssertionError(f"no such direction: {words}")

    def cut(self, upstream: Upstream) -> None:
        """Have it refuse connections, until the walk is over or it is told otherwise."""
        upstream.tell("stop")
        self.down.append(upstream)

    def give(self, step: Block, command: str, expected: str) -> None:
        """One command, and whether it prints what the page says."""
        self.given.append(command)
        words = shlex.split(self.here(command))
        if words[0] == "sudo":
            words = words[3:] if words[1] == "-u" else words[1:]
        if any(fnmatchcase(shlex.join(words), pattern) for pattern in LEFT_OUT):
            return
        if words[0] == "export":
            self.environment |= [word.split("=", 1) for word in words[1:]]
            return
        if words[:2] == ["pypidaemon", "run"] or words[:3] == ["systemctl", "enable", "--now"]:
            self.start(words[2:] if words[0] == "pypidaemon" else ["-c", self.here("/etc/pypidaemon/config.ini")])
            return
        if words == ["systemctl", "reload", "nginx"]:
            [conf] = (self.folder / "etc/nginx").rglob("*.conf")
            self.stack.enter_context(nginx(self.folder / "nginx", conf.read_text(), f"https://127.0.0.1:{self.front}"))
            return
        done = self.run(words)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == self.fails, f"{step.where}: {command} ended with {done.returncode}\n{said}"
        if found := re.search(r"^pypidaemon-\S+", done.stdout, re.MULTILINE):
            self.token = found[0]
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if expected:
            fits = doctest.OutputChecker().check_output(self.here(expected), said, flags)
            assert fits, f"{step.where}: {command}\n{said}\ninstead of\n{self.here(expected)}"

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        """That command to its end."""
        program, *rest = words
        if program == "pypidaemon":
            entry, nursery = "pypidaemon.commands:main", NURSERIES.of(sys.executable, *IMPORTS)
            assert nursery is not None
            return nursery.run(entry, rest, self.environment, self.folder, SAID, PATIENCE)
        if program in ("pip", "twine"):
            found = forkable([installed(program).program(program), *rest])
            assert found is not None
            tool, entry, rest = found[0], found[1], list(found[2])
            if nursery := NURSERIES.of(tool.program("python"), *tool.imports):
                files = [str(file) for word in rest for file in (sorted(self.folder.glob(word)) if "*" in word else [word])]
                return nursery.run(entry, files, self.environment, self.folder, "", PATIENCE)
        assert program in ("uv", "curl"), f"nobody knows how to walk over {program}"
        return subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False)

    def start(self, options: list[str]) -> None:
        """Start the daemon, and come back when it is ready."""
        nursery = NURSERIES.of(sys.executable, *IMPORTS)
        assert nursery is not None
        log = self.folder / "log"
        with log.open("ab") as out, open(os.devnull, "rb") as nothing:
            self.daemon = nursery.begin("pypidaemon.commands:main", ["run", *options], self.environment, self.folder, nothing, out, out)
        for _ in range(TRIES):
            assert self.daemon.poll() is None, f"{options}\n{log.read_text()}"
            try:
                if ask(f"http://127.0.0.1:{self.port}", "GET", "/+ready").status == 200:
                    return
            except OSError:
                # Nobody listens yet.
                pass
            time.sleep(PAUSE)
        raise AssertionError(log.read_text())

    def stop(self) -> None:
        """End the daemon as Control-C does, and look whether it complained."""
        daemon, self.daemon = self.daemon, None
        assert daemon is not None
        daemon.send_signal(signal.SIGINT)
        log = (self.folder / "log").read_text()
        assert daemon.wait(STOPPING) == 0, log
        assert "Traceback" not in log

    def whole(self, page: Path) -> None:
        """Walk over the page from its top to its end, where the daemon has been stopped."""
        try:
            with self.stack:
                for step in blocks(page):
                    if not step.inner:
                        self.take(step)
            assert self.daemon is None
        finally:
            for upstream in self.down:
                upstream.tell("start")
            if self.daemon is not None:
                self.daemon.kill()
                self.daemon.wait()
