"""What the records remember of how projects were pushed. It stands apart from what pushes, since who only tells of it needs none of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from pypidaemon.interfaces import IRecords
from pypidaemon.model import NormalizedName

WHERE = "push"


async def remembered(records: IRecords, label: str, name: NormalizedName) -> Mapping[str, Any]:
    """
    What is remembered of how a project of that index was pushed, by the services that do it.

    :raises PypidaemonError: the records cannot be read.
    """
    found = await records.documents.recall(f"{WHERE}:{label}", name, WHERE)
    try:
        said = orjson.loads(found[0]) if found is not None else {}
    except orjson.JSONDecodeError:
        said = {}
    return {key: value for key, value in said.items() if isinstance(value, dict)} if isinstance(said, dict) else {}
