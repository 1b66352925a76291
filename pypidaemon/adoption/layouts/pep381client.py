"""
The folder of pep381client: the tree for a web server in `web`, `status` and the database `files` beside it (1.2 of switching.md).

`status` is a pickle, which is never read: what it holds is only of use to who goes on with that tool. `files` holds names and ETags that no server of today knows.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from zope.interface import implementer

from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Role
from pypidaemon.adoption.layouts import ILayout
from pypidaemon.adoption.layouts.web import Web, need


@implementer(ILayout)
@attrs.frozen
class Pep381Client:
    """Upstream's pages byte for byte, with an md5 in each link, and the files where these lead."""

    role: Role = Role.MIRRORED
    in_place: bool = True

    def describe(self) -> str:
        """As `ILayout`."""
        return "web/simple/Name/index.html and web/packages/, as pep381client keeps them"

    def recognised(self, folder: Folder) -> str | None:
        """As `ILayout`."""
        return need(folder, "web/simple", "where pep381client keeps pages")

    def find(self, folder: Folder) -> Iterator[Finding]:
        """As `ILayout`."""
        return Web(folder, (("index.html", "text/html"),)).find()
