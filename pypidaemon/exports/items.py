"""What goes into a tree of plain files, and where its bytes are to be had."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pypidaemon.model import Companion, Digest, Filename


@attrs.frozen
class Source:
    """
    Where bytes are to be had: in memory, or in a file.

    :param shared: whether the file is a blob, which never changes, so that the tree may have it under another name. It is then made unwritable,
        under its own name too.
    """

    data: bytes | None = None
    path: str = ""
    shared: bool = False


@attrs.frozen
class Named:
    """A file as the page of a tree names it: the sha256 of its bytes, and of its metadata where that stands beside it."""

    digest: str
    metadata: str | None = None


@attrs.frozen
class Item:
    """One file of a project, to be at `path` below `packages/`, with its companions beside it."""

    filename: Filename
    path: str
    digest: Digest | None
    source: Source
    companions: Mapping[Companion, Source] = attrs.field(factory=dict)
