"""The folder that pypiserver serves: distributions, in whatever folders they lie, and nothing beside them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from zope.interface import implementer

from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.adoption.layouts.naming import everything


@implementer(ILayout)
@attrs.frozen
class Pypiserver:
    """
    A folder of files, to any depth, as pypiserver finds them.

    It passes over what is hidden, and follows links, which is not done here. There are no facts but the files: one was put there when it was last changed.
    """

    role: Role = Role.PRIVATE
    in_place: bool = True

    def describe(self) -> str:
        """As `ILayout`."""
        return "a folder of distributions, to any depth, as pypiserver serves it"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`: any folder may be one, save those that hold what is somebody else's."""
        if folder.has("web/simple") or folder.has("web/packages"):
            return "it has a folder web, as that of bandersnatch or pep381client, whose files are not private"
        if folder.has("simple") and folder.has("packages"):
            return "it has simple and packages, as what a mirror gives to a web server, whose files are not private"
        return None

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`."""
        return everything(folder)
