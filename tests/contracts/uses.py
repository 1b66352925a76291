"""What every `IUses` and `IPins` promises."""

from __future__ import annotations

import attrs
import pytest
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IPins, IRecords, IUses
from pypidaemon.model import Digest, Pin, Use, UsedProject
from tests.gear import now
from tests.records_gear import BAR, FOO, SDIST, WHEEL

A, B, C = (Digest(letter * 64) for letter in "abc")
ONE = Use(A, "pypi", FOO, WHEEL, 100, 3.5)
TWO = Use(B, "pypi", FOO, SDIST, 20, 1.0)
THREE = Use(C, "other", BAR, SDIST, 3, 3.5)


class UsesContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def uses(self, records: IRecords) -> IUses:
        return records.uses

    def test_keeps_the_interface(self, uses: IUses) -> None:
        verifyObject(IUses, uses)
        assert now(uses.weight()) == (0, 0)

    def test_what_was_used_longest_ago_comes_first_in_parts(self, uses: IUses) -> None:
        for use in (ONE, TWO, THREE):
            now(uses.note(use))
        assert now(uses.weight()) == (3, 123)
        assert now(uses.oldest((-1.0, ""), 2)) == [TWO, ONE]
        assert now(uses.oldest((ONE.used, ONE.digest), 2)) == [THREE]
        assert now(uses.listed(FOO)) == [ONE, TWO]
        bar, foo = UsedProject(BAR, 1, 3, 3.5), UsedProject(FOO, 2, 120, 3.5)
        assert now(uses.projects("", 9)) == [bar, foo]
        assert now(uses.projects("", 1)) == [bar]
        assert now(uses.projects(BAR, 9)) == [foo]

    def test_a_later_use_counts_and_an_earlier_one_does_not(self, uses: IUses) -> None:
        now(uses.note(ONE))
        now(uses.note(attrs.evolve(ONE, used=2.0)))
        assert now(uses.listed(FOO)) == [ONE]
        later = attrs.evolve(ONE, used=9.0, label="other", size=101)
        now(uses.note(later))
        assert now(uses.listed(FOO)) == [later]

    def test_what_is_forgotten_is_noted_again_when_it_is_used_again(self, uses: IUses) -> None:
        for use in (ONE, TWO, THREE):
            now(uses.note(use))
        now(uses.forget([A, C]))
        now(uses.forget([A]))
        assert now(uses.listed(FOO)) == [TWO]
        now(uses.note(ONE))
        now(uses.forget([]))
        assert now(uses.listed(FOO)) == [ONE, TWO]
        # Forgotten before it was written down.
        now(uses.note(THREE))
        now(uses.forget([C]))
        assert now(uses.weight()) == (2, 120)


class PinsContract:
    """Run by every place of records; a subclass's module has a fixture `records`."""

    @pytest.fixture
    def pins(self, records: IRecords) -> IPins:
        return records.pins

    def test_keeps_the_interface(self, pins: IPins) -> None:
        verifyObject(IPins, pins)

    def test_projects_and_releases_are_pinned_apart(self, pins: IPins) -> None:
        assert now(pins.pins()) == []
        assert [now(pins.pin(pin, True)) for pin in (Pin(FOO), Pin(FOO, "1"), Pin(FOO), Pin(BAR))] == [True, True, False, True]
        assert now(pins.pins()) == [Pin(BAR), Pin(FOO), Pin(FOO, "1")]
        assert [now(pins.pin(pin, False)) for pin in (Pin(FOO), Pin(FOO), Pin(BAR, "1"))] == [True, False, False]
        assert [pin.title for pin in now(pins.pins())] == ["bar", "foo==1"]
