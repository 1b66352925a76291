"""
A newcomer's walk: a clean tree, `make run`, and what the README says from there on, to the letter.

The commands are read from the README, so that they cannot be others than people are told. What stands for something is put in: an address for the one of
the daemon, names for PROJECT and TEXT, and the token that was printed for TOKEN. The public index is a synthetic one, by the two lines that `etc/config.ini`
itself names for that; and what `make run` installs comes from the environment of these tests, through pip as ever.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import IO
from urllib.error import HTTPError

import attrs
import pytest

from pypidaemon.testing.archives import make_wheel
from tests.clients.daemon import Upstream, bare_environment, free_port
from tests.clients.tools import ROOT, installed
from tests.frame.test_install import everything_but_ours
from tests.needs import missing
from tests.walk.readme import readme

pytestmark = pytest.mark.clients
PATIENCE = 120.0
"""Seconds that a step may take on however busy a machine."""
ADDRESS = "http://127.0.0.1:3141"
"""Where a daemon answers in the README."""


@attrs.frozen
class Newcomer:
    """
    Somebody with a checkout, and an environment of his own that has pip, uv and twine.

    :param url: where the daemon answers, without a slash at its end.
    """

    home: Path
    tree: Path
    url: str

    def types(self, line: str, *, fails: bool = False, **stands_for: str) -> str:
        """
        What a command prints that the README has.

        :param fails: whether it has to end with an error.
        """
        for word, meant in stands_for.items():
            assert word in line, (word, line)
            line = re.sub(rf"\b{word}\b", lambda _, meant=meant: meant, line)  # type: ignore[misc]  # a default is what it is called with
        line = line.replace(ADDRESS, self.url)
        # As the README has it, the command is there once the checkout's environment is active.
        active = ". .venv/bin/activate && " if line.startswith("pypidaemon") else ""
        done = subprocess.run(
            ["sh", "-c", active + line], cwd=self.tree, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert (done.returncode != 0) is fails, f"{line}\n{done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """That of his shell."""
        found = shell(self.home)
        del found["PIP_CONFIG_FILE"]
        tools = [str(self.home / "own" / "bin"), *(str(installed(tool).folder / "bin") for tool in ("uv", "twine"))]
        found |= {"VIRTUAL_ENV": str(self.home / "own"), "UV_CACHE_DIR": str(self.home / "uv-cache")}
        return found | {"PATH": os.pathsep.join([*tools, found["PATH"]])}

    def has(self, module: str) -> bool:
        """Whether that was installed."""
        return any((self.home / "own").glob(f"lib/python*/site-packages/{module}"))

    def looks_at(self, path: str) -> tuple[int, str]:
        """What a browser is shown there."""
        request = urllib.request.Request(self.url + path, headers={"Accept": "text/html,*/*;q=0.8"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    def builds(self, project: str, version: str) -> None:
        """A package of his own, in `dist/`, which holds nothing else."""
        shutil.rmtree(self.tree / "dist", ignore_errors=True)
        (self.tree / "dist").mkdir()
        name, data = make_wheel(project, version)
        (self.tree / "dist" / name).write_bytes(data)


def shell(home: Path) -> dict[str, str]:
    """The environment of a shell that nobody has set up; what is compiled is kept, as it is for everybody, since all of it runs more than once."""
    found = bare_environment(home)
    del found["PYTHONDONTWRITEBYTECODE"]
    return found


def clone(into: Path) -> None:
    """This tree as somebody would have it who clones it, with what is not committed yet; what is compiled here comes along, to save the time."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        missing("what belongs to the tree is known to git alone")
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True, timeout=PATIENCE
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
            compiled = Path(cache_from_source(name))
            if name.startswith("pypidaemon/") and (ROOT / compiled).is_file():
                (into / compiled).parent.mkdir(exist_ok=True)
                shutil.copy2(ROOT / compiled, into / compiled)


def environment(folder: Path, seen: Path | None = None) -> None:
    """A virtual environment whose pip is one of ours, which saves the time to unpack one; it sees those packages."""
    venv.create(folder, with_pip=False, symlinks=True)
    if seen is not None:
        (packages,) = (folder / "lib").glob("python*/site-packages")
        (packages / "seen.pth").write_text(f"{seen}\n")
    pip = folder / "bin" / "pip"
    words = "" if seen is not None else f"--python {folder}/bin/python "
    pip.write_text(f'#!/bin/sh\nexec {folder / "bin" / "python" if seen is not None else sys.executable} -m pip {words}"$@"\n')
    pip.chmod(0o755)


