"""Ready answers over restarts: pages and lists that are not made anew, as long as nothing of what they were made of is another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.blobs.memory import MemoryBlobs
from pypidaemon.rendered import Rendered
from pypidaemon.web import list_pieces
from tests.gear import inline, now
from tests.house import House, header
from tests.web.posting import look
from tests.web.test_lists import says
from tests.web.test_uploads import upload, wheel

JSON = "application/vnd.pypi.simple.v1+json"


class Lasting:
    """A house whose ready answers outlast it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lists = MemoryBlobs()
        self.house = House(by_both_roads=False)
        self.house.upstream.add("alpha", *((f"alpha-{number}.0.tar.gz", b"%d" % number) for number in range(40)), serial=10)
        self.again()

    def again(self, by: str = "one") -> None:
        """Start anew over the same stores, by that program and configuration."""
        self.house.rendered, self.house.rendered_lists = Rendered(self.folder, by, 1 << 24, inline), self.lists
        self.house.restart()

    @property
    def counts(self) -> tuple[int, int]:
        """How many pages were rendered since, and how many were known from before."""
        answers = self.house.door.routes.pages.answers
        return answers.misses, answers.recalled


@pytest.fixture
def lasting(tmp_path: Path) -> Lasting:
    """With one project upstream."""
    return Lasting(tmp_path / "answers")


@pytest.mark.parametrize("form", [JSON, "text/html"])
@pytest.mark.parametrize("coding", ["gzip", "zstd", "identity"])
def test_a_page_is_the_same_after_a_restart_and_nothing_is_rendered(lasting: Lasting, form: str, coding: str) -> None:
    house = lasting.house
    asked = {"accept": form, "accept_encoding": coding}
    before = house.get("/simple/alpha/", **asked)
    assert lasting.counts == (1, 0)
    lasting.again()
    after = house.get("/simple/alpha/", **asked)
    assert (after.headers, after.body) == (before.headers, before.body)
    assert lasting.counts == (0, 1)
    assert house.get("/simple/alpha/", **asked, if_none_match=str(header(before, "ETag"))).status == 304
    assert lasting.counts == (0, 1)


