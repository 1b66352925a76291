"""Why a private index shows of a project what it does: whose it is, and what was taken off its page."""

from __future__ import annotations

import attrs

from pypidaemon.errors import NoSuchProject, PypidaemonError
from pypidaemon.interfaces import IRecords
from pypidaemon.model import Explanation, HiddenFile, NormalizedName, Outcome, Refusal, Standing
from pypidaemon.pushes.remembered import remembered

_WORDS = {
    Standing.HIDDEN: "it was hidden",
    Standing.DELETED: "it was deleted, and its name stays taken",
}


async def explained(told: Explanation, name: NormalizedName, records: IRecords) -> Explanation:
    """What the index showed, with what the records have besides: the owner, and what is hidden or deleted."""
    if told.outcome is not Outcome.ANSWERS:
        return told
    try:
        owner = await records.files.owner(told.index, name)
        _, found = await records.files.page(told.index, name)
    except NoSuchProject:
        # It was forgotten just now.
        return told
    except PypidaemonError as error:
        return attrs.evolve(told, facts=(("trouble", str(error)),))
    hidden = tuple(
        HiddenFile(record.file, (Refusal(told.index, _WORDS[record.standing]),)) for record in found if record.standing in _WORDS
    )
    uploaders = sorted({record.uploader for record in found if record.uploader})
    facts = (("owner", owner or "nobody in particular"), ("uploaded by", " ".join(uploaders)), *await _pushed(told.index, name, records))
    return attrs.evolve(told, facts=tuple(fact for fact in facts if fact[1]), hidden=hidden)


async def _pushed(label: str, name: NormalizedName, records: IRecords) -> list[tuple[str, str]]:
    """What services that push it to other indexes have to say of it."""
    found: list[tuple[str, str]] = []
    for service, said in (await remembered(records, label, name)).items():
        lines = [str(line) for word in ("conflicts", "refused", "differs") for line in said.get(word, ())]
        there = f"{said.get('there', 0)} files are there, as of {said.get('at', '')}"
        found.append((f"pushed by {service} to {said.get('to', '')}", "; ".join([there, *lines[:20]])))
    return found
