"""What an index says of itself when it is asked why a project looks as it does."""

from __future__ import annotations

import enum

import attrs

from pypidaemon.model.names import Filename
from pypidaemon.model.pages import File, ProjectPage


@attrs.frozen
class Refusal:
    """
    Why something is hidden.

    `rule` is the label of the policy, or of the index that leaves it out; `until` is when it ends by time alone, seconds since the epoch, None
    where it does not.
    """

    rule: str
    reason: str
    until: float | None = None


class Outcome(enum.Enum):
    """What came of asking an index for a project."""

    ANSWERS = "answers"
    ABSENT = "absent"
    """It has no such project."""
    REFUSED = "refused"
    """It hides the whole project."""
    UNKNOWN = "unknown"
    """It cannot be asked."""


@attrs.frozen
class HiddenFile:
    """A file that an index leaves out, and every reason for it that can be told."""

    file: File
    refusals: tuple[Refusal, ...]


@attrs.frozen
class Explanation:
    """
    What one index has to say of one project, and below it what each index said that it asked, in that order.

    `kind` is what the index is, as the configuration calls it. `cause` is why it cannot be asked. `refusals` hide the project as a whole, `hidden`
    its single files. `facts` are words for people, each with what it is about; `remarks` are about files that the page lists. `page` is what it
    shows, there where it answers and nowhere else, with the serial of the leaf. `leaves` are the labels of all leaves below the index.
    """

    index: str
    kind: str
    outcome: Outcome
    cause: str = ""
    refusals: tuple[Refusal, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    hidden: tuple[HiddenFile, ...] = ()
    remarks: tuple[tuple[Filename, str], ...] = ()
    page: ProjectPage | None = None
    below: tuple[Explanation, ...] = ()
    leaves: tuple[str, ...] = ()

    @property
    def answers(self) -> str:
        """The outcome in words."""
        match self.outcome:
            case Outcome.ABSENT:
                return "has no such project"
            case Outcome.REFUSED:
                return "; ".join(f"refused by {refusal.rule}: {refusal.reason}" for refusal in self.refusals)
            case Outcome.UNKNOWN:
                return f"cannot be asked: {self.cause}"
        return "answers"
