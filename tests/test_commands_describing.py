"""Completion, tried in the shells themselves, and the manual page, read by the program that renders it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from pypidaemon.adoption.layouts import LAYOUTS
from pypidaemon.commands import _parser, main
from pypidaemon.commands.grammar import Verb, grammar
from pypidaemon.commands.kinds import KINDS
from pypidaemon.commands.manual import _text, page
from pypidaemon.commands.shells import SHELLS, bash, fish, zsh
from tests.clients.debian import program
from tests.clients.tools import HOME

FOLDER = ("file.ini", "folder/")
"""What lies where we are, files and folders."""

Complete = Callable[[Sequence[str]], list[set[str]]]


@cache
def verbs() -> tuple[Verb, ...]:
    [inner] = [action for action in _parser()._actions if hasattr(action, "choices") and isinstance(action.choices, dict)]
    return grammar(inner)  # type: ignore[arg-type]  # there is no other such action


def ran(command: Sequence[str], script: str, folder: Path, environment: Mapping[str, str]) -> str:
    """What that shell prints, without a word of complaint."""
    done = subprocess.run(command, input=script, capture_output=True, text=True, cwd=folder, env=dict(environment), timeout=60, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout


def words(line: str) -> str:
    """A line as a list of words in a shell, the one that is begun behind a blank too."""
    return f'{line}""' if line.endswith(" ") else line


def in_bash(folder: Path) -> Complete:
    """As bash itself calls what completes: with the words, and which of them is typed."""

    def complete(lines: Sequence[str]) -> list[set[str]]:
        shown = 'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _pypidaemon; printf "%s\\n" "${COMPREPLY[@]}" END\n'
        calls = "".join(f"COMP_WORDS=({words(line)}); {shown}" for line in lines)
        said = ran([shutil.which("bash") or "bash", "--norc"], bash(verbs()) + calls, folder, os.environ)
        return [{word.rstrip("/") for word in part.split("\n") if word} for part in said.split("END\n")[:-1]]

    return complete


STUBS = """
compdef() { : }
_describe() { local what=$1 array=$2; print -rl -- ${${(P)array}%%:*} }
compadd() { shift; print -rl -- $@ }
_files() { [[ -o ksharrays ]] && print -u2 options; if [[ $1 == -/ ]]; then print -rl -- *(N/); else print -rl -- *(N); fi }
_message() { : }
"""
"""What zsh's own functions do, as far as it is printed here; they themselves take a terminal."""


def in_zsh(folder: Path) -> Complete:
    """As zsh calls it, which then leaves out what does not begin as typed."""
    shell = program("zsh", "zsh", "zsh-common")

    def complete(lines: Sequence[str]) -> list[set[str]]:
        calls = "".join(f"words=({words(line)}); CURRENT=$#words; _pypidaemon; print END\n" for line in lines)
        # One that was only unpacked looks for its modules where it would have been installed.
        modules = [str(place) for place in (HOME / "zsh").glob("usr/lib/*/zsh/*") if place.is_dir()]
        said = ran([shell.path, "-f"], f"module_path+=({' '.join(modules)})\n" + STUBS + zsh(verbs()) + calls, folder, shell.environment)
        typed = [line.rpartition(" ")[2] for line in lines]
        parts = said.split("END\n")[:-1]
        return [{word for word in part.split("\n") if word and word.startswith(begun)} for part, begun in zip(parts, typed, strict=True)]

    return complete


