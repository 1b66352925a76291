"""Orders about rulings as they come: a verb and a JSON object, read into a value or refused with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs

from pypidaemon.accounts.words import Unacceptable
from pypidaemon.errors import InvalidName
from pypidaemon.model import RulingKind
from pypidaemon.rulings import target
from pypidaemon.settings import duration
from pypidaemon.simple.entries import clean

VERBS: Mapping[str, tuple[RulingKind, bool]] = MappingProxyType(
    {
        "block": (RulingKind.BLOCK, True),
        "unblock": (RulingKind.BLOCK, False),
        "exempt": (RulingKind.EXEMPT, True),
        "unexempt": (RulingKind.EXEMPT, False),
    }
)
"""Each verb with the kind of ruling that it is about, and whether it makes one or takes one back."""

FIELDS = ("target", "reason", "for")
"""What an order can say; all are texts, or null for what is not said."""

EXEMPTED = "7d"
"""How long an exemption lasts where nobody says it."""
LONGEST_EXEMPTION = 365 * 86400.0
"""Seconds that an exemption lasts at most: none is for ever, since nobody remembers to take it back."""
_LONGEST = 1000


@attrs.frozen
class RulingOrder:
    """An order whose words have been read. `lasting` None is until it is taken back."""

    verb: str
    target: str
    reason: str
    lasting: float | None


def read(verb: str, order: Mapping[str, Any]) -> RulingOrder:
    """
    Read the fields of an order.

    :param verb: one of `VERBS`.
    :raises Unacceptable: it makes no sense; the line says why.
    """
    for field, value in order.items():
        if field not in FIELDS:
            raise Unacceptable(f"there is no field {field[:40]!r} (known: {' '.join(FIELDS)})")
        if value is not None and not isinstance(value, str):
            raise Unacceptable(f"the field {field} is no text")
    if not order.get("target"):
        raise Unacceptable("the field target is missing: PROJECT, PROJECT==VERSION or sha256:HEX")
    try:
        about = target(order["target"])
    except InvalidName as error:
        raise Unacceptable(str(error)) from None
    # Line ends become blanks before what cannot be shown is left out.
    reason = clean(" ".join((order.get("reason") or "").split()))[:_LONGEST]
    kind, making = VERBS[verb]
    if making and not reason:
        raise Unacceptable(f"the field reason is missing: say why, which {'clients' if kind is RulingKind.BLOCK else 'others'} are told")
    exempting = making and kind is RulingKind.EXEMPT
    if order.get("for") is not None and not exempting:
        raise Unacceptable(f"the field for is for exempt, not for {verb}")
    return RulingOrder(verb, about, reason, exemption(order.get("for") or EXEMPTED) if exempting else None)


def exemption(raw: str) -> float:
    """
    How many seconds an exemption lasts.

    :raises Unacceptable: it is no duration, or one that is too short or too long.
    """
    try:
        lasting = duration(raw)
    except ValueError as error:
        raise Unacceptable(str(error)) from None
    if not 0 < lasting <= LONGEST_EXEMPTION:
        raise Unacceptable(f"an exemption lasts {LONGEST_EXEMPTION / 86400:.0f}d at most, and some time at least")
    return lasting