@contextmanager
def make_run(tree: Path, environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """`make run` as the README has it, from when it says that it answers; and what it said until then."""
    line = readme().command("make run")
    process = subprocess.Popen(
        line.split(), cwd=tree, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    try:
        said = heard(process.stdout, until=lambda said: b"answers at" in said and said.endswith(b"\n"))
        assert b"answers at" in said, f"it has ended:\n{said.decode()}"
        yield process, said.decode().splitlines()
    finally:
        # Also where `make` itself has ended: what it began may not have.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def heard(stream: IO[bytes], until: Callable[[bytes], bool]) -> bytes:
    """What is said there up to that, or up to the end."""
    said, deadline = b"", time.monotonic() + PATIENCE
    while not until(said):
        ready, _, _ = select.select([stream], [], [], max(deadline - time.monotonic(), 0))
        assert ready, f"nothing more is said:\n{said.decode()}"
        more = os.read(stream.fileno(), 1 << 16)
        if not more:
            break
        said += more
    return said


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[tuple[Newcomer, Upstream]]:
    """A clean tree whose upstream has `requests` and others, and whoever has it."""
    home, tree = tmp_path / "home", tmp_path / "pypidaemon"
    (home / "own").mkdir(parents=True)
    tree.mkdir()
    clone(tree)
    (tmp_path / "seen").mkdir()
    environment(tree / ".venv", everything_but_ours(tmp_path / "seen"))
    environment(home / "own")
    upstream = Upstream.begin(tmp_path)
    try:
        for name in ("requests", "second", "third", "fourth"):
            upstream.tell("add", name, "1.0")
        yield Newcomer(home, tree, f"http://127.0.0.1:{free_port()}"), upstream
    finally:
        upstream.end()


def test_nothing_that_make_began_outlives_a_walk(tmp_path: Path) -> None:
    """Also where it is gone before what it began."""
    (tmp_path / "Makefile").write_text("run:\n\t@echo answers at; sleep 600 &\n")
    with make_run(tmp_path, bare_environment(tmp_path)) as (make, _):
        assert make.wait(PATIENCE) == 0
        assert members(make.pid)
    for _ in range(1000):
        if not members(make.pid):
            break
        # It was killed, and whoever looks after orphans has not seen that yet.
        time.sleep(0.01)
    assert not members(make.pid)


def members(group: int) -> list[str]:
    """Processes of that group that have not ended."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, leader = (place / "stat").read_text().rpartition(")")[2].split()[:3]
            found += [place.name] if int(leader) == group and state != "Z" else []
    return found


def test_a_newcomer_walks_through_the_readme(walk: tuple[Newcomer, Upstream]) -> None:
    """Clone, `make run`, install through it, look at the start page, upload, find it, block it, see why: and nothing has to be guessed."""
    newcomer, upstream = walk
    said = readme()
    file = newcomer.tree / "etc" / "config.ini"
    shipped = file.read_text()
    assert shipped.count("\nuse = pypi\n") == 1
    other = shipped.replace("\nuse = pypi\n", f"\nuse = http\nurl = {upstream.simple}\n")
    file.write_text(other.replace(":3141", f":{newcomer.url.rpartition(':')[2]}"))
    before = {path.name for path in newcomer.tree.iterdir()}
    with make_run(newcomer.tree, {**shell(newcomer.home), "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}) as (daemon, lines):
        assert f"{newcomer.url}/" in lines[-1], lines
        _installs(newcomer)
        _looks(newcomer)
        token = _may_upload(newcomer)
        newcomer.builds("our-thing", "1.0")
        newcomer.types(said.command("twine upload"), TOKEN=token)
        newcomer.builds("our-thing", "1.1")
        newcomer.types(said.command("uv publish"), TOKEN=token)
        _finds_and_blocks(newcomer)
        # As Control-C does, to all that hangs on the terminal.
        os.killpg(daemon.pid, signal.SIGINT)
        assert daemon.stdout is not None
        rest = heard(daemon.stdout, until=lambda _: False).decode()
        daemon.wait(PATIENCE)
    log = [line.partition("] ")[2] for line in rest.splitlines() if "[pypidaemon#" in line]
    assert log[-2:] == ["SIGINT: stopping", "stopped"], rest
    assert "Traceback" not in rest
    # It keeps everything in `var/`, and `make clean` takes away what was made besides.
    came = {path.name for path in newcomer.tree.iterdir()} - before
    assert {"var", "dist", "uv.toml"} <= came <= {"var", "dist", "uv.toml", "pypidaemon.egg-info"}
    assert "var" not in [line.split()[0] for line in (newcomer.tree / "Makefile").read_text().partition("\nclean:")[2].splitlines() if line]


def _installs(newcomer: Newcomer) -> None:
    """With pip and with uv, for once and for good."""
    said = readme()
    newcomer.types(said.command("pip install --index-url"))
    assert newcomer.has("requests*")
    newcomer.types(said.command("pip config set"))
    newcomer.types("pip install second")
    assert newcomer.has("second*")
    newcomer.types(said.command("uv pip install"))
    (newcomer.tree / "uv.toml").write_text(said.passage("[[index]]").replace(ADDRESS, newcomer.url))
    newcomer.types("uv pip install third")
    assert newcomer.has("third*")


def _looks(newcomer: Newcomer) -> None:
    """The start page has the same with the right address, which is tried as it stands there."""
    status, page = newcomer.looks_at("/")
    assert status == 200
    (line,) = re.findall(r"<code>(pip install [^<]*PROJECT)</code>", page)
    assert newcomer.url in line
    newcomer.types(line, PROJECT="fourth")
    assert newcomer.has("fourth*")
    for title in ("Search", "Status"):
        (way,) = set(re.findall(rf'<a href="([^"]*)"[^>]*>{title}</a>', page))
        assert newcomer.looks_at("/" + way.removeprefix("./"))[0] == 200, title


def _may_upload(newcomer: Newcomer) -> str:
    """Three commands; the last prints a token."""
    said = readme()
    for beginning in ("pypidaemon user add", "pypidaemon grant"):
        newcomer.types(said.command(beginning))
    return newcomer.types(said.command("pypidaemon token add")).strip()


def _finds_and_blocks(newcomer: Newcomer) -> None:
    """It is found, installed, blocked, gone, and everybody is told why."""
    said = readme()
    status, page = newcomer.looks_at("/search/?q=thing")
    for _ in range(500):
        if "our-thing" in page:
            break
        # The index of names hears of it within seconds.
        time.sleep(0.05)
        status, page = newcomer.looks_at("/search/?q=thing")
    assert (status, 'href="../project/our-thing/"' in page) == (200, True)
    status, page = newcomer.looks_at("/project/our-thing/")
    (line,) = re.findall(r"<code>(pip install [^<]*)</code>", page)
    newcomer.types(line)
    assert newcomer.has("our_thing-1.1*")
    assert "PROJECT==VERSION" in said.literals
    newcomer.types(said.command("pypidaemon block"), PROJECT="our-thing==1.1", TEXT="'it is malware'")
    who = newcomer.types(said.command("pypidaemon who"), PROJECT="our-thing")
    assert "our_thing-1.1" in who
    why = newcomer.types(said.command("pypidaemon why"), PROJECT="our-thing")
    assert "it is malware" in why
    newcomer.types("uv pip install --refresh --reinstall our-thing")
    assert newcomer.has("our_thing-1.0*")
    newcomer.types(said.command("pypidaemon block"), PROJECT="our-thing", TEXT="'all of it'")
    newcomer.types("pip install --force-reinstall our-thing", fails=True)
    status, page = newcomer.looks_at("/project/our-thing/")
    assert (status, "all of it" in page) == (404, True)
    (way,) = re.findall(r'<a href="([^"]*)">Why\?</a>', page)
    assert newcomer.looks_at("/" + way.replace("../", ""))[0] == 200
    (address,) = [one for one in said.literals if one.startswith("/+why/")]
    status, page = newcomer.looks_at(address.replace("PROJECT", "our-thing"))
    assert (status, "all of it" in page) == (200, True)
    assert "our-thing" not in newcomer.looks_at("/search/?q=thing")[1].partition('id="found"')[2]
    newcomer.types(said.command("pypidaemon unblock"), PROJECT="our-thing")
    newcomer.types("uv pip install --refresh --reinstall our-thing")
    told = json.loads(newcomer.types(said.command("pypidaemon status") + " --json"))
    assert "pypi" in json.dumps(told)