def test_a_coding_that_was_asked_for_later_is_kept_too(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    house = lasting.house
    for coding in ("gzip", "zstd"):
        house.get("/simple/alpha/", accept=JSON, accept_encoding=coding)
    lasting.again()
    monkeypatch.setattr("pypidaemon.web.answers.compress", None)
    for coding in ("gzip", "zstd"):
        assert header(house.get("/simple/alpha/", accept=JSON, accept_encoding=coding), "Content-Encoding") == coding
    assert lasting.counts == (0, 1)


def test_a_page_that_changed_meanwhile_is_rendered(lasting: Lasting) -> None:
    house = lasting.house
    before = house.get("/simple/alpha/", accept=JSON)
    house.upstream.add("alpha", ("alpha-99.0.tar.gz", b"new"), serial=11)
    house.clock.advance(7200)
    lasting.again()
    after = house.get("/simple/alpha/", accept=JSON)
    assert header(after, "ETag") != header(before, "ETag")
    assert b"alpha-99.0" in after.body
    assert lasting.counts[0] == 1
    lasting.again()
    assert house.get("/simple/alpha/", accept=JSON).body == after.body
    assert lasting.counts == (0, 1)


def test_another_program_or_configuration_renders_all_of_it(lasting: Lasting) -> None:
    house = lasting.house
    house.get("/simple/alpha/", accept=JSON)
    lasting.again("two")
    house.get("/simple/alpha/", accept=JSON)
    assert lasting.counts == (1, 0)


def test_pages_of_moments_and_legacy_documents_are_not_kept(lasting: Lasting) -> None:
    house = lasting.house
    house.get("/at/2030-01-01/simple/alpha/", accept=JSON)
    house.get("/pypi/alpha/json")
    assert list(lasting.folder.rglob("*")) == []


def test_what_is_held_is_told_apart_from_the_whole_page(lasting: Lasting) -> None:
    house = lasting.house
    whole = house.get("/simple/alpha/", accept=JSON)
    house.upstream.health.doubt()
    part = house.get("/simple/alpha/", accept=JSON)
    assert header(part, "X-Pypidaemon-Held") == "0 of 40"
    lasting.again()
    assert house.get("/simple/alpha/", accept=JSON).body == part.body
    house.upstream.health.recover()
    assert house.get("/simple/alpha/", accept=JSON).body == whole.body
    assert lasting.counts == (0, 2)


def test_the_list_is_the_same_after_a_restart_and_is_not_rendered(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    house = lasting.house
    before = {coding: look(house, "/simple/", accept=JSON, accept_encoding=coding) for coding in ("gzip", "identity")}
    bodies = {coding: house.body(reply) for coding, reply in before.items()}
    lasting.again()
    monkeypatch.setattr("pypidaemon.web.lists.LAYOUTS", {})
    for coding, reply in before.items():
        after = look(house, "/simple/", accept=JSON, accept_encoding=coding)
        assert after.headers == reply.headers
        assert house.body(after) == bodies[coding]


def test_law_8_a_list_that_is_gone_or_damaged_is_rendered_again(lasting: Lasting) -> None:
    house = lasting.house
    body = house.body(look(house, "/simple/", accept=JSON))
    for damage in (lambda data: b"x" + data[1:], lambda data: data + b" ", lambda _: None):
        blobs: Any = lasting.lists._blobs
        (digest,) = blobs
        spoilt = damage(blobs[digest])
        if spoilt is None:
            now(lasting.lists.remove(digest))
        else:
            blobs[digest] = spoilt
        lasting.again()
        assert house.body(look(house, "/simple/", accept=JSON)) == body


def test_another_program_or_configuration_renders_the_list_and_removes_the_old_one(lasting: Lasting) -> None:
    house = lasting.house
    says(house, "alpha")
    assert b"alpha" in house.body(look(house, "/simple/", accept=JSON))
    lasting.again("two")
    says(house, "beta")
    after = look(house, "/simple/", accept=JSON)
    assert b"beta" in house.body(after)
    assert len(list(lasting.lists._blobs)) == 1


def test_S73_a_list_of_before_a_restart_is_not_for_those_whose_rights_changed_meanwhile(lasting: Lasting) -> None:
    """While nobody was there to be told of it."""
    house = lasting.house
    house.with_private()
    house.grant(house.token("ann") and "ann", "upload", "private")
    assert upload(house, house.token("ann"), wheel("secret-plan", "1.0")).status == 200
    assert b"secret-plan" in house.body(look(house, "/index/private/simple/", accept=JSON))
    people = house.door.people
    house.doorkeeper.forgotten = lambda: None
    for right in ("list", "read"):
        now(people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "private/public-*")
    house.rendered = Rendered(lasting.folder, "one", 1 << 24, inline)
    house.announcements = type(house.announcements)()
    house.with_private()
    assert b"secret-plan" not in house.body(look(house, "/index/private/simple/", accept=JSON))


def test_lists_are_bounded_and_the_one_that_was_asked_for_last_stays(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    house = lasting.house
    monkeypatch.setattr("pypidaemon.web.lists.LIMIT", 150)
    for accept in (JSON, "text/html"):
        for coding in ("gzip", "zstd", "identity"):
            house.body(look(house, "/simple/", accept=accept, accept_encoding=coding))
            held: Any = lasting.lists._blobs
            assert sum(map(len, held.values())) <= 150 or len(held) == 1


def test_a_page_that_changed_is_made_anew_before_somebody_asks(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    house = lasting.house
    for coding in ("gzip", "zstd"):
        house.get("/simple/alpha/", accept=JSON, accept_encoding=coding)
    house.announcements.announce("alpha")  # type: ignore[arg-type]  # a name
    answers = house.door.routes.pages.answers
    assert len(answers) == 0
    house.clock.advance(0.1)
    assert len(answers) == 1
    monkeypatch.setattr("pypidaemon.web.answers.compress", None)
    misses = answers.misses
    for coding in ("gzip", "zstd"):
        assert house.get("/simple/alpha/", accept=JSON, accept_encoding=coding).status == 200
    assert answers.misses == misses


def test_what_nobody_asked_for_since_is_not_made_again(lasting: Lasting) -> None:
    house = lasting.house
    house.get("/simple/alpha/", accept=JSON, accept_encoding="gzip")
    answers = house.door.routes.pages.answers
    for expected in (1, 0):
        house.announcements.announce("alpha")  # type: ignore[arg-type]  # a name
        house.clock.advance(0.1)
        assert len(answers) == expected
    assert house.clock.getDelayedCalls() == [] or len(answers) == 0


def test_a_page_that_cannot_be_had_is_not_made_and_nothing_is_said(lasting: Lasting) -> None:
    house = lasting.house
    house.get("/simple/alpha/", accept=JSON)
    house.upstream.fails(["alpha"])
    now(house.proxy.refresh("alpha"))  # type: ignore[arg-type]  # a name
    house.clock.advance(0.1)
    assert house.get("/simple/alpha/", accept=JSON).status == 200


def test_after_a_restart_too_a_list_is_made_of_the_one_before(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_pieces, "STEP", 2)
    monkeypatch.setattr(list_pieces, "_BATCH", 1)
    house = lasting.house
    says(house, "alpha", "beta", "delta", "epsilon", "eta")
    before = house.body(look(house, "/simple/", accept=JSON))
    lasting.again()
    says(house, "alpha", "beta", "delta", "epsilon", "eta", "zeta")
    asked = reading(monkeypatch)
    after = house.body(look(house, "/simple/", accept=JSON))
    assert asked == ["delta", "epsilon", "eta", "zeta"]
    assert after.startswith(before[: before.index(b"delta") - 40])
    assert after.count(b'"name"') == 6


def test_a_part_of_a_list_that_was_damaged_meanwhile_is_taken_over_by_none(lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_pieces, "STEP", 2)
    monkeypatch.setattr(list_pieces, "_BATCH", 1)
    house = lasting.house
    says(house, "alpha", "beta", "delta", "epsilon")
    look(house, "/simple/", accept=JSON)
    for restarts in (False, True):
        blobs: Any = lasting.lists._blobs
        for digest, data in list(blobs.items()):
            blobs[digest] = data.replace(b"alpha", b"alpho")
        if restarts:
            lasting.again()
        says(house, "alpha", "beta", "delta", "epsilon", f"zeta-{restarts}".lower())
        body = house.body(look(house, "/simple/", accept=JSON))
        assert b'"alpha"' in body
        assert b"alpho" not in body


def reading(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From now on, the names that are read for lists."""
    asked: list[str] = []
    real = list_pieces.seen

    def seen(*given: Any) -> Any:
        for name, serial in real(*given):
            asked.append(name)
            yield name, serial

    monkeypatch.setattr(list_pieces, "seen", seen)
    return asked
