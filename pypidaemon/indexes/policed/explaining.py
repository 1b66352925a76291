"""Why an index seen through rules shows of a project what it does."""

from __future__ import annotations

import attrs

from pypidaemon.explaining import explain, passed_on
from pypidaemon.indexes.policed.view import View
from pypidaemon.judging import left_by
from pypidaemon.model import Explanation, HiddenFile, NormalizedName, Outcome

_MANY_FILES = 200


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
    told = attrs.evolve(told, remarks=rules.remarks(name, (known[file.filename] for file in judged.shown if file.filename in known), now))
    if not judged.hidden:
        return told
    if len(page.files) > _MANY_FILES:
        reasons = await view.cpu(rules.refusals, page, now, known)
        left = await view.cpu(left_by, page, judged)
    else:
        reasons, left = rules.refusals(page, now, known), left_by(page, judged)
    hidden = tuple(
        HiddenFile(file, reasons.get(file.filename, (judged.hidden[file.filename],))) for file in page.files if file.filename in judged.hidden
    )
    return attrs.evolve(told, page=left, hidden=hidden)
