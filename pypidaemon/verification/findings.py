"""What is found to be wrong with what is stored, and what became of it, in words for people and for programs."""

from __future__ import annotations

import enum
from typing import Any

import attrs

from pypidaemon.model import Digest
from pypidaemon.verification.holdings import Named

MOST_NAMES = 20
"""Of how many names of the same bytes a finding tells."""


class Problem(enum.Enum):
    """What can be wrong."""

    MISSING = "missing"
    """Something needed is not here."""
    SHORT = "short"
    """It has another length."""
    ALTERED = "altered"
    """It has that length, or nobody says which, and other bytes."""
    UNOWNED = "unowned"
    """It is here, and nobody needs it."""
    RECORDS = "records"
    """What says which files there are is gone, damaged, or not what was written."""


@attrs.frozen
class Finding:
    """
    One thing that is wrong.

    :param digest: of the bytes that should be here, or that nobody needs; "" where it is no blob.
    :param names: who names them.
    :param detail: more about what is wrong, or where it lies.
    :param repaired: whether it was put right; None where that was not to be done.
    :param outcome: what was done, or why it could not be.
    """

    problem: Problem
    digest: Digest | str
    names: tuple[Named, ...] = ()
    detail: str = ""
    repaired: bool | None = None
    outcome: str = ""

    def mended(self, outcome: str) -> Finding:
        """It was put right, this way."""
        return attrs.evolve(self, repaired=True, outcome=outcome)

    def unmended(self, outcome: str) -> Finding:
        """It could not be put right, for this reason."""
        return attrs.evolve(self, repaired=False, outcome=outcome)

    def as_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "problem": self.problem.value,
            "sha256": self.digest or None,
            "names": [
                {"index": one.label, "project": one.name, "file": one.title, "role": one.role.value} for one in self.names[:MOST_NAMES]
            ],
            "detail": self.detail,
            "repaired": self.repaired,
            "outcome": self.outcome,
        }


def line(finding: dict[str, Any]) -> str:
    """A finding as JSON in one line for people."""
    names = finding["names"]
    whose = ", ".join(dict.fromkeys(f"{one['file']} of {one['project']} in {one['index']}" for one in names))
    what = " ".join(part for part in (whose, f"sha256:{finding['sha256']}" if finding["sha256"] else "") if part)
    detail = f" ({finding['detail']})" if finding["detail"] else ""
    done = {None: "", True: f": {finding['outcome']}", False: f": not repaired: {finding['outcome']}"}[finding["repaired"]]
    text = f"{finding['problem']}{f' {what}' if what else ''}{detail}{done}"
    return "".join(sign if sign.isprintable() else "?" for sign in text)
