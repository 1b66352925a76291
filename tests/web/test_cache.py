"""What proxies keep, by the control socket: listed, taken away and pinned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.errors import InvalidName
from pypidaemon.web.cache import CacheDesk, listed
from tests.gear import now
from tests.test_caches import NAMES, Pantry, pantry

__all__ = ["pantry"]


@pytest.fixture
def desk(pantry: Pantry) -> CacheDesk:  # the fixture
    return CacheDesk(pantry.caches)


def ask(desk: CacheDesk, place: Pantry, method: str, target: str) -> tuple[int, Any]:
    """Status and answer, which is a line where it is no object."""
    reply = now(desk.operate(place.house.ask(target, method)))
    return reply.status, json.loads(reply.body) if reply.status == 200 else reply.body.decode().splitlines()[0]


def test_it_is_listed_by_project_and_by_file(desk: CacheDesk, pantry: Pantry) -> None:
    assert ask(desk, pantry, "POST", "/cache/pin?project=P1")[1] == {"changed": True}
    assert ask(desk, pantry, "POST", "/cache/pin?project=p2&version=1.0.0")[1] == {"changed": True}
    status, said = ask(desk, pantry, "GET", "/cache")
    assert (status, said["files"], said["bytes"], said["more"]) == (200, 5, 5_000, False)
    # Spelled as the file that is held, and not as the records compare it.
    assert said["pins"] == ["p1", "p2==1.0"]
    assert [one["pinned"] for one in said["projects"]] == [False, True, False, False, False]
    assert set(said["projects"][0]) == {"project", "files", "bytes", "used", "pinned"}
    (project,) = ask(desk, pantry, "GET", "/cache?project=p2")[1]["projects"]
    (held,) = project["held"]
    assert (held["file"], held["version"], held["index"], held["bytes"], held["pinned"]) == ("p2-1.0.tar.gz", "1.0", "pypi", 1_000, True)
    assert ask(desk, pantry, "POST", "/cache/unpin?project=p2")[1] == {"changed": False}
    assert ask(desk, pantry, "POST", "/cache/unpin?project=p2&version=1")[1] == {"changed": True}
    # In parts, each asked for by the last name of the one before.
    first = now(listed(pantry.caches, None, "", 2))
    assert ([one["project"] for one in first["projects"]], first["more"]) == (["p0", "p1"], True)
    last = ask(desk, pantry, "GET", "/cache?after=p3")[1]
    assert ([one["project"] for one in last["projects"]], last["more"]) == (["p4"], False)


def test_it_is_taken_away(desk: CacheDesk, pantry: Pantry) -> None:
    assert ask(desk, pantry, "POST", "/cache/rm?project=p0") == (200, {"files": 1, "bytes": 1_000, "kept": 0})
    assert ask(desk, pantry, "POST", "/cache/rm?project=p1&version=9") == (200, {"files": 0, "bytes": 0, "kept": 0})
    assert pantry.has() == set(NAMES[1:])


def test_the_log_says_what_was_done_in_words(desk: CacheDesk, pantry: Pantry, lines: list[str]) -> None:
    for order in ("pin?project=p1", "pin?project=p1", "unpin?project=p1", "rm?project=p0"):
        ask(desk, pantry, "POST", f"/cache/{order}")
    assert [line for line in lines if line.startswith("cache ")] == [
        "cache pin p1: done",
        "cache pin p1: it was so already",
        "cache unpin p1: done",
        "cache rm p0: 1 file with 1000 bytes taken out, 0 stay",
    ]


def test_what_is_asked_wrongly_is_told(desk: CacheDesk, pantry: Pantry) -> None:
    for method, target in (("POST", "/cache"), ("POST", "/cache/rm"), ("GET", "/cache/rm?project=a"), ("POST", "/cache/x?project=a")):
        status, line = ask(desk, pantry, method, target)
        assert status == 405
        assert line.startswith("GET /cache, or POST")
    with pytest.raises(InvalidName):
        ask(desk, pantry, "POST", "/cache/rm?project=a%2Fb")
    assert ask(CacheDesk(None), pantry, "GET", "/cache")[0] == 404


def test_a_use_of_unknown_time_has_none(desk: CacheDesk, pantry: Pantry) -> None:
    pantry.house.records.uses._uses.clear()
    now(pantry.caches.survey())
    assert ask(desk, pantry, "GET", "/cache")[1]["projects"][0]["used"] is None


def test_the_folder_is_not_needed(tmp_path: Path) -> None:
    place = Pantry(tmp_path)
    assert now(listed(place.caches, None, ""))["projects"] == []
