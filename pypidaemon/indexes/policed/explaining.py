"""Why an index seen through rules shows of a project what it does."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from pypidaemon.explaining import explain, passed_on
from pypidaemon.indexes.policed.view import View
from pypidaemon.judging import Judgement, Rules, left_by
from pypidaemon.model import Explanation, File, Filename, HiddenFile, NormalizedName, Outcome, ProjectPage


async def explained(label: str, kind: str, view: View, name: NormalizedName) -> Explanation:
    """
    What the index behind the view says, and what the rules leave of it, with every reason that they have.

    Of a project that they hide as a whole that index is not asked.
    """
    rules, now = view.rules, view.clock.seconds()
    facts = (("rules", " ".join(policy.label for policy in rules.policies) or "none"),)
    refusals = tuple(rules.every(name, None, now))
    if refusals:
        return Explanation(label, kind, Outcome.REFUSED, refusals=refusals, facts=facts)
    inner = await explain(view.index, name)
    told = attrs.evolve(passed_on(label, kind, (inner,)), facts=facts)
    page = inner.page
    if page is None:
        return told
    judged, known = await view.judge(page, now)
    if rules.slow(len(page.files)):
        return await view.cpu(_in_detail, told, page, rules, judged, known, now)
    return _in_detail(told, page, rules, judged, known, now)


def _in_detail(
    told: Explanation, page: ProjectPage, rules: Rules, judged: Judgement, known: Mapping[Filename, File], now: float
) -> Explanation:
    """What is left of that page, what is hidden with every reason, and what there is to say of the rest. Slow for long pages."""
    shown = (known.get(file.filename, file) for file in judged.shown)
    told = attrs.evolve(told, remarks=rules.remarks(page.name, shown, now))
    if not judged.hidden:
        return told
    reasons = rules.refusals(page, now, known)
    hidden = tuple(
        HiddenFile(file, reasons.get(file.filename, (judged.hidden[file.filename],)))
        for file in page.files
        if file.filename in judged.hidden
    )
    return attrs.evolve(told, page=left_by(page, judged), hidden=hidden)
