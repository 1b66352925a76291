"""What the lane and the ready answers depend on, told of whatever changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pypidaemon.accounts.doorkeeper import Doorkeeper
from pypidaemon.announcements import Announcements
from pypidaemon.interfaces import IIndex
from pypidaemon.model import NormalizedName
from pypidaemon.web.answers import Answers
from pypidaemon.web.express import Lane
from pypidaemon.web.held import Held
from pypidaemon.web.small_files import SmallFiles


def keep_true(
    lane: Lane, answers: Answers, small: SmallFiles, held: Held, doorkeeper: Doorkeeper, told: Callable[[str | None], None]
) -> None:
    """Let the lane hear of everything but the clock that a ready answer depends on: `Routes.quick` asks these and nobody else."""

    def forget(project: str) -> None:
        told(project)
        lane.forget(project)

    def clear() -> None:
        told(None)
        lane.clear()

    answers.changed = small.changed = forget
    held.stirred = clear
    doorkeeper.stirred = clear


async def anew(every: Mapping[str, IIndex], announcements: Announcements, name: NormalizedName) -> None:
    """Have what is shown of that project made anew, everywhere."""
    for index in every.values():
        await index.refresh(name)
    announcements.announce(name)
