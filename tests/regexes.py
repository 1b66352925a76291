"""Every regular expression of the package, and texts that a backtracking matcher would choke on."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path
from re import _parser as parser  # type: ignore[attr-defined]  # what `re` parses by; there is no public name for it
from typing import Any

import attrs

from pypidaemon.archives import tags
from pypidaemon.simple import markup

PACKAGE = Path(__file__).parents[1] / "pypidaemon"
DYNAMIC = frozenset({"archives/tags.py", "simple/markup.py", "globs.py", "patterns.py", "policies/exemptions.py"})
"""Modules with an expression that does not stand in the source as such: those of a table, and those that `fnmatch` makes of patterns in a configuration. One
of `patterns.py` is whatever its owner writes."""
SEARCHING = frozenset({"search", "sub", "subn", "split", "findall", "finditer"})
"""Ways of using a pattern that try it at every place of the text."""
USES = SEARCHING | {"match", "fullmatch", "scanner"}
SUSPICIOUS = 2.5
"""Growth that is looked at again on longer texts."""
_SAMPLES = [chr(n) for n in range(9, 127)] + ["é", "\u2028", "\xa0", "\u017f", "\u0661"]


@attrs.frozen
class Expression:
    """One regular expression: where it is, its text, and whether it is tried at every place of a text."""

    where: str
    pattern: str | bytes
    flags: int
    searching: bool


def expressions() -> Iterator[Expression]:
    """All of them, read off the source: what is compiled, and what the functions of `re` are given."""
    texts = {file: file.read_text("utf-8") for file in sorted(PACKAGE.rglob("*.py"))}
    sources = {file: ast.parse(text) for file, text in texts.items() if "import re" in text}
    for file, tree in sources.items():
        where = file.relative_to(PACKAGE).as_posix()
        names: dict[str, Any] = {"re": re}
        _constants(tree, names)
        used = _uses(tree)
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr in USES | {"compile"}):
                continue
            try:
                pattern = _value(node.args[0], names)
            except NameError:
                # Made at run time of what somebody wrote in a configuration; see `DYNAMIC`.
                yield Expression(f"{where}:{node.func.attr}", "", 0, searching=False)
                continue
            flags = next((_value(one.value, names) for one in node.keywords if one.arg == "flags"), 0)
            if node.func.attr == "compile" and len(node.args) > 1:
                flags = _value(node.args[1], names)
            uses = used.get(_target(tree, node), SEARCHING) if node.func.attr == "compile" else {node.func.attr}
            yield Expression(f"{where}:{node.lineno}", pattern, int(flags), bool(uses & SEARCHING))


def _constants(tree: ast.Module, names: dict[str, Any]) -> None:
    """The module's own texts and numbers, of which patterns are put together."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                names[node.targets[0].id] = _value(node.value, names)
            except Exception:  # noqa: BLE001  # no constant: it is needed by no pattern, or that one says so
                continue


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    return eval(compile(ast.Expression(node), "pattern", "eval"), {"__builtins__": {}}, names)  # our own source


def _target(tree: ast.Module, call: ast.Call) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is call:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            return ast.unparse(target)
    return ""


