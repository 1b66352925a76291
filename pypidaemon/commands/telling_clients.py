"""What each client's own file comes to when it is told to use an index, and where that file is. Of a file's text alone, which the verb `client` reads and writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import attrs

from pypidaemon.commands.inserting import options, says, sections, tables, with_options, with_table
from pypidaemon.errors import PypidaemonError
from pypidaemon.web.views.configurations import NAME, configurations

Login = tuple[str, str]
"""A name, and its token."""


@attrs.frozen
class Written:
    """What a file is to say, and what whoever asked should know of it."""

    text: str
    notes: tuple[str, ...] = ()


@attrs.frozen
class Tool:
    """
    A client.

    :param where: its own file, by the environment.
    :param tell: takes the file's name and text, and what it is to say.
    :param keeps_tokens: whether a login may stand in that file.
    :param keeps_passwords: whether that is what the file is for, so that a new one is for its owner alone.
    :param beside: whether the file is a project's, which has to be there.
    """

    where: Callable[[Mapping[str, str]], Path]
    tell: Callable[[str, str, str], Written]
    keeps_tokens: bool = False
    keeps_passwords: bool = False
    beside: bool = False


def place(tool: str, named: Path | None) -> Path:
    """
    The file that is to be written: the one that is named, else the tool's own.

    :raises PypidaemonError: it would be a project's, and there is no project here, or a home folder's, and nobody knows which that is.
    """
    known = TOOLS[tool]
    try:
        file = named or known.where(os.environ)
    except RuntimeError:
        raise PypidaemonError("there is no home folder: name the file with --file") from None
    if known.beside and not os.path.exists(file):
        raise PypidaemonError(f"there is no {file} for {tool}: say it in the folder of the project, or name its pyproject.toml with --file")
    return file


def told(tool: str, name: str, text: str, base: str, login: Login | None) -> Written:
    """
    That text of that tool's file, with the index at that address as the tool's own.

    :param name: the file's, by which some tools know what grammar it has.
    :raises ValueError: the file says something that would be lost, or cannot be read.
    """
    known = configurations(base, "legacy/", secret=login is not None)
    [said] = [part.text for one in known if one.tool.lower() == tool for part in one.parts if part.filed]
    if login is None:
        said = said.replace("password = TOKEN\n", "")
    elif TOOLS[tool].keeps_passwords:
        given = {"username = __token__": f"username = {login[0]}", "password = TOKEN": f"password = {login[1]}"}
        said = "".join(f"{given.get(line, line)}\n" for line in said.splitlines())
    else:
        said = said.replace("//USER:TOKEN@", f"//{quote(login[0], safe='')}:{quote(login[1], safe='')}@")
    return TOOLS[tool].tell(name, text, said)


def _pip(name: str, text: str, said: str) -> Written:
    # An address may hold a password, so none of them is told.
    known = sections(text)
    beside = any("extra-index-url" in values for values in known.values())
    others = [one for one, values in known.items() if one != "global" and "index-url" in values]
    notes = [f"[{one}] has an index-url of its own, which counts for pip {one} in place of this one" for one in others]
    return Written(_ini(text, said, joined=("trusted-host",)), (*notes, *([f"extra-index-url stays: {_ASKED}"] if beside else [])))


def _uv(name: str, text: str, said: str) -> Written:
    whole = ("tool", "uv", "index")
    [table] = tables(said, whole)
    path = whole if name == "pyproject.toml" else whole[-1:]
    if any(one.get("default") is True and one.get("name") != table["name"] for one in tables(text, path)):
        raise ValueError("another index is the default there already")
    written = _toml(text, path, table, f"the other indexes stay: {_FIRST}")
    beside = any(says(text, (*path[:-1], *where, "extra-index-url")) for where in ((), ("pip",)))
    return attrs.evolve(written, notes=(*written.notes, f"extra-index-url stays: {_FIRST}")) if beside else written


def _poetry(name: str, text: str, said: str) -> Written:
    path = ("tool", "poetry", "source")
    [table] = tables(said, path)
    return _toml(text, path, table, f"the other sources stay: {_ASKED}")


def _pdm(name: str, text: str, said: str) -> Written:
    path = ("tool", "pdm", "source")
    [table] = tables(said, path)
    return _toml(text, path, table, f"the other sources stay: {_ASKED}")


def _buildout(name: str, text: str, said: str) -> Written:
    return Written(_ini(text, said))


def _twine(name: str, text: str, said: str) -> Written:
    known = [one for one in ("pypi", "testpypi") if one in sections(text)]
    if known and "index-servers" not in options(text, "distutils"):
        # Where no list is there twine looks at these two by itself, and where there is one at no other.
        text = with_options(text, "distutils", {"index-servers": " ".join(known)})
    found = _ini(text, said, joined=("index-servers",))
    notes = () if options(found, NAME).get("password") else ("twine will ask for the token; --token-stdin puts it there",)
    return Written(found, (f"upload with: twine upload -r {NAME} dist/*", *notes))


def _ini(text: str, said: str, joined: tuple[str, ...] = ()) -> str:
    for section, values in sections(said).items():
        text = with_options(text, section, values, joined)
    return text


def _toml(text: str, path: tuple[str, ...], table: Mapping[str, str | bool], note: str) -> Written:
    beside = any(one.get("name") != table["name"] for one in tables(text, path))
    return Written(with_table(text, path, table), (note,) if beside else ())


_ASKED = "a client asks those too, and takes a project from whichever has the higher version"
_FIRST = "uv asks those before this one, and takes a project from the first that has it"


def _config(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")


def _named(environment: Mapping[str, str], variable: str) -> Path | None:
    named = environment.get(variable)
    return Path(named) if named and named != os.devnull else None


def _of_pip(environment: Mapping[str, str]) -> Path:
    return _named(environment, "PIP_CONFIG_FILE") or _config(environment) / "pip" / "pip.conf"


def _of_uv(environment: Mapping[str, str]) -> Path:
    return _named(environment, "UV_CONFIG_FILE") or _config(environment) / "uv" / "uv.toml"


def _of_buildout(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("BUILDOUT_HOME") or Path.home() / ".buildout") / "default.cfg"


def _of_project(_: Mapping[str, str]) -> Path:
    return Path("pyproject.toml")


def _of_twine(_: Mapping[str, str]) -> Path:
    return Path.home() / ".pypirc"


TOOLS: Mapping[str, Tool] = MappingProxyType(
    {
        "pip": Tool(_of_pip, _pip, keeps_tokens=True),
        "uv": Tool(_of_uv, _uv),
        "poetry": Tool(_of_project, _poetry, beside=True),
        "pdm": Tool(_of_project, _pdm, beside=True),
        "buildout": Tool(_of_buildout, _buildout),
        "twine": Tool(_of_twine, _twine, keeps_tokens=True, keeps_passwords=True),
    }
)
