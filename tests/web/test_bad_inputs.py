"""A slice of the bad inputs that `benchmarks/bad_inputs.py` sends by the ten thousand."""

from __future__ import annotations

import pytest

from tests.bad_inputs import ODD_JSON, Ordeal, run
from tests.web.wire import Client, answers


@pytest.mark.parametrize("number", [11, 12, 13, 14])
def test_S91_bad_inputs_end_in_clear_answers(number: int) -> None:
    """No 500, no traceback, no exception that escapes, no connection that stays open."""
    tally = run(number, 250)
    assert tally.inputs == 250
    assert tally.findings == []
    assert set(tally.kinds.values()) == {25}
    assert {200, 400, 404} <= set(tally.statuses)


@pytest.mark.parametrize("path", ["/+api/releases/yank", "/+api/rulings/block", "/people/user/add"])
def test_S84_json_of_any_depth_length_or_spelling_is_refused_in_one_line(path: str) -> None:
    """Nesting of 30,000, numbers of 60,000 digits, NaN, keys twice, lone surrogates."""
    ordeal = Ordeal(1)
    for body in filter(None, ODD_JSON):
        client = Client(ordeal.house.door.control if path.startswith("/people") else ordeal.house.door.site)
        (answer,) = answers(client.say(ordeal._posted(path, body, "application/json")))
        assert answer.status == 400, body[:60]
        assert answer.body.count(b"\n") == 2
        assert len(answer.body) < 400
        client.hang_up()


def test_what_is_looked_for_is_seen(no_logged_failures: list[object]) -> None:
    """A door that fails is a finding, by its status, by its traceback and by what it leaves open."""
    ordeal = Ordeal(1)

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    ordeal.house.door.site.resource.handle = broken
    tally = ordeal.run(20)
    assert tally.statuses[500] > 0
    assert any("answered 500" in finding for finding in tally.findings)
    assert any("RuntimeError: broken" in finding for finding in tally.findings)
    no_logged_failures.clear()
