"""Requirements files and lock files, read alike: what either names is wanted."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from hashlib import blake2b

from pypidaemon.locks import Lock, Locked, is_lock, read_lock
from pypidaemon.model import NormalizedName
from pypidaemon.policies.requirement_files import Named, Wanted, requirement_files
from pypidaemon.settings import Lines, contents
from pypidaemon.versions import specifier_set

log = logging.getLogger(__name__)


def wanted_files(paths: Lines) -> Named:
    """
    Read these files: lock files by their names (see `is_lock`), all others as requirements files with those that they include.

    Where several of them name a project, each of the versions is wanted.

    :raises ValueError: one of them cannot be read.
    """
    named = requirement_files(Lines(path for path in paths if not is_lock(path.name)))
    said = blake2b(named.digest.encode(), digest_size=8)
    wanted: dict[NormalizedName, tuple[Wanted, ...]] = dict(named.wanted)
    for path in paths:
        if not is_lock(path.name):
            continue
        text = contents(path)
        said.update(f"{path}\n{text}\n".encode())
        try:
            lock = read_lock(path.name, text)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        for passed_over in lock.passed_over:
            log.warning("%s: %s, is left out, since no index has it", path, passed_over)
        for name, more in locked(lock).items():
            wanted[name] = wanted.get(name, ()) + more
    return Named(tuple(paths), wanted, named.limits, said.hexdigest())


def locked(lock: Lock) -> Mapping[NormalizedName, tuple[Wanted, ...]]:
    """What a lock names, as requirements: exact versions, and hashes where it says those of all files."""
    found: dict[NormalizedName, tuple[Wanted, ...]] = {}
    for package in lock.packages:
        found[package.name] = (*found.get(package.name, ()), _wanted(package))
    return found


def _wanted(package: Locked) -> Wanted:
    specifiers = specifier_set("" if package.version is None else f"=={package.version}")
    digests = [digest for _, digest in package.files if digest is not None]
    hashes = frozenset(("sha256", str(digest)) for digest in digests) if len(digests) == len(package.files) else frozenset()
    return Wanted(specifiers, hashes)
