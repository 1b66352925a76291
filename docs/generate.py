"""
Writes the pages of the documentation that say what the code says, so that they cannot say anything else.

`python docs/generate.py` writes them; `tests/test_docs.py` fails where one of them is not what this would write.
"""

# ruff: noqa: INP001

from __future__ import annotations

import argparse
import ast
import functools
import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from pypidaemon import commands, components, globs, moments, patterns, schema, settings
from pypidaemon.commands.grammar import grammar
from pypidaemon.commands.manual import page
from pypidaemon.configuration import KINDS
from pypidaemon.services.mirroring import service as mirroring
from pypidaemon.settings import Reference, Setting
from pypidaemon.tap import Options
from pypidaemon.upstreams import routes

Row = TypeVar("Row")

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
NOTICE = ".. Written by docs/generate.py. Change the code or that program, never this file.\n"

CITATION = re.compile(
    r"\s*\((?=[^)]*(?:law|design|\.md|\b[A-Z]\d))(?:(?:laws?|[A-Z]\d+|\d+|and|of|design|section|[\w./-]+\.md|[\d.]+)[, ]*)+\)"
)
"""As in `(law 1)`, `(S1, R23)` or `(design, section 10)`."""

VALUES: dict[Callable[[str], Any], tuple[str, str]] = {
    settings.lines: ("lines", "Texts that may hold blanks, one on each line."),
    settings.paths: ("paths", "Files or folders as in ``path``, one on each line."),
    settings.show_or_hide: ("show or hide", "``show`` or ``hide``."),
    settings.text: ("text", "Any text that is not empty."),
    settings.words: ("list", "Words separated by white space, also over several lines."),
    settings.flag: ("yes or no", "``yes``, ``on``, ``true`` or ``no``, ``off``, ``false``."),
    settings.count: ("number", "A whole number that is not negative."),
    settings.duration: ("duration", "A number with its unit: ``30s``, ``15m``, ``6h``, ``3d``, ``2w``."),
    settings.size: ("size", "Bytes, or a number with its unit: ``512``, ``64KiB``, ``10GiB``, ``5GB``."),
    settings.path: ("path", "A file or folder. A relative one starts at the folder of the configuration file; ``~`` is the home folder."),
    settings.url: ("URL", "An absolute http or https URL without credentials, query or fragment."),
    settings.secret: (
        "secret",
        "``env:NAME`` for an environment variable or ``file:PATH`` for the first line of a file. It is never written in the configuration.",
    ),
    schema.endpoints: (
        "endpoints",
        "Twisted endpoint descriptions, separated by white space: ``tcp:3141:interface=127.0.0.1``, ``unix:/run/pypidaemon.sock:mode=660``.",
    ),
    schema.networks: ("networks", "IP addresses and networks, separated by white space: ``127.0.0.1 10.0.0.0/8``. Host names are refused."),
    schema.hosts: (
        "hosts",
        "Host names without ports, or patterns of them, separated by white space: ``packages.example *.internal``. ``*`` is every name.",
    ),
    schema.patterns: ("patterns", "Patterns of project names, separated by white space: ``acme-*``. See :ref:`patterns`."),
    globs.globs: ("patterns", "Patterns of project names, separated by white space: ``acme-*``. See :ref:`patterns`."),
    patterns.word_globs: (
        "words with stars",
        "Patterns of words, separated by white space: ``*`` stands for any run of characters, ``?`` for one, ``[ab]`` for one of a set. Case means nothing.",
    ),
    patterns.text_globs: ("lines with stars", "The same patterns of texts that may hold blanks, one on each line."),
    patterns.regexes: (
        "expressions",
        "Regular expressions in Python's grammar, one on each line. Each has to match the whole text, in any case.",
    ),
    moments.moment: ("moment", "A day, which means its first second in UTC, or a second: ``2026-03-01``, ``2026-03-01T12:30:00Z``."),
    mirroring.hands: ("hands", f"How much is done at once: a whole number from 1 to {mirroring.MOST}."),
    routes.proxy_choice: (
        "proxy",
        "``env`` (what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say), ``none``, the URL of an HTTP proxy, or a secret that holds such a URL.",
    ),
}
"""How each way of reading a value that several components share is called and explained."""


