"""Who may import whom (design, section 2): the table as data, and every import in the package held against it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pypidaemon"

# From the ground up. On one floor a module may import those that stand before it. A name ending in "." is a package with its modules.
FLOORS: list[tuple[str, list[str]]] = [
    ("words", ["errors", "model.", "settings", "interfaces."]),
    (
        "mind",
        [
            "versions",
            "filenames",
            "freshness",
            "validators",
            "ranges",
            "globs",
            "patterns",
            "moments",
            "clock_times",
            "schedule",
            "windows",
            "plans",
            "locks",
            "rulings",
            "policies.",
            "rights",
            "archives.",
            "formlines",
            "forms",
            "uploads",
            "announcements",
            "shelf",
            "readings",
            "passage",
            "simple.",
            "showing",
            "standing",
            "judging",
            "environments",
            "closure",
            "stored",
            "listings",
            "leaves",
            "explaining",
            "budget",
            "telling",
            "traffic",
        ],
    ),
    (
        "hands",
        [
            "late_tls",
            "long_lived",
            "threads",
            "waits",
            "lines",
            "flights",
            "flushing",
            "hastening",
            "settling",
            "files",
            "volume",
            "rendered",
            "pace",
            "opening",
            "blobs.",
            "descriptions",
            "records.",
            "serials",
            "transfers",
            "tries",
            "halves",
            "soundness",
            "handfuls",
            "pouring",
            "passing",
            "spool",
            "catalogues",
            "stretched",
            "whereabouts",
            "stand_ins",
            "sidecars",
            "provenances",
            "upstream_files",
            "upstream_lists",
            "upstreams.",
            "accounts.",
            "inspection.",
            "clashes",
            "callers",
            "attestations.",
            "refusals",
            "returns",
            "replacements",
            "releases",
            "journal",
            "takers",
            "rulingwords",
            "rulemaking",
            "advisories.",
            "exports.",
            "packing.",
            "verification.",
            "caches",
            "backups.",
            "adoption.",
            "bundles.",
            "pushes.",
            "searching.",
        ],
    ),
    ("rooms", ["indexes."]),
    ("clocks", ["services."]),
    ("door", ["web.", "workers."]),
    (
        "roof",
        [
            "configuration",
            "components",
            "schema",
            "blueprints",
            "describing",
            "made",
            "staff",
            "homes",
            "renewing",
            "only_reading",
            "assembly",
            "tap",
            "commands.",
            "__main__",
        ],
    ),
    ("tests", ["testing."]),
]
PURE = {"words", "mind"}
PURE_LIBRARIES = {"attrs", "packaging", "zope", "orjson", "ijson", "isal", "zstandard", "multipart", "cronsim"}
# A module may know the public package's version.
ANYBODY = {""}
# One floor, two houses: neither sees the other.
APART = [("web.", "services."), ("blobs.", "records."), ("blobs.", "upstreams."), ("records.", "upstreams.")]
MODULES = sorted(PACKAGE.rglob("*.py"))


def dotted(file: Path) -> str:
    """The module's name below pypidaemon; "" is the package itself."""
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def place(module: str) -> tuple[int, int, str]:
    """Floor, place on it and the entry of the table that a module falls under."""
    for floor, (_, entries) in enumerate(FLOORS):
        for position, entry in enumerate(entries):
            if module == entry.rstrip(".") or (entry.endswith(".") and module.startswith(entry)):
                return floor, position, entry
    raise AssertionError(f"pypidaemon.{module} stands on no floor; add it to the table")


def imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every module imported, wherever the import stands, with the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module, tuple(alias.name for alias in node.names)


def ours(tree: ast.AST) -> Iterator[str]:
    """The modules of our own that a tree imports, below pypidaemon."""
    for module, names in imports(tree):
        if module == "pypidaemon":
            # `from pypidaemon import x` is the module x, or something of the package itself.
            yield from (name if (PACKAGE / f"{name}.py").exists() or (PACKAGE / name).is_dir() else "" for name in names)
        elif module.startswith("pypidaemon."):
            below = module.removeprefix("pypidaemon.")
            inner = [f"{below}.{name}" for name in names if (PACKAGE / below.replace(".", "/") / f"{name}.py").exists()]
            yield from inner or [below]


