"""The wheels that pip has built and keeps in its cache."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from zope.interface import implementer

from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Passed, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.adoption.layouts.basketweaver import below

_WHEELS = "wheels"
_DEEP = 4
"""`wheels/<2>/<2>/<2>/<50>/FILE.whl`: the digits are a hash of the link that it was built from."""
_ORIGIN = "origin.json"


@implementer(ILayout)
@attrs.frozen
class PipWheels:
    """
    What `pip cache dir` names, or its `wheels/`.

    These wheels were built on that machine, from source distributions, so nobody upstream has their bytes: they are private, and so are their names from
    then on. What pip has downloaded lies beside them under hashes of URLs, without names, and is not taken.
    """

    role = Role.PRIVATE
    in_place = False

    def describe(self) -> str:
        """As `ILayout`."""
        return "the folder that `pip cache dir` names: the wheels that pip has built"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        if folder.has(_WHEELS) or any(entry.kind == "folder" and len(entry.name) == 2 for entry in folder.entries()):
            return None
        return "it has no wheels/, which pip keeps in its cache once it has built one"

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`."""
        for found in below(folder, _WHEELS if folder.has(_WHEELS) else "", _DEEP):
            # Where pip says what the wheel was built from, which is no place to have it from.
            if not (isinstance(found, Passed) and found.path.endswith(f"/{_ORIGIN}")):
                yield found
