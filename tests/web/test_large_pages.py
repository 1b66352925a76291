"""Large pages, which are made in pieces: what is at hand first, what comes later, and that nobody can tell how a page came about."""

from __future__ import annotations

import gzip

import attrs
import pytest

from pypidaemon.filenames import filename, project_name
from pypidaemon.flights import Flights
from pypidaemon.model import File, ProjectPage
from pypidaemon.simple.pieces import pieced
from pypidaemon.simple.write_json import frame_json, render_json
from pypidaemon.web.answers import Answer, AnswerKey, Answers, Making, State, decompress
from tests.gear import inline, now

FOO = project_name("foo")
KEY = AnswerKey("private", FOO, "application/vnd.pypi.simple.v1+json")
FILES = tuple(File(filename(f"foo-1.{number}.tar.gz"), path=f"p/foo-1.{number}.tar.gz", size=number) for number in range(600))
BOTH = ("gzip, zstd",)


def making(*files: File, revision: str = "r") -> Making:
    page = ProjectPage(FOO, files, ("1",), revision=revision)
    return Making(
        State(revision, 1, ("private",), None),
        KEY.form,
        lambda: render_json(page),
        BOTH,
        pieced=lambda before: pieced(frame_json(page), page.files, before),
    )


def made(answers: Answers, making: Making) -> Answer:
    with answers.readings.of(FOO) as reading:
        answer: Answer = now(answers.make(KEY, making, reading))
        return answer


@pytest.fixture
def answers() -> Answers:
    return Answers(inline)


def test_gzip_is_at_hand_and_what_is_better_comes_for_the_next(answers: Answers) -> None:
    wanted = making(*FILES)
    answer = made(answers, wanted)
    assert [answer.coding(BOTH), answer.coding(("gzip",)), answer.coding(("zstd",)), answer.coding(())] == ["gzip", "gzip", "zstd", ""]
    assert gzip.decompress(now(answers.body(KEY, answer, "gzip"))) == wanted.render()
    answers.improve(KEY, answer, BOTH)
    assert answer.coding(BOTH) == "zstd"
    assert decompress(answer.bodies["zstd"], "zstd") == wanted.render()
    assert now(answers.body(KEY, answer, "")) == wanted.render()


def test_what_is_not_held_any_more_is_not_made_better(answers: Answers) -> None:
    answer = made(answers, making(*FILES))
    answers.forget(FOO)
    answers.improve(KEY, answer, BOTH)
    assert list(answer.bodies) == ["gzip"]


def test_R72_the_tag_tells_nothing_of_how_a_page_came_about(answers: Answers) -> None:
    made(answers, making(*FILES[:300], revision="before"))
    answers.forget(FOO)
    answer = made(answers, making(*FILES))
    fresh = made(Answers(inline), making(*FILES))
    assert answer.tag == fresh.tag
    assert made(Answers(inline), making(*FILES, revision="other")).tag != fresh.tag
    spelled = making(*FILES[:-1], attrs.evolve(FILES[-1], size=1))
    assert made(Answers(inline), spelled).tag != fresh.tag


def test_a_large_page_that_changes_again_and_again_is_not_written_down_each_time() -> None:
    kept = Kept()
    answers = Answers(inline, kept)
    for moment in (100.0, 101.0, 109.0, 111.0, 90.0):
        answers.forget(FOO)
        one = making(*FILES, revision=str(moment))
        made(answers, attrs.evolve(one, state=attrs.evolve(one.state, made=moment)))
    assert kept.saved == [100.0, 111.0, 90.0]
    assert kept.asked == 1


@attrs.define
class Kept:
    """Remembers what it was asked for and given."""

    asked: int = 0
    saved: list[float] = attrs.field(factory=list)
    flights: Flights[str, None] = attrs.field(factory=Flights)

    async def recall(self, key: AnswerKey, state: State) -> Answer | None:
        self.asked += 1
        return None

    def save(self, key: AnswerKey, answer: Answer) -> None:
        self.saved.append(answer.state.made)


def test_pieces_outlive_the_page_that_they_were_part_of(answers: Answers) -> None:
    made(answers, making(*FILES))
    answers.forget(FOO)
    seen: list[int] = []
    wanted = making(*FILES[:200], *FILES[201:])

    def again(before: object) -> object:
        seen.append(len(before))  # type: ignore[arg-type]  # pieces
        assert wanted.pieced is not None
        return wanted.pieced(before)  # type: ignore[arg-type]  # as above

    answer = made(answers, attrs.evolve(wanted, pieced=again))
    assert seen == [6]
    assert gzip.decompress(answer.bodies["gzip"]) == wanted.render()
