"""
Stored files that a web server in front sends by itself, told where they lie by `X-Accel-Redirect`: nginx's way.

It pays where that server speaks TLS, since the bytes then pass through one process instead of two. Who may have the file is still decided here, for each
request; what the server sends is what the redirect names, and only a place that a stored blob can have is ever named.
"""

from __future__ import annotations

import re

import attrs

from pypidaemon.interfaces import IContent, IOnDisk

_BLOB = re.compile(r"([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{64})")


@attrs.frozen
class Accel:
    """
    Knows the names of stored blobs in such a server.

    :param prefix: of its internal location, from `/` to `/`.
    :param root: the folder of blobs that this location is an alias of, absolute.
    """

    prefix: str
    root: str

    def place(self, content: IContent) -> str | None:
        """What to redirect to for that content; None where it is no blob below `root`, so that it has to be sent from here."""
        if not IOnDisk.providedBy(content):
            return None
        below = str(content.path).removeprefix(self.root.rstrip("/") + "/")
        found = _BLOB.fullmatch(below)
        return self.prefix + below if found is not None and found[3].startswith(found[1] + found[2]) else None
