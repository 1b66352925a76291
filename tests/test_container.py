"""The files for containers that we ship, without anything to run them in: what they name is there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from pypidaemon.blueprints import plan

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "etc" / "docker"


def instructions() -> list[tuple[str, str]]:
    """What the Dockerfile says, each with what stands behind it."""
    text = "\n".join(line for line in (DOCKER / "Dockerfile").read_text("utf-8").splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", "", text)
    return [(word, rest.strip()) for line in joined.splitlines() if line for word, _, rest in [line.partition(" ")]]


def said(word: str) -> list[str]:
    """All that one instruction says."""
    return [rest for one, rest in instructions() if one == word]


def test_what_is_copied_is_there_and_is_not_left_out() -> None:
    """A file that is not in the context is noticed here, and not by who builds."""
    kept = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert all((ROOT / one).exists() for one in kept)
    for line in said("COPY"):
        if not line.startswith("--from"):
            source, _ = shlex.split(line)
            assert source == "." or source in kept
    # All that setup.py reads, and the packages.
    assert kept >= {"setup.py", "pyproject.toml", "README.rst", "LICENSE", "pypidaemon", "twisted"}


def test_its_python_and_extras_are_ours() -> None:
    """One that we say we run on, in both stages; and extras that there are."""
    setup = (ROOT / "setup.py").read_text("utf-8")
    versions = {found[1] for line in said("FROM") if (found := re.match(r"python:(3\.\d+)-slim\b", line))}
    assert len(versions) == 1
    assert f'"Programming Language :: Python :: {versions.pop()}"' in setup
    extras = re.findall(r"/source\[([\w,]+)\]", "\n".join(said("RUN")))
    assert extras
    assert all(f'        "{extra}": [' in setup for extra in extras[0].split(","))


def test_it_is_nobody_and_starts_what_there_is() -> None:
    """Not root, by the same file that is copied there, at the port that is told, and with words that the command line has."""
    from pypidaemon.commands import _parser

    (user,) = said("USER")
    assert all(int(number) > 0 for number in user.split(":"))
    assert json.loads(said("ENTRYPOINT")[0]) == ["/opt/pypidaemon/bin/pypidaemon"]
    words = json.loads(said("CMD")[0])
    assert _parser().parse_args(words).act
    assert any(line.endswith(words[-1]) for line in said("COPY"))
    planned = plan(str(DOCKER / "config.ini"))
    assert all(part.needed for part in planned.parts.values())
    assert planned.daemon.listen == (f"tcp:{said('EXPOSE')[0]}",)
    assert str(planned.data.parent) == said("VOLUME")[0]


def test_the_services_of_compose_are_shut_in() -> None:
    """Read by docker where it is here; what matters is in it either way, and it waits longer than the daemon drains."""
    text = (DOCKER / "compose.yml").read_text("utf-8")
    for line in ("read_only: true", "- ALL", "- no-new-privileges:true", '- "127.0.0.1:3141:3141"', "dockerfile: etc/docker/Dockerfile"):
        assert f" {line}\n" in text
    # A file that is mounted by itself stays what it was when somebody puts another one in its place.
    sources = [DOCKER / one for one in re.findall(r"^ +- (\.[^:]*):/", text, re.MULTILINE)]
    assert sources
    assert all(one.is_dir() for one in sources)
    grace = re.search(r"stop_grace_period: (\d+)s", text)
    assert grace is not None
    assert int(grace[1]) > plan(str(DOCKER / "config.ini")).daemon.drain
    assert (DOCKER / "../..").resolve() == ROOT
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False, timeout=30).returncode == 0:
        command = [docker, "compose", "-f", str(DOCKER / "compose.yml"), "config", "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yml", "config.ini"])
def test_each_says_what_it_is(file: str) -> None:
    """In its first line."""
    assert (DOCKER / file).read_text("utf-8").startswith("# ")
