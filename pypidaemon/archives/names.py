"""Names of members: what an unpacker must never be asked to write (S17)."""

from __future__ import annotations

import re

from pypidaemon.archives.sidecars import BadArchive

LONGEST = 4096
"""Characters in the name of a member; no file system takes longer paths."""

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SEPARATORS = re.compile(r"[/\\]")


def insist_on_clean(name: str, what: str = "the name of a member") -> None:
    """
    Let a name pass that stays below the folder it is unpacked in, on every system.

    :param what: what the name is, for the message.
    :raises BadArchive: it is absolute, has a `..` in it, or a control character, or is too long.
    """
    if not name or len(name) > LONGEST:
        raise BadArchive(f"{what} is empty or longer than {LONGEST} characters")
    if _CONTROL.search(name):
        raise BadArchive(f"{what} holds a control character: {shown(name)}")
    if name[0] in "/\\" or _DRIVE.match(name):
        raise BadArchive(f"{what} is absolute: {shown(name)}")
    if ".." in _SEPARATORS.split(name):
        raise BadArchive(f"{what} leaves its folder: {shown(name)}")


def inside(member: str, target: str, *, symbolic: bool) -> bool:
    """
    Whether a link stays below the one folder at the top of its archive (PEP 721).

    :param member: the name of the link, already clean.
    :param target: what it points to: for a symbolic link seen from its own folder, else from the top.
    """
    if not target or target[0] in "/\\" or _DRIVE.match(target) or _CONTROL.search(target):
        return False
    top, *below = parts(member)
    place = [top, *below[:-1]] if symbolic else []
    for part in _SEPARATORS.split(target):
        if part == "..":
            if len(place) < 2:
                return False
            place.pop()
        elif part not in {"", "."}:
            place.append(part)
    return place[:1] == [top]


def parts(name: str) -> list[str]:
    """The segments of a name, without those that mean nothing."""
    return [part for part in name.split("/") if part not in {"", "."}]


def shown(name: str) -> str:
    """The name for a message: one line, ASCII, not too long."""
    return ascii(name[:120])
