"""Inspection in this very process: the same verdicts, without the walls. For tests, and for archives that are trusted."""

from __future__ import annotations

import io

import attrs
from zope.interface import implementer

from pypidaemon.archives.inspecting import inspect
from pypidaemon.archives.rules import Rules
from pypidaemon.archives.sidecars import BadArchive
from pypidaemon.errors import InvalidUpload
from pypidaemon.inspection.pieces import pieces
from pypidaemon.interfaces import IContent, IInspector
from pypidaemon.model import Inspected, Upload


@implementer(IInspector)
@attrs.frozen
class InlineInspector:
    """
    Reads the whole content into memory and inspects it at once.

    :param rules: how strictly; they can be other ones per index.
    """

    rules: Rules = Rules()

    async def inspect(self, content: IContent, upload: Upload) -> Inspected:
        """Check the archive; as `IInspector.inspect`."""
        data = io.BytesIO()
        async for piece in pieces(content):
            data.write(piece)
        try:
            return inspect(data, upload, self.rules)
        except BadArchive as error:
            raise InvalidUpload(str(error)) from error