def explained(convert: Callable[[str], Any]) -> tuple[str, str]:
    """How a way of reading a value is called, and how the value is written."""
    known = VALUES.get(convert)
    # A component's own way of reading is explained by its own words, where the key stands.
    return known if known is not None else own_values()[convert]


@functools.cache
def own_values() -> Mapping[Callable[[str], Any], tuple[str, str]]:
    """The ways of reading that one component has, named as their functions are; where two are called the same, with the component's name beside it."""
    found: dict[Callable[[str], Any], str] = {}
    for kind in KINDS:
        for use, component in (
            [("", schema.Daemon)] if kind == "daemon" else [(use, components.load(kind, use)) for use in components.BUILT_IN[kind]]
        ):
            for wish in schema.wishes(component):
                if isinstance(wish.source, Setting) and wish.source.convert not in VALUES:
                    found.setdefault(wish.source.convert, use)
    names = [convert.__name__ for convert in found]
    alike = {name for name in names if names.count(name) > 1}
    said = {}
    for convert, use in found.items():
        name = convert.__name__.replace("_", " ") + (f" ({use})" if convert.__name__ in alike else "")
        said[convert] = (name, written_how(convert))
    return said


def written_how(convert: Callable[[str], Any]) -> str:
    """The first line of that function's docstring, with the words of a constant in place of its name."""
    line = (inspect.getdoc(convert) or "").partition("\n")[0]
    module = sys.modules[convert.__module__]

    def words(name: re.Match[str]) -> str:
        known = getattr(module, name[1], None)
        return ", ".join(f"`{word}`" for word in known) if isinstance(known, tuple) else name[0]

    return prose(re.sub(r"`([A-Z_]+)`", words, line))


def heading(text: str, line: str) -> str:
    """A title with its line below it."""
    return f"{text}\n{line * len(text)}\n"


def table(columns: Iterable[str], widths: str, rows: Iterable[Iterable[str]]) -> str:
    """A list-table; cells are reStructuredText of one line."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [columns, *rows]:
        for position, cell in enumerate(row):
            lines.append(f"   {'*' if position == 0 else ' '} - {cell}".rstrip())
    return "\n".join(lines) + "\n"


def literal(text: str) -> str:
    """That text as it is written in a file or on a command line."""
    return f"``{text}``"


def prose(text: str) -> str:
    """A docstring's own marks for code in those of reStructuredText, on one line."""
    marked = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", " ".join(text.split()))
    # Outside code a star would begin emphasis.
    return "``".join(part.replace("*", r"\*") if place % 2 == 0 else part for place, part in enumerate(marked.split("``")))


def described(thing: object) -> Iterator[str]:
    """The paragraphs of a docstring that are for everybody."""
    for paragraph in (inspect.getdoc(thing) or "").split("\n\n"):
        if not paragraph.lstrip().startswith(":"):
            yield prose(uncited(paragraph))


def uncited(text: str) -> str:
    """That text without citations of the notes that the code was made from, which no user has."""
    return CITATION.sub("", text)


def remark(help: str) -> str:
    """The help of a key as a cell: it begins small and ends without a full stop, whoever wrote it."""
    help = prose(uncited(help)).rstrip(".")
    return help if help[1:2].isupper() else help[:1].lower() + help[1:]


# The configuration.