def faults(name: str, source: str) -> list[str]:
    """What is wrong with the imports of a module of that name."""
    tree = ast.parse(source)
    floor, _, _ = place(name)
    found = [fault for other in ours(tree) if other not in ANYBODY and (fault := misplaced(name, other))]
    for module, names in imports(tree):
        if FLOORS[floor][0] in PURE and not pure(name, module):
            found.append(f"{name} imports {module}: words and mind are pure")
        takes_reactor = (module == "twisted.internet" and "reactor" in names) or module == "twisted.internet.reactor"
        if takes_reactor and name != "tap":
            found.append(f"{name} imports the global reactor")
    return found


def misplaced(name: str, other: str) -> str | None:
    """Why the one module of ours must not import the other, if so."""
    floor, position, entry = place(name)
    other_floor, other_position, other_entry = place(other)
    if other_entry == entry:
        inside = entry != "indexes." or other.split(".")[:2] == name.split(".")[:2]
        return None if inside else f"{name} imports {other}: no index imports another"
    if FLOORS[other_floor][0] == "tests":
        return f"{name} imports {other}: nothing but tests does"
    if (other_floor, other_position) > (floor, position):
        return f"{name} imports {other}, which is above it"
    if (entry, other_entry) in APART or (other_entry, entry) in APART:
        return f"{name} imports {other}: the two are to be kept apart"
    return None


def pure(name: str, module: str) -> bool:
    """Whether a module of the two lowest floors may import that."""
    library = module.partition(".")[0]
    if library in sys.stdlib_module_names or library in PURE_LIBRARIES or library == "pypidaemon":
        return True
    return name.startswith("interfaces") and module == "twisted.internet.interfaces"


def test_each_module_imports_only_from_below() -> None:
    """Also inside functions."""
    texts = {dotted(file): file.read_text("utf-8") for file in MODULES}
    assert len(texts) == len(MODULES) > 500
    assert list(imports(ast.parse(texts.pop("")))) == []
    assert [fault for name, source in texts.items() for fault in faults(name, source)] == []


def test_each_module_is_short_enough_to_read() -> None:
    """None has more than 400 lines."""
    assert [dotted(file) for file in MODULES if len(file.read_text("utf-8").splitlines()) > 400] == []


def test_the_table_names_what_there_is() -> None:
    """No entry for a module that has gone."""
    for _, entries in FLOORS:
        for entry in entries:
            found = PACKAGE / entry.rstrip(".")
            assert found.is_dir() if entry.endswith(".") else found.with_suffix(".py").exists(), entry


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("policies", "from pypidaemon.spool import Spool", "above"),
        ("errors", "from pypidaemon.model import File", "above"),
        ("simple.links", "import twisted", "pure"),
        ("filenames", "def f():\n    from twisted.internet.defer import Deferred", "pure"),
        ("model", "import treq", "pure"),
        ("indexes.policed", "from pypidaemon.indexes.proxy import Proxy", "no index"),
        ("indexes.policed", "from pypidaemon.indexes import first_match", "no index"),
        ("web.door", "from pypidaemon.services.folder import LOCK", "apart"),
        ("services.folder", "from pypidaemon.web.door import build", "above"),
        ("blobs.memory", "from pypidaemon.records.sqlite import X", "above"),
        ("upstreams.http", "from pypidaemon.testing.index import TestIndex", "nothing but tests"),
        ("spool", "from twisted.internet import reactor", "reactor"),
        ("web.door", "import twisted.internet.reactor", "reactor"),
        ("assembly", "from pypidaemon.tap import Options", "above"),
    ],
)
def test_what_is_forbidden_is_found(name: str, source: str, words: str) -> None:
    """A check that cannot fail checks nothing."""
    assert words in " ".join(faults(name, source))


def test_no_host_name_of_a_public_registry_stands_in_the_repository() -> None:
    """`use = pypi` means it (design, section 6)."""
    needles = ["py" + "pi.org", "python" + "hosted.org"]
    kinds = ("*.py", "*.ini", "*.rst", "*.md", "*.toml", "Makefile", "*.sql", "*.html")
    for folder in ("pypidaemon", "tests", "etc", "docs", "twisted", "newsfragments", "benchmarks"):
        for kind in kinds:
            for file in (ROOT / folder).rglob(kind):
                text = file.read_text("utf-8")
                assert not any(needle in text for needle in needles), file
    for file in (ROOT / "README.rst", ROOT / "setup.py", ROOT / "CHANGELOG.rst"):
        assert not any(needle in file.read_text("utf-8") for needle in needles), file
