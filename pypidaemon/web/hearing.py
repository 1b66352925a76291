"""Who may hear why something is refused: not who may not even see it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import TypeVar

from pypidaemon.errors import NoSuchProject, PypidaemonError, Refused
from pypidaemon.interfaces import IAccount, IIndex
from pypidaemon.leaves import locals_below
from pypidaemon.model import NormalizedName
from pypidaemon.web.gate import Gate

T = TypeVar("T")


async def heard(gate: Gate, account: IAccount, index: IIndex, names: Iterable[NormalizedName], asking: Awaitable[T]) -> T:
    """
    What an index answers to a question about a project.

    A refusal is heard by whom `insist_may_hear` lets. Rights are asked last elsewhere, when it is known who has the project, which a refusal does not
    say.

    :param names: of a file whose name may be read in several ways, each of them.
    :raises NotAllowed: as `Gate.check`.
    :raises Exception: whatever the question raises.
    """
    try:
        return await asking
    except Refused:
        await insist_may_hear(gate, account, index, names)
        raise


async def insist_may_hear(gate: Gate, account: IAccount, index: IIndex, names: Iterable[NormalizedName]) -> None:
    """
    Let pass who may hear that something of these projects is refused.

    The reason is for those who may read the project in each of our own indexes below that has it: all others are answered as if nothing were refused
    (S42). Where projects are concealed nobody else hears of a project that is refused as a whole, whether it is there or not: such a rule is asked
    before the index is, so what differs between the two answers would tell (R191).

    :raises NotAllowed: as `Gate.check`.
    :raises NoSuchProject: the same, where the account may not even know.
    """
    for leaf in locals_below(index):
        for name in names:
            if account.may("read", leaf.index.label, name):
                continue
            if gate.conceal and await _refused(index, name):
                raise NoSuchProject(name)
            if await _has(leaf.index, name):
                gate.check(account, "read", leaf.index.label, name)


async def _refused(index: IIndex, name: NormalizedName) -> bool:
    """Whether the project is refused as a whole; what cannot be found out now is taken for that."""
    try:
        await index.project_page(name)
    except NoSuchProject:
        return False
    except PypidaemonError:
        return True
    return False


async def _has(index: IIndex, name: NormalizedName) -> bool:
    try:
        await index.project_page(name)
    except NoSuchProject:
        return False
    return True
