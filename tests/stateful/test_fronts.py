"""Whatever happens between two requests: what a front says by itself is what the daemon says at this moment, to the byte."""

from __future__ import annotations

from hypothesis import event, settings
from hypothesis.stateful import rule

from tests.fronts import Rig
from tests.stateful.test_roads import BothRoads
from tests.web.wire import answers


class FrontRoad(BothRoads):
    """As that machine, by a front beside the daemon, which is told of changes by the counters alone."""

    def __init__(self) -> None:
        self.rig: Rig | None = None
        super().__init__()
        self.rig = Rig(self.site, self.house.clock)
        self.house.told = self.rig.generations.change

    def compare(self, head: bytes, method: str, secure: bool) -> None:
        """The front is asked first, and what it says is compared unless it has given the connection away."""
        if self.rig is None:
            return
        heard, how = self.rig.ask(head)
        event(how)
        if how != "over":
            assert heard == self.roads.plainly(head)
            event(f"{how} {answers(heard, (method,))[0].status}")

    @rule()
    def reload(self) -> None:
        """As `assembly` does it."""
        super().reload()
        assert self.rig is not None
        self.rig.generations.change(None)

    def teardown(self) -> None:
        super().teardown()
        if self.rig is not None:
            self.rig.tell()
            self.roads.settle()
            self.rig.close()


TestFrontRoad = FrontRoad.TestCase
TestFrontRoad.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)
