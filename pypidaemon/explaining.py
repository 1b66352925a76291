"""
Why a project looks in an index as it does: how indexes are asked, and what of their answers somebody may see.

Each index asks those behind it to explain themselves, and goes on from the page that they say they show. So a page is asked for once, however many
indexes stand one behind the other, and an explanation costs an upstream no more than the page itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs

from pypidaemon.errors import NoSuchBlob, NoSuchProject, PypidaemonError, Refused, UpstreamUnavailable
from pypidaemon.interfaces import IBlobStore, IExplaining, IHolding, IIndex
from pypidaemon.leaves import leaves
from pypidaemon.model import Digest, Explanation, File, InThread, NormalizedName, Outcome, Refusal

MANY_FILES = 500
"""Files from which on what there is to say of each of them is put together on a thread."""
_LOOKED_FOR = 1000
"""Files that are looked for in a store that has to be asked for one after the other."""


async def explain(index: IIndex, name: NormalizedName) -> Explanation:
    """What the index has to say of that project; of one that cannot explain itself, what its page says."""
    told = await index.explain(name) if IExplaining.providedBy(index) else await asked(index, name, "index")
    return attrs.evolve(told, leaves=tuple(dict.fromkeys(leaf.index.label for leaf in leaves(index))))


async def asked(index: IIndex, name: NormalizedName, kind: str) -> Explanation:
    """What came of asking that index for its page."""
    try:
        page = await index.project_page(name)
    except NoSuchProject:
        return Explanation(index.label, kind, Outcome.ABSENT)
    except Refused as error:
        return Explanation(index.label, kind, Outcome.REFUSED, refusals=(Refusal(error.rule, error.reason),))
    except UpstreamUnavailable as error:
        return Explanation(index.label, kind, Outcome.UNKNOWN, f"upstream {error.upstream}: {error.cause}")
    except PypidaemonError as error:
        return Explanation(index.label, kind, Outcome.UNKNOWN, str(error))
    return Explanation(index.label, kind, Outcome.ANSWERS, page=page)


def passed_on(label: str, kind: str, below: Iterable[Explanation]) -> Explanation:
    """The explanation of an index that gives the answer of the last one it asked; of none, where it asked nobody, it has no such project."""
    told = tuple(below)
    if not told:
        return Explanation(label, kind, Outcome.ABSENT)
    last = told[-1]
    return Explanation(label, kind, last.outcome, last.cause, last.refusals, page=last.page, below=told)


async def until_answered(indexes: Iterable[IIndex], name: NormalizedName) -> list[Explanation]:
    """What these indexes say, in order, up to the first that does not lack the project (law 1)."""
    told: list[Explanation] = []
    for index in indexes:
        told.append(await explain(index, name))
        if told[-1].outcome is not Outcome.ABSENT:
            break
    return told


def visible(told: Explanation, may_read: Callable[[str], bool]) -> Explanation | None:
    """
    What of it somebody may see; None is nothing.

    Whoever may not read the project in an index sees nothing of that index, and of what was made of several indexes only who may read each of them
    sees anything (S42, S72). What an index passes on, a refusal for one, is seen by who sees where it is from.

    :param may_read: whether the project may be read in the leaf of that label.
    """
    sources = told.page.sources if told.page is not None else told.leaves if told.hidden or told.remarks else ()
    if not all(may_read(source) for source in sources) or not any(may_read(leaf) for leaf in told.leaves):
        return None
    below = [visible(one, may_read) for one in told.below]
    if told.page is None and told.outcome is not Outcome.ABSENT and below and below[-1] is None:
        return None
    return attrs.evolve(told, below=tuple(one for one in below if one is not None))


async def held(blobs: IBlobStore, files: Sequence[File], cpu: InThread) -> frozenset[Digest]:
    """The digests of those files whose bytes are in that store."""
    wanted = await cpu(_digests, files) if len(files) > MANY_FILES else _digests(files)
    if IHolding.providedBy(blobs):
        found: frozenset[Digest] = await blobs.holding(wanted)
        return found
    here = []
    for digest in wanted[:_LOOKED_FOR]:
        try:
            (await blobs.open(digest)).close()
        except (NoSuchBlob, OSError):
            continue
        here.append(digest)
    return frozenset(here)


def _digests(files: Iterable[File]) -> list[Digest]:
    return list(dict.fromkeys(file.digest for file in files if file.digest is not None))
