"""Files of which upstream has other bytes: listed, counted, and the others accepted by order (S28)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pypidaemon import replacements
from pypidaemon.accounts.words import Unacceptable
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import NoSuchFile, UpstreamUnavailable
from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Companion
from pypidaemon.replacements import Replacements
from tests.filling import read
from tests.gear import now
from tests.house import House
from tests.mirroring import Mill

ALPHA = project_name("alpha")
ONE, TWO = filename("alpha-1.0.tar.gz"), filename("alpha-2.0.tar.gz")


@pytest.fixture
def house() -> House:
    """Whose proxy holds the first of two files, both of which upstream has replaced since."""
    house = House()
    house.upstream.add("alpha", (ONE, b"one"), (TWO, b"two"), serial=10)
    assert read(house.proxy, ALPHA, ONE, Companion.FILE) == b"one"
    house.upstream.add("alpha", (ONE, b"ONE, otherwise"), (TWO, b"TWO, otherwise"), serial=20)
    house.clock.advance(10_000)
    now(house.proxy.project_page(ALPHA))
    return house


def order(house: House, method: str, target: str) -> tuple[int, Any]:
    """What the control socket answers; a line where it is no object."""
    reply = now(house.door.desk.handle(house.ask(target, method)))
    return reply.status, json.loads(reply.body) if reply.status == 200 else reply.body.decode().splitlines()[0]


def test_S28_they_are_listed_with_both_digests_and_counted(house: House) -> None:
    status, said = order(house, "GET", "/replaced")
    assert (status, said["more"]) == (200, False)
    assert [(one["index"], one["project"], one["file"]) for one in said["replaced"]] == [("pypi", "alpha", ONE), ("pypi", "alpha", TWO)]
    assert all(len(one["first"]) == len(one["other"]) == 64 and one["first"] != one["other"] for one in said["replaced"])
    assert b'pypidaemon_replaced_files{index="pypi"} 2.0' in house.get("/+metrics").body


def test_S28_accepted_bytes_are_given_with_the_next_request_and_stay(house: House) -> None:
    for name in (ONE, TWO):
        status, said = order(house, "POST", f"/replaced/accept?project=Alpha&file={name}")
        assert (status, [one["file"] for one in said["accepted"]]) == (200, [name])
    assert read(house.proxy, ALPHA, ONE, Companion.FILE) == b"ONE, otherwise"
    assert read(house.proxy, ALPHA, TWO, Companion.FILE) == b"TWO, otherwise"
    assert order(house, "GET", "/replaced")[1]["replaced"] == []
    [_, deed] = now(house.records.accounts.deeds(0, 10))
    assert (deed.account, deed.action, deed.subject) == ("(operator)", "accept", f"pypi/alpha {TWO}")
    # They are the first ones now.
    house.upstream.add("alpha", (ONE, b"one"), (TWO, b"two"), serial=30)
    house.clock.advance(10_000)
    house.restart()
    assert read(house.proxy, ALPHA, ONE, Companion.FILE) == b"ONE, otherwise"


def test_S28_what_is_not_accepted_in_one_index_stays_there(house: House) -> None:
    with pytest.raises(Unacceptable, match=r"in other; of alpha it has for: alpha-1\.0\.tar\.gz alpha-2\.0\.tar\.gz"):
        now(Replacements(house.records, house.clock).accept(ALPHA, ONE, "other", THE_OPERATOR))
    assert order(house, "POST", "/replaced/accept?project=alpha&file=alpha-3.0.tar.gz")[0] == 400
    assert order(house, "POST", "/replaced/accept?project=beta&file=beta-3.0.tar.gz")[0] == 400
    for method, target in (
        ("POST", "/replaced"),
        ("POST", "/replaced/accept?project=alpha"),
        ("GET", "/replaced/accept"),
        ("POST", "/replaced/x"),
    ):
        assert order(house, method, target)[0] == 405
    assert read(house.proxy, ALPHA, ONE, Companion.FILE) == b"one"
    with pytest.raises(NoSuchFile):
        read(house.proxy, ALPHA, TWO, Companion.FILE)


@pytest.mark.parametrize("lost", [False, True])
def test_S28_a_mirror_takes_accepted_bytes_with_its_next_run(tmp_path: Path, lost: bool) -> None:
    """Also where the first ones were lost here. Those that it had wait, and can be brought back."""
    mill = Mill(tmp_path)
    mill.upstream.add("alpha", ONE, TWO)
    assert mill.run()["complete"]
    first = now(mill.index.find(ALPHA, ONE)).file
    if lost:
        now(mill.blobs.remove(first.digest))
    mill.upstream.offers["alpha"].files[ONE] = b"other bytes under the same name"
    mill.upstream.add("alpha")
    if lost:
        with pytest.raises(UpstreamUnavailable):
            read(mill.index, ALPHA, ONE, Companion.FILE)
    for _ in range(2):
        mill.run()
        [row] = now(mill.records.facts.replaced(("", "", ""), 9))
        assert (row.label, row.name, row.filename) == ("mirror", ALPHA, ONE)
    if not lost:
        assert now(mill.index.find(ALPHA, ONE)).file.digest == first.digest
    replacements = Replacements(mill.records, mill.clock)
    now(replacements.accept(ALPHA, ONE, None, THE_OPERATOR))
    mill.announcements.announce(ALPHA)
    assert mill.files("alpha") == [TWO]
    ended = mill.run()
    assert (ended["complete"], ended["failed"]) == (True, 0)
    assert read(mill.index, ALPHA, ONE, Companion.FILE) == b"other bytes under the same name"
    assert [one.filename for one in now(mill.records.mirrors.leaving("mirror"))] == [ONE]
    assert now(replacements.listed())["replaced"] == []


def test_S28_an_upstream_that_replaces_very_many_hides_none_from_who_accepts_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed has an end, and comes in the order of names, which somebody else may choose."""
    monkeypatch.setattr(replacements, "MOST", 3)
    names = [f"aaa-{number}.0.tar.gz" for number in range(10)]
    house.upstream.add("aaa", *((name, b"1") for name in names), serial=30)
    now(house.proxy.project_page(project_name("aaa")))
    house.upstream.add("aaa", *((name, b"2") for name in names), serial=40)
    house.clock.advance(10_000)
    now(house.proxy.project_page(project_name("aaa")))
    status, said = order(house, "GET", "/replaced")
    assert (status, len(said["replaced"]), said["more"]) == (200, 3, True)
    status, said = order(house, "POST", f"/replaced/accept?project=alpha&file={TWO}")
    assert (status, [one["file"] for one in said["accepted"]]) == (200, [TWO])
    status, line = order(house, "POST", "/replaced/accept?project=alpha&file=alpha-9.0.tar.gz")
    assert (status, ONE in line) == (400, True)
