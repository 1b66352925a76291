"""Descriptions rendered here and now, and projects that have one."""

from __future__ import annotations

import contextlib
import hashlib
import io
from typing import Any

from pypidaemon.inspection.readmes import AS_IT_IS, Readme, Readmes
from pypidaemon.inspection.typesetting import Unfit, typeset
from pypidaemon.model import File
from tests.fakes import file
from tests.house import House


class InlineReadmes(Readmes):
    """Renders in this process."""

    async def render(self, text: str, content_type: str) -> Readme:
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                made = typeset(text, content_type)
        except Unfit:
            return AS_IT_IS
        return Readme(made.html, made.html[: made.brief] + made.closing)


def rendering(house: House) -> House:
    """The same house, whose pages have their descriptions rendered."""
    house.door.routes.views.desk.project.readmes = InlineReadmes(house.clock)
    return house


def described(house: House, filename: str, metadata: str, **more: Any) -> File:
    """An entry whose METADATA upstream has; to be put on a page."""
    document = metadata.encode("utf-8", "surrogateescape")
    entry = file(filename, filename.encode(), core_metadata=hashlib.sha256(document).hexdigest(), **more)
    house.upstream.bodies[entry.url + ".metadata"] = document
    return entry
