"""Who may hear why something is refused: not who may not even see it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TypeVar

from pypidaemon.errors import NoSuchProject, Refused
from pypidaemon.interfaces import IAccount, IIndex
from pypidaemon.leaves import locals_below
from pypidaemon.model import NormalizedName
from pypidaemon.web.gate import Gate

T = TypeVar("T")


async def heard(gate: Gate, account: IAccount, index: IIndex, names: Iterable[NormalizedName], asking: Awaitable[T]) -> T:
    """
    What an index answers to a question about a project.

    Where that is a refusal, its reason is for those who may read the project in each of our own indexes below that has it: all others are
    answered as if nothing were refused (S42). Rights are asked last elsewhere, when it is known who has the project, which a refusal does not say.

    :param names: of a file whose name may be read in several ways, each of them.
    :raises NotAllowed: as `Gate.check`.
    :raises Exception: whatever the question raises.
    """
    try:
        return await asking
    except Refused:
        for leaf in locals_below(index):
            for name in names:
                if not account.may("read", leaf.index.label, name) and await _has(leaf.index, name):
                    gate.check(account, "read", leaf.index.label, name)
        raise


async def _has(index: IIndex, name: NormalizedName) -> bool:
    try:
        await index.project_page(name)
    except NoSuchProject:
        return False
    return True
