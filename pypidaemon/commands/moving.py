"""The verbs that carry packages from one place to another: `makeindex` turns a folder of distributions into an index of plain files."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import attrs

from pypidaemon.archives import BadArchive
from pypidaemon.commands.speech import Verbs, say
from pypidaemon.errors import PypidaemonError
from pypidaemon.indexes.directory.looking import Distribution, misnamed, read, walk
from pypidaemon.model import File, NormalizedName, ProjectPage
from pypidaemon.simple.links import quote_path
from pypidaemon.simple.names import render_names_html, render_names_json
from pypidaemon.simple.reading import covering, in_order
from pypidaemon.simple.write_html import render_html
from pypidaemon.simple.write_json import render_json

SIMPLE = "simple"
"""The folder that the index is written to, below the one with the distributions."""

_PAGES = ("index.html", "index.json")


def add(verbs: Verbs, shared: argparse.ArgumentParser) -> None:
    """Add this verb to the command line."""
    verb = verbs.add_parser(
        "makeindex",
        parents=[shared],
        help="write an index of plain files for a folder of distributions",
        description="Write DIR/simple/ for the distributions in DIR and in the folders in it: an index that any web server, or file://, can offer.",
        epilog="Exit status: 0 done, 1 a file is no sound distribution and was left out (all others are in the index), 2 wrong usage.",
        allow_abbrev=False,
    )
    verb.add_argument("folder", metavar="DIR", type=Path, help="the folder with the distributions")
    verb.set_defaults(act=makeindex)


def makeindex(arguments: argparse.Namespace) -> int:
    """
    Write the index, name each file that is not in it and why, and answer 1 where there is such a file (S1 of switching.md).

    Names, versions and requirements are those inside the archives, of which nothing is executed or unpacked. Each page is replaced as a whole; what
    has not changed is not written; projects that are gone are removed.

    :raises PypidaemonError: the folder cannot be read, or the index cannot be written.
    """
    folder: Path = arguments.folder
    try:
        found, refused = _read_all(folder)
        files = _write(folder, found)
    except OSError as error:
        raise PypidaemonError(f"{error.filename or folder}: {error.strerror or type(error).__name__}") from error
    for path, reason in refused.items():
        sys.stderr.write(f"pypidaemon: {_plain(path)}: {reason}\n")
    text = f"{files} files of {len(found)} projects are in {folder / SIMPLE}"
    say(arguments, text, {"projects": len(found), "files": files, "refused": refused})
    return 1 if refused else 0


def _read_all(folder: Path) -> tuple[dict[NormalizedName, dict[str, Distribution]], dict[str, str]]:
    """By project and path what is sound, and by path why the rest is not."""
    found: dict[NormalizedName, dict[str, Distribution]] = {}
    refused = dict.fromkeys(misnamed(str(folder)), "the name is not that of a distribution")
    names: dict[str, str] = {}
    for path, mark in walk(str(folder)).items():
        try:
            distribution = read(str(folder), path, mark)
        except BadArchive as error:
            refused[path] = str(error)
            continue
        except OSError as error:
            refused[path] = error.strerror or type(error).__name__
            continue
        filename = distribution.file.filename
        if filename in names:
            refused[path] = f"a file of this name is in the index already: {names[filename]}"
            continue
        names[filename] = path
        found.setdefault(distribution.name, {})[path] = distribution
    return found, refused


def _write(folder: Path, found: dict[NormalizedName, dict[str, Distribution]]) -> int:
    """Write metadata first, then pages, then the list, so that nothing is promised that is not there; answer how many files there are."""
    simple = folder / SIMPLE
    if simple.is_symlink():
        raise PypidaemonError(f"{simple}: is a link; remove it, so that nothing is written elsewhere")
    simple.mkdir(exist_ok=True)
    for name, distributions in found.items():
        for path, distribution in distributions.items():
            if distribution.file.core_metadata:
                _replace(folder / f"{path}.metadata", distribution.metadata)
        page = _page(name, distributions)
        (simple / name).mkdir(exist_ok=True)
        _replace(simple / name / "index.html", render_html(page, _link))
        _replace(simple / name / "index.json", render_json(page, _link))
    entries = [(name, 0) for name in sorted(found)]
    _replace(simple / "index.html", b"".join(render_names_html(entries, 0)))
    _replace(simple / "index.json", b"".join(render_names_json(entries, 0)))
    _remove_stale(simple, found)
    return sum(map(len, found.values()))


def _page(name: NormalizedName, distributions: dict[str, Distribution]) -> ProjectPage:
    files = in_order(name, (_at(path, distribution.file) for path, distribution in distributions.items()))
    return ProjectPage(name=name, files=files, versions=covering(name, (one.version for one in distributions.values()), files))


def _at(path: str, file: File) -> File:
    return attrs.evolve(file, path=path)


def _link(path: str) -> str:
    """From a project's page to a file in the folder."""
    return "../../" + quote_path(path)


def _replace(place: Path, data: bytes) -> None:
    """Let the file have this content, whole at every moment; not touched where it has it already."""
    with suppress(FileNotFoundError):
        if place.read_bytes() == data:
            return
    draft = place.with_name(f".{place.name}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("xb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(place)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _remove_stale(simple: Path, kept: Iterable[str]) -> None:
    """Remove the pages of projects that are gone; a folder that holds anything else is not ours to remove."""
    names = set(kept)
    for project in simple.iterdir():
        if project.name in names or project.is_symlink() or not project.is_dir():
            continue
        for page in _PAGES:
            (project / page).unlink(missing_ok=True)
        with suppress(OSError):
            project.rmdir()


def _plain(path: str) -> str:
    return path if path.isprintable() else ascii(path)
