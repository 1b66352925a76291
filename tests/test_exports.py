"""What is public is documented, and what is listed is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from setuptools import find_namespace_packages

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "pypidaemon").rglob("*.py"))


def undocumented(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Public classes, functions and methods without a docstring."""
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node.body, f"{prefix}{node.name}.")


def test_every_public_name_says_what_it_is() -> None:
    """And every module, but for packages that are only folders."""
    silent = []
    for file in MODULES:
        tree = ast.parse(file.read_text("utf-8"))
        silent += [f"{file.relative_to(ROOT)}: {name}" for name in undocumented(tree.body)]
        if (file.name != "__init__.py" or tree.body) and not ast.get_docstring(tree):
            silent.append(str(file.relative_to(ROOT)))
    assert len(MODULES) > 500
    assert silent == []


def test_setup_lists_every_package() -> None:
    """The list is explicit, so it could forget one."""
    tree = ast.parse((ROOT / "setup.py").read_text("utf-8"))
    (call,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"]
    listed = next(ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "packages")
    there = {f"pypidaemon.{name}" for name in find_namespace_packages(str(ROOT / "pypidaemon")) if not name.endswith("schema")}
    assert set(listed) == there | {"pypidaemon", "twisted.plugins"}


def test_nothing_makes_twisted_a_package_of_ours() -> None:
    """An `__init__.py` there would hide Twisted."""
    assert [path.name for path in (ROOT / "twisted").rglob("*.py")] == ["pypidaemon_plugin.py"]