def _uses(tree: ast.Module) -> dict[str, set[str]]:
    """What is done with each name: the methods of patterns that are called on it."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in USES:
            found.setdefault(ast.unparse(node.value), set()).add(node.attr)
    return found


def put_together() -> Iterator[Expression]:
    """Those of `DYNAMIC`, as they are when their module is loaded, or as somebody may write them in a configuration."""
    made = {"archives/tags.py": tags._PATTERNS, "simple/markup.py": markup._RAW_END.values()}
    for where, patterns in made.items():
        for number, one in enumerate(patterns):
            yield Expression(f"{where}:{number}", one.pattern, one.flags, searching=where.startswith("simple"))
    for glob in ("*", "*a*b*c*d", "?*?*?*x", "[a-z]*[!0-9]*-*-*"):
        yield Expression(f"globs.py:{glob}", fnmatch.translate(glob), 0, searching=False)


class TooMany(Exception):
    """A matcher took more steps than it was allowed."""


@attrs.define
class Matcher:
    """A plain backtracking matcher that counts its steps, as Python's does its work without counting."""

    text: str
    allowed: int
    ignore_case: bool = False
    steps: int = 0

    def run(self, tree: Any, searching: bool) -> int:
        """How many steps it takes to find all matches, or whether the whole text is one."""
        if not searching:
            any(end == len(self.text) for end in self.match(list(tree), 0))
            return self.steps
        start = 0
        while start <= len(self.text):
            end = next(self.match(list(tree), start), None)
            start = start + 1 if end is None else max(end, start + 1)
        return self.steps

    def match(self, nodes: list[Any], at: int) -> Iterator[int]:
        """All places where these nodes can end, in the order in which they are tried."""
        self.steps += 1
        if self.steps > self.allowed:
            raise TooMany
        if not nodes:
            yield at
            return
        (kind, argument), rest = nodes[0], nodes[1:]
        for end in self.one(str(kind), argument, at):
            yield from self.match(rest, end)

    def one(self, kind: str, argument: Any, at: int) -> Iterator[int]:  # noqa: C901  # one case for each kind of node
        """All places where one node can end."""
        if kind in ("LITERAL", "NOT_LITERAL", "IN", "ANY", "RANGE", "CATEGORY"):
            if at < len(self.text) and matches(kind, argument, self.text[at], self.ignore_case):
                yield at + 1
        elif kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            yield from self.repeat(kind, argument, at)
        elif kind == "BRANCH":
            for branch in argument[1]:
                yield from self.match(list(branch), at)
        elif kind == "SUBPATTERN":
            yield from self.match(list(argument[-1]), at)
        elif kind == "ATOMIC_GROUP":
            yield from [*self.match(list(argument), at)][:1]
        elif kind in ("ASSERT", "ASSERT_NOT"):
            direction, inside = argument
            begins = at if direction > 0 else at - sum(width for width in inside.getwidth()[:1])
            found = begins >= 0 and any(True for _ in self.match(list(inside), begins))
            if found is (kind == "ASSERT"):
                yield at
        elif kind == "AT":
            if holds(str(argument), self.text, at):
                yield at
        else:
            raise AssertionError(f"no such node is known here: {kind}")

    def repeat(self, kind: str, argument: Any, at: int) -> Iterator[int]:
        """All places where a repetition can end."""
        least, most, inside = argument
        nodes = list(inside)
        if len(nodes) == 1 and str(nodes[0][0]) in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            end, limit = at, int(most)
            while end < len(self.text) and end - at < limit and matches(str(nodes[0][0]), nodes[0][1], self.text[end], self.ignore_case):
                end += 1
            self.steps += end - at
            ends = range(end, at + least - 1, -1) if kind != "MIN_REPEAT" else range(at + least, end + 1)
            yield from list(ends)[: 1 if kind == "POSSESSIVE_REPEAT" else None]
            return
        found = self.deep(nodes, least, int(most), at, kind == "MIN_REPEAT")
        yield from ([*found][:1] if kind == "POSSESSIVE_REPEAT" else found)

    def deep(self, nodes: list[Any], least: int, most: int, at: int, lazy: bool) -> Iterator[int]:
        """As `repeat`, of what is longer than one character: depth first, without recursion for each turn."""
        stack = [(at, 0, self.match(nodes, at) if most else iter(()))]
        if lazy and least == 0:
            yield at
        while stack:
            here, turns, inner = stack[-1]
            end = next(inner, None)
            if end is None:
                stack.pop()
                if not lazy and turns >= least:
                    yield here
                continue
            if end == here:
                continue
            if lazy and turns + 1 >= least:
                yield end
            stack.append((end, turns + 1, self.match(nodes, end) if turns + 1 < most else iter(())))


def holds(where: str, text: str, at: int) -> bool:
    """Whether that anchor holds there."""
    if where in ("AT_BEGINNING", "AT_BEGINNING_STRING"):
        return at == 0
    if where in ("AT_END", "AT_END_STRING"):
        return at == len(text)
    word = [0 <= n < len(text) and (text[n].isalnum() or text[n] == "_") for n in (at - 1, at)]
    return (word[0] != word[1]) is (where == "AT_BOUNDARY")


def matches(kind: str, argument: Any, char: str, ignore_case: bool) -> bool:
    """Whether that node matches that character."""
    chars = {char, char.lower(), char.upper()} if ignore_case else {char}
    if kind == "ANY":
        return char != "\n"
    if kind == "LITERAL":
        return any(ord(one) == argument for one in chars if len(one) == 1)
    if kind == "NOT_LITERAL":
        return ord(char) != argument
    if kind == "RANGE":
        return any(argument[0] <= ord(one) <= argument[1] for one in chars if len(one) == 1)
    if kind == "CATEGORY":
        name = str(argument).removeprefix("CATEGORY_")
        holds = {"DIGIT": char.isdecimal(), "SPACE": char.isspace(), "WORD": char.isalnum() or char == "_"}[name.removeprefix("NOT_")]
        return holds is not name.startswith("NOT_")
    negated = bool(argument) and str(argument[0][0]) == "NEGATE"
    found = any(matches(str(inner), value, char, ignore_case) for inner, value in argument if str(inner) != "NEGATE")
    return found is not negated