def configuration() -> str:
    """Every kind, every component that ships, every key with its default."""
    found: list[str] = [NOTICE, heading("Configuration", "=")]
    found.append(
        "One file in INI grammar. A section is ``[kind:label]``; ``use`` picks the component; a section refers to another by its label.\n"
        "Comments stand on lines of their own, and values go on over indented lines.\n"
        "``%(here)s`` is the folder of the file, and nothing else is interpolated; a per cent sign is written ``%%``.\n"
        "A mistake is refused before anything starts, with one line that names file, section and key.\n"
        "``pypidaemon check`` prints a configuration with every default.\n"
    )
    found.append(heading("Values", "-"))
    kinds = {**dict(VALUES.values()), **dict(own_values().values())}
    found.append(table(["Value", "Written"], "15 85", kinds.items()))
    found.append(".. _patterns:\n\n" + heading("Patterns of project names", "~"))
    found.append(
        "``*`` stands for any run of characters, ``?`` for one, and ``[abc]``, ``[a-c]`` or ``[!a-c]`` for one of a set or of all others.\n"
        "A pattern has to match the whole name.\n"
        "Case, and the choice among ``-``, ``_`` and ``.``, mean as little as they do in names.\n"
    )
    found.append(heading("What need not be written", "-"))
    found.append(
        "The smallest file is ``[daemon]`` alone. Wherever something refers to these labels and the file has no such section, they are there:\n\n"
        "* ``[index:root]``, ``first-match`` of ``private`` and ``pypi``, with ``uploads = private``, where the file names no ``index``;\n"
        "* ``[index:private]``, a ``private`` index;\n"
        "* ``[index:pypi]``, a ``proxy`` of the upstream ``pypi``;\n"
        "* ``[accounts:accounts]``, ``local``, unless the file has a section of this kind;\n"
        "* ``[upstream:pypi]``, the public index;\n"
        "* ``[blobs:blobs]``, a ``directory`` at ``blobs`` in the data folder, unless the file has a section of this kind;\n"
        "* ``[records:records]``, ``sqlite`` at ``records.sqlite`` in the data folder, unless the file has a section of this kind.\n\n"
        "A section that nothing leads to is checked, and then left alone.\n"
    )
    found.append(heading("What use can name", "-"))
    found.append(
        "The components below; what an installed package offers through the entry point group ``pypidaemon.<kind>``; or ``package.module:Class``.\n"
        "An installed package cannot take over a name of these. See :doc:`../howto/own-component`.\n"
    )
    found += [heading("[daemon]", "-"), "The only section that every file has. It may be empty.\n"]
    found.append(keys(schema.Daemon))
    found.append(
        "Without ``data``, things are kept in ``<root>/var`` for a file ``<root>/etc/config.ini``, in ``/var/lib/pypidaemon`` for a file in\n"
        "``/etc/pypidaemon``, and else in ``var`` beside the file.\n"
    )
    for kind in KINDS:
        if kind != "daemon":
            found += of_kind(kind)
    return "\n".join(found)


def of_kind(kind: str) -> Iterator[str]:
    """The components of one kind."""
    yield heading(f"[{kind}:...]", "-")
    if not components.BUILT_IN[kind]:
        yield "None ships yet. Installed packages can offer some.\n"
        return
    yield f"What provides ``{components.INTERFACES[kind].__name__}``.\n"
    for use in components.BUILT_IN[kind]:
        component = components.load(kind, use)
        yield heading(f"use = {use}", "~")
        yield next(described(component)) + "\n"
        yield keys(component, exposable=kind == "index")


def keys(component: type, exposable: bool = False) -> str:
    """The table of a component's keys."""
    rows = [row for wish in schema.wishes(component) if (row := key(wish)) is not None]
    if exposable:
        default = "``yes``; ``no`` for an index that a policed one wraps"
        rows.append((literal("exposed"), "yes or no", default, "whether it has its own address ``/index/<label>/``"))
    return table(["Key", "Value", "Default", "Meaning"], "15 20 25 40", rows) if rows else "It has no keys.\n"


def key(wish: schema.Wish) -> tuple[str, str, str, str] | None:
    """One row of that table; None for what the daemon itself hands over."""
    source = wish.source
    if isinstance(source, Setting):
        return literal(wish.key), explained(source.convert)[0], default(wish), remark(source.help)
    if isinstance(source, Reference):
        labels = (source.default,) if isinstance(source.default, str) else source.default
        kind = next(kind for kind, interface in components.INTERFACES.items() if source.interface.isOrExtends(interface))
        value = f"labels of ``[{kind}:...]`` sections" if source.many else f"label of one ``[{kind}:...]`` section"
        default_labels = "must be given" if labels is None else literal(" ".join(labels)) if labels else "none"
        return literal(wish.key), value, default_labels, remark(source.help)
    return None


def default(wish: schema.Wish) -> str:
    """What holds where the key is missing."""
    if wish.default is attrs.NOTHING:
        return "must be given"
    shown = wish.shown(wish.default)
    if wish.key == "data":
        return "see below"
    if isinstance(shown, bool):
        return literal("yes" if shown else "no")
    return literal(str(shown)) if shown not in (None, "") else "none"


# The commands.


