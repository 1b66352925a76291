"""Every command that a page shows is given, or is at least read by the program that it is for; what is not given says why not."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from pypidaemon.testing.archives import make_sdist, make_wheel
from tests.clients.daemon import IMPORTS, Daemon, Upstream, bare_environment
from tests.clients.looking import files
from tests.clients.tools import ROOT, installed
from tests.documents import DOCS, PAGES, blocks, commands
from tests.forked import NURSERIES

pytestmark = pytest.mark.clients

SHOWN = {
    page: [command for block in blocks(page, "console") for command, _ in commands(block.text)]
    for page in [*PAGES, ROOT / "README.rst"]
    if page.parent != DOCS / "tutorials" or page.stem == "first-steps"
}
"""The commands of each page but of the tutorials that are walked (`test_tutorials.py`)."""
OURS = {page: found for page, shown in SHOWN.items() if (found := [command for command in shown if command.startswith("pypidaemon ")])}
OTHERS = sorted({command for shown in SHOWN.values() for command in shown if not command.startswith("pypidaemon ")})

NOT_GIVEN = {
    "pypidaemon run*": "each walk of a tutorial begins with it",
    "pypidaemon status*": "it takes a daemon; walks give it",
    "pypidaemon refresh*": "the same",
    "pypidaemon reload*": "it takes a daemon; tests/test_renewing.py",
    "pypidaemon init *": "there is a file already; tests/test_commands.py",
    "pypidaemon accept *": "it takes a file that upstream has replaced; tests/clients/test_removal.py and tests/test_commands_replaced.py",
    "pypidaemon adopt --layout [!p]*": "tests/clients/test_adopting.py and test_adopting_others.py have folders and servers of these tools",
    "pypidaemon adopt --layout p[!y]*": "the same",
    "pypidaemon adopt --layout pypiserver http*": "the same",
    "pypidaemon pack *": "tests/clients/test_trip.py packs each kind of file",
    "pypidaemon push*": "tests/clients/test_home_and_away.py has a home",
    "pypidaemon relock *": "tests/clients/test_trip.py relocks what it packed",
    "pypidaemon restore *": "tests/test_backups.py brings back what it wrote, into another folder",
    "pypidaemon sync*": "it takes a service; tests/clients/test_mirroring.py",
}
"""Commands that are only read here, by our own parser, and where they are given."""
BEFORE = {"status-page": "user add ann"}
"""What a page takes to have been said."""
WEIGHED = {
    # What came within the last minute stays.
    "cache rm *": {0, 1},
    # What was adopted a moment ago is nobody's, and stays so.
    "adopt --layout pypiserver /srv/packages --owner ann": {0, 1},
    "check --effect*": {0, 1},
    "who *": {0, 1},
    "why *": {0, 1},
}
"""Commands that may end with 1 here, since they have found something to tell, or nothing."""
CONFIGURATION = """
[index:root]
use = first-match
indexes = private production pypi
[index:private]
use = private
[index:production]
use = private
[index:pypi]
use = proxy
upstream = pypi
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the data of a daemon that has something of everything."""
    upstream = Upstream.begin(tmp_path_factory.mktemp("upstream"))
    names = ("alpha==1.0", "alpha==2.0", "alpha==2.1", "six==1.16.0", "torch==2.9.1", "django==5.0.2", "requests==2.99")
    for name, version in (name.split("==") for name in names):
        upstream.tell("add", name, version)
    with tempfile.TemporaryDirectory(prefix="consoles-") as place:
        folder = Path(place)
        (folder / "srv/packages").mkdir(parents=True)
        for name, version in (("acme-core", "1.2"), ("acme-tools", "1.0"), ("zope.interface", "9.0")):
            for filename, data in (make_wheel(name, version), make_sdist(name, version)):
                (folder / "srv/packages" / filename).write_bytes(data)
        daemon = Daemon(folder / "etc", upstream.simple, sections=CONFIGURATION, index="root", uploads="private")
        daemon.start()
        try:
            daemon.order("adopt", "--layout", "pypiserver", str(folder / "srv/packages"))
            for project in ("alpha", "six", "torch", "django", "requests"):
                for entry in files(daemon, project).values():
                    assert daemon.ask("GET", entry["path"]).status == 200
        finally:
            daemon.stop()
            upstream.end()
        yield folder


@pytest.fixture
def machine(world: Path) -> Iterator[Path]:
    """A copy of it, where nothing has been said yet."""
    with tempfile.TemporaryDirectory(prefix="console-") as place:
        shutil.copytree(world, place, dirs_exist_ok=True)
        shutil.copy(Path(place, "etc/config.ini"), Path(place, "etc/config.ini.old"))
        for folder in ("media/stick", "home/me", "srv/backups"):
            Path(place, folder).mkdir(parents=True)
        yield Path(place)


@pytest.mark.parametrize("page", OURS, ids=[page.stem for page in OURS])
def test_our_commands_do_what_the_page_has_them_do(page: Path, machine: Path) -> None:
    """In the order of the page, on a machine of its own."""
    environment = {**bare_environment(machine / "home"), "PYTHONPATH": str(ROOT)}
    nursery = NURSERIES.of(sys.executable, *IMPORTS)
    assert nursery is not None
    before = [f"pypidaemon {BEFORE[page.stem]}"] if page.stem in BEFORE else []
    for command in [*before, *OURS[page]]:
        if any(fnmatchcase(command, pattern) for pattern in NOT_GIVEN):
            continue
        said = shlex.split(command)[1:]
        words = [re.sub(r"\A/(srv|media|home)/", f"{machine}/\\1/", word).replace("sha256:...", "sha256:" + 64 * "0") for word in said]
        done = nursery.run("pypidaemon.commands:main", words, environment, machine, "correct horse battery\n", 60)
        expected = next((codes for pattern, codes in WEIGHED.items() if fnmatchcase(shlex.join(said), pattern)), {0})
        assert done.returncode in expected, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, f"{command}\n{done.stderr}"


PROGRAMS = {
    "pip": "pip",
    "uv": "uv",
    "twine": "twine",
    "flit": "flit",
    "hatch": "hatch",
    "poetry": "poetry",
    "pdm": "pdm",
    "pip-compile": "pip-tools",
}
"""The programs of others, and the tool that each comes with."""
SPOKEN = {
    "curl *": "it has no way to read its options and do nothing; tutorials and tests/clients give such requests",
    "make *": "tests/test_docs.py looks for the target",
    "python *": "the same for modules and scripts",
    "pip install *pypidaemon*": "it is what these tests are of",
}
"""Commands of others that are not read by their program, and why."""
READ = [command for command in OTHERS if " -" in command and not any(fnmatchcase(command, pattern) for pattern in SPOKEN)]


@pytest.mark.parametrize("command", READ)
def test_programs_of_others_know_the_options_that_pages_give_them(command: str) -> None:
    """By what they say themselves of the command in question; `test_installers.py` and `test_uploaders.py` have them do it."""
    program, *words = shlex.split(command)
    verbs = verbs_of(words)
    said = help_of(program, *verbs)
    for option in (word.partition("=")[0] for word in words if word.startswith("-")):
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", said), f"{command}: {option} is not in\n{said}"


def verbs_of(words: list[str]) -> list[str]:
    """The words before the first that is an option or a value."""
    known = {"install", "sync", "publish", "upload", "config", "add", "source", "pip"}
    return [word for place, word in enumerate(words) if set(words[: place + 1]) <= known]


@cache
def help_of(program: str, *verbs: str) -> str:
    """What a program says of itself."""
    tool = installed(PROGRAMS[program])
    # Once each, so that nothing is won by importing a tool to fork it.
    words = [tool.program(program), *verbs, "--help"]
    with tempfile.TemporaryDirectory() as place:
        environment = bare_environment(Path(place))
        done = subprocess.run(words, env=environment, cwd=place, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_command_is_given_or_says_why_not() -> None:
    """And nothing is excused that no page shows."""
    shown = [command for found in OURS.values() for command in found] + OTHERS
    excuses = [*NOT_GIVEN, *SPOKEN]
    assert [pattern for pattern in excuses if not any(fnmatchcase(command, pattern) for command in shown)] == []
    assert {shlex.split(command)[0] for command in OTHERS} <= {*PROGRAMS, *(pattern.split()[0] for pattern in SPOKEN)}
    given = [command for found in OURS.values() for command in found if not any(fnmatchcase(command, pattern) for pattern in NOT_GIVEN)]
    assert len(given) > 60
