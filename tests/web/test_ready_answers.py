"""Ready answers: that what is dropped by a project's name is all of that project's, and found without looking at the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import project_name
from pypidaemon.model import NormalizedName
from pypidaemon.shelf import Shelf
from pypidaemon.web.answers import AnswerKey, Answers, Making, State
from tests.gear import inline, now

NAMES = [project_name(name) for name in ("alpha", "beta", "gamma")]
KEYS = [AnswerKey("private", name, form, view=view) for name in NAMES for form in ("html", "json") for view in ("", "at/2026-01-01")]


def make(answers: Answers, key: AnswerKey, length: int = 10, revision: str = "r") -> None:
    with answers.readings.of(key.project) as reading:
        now(answers.make(key, Making(State(revision, 1, ("private",), None), "text/plain", lambda: b"x" * length, ()), reading))


def held(answers: Answers) -> set[AnswerKey]:
    return {key for key in KEYS if key in answers._shelf._held or key in answers._views._held}


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.integers(0, 6000), st.integers(0, 5))))
def test_however_answers_come_and_go_none_of_an_announced_project_stays_and_nothing_is_kept_of_what_is_gone(
    steps: list[tuple[AnswerKey, int, int]],
) -> None:
    """Pushed out, replaced, too heavy, turned or forgotten."""
    answers = Answers(inline)
    answers._shelf.limit = answers._views.limit = 9000
    for number, (key, length, what) in enumerate(steps):
        before = held(answers)
        if what == 0:
            answers.forget(key.project)
            assert held(answers) == {one for one in before if one.project != key.project}
        elif what == 1 and number % 7 == 0:
            answers.forget(None)
            assert held(answers) == set()
        elif what == 2 and number % 5 == 0:
            answers.turn()
        else:
            make(answers, key, length, f"{number}")
        assert {one for keys in answers._keys.values() for one in keys} == held(answers)
        assert all(answers._keys.values())


def test_who_had_an_answer_that_is_dropped_is_made_the_next_one() -> None:
    """Of the index itself, and not of a view of it."""
    answers = Answers(inline)
    told: list[tuple[AnswerKey, list[str]]] = []
    answers.outdated = lambda key, codings, _: told.append((key, list(codings)))
    for key in KEYS[:4]:
        make(answers, key)
        answers.fresh(key, 1.0)
    make(answers, KEYS[4])
    answers.forget(NAMES[0])
    answers.forget(NAMES[1])
    assert told == [(key, [""]) for key in KEYS[:4] if not key.view]


def test_of_thousands_one_is_dropped_without_looking_at_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every upload has it done: with 20,000 answers it took the reactor's thread 40 ms."""
    answers, told = Answers(inline), list[NormalizedName]()
    for key in KEYS:
        make(answers, key)
    answers.changed = told.append
    monkeypatch.setattr(Shelf, "drop_where", None)
    answers.forget(NAMES[1])
    answers.forget(project_name("nobody"))
    assert told == [NAMES[1]] * 4
    assert held(answers) == {key for key in KEYS if key.project != NAMES[1]}