def command_line() -> str:
    """Every verb with its arguments."""
    parser = commands._parser()
    verbs = _verbs_of(parser)
    found: list[str] = [NOTICE, heading("Commands", "="), f"{parser.description}\n"]
    found.append(
        "Every verb exits with 0 (done), 1 (something was found, or failed) or 2 (wrong usage).\n"
        "A failure is one line on standard error.\n"
        'With ``--json`` a verb prints one JSON object, also for a failure: ``{"error": ...}``.\n'
        "Arguments that are missing, unknown or malformed are told in the same way, and the line names the verb whose help says more.\n"
        "``pypidaemon completion SHELL`` has bash, zsh or fish complete all of this, and ``pypidaemon manual`` is the same for ``man``.\n"
        "``pypidaemon --version`` prints the version, and ``--help`` after any verb says what it takes.\n"
    )
    helps = dict(helped(verbs))
    for name, verb in spoken(verbs.choices):
        found += [heading(f"pypidaemon {name}", "-"), prose(helps[name]).capitalize() + ".\n"]
        found.append(f".. code-block:: text\n\n   pypidaemon {name} {usage(verb)}\n")
        found.append(table(["Argument", "Meaning"], "30 70", arguments(verb)))
        doing = work(name, verb)
        found += [paragraph + "\n" for paragraph in described(doing)] if doing is not None else []
    found += [
        heading("twistd pypidaemon", "-"),
        f"{Options.longdesc}\n",
        f".. code-block:: text\n\n   twistd pypidaemon {Options.synopsis}\n",
    ]
    options = [(f"``-{short} FILE``, ``--{long}=FILE``", prose(help)) for long, short, _, help in Options.optParameters]
    found.append(table(["Argument", "Meaning"], "30 70", options))
    found.append(
        "What stands before ``pypidaemon`` is Twisted's own: ``--pidfile``, ``--logfile``, ``--uid`` and the rest of ``twistd --help``.\n"
    )
    return "\n".join(found)


def spoken(choices: Mapping[str, argparse.ArgumentParser]) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every verb, and of a group such as `user` every verb in it."""
    for name, verb in choices.items():
        inner = [action for action in verb._actions if isinstance(action, argparse._SubParsersAction)]
        if inner:
            yield from ((f"{name} {word}", one) for word, one in spoken(inner[0].choices))
        else:
            yield name, verb


def helped(verbs: Any, before: str = "") -> Iterator[tuple[str, str]]:
    """Every verb with its line of help, those of groups by both words."""
    for choice in verbs._choices_actions:
        yield before + choice.dest, choice.help or ""
    for name, verb in verbs.choices.items():
        for action in verb._actions:
            if isinstance(action, argparse._SubParsersAction):
                yield from helped(action, f"{before}{name} ")


def work(name: str, verb: argparse.ArgumentParser) -> object:
    """The function that does what the verb says, if it is named like the verb and so has a text for users; else None."""
    act = verb.get_default("act")
    inner = act.func if isinstance(act, functools.partial) else act
    return getattr(sys.modules[inner.__module__], name.replace("-", "_"), None) if inner is not None else None


def visible(verb: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments besides `--help`."""
    return [action for action in verb._actions if not isinstance(action, argparse._HelpAction)]


def usage(verb: argparse.ArgumentParser) -> str:
    """The arguments as on a command line, in the same words whatever Python this is."""
    words = []
    for action in visible(verb):
        if action.option_strings:
            words.append(f"[{action.option_strings[0]}{f' {action.metavar}' if action.metavar else ''}]")
        else:
            words.append(
                f"[{action.metavar}{' ...' if action.nargs == '*' else ''}]" if action.nargs in ("*", "?") else str(action.metavar)
            )
    return " ".join(words)


