"""What no line of ours does, whoever writes it (S89)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pypidaemon"

UNPACKS_CODE = {
    "pickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "yaml",
    "jinja2",
    "mako",
    "chameleon",
    "code",
    "codeop",
    "pty",
}
"""Modules that make objects, or text, of what is read, by words that stand in it; and those that run text."""
RUNS_TEXT = {"eval", "exec", "compile", "__import__", "execfile"}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell"}
WORDS = re.compile(
    rf"(?<![.\w])(?:{'|'.join(RUNS_TEXT)})\(|\b(?:{'|'.join((*UNPACKS_CODE, *SHELLS))})\b|\bshell=|format_map",
)


def deeds(tree: ast.AST) -> Iterator[str]:
    """What a module does of that kind."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name.partition(".")[0] in UNPACKS_CODE)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in UNPACKS_CODE:
                yield module
            case ast.Call(func=ast.Name(id=name)) if name in RUNS_TEXT:
                yield f"{name}()"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="os" | "subprocess" | "asyncio"), attr=name)) if name in SHELLS:
                yield f"{name}()"
            case ast.keyword(arg="shell", value=value) if not (isinstance(value, ast.Constant) and value.value is False):
                yield "shell="
            case ast.Attribute(attr="format_map"):
                # Such a template reaches into the objects that it is given.
                yield ".format_map()"


def test_S89_nothing_that_is_stored_or_received_is_run_or_unpickled() -> None:
    """Nor any text given to a shell, by any module."""
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 500
    texts = {file.relative_to(PACKAGE).as_posix(): file.read_text("utf-8") for file in modules}
    # Few have any such word in them, and these mean something else by it.
    found = {name: list(deeds(ast.parse(text))) for name, text in texts.items() if WORDS.search(text)}
    assert {name: done for name, done in found.items() if done} == {}
    assert found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import os, yaml.loader",
        "eval(text)",
        "exec(text)",
        "os.system(text)",
        "subprocess.run(words, shell=True)",
        "subprocess.run(words, shell=given)",
        "text.format_map(objects)",
    ],
)
def test_each_of_these_is_noticed(line: str) -> None:
    """Or the test before this one sees nothing."""
    assert list(deeds(ast.parse(line)))


@pytest.mark.parametrize("line", ["re.compile(text)", "subprocess.run(words, shell=False)", "records.system()", "import codecs"])
def test_what_only_looks_like_it_is_not(line: str) -> None:
    assert not list(deeds(ast.parse(line)))