def in_fish(folder: Path) -> Complete:
    """By fish's own word for it."""
    shell = program("fish", "fish", "fish-common", "libpcre2-32-0")

    def complete(lines: Sequence[str]) -> list[set[str]]:
        home = folder.parent / "home"
        home.mkdir()
        calls = "".join(f"complete -C '{line}'; echo END\n" for line in lines)
        own = "function __fish_complete_directories; for one in *; test -d $one; and echo $one; end; end\n"
        environment = {**shell.environment, "HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home)}
        said = ran([shell.path, "--no-config"], own + fish(verbs()) + calls, folder, environment)
        return [{row.partition("\t")[0].rstrip("/") for row in part.split("\n") if row} for part in said.split("END\n")[:-1]]

    return complete


VERBS = {verb.name for verb in verbs()}
CASES: list[tuple[str, set[str]]] = [
    ("pypidaemon ", VERBS),
    ("pypidaemon sta", {"status"}),
    ("pypidaemon cache ", {"ls", "rm", "pin", "unpin"}),
    ("pypidaemon token re", {"revoke"}),
    ("pypidaemon adopt --layout ", {*LAYOUTS, "devpi", "simple"} | {"pypiserver"}),
    ("pypidaemon adopt --layout band", {"bandersnatch"}),
    ("pypidaemon init --kind ", {kind.name for kind in KINDS}),
    # The value of an option is no verb, and what is behind it is completed as if it were not there.
    ("pypidaemon init --data cache --kind net", {"netbook"}),
    ("pypidaemon init --ki", {"--kind"}),
    ("pypidaemon sync --on", {"--once"}),
    ("pypidaemon completion ", set(SHELLS)),
    ("pypidaemon completion bash ", set()),
    ("pypidaemon client p", {"pip", "pdm", "poetry"}),
    ("pypidaemon grant ann up", {"upload"}),
    ("pypidaemon grant ann ", {"list", "read", "upload", "create", "overwrite", "delete", "admin"}),
    ("pypidaemon run --log ", {name.rstrip("/") for name in FOLDER}),
    ("pypidaemon run -c f", {name.rstrip("/") for name in FOLDER}),
    ("pypidaemon pack one.txt ", {name.rstrip("/") for name in FOLDER}),
    ("pypidaemon pack --into ", {"folder"}),
    ("pypidaemon token add --scope re", {"read"}),
    ("pypidaemon yank alpha ", set()),
    ("pypidaemon token add --project ", set()),
]


@pytest.mark.parametrize("shell", [in_bash, in_zsh, in_fish], ids=sorted(SHELLS, key=["bash", "zsh", "fish"].index))
def test_what_can_come_next_is_offered(shell: Callable[[Path], Complete], tmp_path: Path) -> None:
    """In the shell itself, from the program that it is given."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in FOLDER:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).touch()
    found = shell(folder)([line for line, _ in CASES])
    assert {line: words for (line, _), words in zip(CASES, found, strict=True)} == dict(CASES)


def test_a_value_behind_an_equals_sign_is_completed_in_bash(tmp_path: Path) -> None:
    """There it comes as three words."""
    assert in_bash(tmp_path)(["pypidaemon adopt --layout = band", "pypidaemon adopt --layout ="]) == [
        {"bandersnatch"},
        {*LAYOUTS, "devpi", "simple"},
    ]


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_the_verb_prints_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing else; as JSON too."""
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert text == SHELLS[shell](verbs())
    assert main(["completion", shell, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"shell": shell, "text": text}


def test_the_manual_has_every_verb_and_option_and_renders_without_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By groff, with all warnings on."""
    assert main(["manual"]) == 0
    text = capsys.readouterr().out
    assert text == page(verbs())
    assert text.isascii()
    leaves = [one for verb in verbs() for one in verb.all() if not one.verbs]
    for verb in leaves:
        assert f'.SS "pypidaemon {_text(verb.name)}"\n' in text
        for word in verb.options:
            assert _text(word.names[-1]) in text
    groff = program("groff", "groff-base")
    shown = ran([groff.path, "-man", "-ww", "-Tascii", "-P-cbou"], text, tmp_path, groff.environment)
    assert "pypidaemon cache ls [PROJECT]" in " ".join(shown.split())
    assert "--password-stdin" in shown


@pytest.mark.parametrize(
    ("text", "kept"),
    [(r"a\b", r"a\eb"), (".x", r"\&.x"), ("'x", r"\&'x"), ('"', r"\(dq"), ("--json", r"\-\-json"), ("", ""), ("a.b", "a.b")],
)
def test_text_in_the_manual_stays_as_it_is(text: str, kept: str) -> None:
    """Whatever help says makes no request."""
    assert _text(text) == kept