def growth(expression: Expression) -> float:
    """How many times the steps grow where the text doubles, by the worst text that is known: 2 is linear, 4 is quadratic."""
    tree = parsed(expression)
    worst = 0.0
    for sample in samples(tree, bool(expression.flags & re.IGNORECASE)):
        for tail in ("", "\0"):
            grown = _grown(expression, tree, sample, tail, 60)
            # What repeats at most so many times grows until there, and then no more.
            if grown >= SUSPICIOUS and (grown := _grown(expression, tree, sample, tail, 300)) >= SUSPICIOUS:
                return grown
            worst = max(worst, grown)
    return worst


def _grown(expression: Expression, tree: Any, sample: str, tail: str, length: int) -> float:
    lead, _, pump = sample.partition("\0")
    steps = []
    for pumped in (length, 2 * length):
        matcher = Matcher(lead + pump * (pumped // len(pump) or 1) + tail, 60_000, bool(expression.flags & re.IGNORECASE))
        try:
            steps.append(matcher.run(tree, expression.searching))
        except (TooMany, RecursionError):
            return float("inf")
    return steps[1] / steps[0]


def parsed(expression: Expression) -> Any:
    """The tree of an expression; one of bytes is read as Latin-1."""
    pattern = expression.pattern if isinstance(expression.pattern, str) else expression.pattern.decode("latin-1")
    return parser.parse(pattern, expression.flags & ~re.ASCII.value)


def samples(tree: Any, ignore_case: bool) -> list[str]:  # noqa: C901  # as above
    """What a text against that expression is made of: for each repetition something that it takes, and what leads there."""
    found: dict[str, None] = {}

    def shortest(nodes: list[Any]) -> str:
        out = ""
        for kind, argument in nodes:
            name = str(kind)
            if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
                out += next(
                    (char for char in _SAMPLES if matches(name, argument, char, ignore_case)), chr(argument) if name == "LITERAL" else ""
                )
            elif name == "BRANCH":
                out += shortest(list(argument[1][0]))
            elif name == "SUBPATTERN":
                out += shortest(list(argument[-1]))
            elif name == "ATOMIC_GROUP":
                out += shortest(list(argument))
            elif name.endswith("REPEAT"):
                out += shortest(list(argument[2])) * min(max(argument[0], 1), 3)
        return out

    def pumps(inner: list[Any], behind: list[Any]) -> set[str]:
        """What is repeated: some of the characters that it takes, or what each of its branches takes, and that in a row."""
        last, first = inner[-1], inner[0]
        while str(first[0]) == "SUBPATTERN" and len(inner) == 1:
            inner = list(first[1][-1])
            last, first = inner[-1], inner[0]
        branches = [shortest(list(branch)) for branch in first[1][1]] if str(first[0]) == "BRANCH" and first is last else []
        taken = [
            char
            for char in _SAMPLES
            if len(inner) == 1
            and str(first[0]) in ("IN", "ANY", "NOT_LITERAL", "LITERAL")
            and matches(str(first[0]), first[1], char, ignore_case)
        ]
        some = {*taken[:1], *taken[-1:], *(char for char in taken if char in " -._,;0a=\"'<&")}
        return {shortest(inner), shortest(inner) + shortest(behind)[:3], "".join(dict.fromkeys(branches)), *branches, *some}

    def walk(nodes: list[Any], before: str) -> None:
        for place, (kind, argument) in enumerate(nodes):
            name = str(kind)
            lead = before + shortest(nodes[:place])
            if name == "BRANCH":
                for branch in argument[1]:
                    walk(list(branch), lead)
            elif name == "SUBPATTERN":
                walk(list(argument[-1]), lead)
            elif name in ("ASSERT", "ASSERT_NOT"):
                walk(list(argument[1]), lead)
            elif name.endswith("REPEAT"):
                inner = list(argument[2])
                if int(argument[1]) > 50:
                    found.update(dict.fromkeys(f"{lead}\0{pump}" for pump in pumps(inner, nodes[place + 1 :]) if pump))
                walk(inner, lead)

    walk(list(tree), "")
    return list(found)