def arguments(verb: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Each argument with its help."""
    for action in visible(verb):
        after = f" {action.metavar}" if action.metavar else ""
        name = ", ".join(literal(option + after) for option in action.option_strings) or literal(str(action.metavar))
        yield name, prose(uncited(action.help or ""))


# The standards.


def proofs() -> dict[int, list[str]]:
    """The tests that name a row in their own name, by its number; `R35_to_R45` names all from 35 to 45."""
    found: dict[int, list[str]] = {}
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for name in re.findall(r"def (test_\w*R\d+\w*)", file.read_text("utf-8")):
            for number in numbers(name):
                found.setdefault(number, []).append(f"{file.relative_to(ROOT).as_posix()}::{name}")
    return found


def numbers(name: str) -> list[int]:
    """The rows that the name of a test names, each once."""
    ranges = re.findall(r"(?<=_)R(\d+)_to_R(\d+)(?=_|\Z)", name)
    found = [number for first, last in ranges for number in range(int(first), int(last) + 1)]
    found += [int(number) for number in re.findall(r"(?<=_)R(\d+)(?=_|\Z)", name)]
    return list(dict.fromkeys(found))


def sections(file: str) -> list[dict[str, Any]]:
    """The sections of docs/standards.toml or docs/robustness.toml, each with its rows."""
    found: list[dict[str, Any]] = tomllib.loads((DOCS / file).read_text("utf-8"))["section"]
    return found


def stated() -> list[dict[str, Any]]:
    """What the standards demand."""
    return sections("standards.toml")


def standards() -> str:
    """Both tables of rows: those that must hold, and those that should."""
    proved = proofs()
    found: list[str] = [NOTICE, heading("Standards", "=")]
    found.append(
        "What the standards for package indexes, the installers and the publishing tools demand of an index.\n"
        "*Must* means that a client breaks, a specification is broken or there is a hole without it; *should* means a loss.\n"
        "Tests name the rows that they prove in their own names.\n"
    )
    for must, title in ((True, "What must hold"), (False, "What should hold")):
        found.append(heading(title, "-"))
        for section in stated():
            rows = [row for row in section["rows"] if row["must"] is must]
            found.append(heading(section["title"], "~"))
            cells = [[f"R{row['number']}", meaning(row), row["state"], proof(proved.get(row["number"], []))] for row in rows]
            found.append(table(["Row", "Meaning", "State", "Proved by"], "6 44 10 40", cells))
    return "\n".join(found)


def meaning(row: dict[str, Any]) -> str:
    """What a row says, with what there is to add."""
    return prose(f"{row['meaning']} {row.get('note', '')}")


def proof(tests: list[str]) -> str:
    """The tests of a row in a cell, each file once."""
    files: dict[str, list[str]] = {}
    for test in tests:
        file, _, name = test.partition("::")
        files.setdefault(file, []).append(name)
    return "; ".join(f"{literal(file)}: {', '.join(literal(name) for name in names)}" for file, names in files.items()) or "none"


# What can go wrong.

FAULT = re.compile(r"(?<![A-Za-z0-9])([SF])(\d+)(?:(?:-|_to_)\1(\d+))?(?![A-Za-z0-9])")
"""A row in the name of a test or in its docstring, or from one row to another: `test_S26_F15_...`, `(F45-F49)`."""


@functools.cache
def tests() -> list[tuple[str, str, str]]:
    """Every test: where it is, its name and its docstring."""
    return [
        (f"{file.relative_to(ROOT).as_posix()}::{node.name}", node.name, ast.get_docstring(node) or "")
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    ]


def proved_by(named: Callable[[str, str], Iterable[Row]]) -> dict[Row, list[str]]:
    """The tests by the row that they name, in their own names or in their docstrings, as `named` reads both."""
    found: dict[Row, list[str]] = {}
    for place, name, docstring in tests():
        for row in named(name, docstring):
            found.setdefault(row, []).append(place)
    return found


def faults_named(name: str, docstring: str) -> list[str]:
    """The rows of faults that a test names, each once."""
    found = []
    # In a name the letters around a row are parts of words that `_` divides.
    for text in (name.replace("_to_", "-").replace("_", " "), docstring):
        for letter, first, last in FAULT.findall(text):
            found += [f"{letter}{number}" for number in range(int(first), int(last or first) + 1)]
    return list(dict.fromkeys(found))


def faults() -> list[dict[str, Any]]:
    """What can go wrong."""
    return sections("robustness.toml")


def robustness() -> str:
    """What can go wrong, and who proves that it does no harm."""
    proved = proved_by(faults_named)
    found: list[str] = [NOTICE, heading("Robustness", "=")]
    found.append(
        "What goes wrong with upstreams, networks, clients, disks and processes, and the tests that do it to the daemon and see that nothing is\n"
        "lost, nothing wrong is given and nobody is left waiting. *Must* is what has to do no harm; *should* is what had better not.\n"
        "Tests name the rows that they prove in their own names or in their docstrings.\n"
    )
    for section in faults():
        found.append(heading(section["title"], "-"))
        cells = []
        for row in section["rows"]:
            number = f"{row['letter']}{row['number']}"
            said = prose(f"{row['fault']}. {row.get('note', '')}")
            cells.append([number, said, "must" if row["must"] else "should", proof(proved.get(number, []))])
        found.append(table(["Row", "What goes wrong", "Level", "Proved by"], "6 34 8 52", cells))
    return "\n".join(found)


# The laws.

LAW = re.compile(r"(?i)\blaws? (\d+)((?: and \d+)*)")
"""A law in the name of a test or in its docstring: `test_law_10_...`, `Law 3.`, `Laws 1 and 4.`."""


def laws_named(name: str, docstring: str) -> list[int]:
    """The laws that a test names, each once."""
    found = [
        int(number)
        for text in (name.replace("_", " "), docstring)
        for match in LAW.finditer(text)
        for number in re.findall(r"\d+", match[0])
    ]
    return list(dict.fromkeys(found))


def stated_laws() -> list[dict[str, str]]:
    """The laws, in their order."""
    found: list[dict[str, str]] = tomllib.loads((DOCS / "laws.toml").read_text("utf-8"))["law"]
    return found


def laws() -> str:
    """Each law, what there would be without it, and who proves it."""
    proved = proved_by(laws_named)
    found: list[str] = [NOTICE, heading("Laws", "=")]
    found.append(
        "What holds whatever else is the case: in every index, behind every rule, on every road that a request can take, and after a crash.\n"
        "A change that breaks one is wrong, however useful it is otherwise. Tests name the laws that they prove.\n"
    )
    for number, law in enumerate(stated_laws(), 1):
        found += [heading(f"{number}. {law['name']}", "-"), f"{law['meaning'].strip()}\n", f"*Without it:* {law['without'].strip()}\n"]
        tests = proof(proved.get(number, []))
        found.append("Proved by\n\n" + "\n".join(f"* {file}" for file in tests.split("; ")) + "\n")
    found += [heading("One exception", "-")]
    found.append(
        "While an upstream is down, pages that installers ask for list what can be served from here and nothing else, so that a resolver chooses what it can have.\n"
        "That is a view at the door: the index behind it says what it always said, serials stay, and mirrors are given the whole page.\n"
        "``while-down = all`` switches it off: see :doc:`/howto/offline`.\n"
    )
    return "\n".join(found)


# The decisions.


def decisions() -> str:
    """All decision notes on one page, each as it was written."""
    found: list[str] = [
        NOTICE,
        heading("Decisions", "="),
        "Why things are as they are: short notes, in the order in which they were made.\n",
    ]
    for file in sorted((DOCS / "decisions").glob("[0-9]*.md")):
        title = file.read_text("utf-8").partition("\n")[0].lstrip("# ")
        name = re.sub(r"\A\d+[.:]\s*", "", title)
        found += [heading(f"{int(file.name[:4])}. {name}", "-"), f".. literalinclude:: {file.name}\n   :language: none\n   :lines: 2-\n"]
    return "\n".join(found)


# The manual page.


def manual() -> str:
    """Every verb for `man`, which an installed package has."""
    return page(grammar(_verbs_of(commands._parser())))


def _verbs_of(parser: argparse.ArgumentParser) -> Any:
    return next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))


PAGES: dict[str, Callable[[], str]] = {
    "reference/configuration.rst": configuration,
    "reference/commands.rst": command_line,
    "reference/standards.rst": standards,
    "reference/robustness.rst": robustness,
    "explanation/laws.rst": laws,
    "decisions/index.rst": decisions,
    # Beside what it is made of, so that whoever builds a package without docs/ has it, too.
    "../pypidaemon/commands/pypidaemon.1": manual,
}
"""What is generated, by its path below docs/."""


def main() -> None:
    """Write every page that is not what it should be, and name it."""
    for name, make in PAGES.items():
        file, text = DOCS / name, make()
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
            sys.stdout.write(f"wrote docs/{name}\n")


if __name__ == "__main__":
    main()
