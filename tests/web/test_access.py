"""The access log: its two forms, on both roads, in a file of its own, and what it says of addresses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.task import Clock
from twisted.logger import LogPublisher

from pypidaemon.errors import PypidaemonError
from pypidaemon.model import NormalizedName
from pypidaemon.services.logs import AccessFile, LostLines
from pypidaemon.web.access import AccessLog
from pypidaemon.web.access_forms import COMBINED, FORMS, JSON, Form
from pypidaemon.web.addressed import HOW, shortened
from pypidaemon.web.ask import Ask, Headers, Notes
from tests.gear import now
from tests.house import House
from tests.roads import Roads, client_of, head_of
from tests.running import running

FIELDS = ["client", "account", "time", "method", "path", "status", "bytes", "agent", "cache", "seconds", "id"]
TEXT = "[daemon]\nlisten = tcp:3141\nindex = root\n{}[index:root]\nuse = tests.parts:example.Fixed\nprojects = alpha\n"


def line(ask: Ask, form: Form, status: int = 200, **more: Any) -> str:
    """The line of that request."""
    found: list[str] = []
    access = AccessLog(Clock(), form, LogPublisher(lambda event: found.append(event["line"])), **more)
    access(ask, status, 5, 0.25)
    access.lines.flush()
    (one,) = found
    return one


def request_of(house: House, project: str) -> bytes:
    """The head that asks for the first file of a project."""
    page = json.loads(house.get(f"/simple/{project}/", accept="application/vnd.pypi.simple.v1+json").body)
    segments = page["files"][0]["url"].removeprefix("../../").split("/")
    return head_of(Ask(segments=tuple(segments), host="127.0.0.1:3141"))


def test_in_json_each_field_has_a_name() -> None:
    """And what is not known is null."""
    notes = Notes(account="ann", ready=True)
    ask = Ask(
        segments=("simple", "alpha", ""), headers=Headers((("User-Agent", "pip/26.3 {}"),)), client="192.0.2.7", id="0123", notes=notes
    )
    found = json.loads(line(ask, JSON))
    assert list(found) == FIELDS
    assert list(found.values()) == [
        *("192.0.2.7", "ann", "1970-01-01T00:00:00Z", "GET", "/simple/alpha/", 200, 5, "pip/26.3", "hit", 0.25, "0123")
    ]
    unread = json.loads(line(Ask(segments=(), id="0123", notes=Notes(reason='the "path"')), JSON, 400))
    assert list(unread) == [*FIELDS, "reason"]
    assert (unread["client"], unread["account"], unread["path"], unread["agent"], unread["cache"]) == ("-", None, None, None, None)
    assert unread["reason"] == "the .path."
    assert json.loads(line(Ask(notes=Notes(ready=False)), JSON))["cache"] == "miss"


@given(
    st.text(st.characters(exclude_categories=("Cs",))),
    st.lists(st.text(st.characters(exclude_categories=("Cs",)), max_size=20), max_size=3),
    st.text(st.characters(max_codepoint=255)),
    st.text(st.characters(exclude_categories=("Cs",))),
    st.sampled_from([200, 404]),
)
def test_S59_whatever_a_client_says_it_is_one_line_of_the_same_fields(
    method: str, segments: list[str], agent: str, reason: str, status: int
) -> None:
    """In JSON an object; in the other form as many fields as ever."""
    ask = Ask(method, tuple(segments), headers=Headers((("User-Agent", agent),)), client="192.0.2.7", id="01", notes=Notes("é x", reason))
    told, combined = line(ask, JSON, status), line(ask, COMBINED, status)
    assert told.isascii()
    assert told.isprintable()
    assert combined.isascii()
    assert combined.isprintable()
    assert list(json.loads(told))[:11] == FIELDS
    assert re.fullmatch(r'192\.0\.2\.7 - %C3%A9%20x \[[^]]+\] "[^"]*" \d{3} 5 "-" "[^"]*" 0\.250 01(?: "[^"]*")?', combined)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("how", HOW)
def test_both_roads_leave_the_same_line(form: Form, how: str) -> None:
    """But for the id, which is the same here: of pages and of small files, whoever asks."""
    house = House()
    said: list[str] = []
    house.access = AccessLog(house.clock, form, LogPublisher(lambda event: said.append(event["line"])), HOW[how])
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha"))
    house.open({"pypi": house.proxy}, "pypi")
    now(house.doorkeeper.admit(None, ""))
    roads = Roads(house.door.site)
    for head in (head_of(Ask(segments=("simple", "alpha", ""), host="127.0.0.1:3141")), request_of(house, "alpha")):
        assert any(roads.ask(head)[1] for _ in range(5))
        for peer in (IPv4Address("TCP", "192.0.2.7", 1), UNIXAddress("x")):
            roads.settle()
            said.clear()
            for site in (roads.express, roads.ordinary):
                client = client_of(site, peer=peer)
                client.say(head)
                client.hang_up()
                roads.settle()
            assert len(said) == 2
            assert said[0] == said[1]
            if form is JSON:
                assert json.loads(said[0])["cache"] == "hit"


def test_a_file_that_had_to_be_fetched_is_a_miss() -> None:
    """And a hit once it is here."""
    house = House(by_both_roads=False)
    said: list[str] = []
    house.access = AccessLog(house.clock, JSON, LogPublisher(lambda event: said.append(event["line"])))
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"a" * 300_000))
    house.open({"pypi": house.proxy}, "pypi")
    head, roads = request_of(house, "alpha"), Roads(house.door.site)
    for _ in range(2):
        roads.plainly(head)
    roads.settle()
    assert [json.loads(one)["cache"] for one in said] == ["miss", "hit"]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("-", "-"),
        ("", ""),
    ],
)
def test_what_is_left_of_an_address(address: str, network: str) -> None:
    """The network, in the log and on record."""
    assert shortened(address) == network
    assert line(Ask(client=address), COMBINED, addressed=shortened).startswith(f"{network or '-'} - ")


@pytest.mark.parametrize(
    ("how", "kept"),
    [("whole", {"192.0.2.77", "198.51.100.78"}), ("shortened", {"192.0.2.0", "198.51.100.0"}), ("none", {""})],
)
def test_who_took_what_has_no_more_of_an_address_than_the_log(how: str, kept: set[str]) -> None:
    """Whichever road the file took."""
    house = House(fetches=True, by_both_roads=False)
    house.access = AccessLog(house.clock, addressed=HOW[how])
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha"))
    house.open({"pypi": house.proxy}, "pypi")
    now(house.doorkeeper.admit(None, ""))
    head = request_of(house, "alpha")
    roads = Roads(house.door.site)

    def take(address: str) -> bool:
        gave, client = roads.lane.gave, client_of(roads.express, peer=IPv4Address("TCP", address, 1))
        client.say(head)
        client.hang_up()
        return roads.lane.gave > gave

    assert any(take("192.0.2.77") for _ in range(6))
    assert take("198.51.100.78")
    found = now(house.records.fetches.of_project(NormalizedName("alpha"), None, 0.0, 99))
    assert {one.address for one in found} == kept


def test_F83_a_file_of_its_own_goes_on_where_it_was_moved_away_and_counts_what_it_lost(tmp_path: Path) -> None:
    """Without a signal; where its folder is gone the lines are lost and counted, until it is back."""
    lost = LostLines()
    file = AccessFile(tmp_path / "logs" / "access", lost)
    with pytest.raises(PypidaemonError, match=r"cannot write the access log .*: No such file or directory"):
        file.startService()
    (tmp_path / "logs").mkdir()
    file.startService()
    access = AccessLog(Clock(), JSON, file.publisher)

    def written(name: str) -> list[str]:
        return [json.loads(one)["id"] for one in (tmp_path / "logs" / name).read_text().splitlines()]

    for number in range(6):
        if number == 2:
            (tmp_path / "logs" / "access").rename(tmp_path / "logs" / "old")
        if number == 3:
            (tmp_path / "logs").rename(tmp_path / "gone")
        if number == 5:
            (tmp_path / "gone").rename(tmp_path / "logs")
        access(Ask(id=str(number)), 200, 0, 0.0)
        access.lines.flush()
    assert (written("old"), written("access"), lost.measures()) == (["0", "1"], ["2", "5"], {"lost": 2})
    file.stopService()
    # A process that answered just before the last reload may tell of it after that.
    access(Ask(id="late"), 200, 0, 0.0)
    access.lines.flush()
    assert written("access") == ["2", "5", "late"]
    assert not [one for one in Path("/proc/self/fd").iterdir() if one.resolve() == tmp_path / "logs" / "access"]


def test_the_file_of_the_configuration_and_none(tmp_path: Path) -> None:
    """A relative one is beside the configuration; another one after a reload, with its own form; one that cannot be written changes nothing."""
    with running(tmp_path, TEXT.format("access-log = access.log\n")) as daemon:
        daemon.ask("/+health")
        daemon.loop.turn(0.2)
        first = (tmp_path / "etc" / "access.log").read_text()
        assert re.fullmatch(r'\S+ - - \[[^]]+\] "GET /\+health HTTP/1.1" 200 .*\n', first)
        daemon.reload(TEXT.format("access-log = other.log\naccess-log-form = json\n"))
        daemon.ask("/+health")
        daemon.loop.turn(0.2)
        assert (tmp_path / "etc" / "access.log").read_text() == first
        other = (tmp_path / "etc" / "other.log").read_text()
        assert json.loads(other)["path"] == "/+health"
        with pytest.raises(PypidaemonError, match="cannot write the access log"):
            daemon.reload(TEXT.format("access-log = missing/log\n"))
        daemon.reload(TEXT.format("access-log = no\n"))
        daemon.ask("/+health")
        daemon.loop.turn(0.2)
        assert (tmp_path / "etc" / "other.log").read_text() == other
        assert daemon.household.house.door.access.lines.publisher._observers == []
