"""A configuration that is read again while the daemon runs (F72, F80)."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import formatEvent, globalLogPublisher

from pypidaemon.blueprints import Plan, plan
from pypidaemon.errors import ConfigError, PypidaemonError
from pypidaemon.renewing import insist, kept
from tests.running import Running, running
from tests.web.wire import answers, get

HEAD = "[daemon]\nlisten = tcp:3141:interface=127.0.0.1\nindex = root\nhosts = index.example\n"
SILENT = "[upstream:pypi]\nuse = tests.parts:Silent\n"
FIXED = "[index:root]\nuse = tests.parts:example.Fixed\nprojects = {}\n"
MANY = " ".join(f"project-{number:05}" for number in range(12_000))


def planned(folder: Path, text: str) -> Plan:
    """The plan of that text as the file that `folder` has."""
    file = folder / "config.ini"
    file.write_text(text)
    return plan(str(file))


LAYERED = """
[daemon]
index = shown
{daemon}
[index:shown]
use = policed
index = pypi
policies = some
[policy:some]
use = names
deny = {deny}
[index:pypi]
use = proxy
upstream = pypi
[index:other]
use = proxy
upstream = line
[upstream:line]
use = http
url = https://line.example/simple/
{line}
[upstream:pypi]
use = http
url = https://index.example/simple/
"""


def layered(folder: Path, deny: str = "x", daemon: str = "", line: str = "") -> Plan:
    """A plan of several layers."""
    return planned(folder, LAYERED.format(deny=deny, daemon=daemon, line=line))


def test_what_a_change_does_not_reach_goes_on(tmp_path: Path) -> None:
    """And what refers to something that was changed is made anew with it."""
    old = layered(tmp_path)
    assert kept(old, layered(tmp_path)) == set(old.parts)
    assert set(old.parts) - kept(old, layered(tmp_path, deny="y")) == {"policy:some", "index:shown"}
    assert set(old.parts) - kept(old, layered(tmp_path, line="patience = 1s")) == {"upstream:line", "index:other"}


def test_what_the_daemon_says_of_all_upstreams_reaches_all_of_them(tmp_path: Path) -> None:
    """As the names do that are never asked for."""
    old, new = layered(tmp_path), layered(tmp_path, daemon="reserved = acme-*")
    going_on = kept(old, new)
    assert {name for name in going_on if not name.startswith(("records:", "blobs:", "accounts:", "policy:"))} == set()
    assert {"records:records", "blobs:blobs", "accounts:accounts", "policy:some"} <= going_on


def test_what_is_read_from_a_file_beside_it_is_read_again(tmp_path: Path) -> None:
    """Nobody can see from here whether it says the same; a store's folder is no such file."""
    (tmp_path / "ca.pem").write_text("")
    old = layered(tmp_path, line="ca-file = ca.pem")
    assert set(old.parts) - kept(old, layered(tmp_path, line="ca-file = ca.pem")) == {"upstream:line", "index:other"}


def test_a_part_that_nobody_needed_before_is_made(tmp_path: Path) -> None:
    """There is nothing of it that could go on."""
    old = planned(tmp_path, "[daemon]\nindex = a\n[index:a]\nuse = private\n[index:b]\nuse = private\nexposed = no\n")
    new = planned(tmp_path, "[daemon]\nindex = a\n[index:a]\nuse = private\n[index:b]\nuse = private\n")
    assert "index:b" not in kept(old, new)
    assert "index:a" in kept(old, new)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[daemon]\ndata = elsewhere\n", "[daemon] data"),
        ("[daemon]\nrecords = r\n[records:r]\nuse = memory\n", "[daemon] records"),
        ("[daemon]\nblobs = b\n[blobs:b]\nuse = memory\n", "[daemon] blobs"),
        ("[daemon]\n[records:records]\nuse = memory\n", "[records:records]"),
        ("[daemon]\n[blobs:blobs]\nuse = directory\npath = there\n", "[blobs:blobs]"),
    ],
)
def test_F72_where_things_are_kept_changes_with_a_restart_alone(tmp_path: Path, text: str, where: str) -> None:
    """One line says so."""
    with pytest.raises(ConfigError, match="needs a restart") as caught:
        insist(planned(tmp_path, "[daemon]\n"), planned(tmp_path, text))
    assert where in str(caught.value)


def test_what_is_kept_where_it_was_needs_no_restart(tmp_path: Path) -> None:
    """A further store may come, and one that nobody used may change."""
    old = planned(tmp_path, "[daemon]\n")
    insist(old, planned(tmp_path, "[daemon]\nreserved = acme-*\n"))
    text = "[daemon]\n[blobs:blobs]\nuse = directory\npath = var/blobs\n[records:records]\nuse = sqlite\npath = var/records.sqlite\n"
    insist(old, planned(tmp_path, text + "[blobs:more]\nuse = memory\n"))


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged for the operator, line by line."""
    seen: list[str] = []

    def observe(event: dict[str, object]) -> None:
        if event["log_namespace"] == "pypidaemon":
            seen.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield seen
    globalLogPublisher.removeObserver(observe)


def names(daemon: Running) -> list[str]:
    """The projects that the daemon lists."""
    page = daemon.ask("/simple/", "Accept: application/vnd.pypi.simple.v1+json")
    assert page.status == 200, page
    return [project["name"] for project in json.loads(page.body)["projects"]]


def test_F80_the_next_request_sees_the_new_configuration_and_a_transfer_goes_on(tmp_path: Path, lines: list[str]) -> None:
    """To its last byte, of what it began with, on a connection that then goes on as well."""
    with running(tmp_path, HEAD + FIXED.format(MANY) + SILENT) as daemon:
        before = daemon.ask("/simple/").body
        slow = daemon.client()
        slow.wire.stalled = True
        heard = slow.say(get("/simple/"))
        daemon.loop.until(lambda: slow.wire.out)
        old = daemon.household.house
        daemon.reload(HEAD + FIXED.format("alpha") + SILENT)
        assert names(daemon) == ["alpha"]
        # What is needed no more stays until the transfer has ended.
        assert old.door.running
        slow.wire.stalled = False
        heard += slow.heard()
        producer = slow.wire.producer
        producer.resumeProducing()
        daemon.loop.until(lambda: not old.door.running)
        heard += slow.heard()
        (answer,) = answers(heard)
        assert answer.body == before
        assert len(before) > 300_000
        # The old connection asks again.
        assert b"alpha" in daemon.ask("/simple/", client=slow).body
        assert daemon.household.house.door.running
    assert any(line.startswith("the configuration was read again; ") for line in lines)


def test_F72_what_is_wrong_is_one_line_and_everything_stays(tmp_path: Path, lines: list[str]) -> None:
    """Whether it is the text, a part that cannot be made, a port that is taken, or a place that cannot change."""
    with running(tmp_path, HEAD + FIXED.format("alpha") + SILENT) as daemon:
        daemon.loop.refused.add(3142)
        house, ports = daemon.household.house, len(daemon.loop.ports)
        for text, problem in (
            ("[daemon]\nlissen = x\n", "lissen: unknown key"),
            (
                HEAD.replace("root", "a") + "[index:a]\nuse = policed\nindex = root\npolicies = p\n[policy:p]\nuse = tests.parts:Fussy\n",
                "no such",
            ),
            (HEAD.replace("3141", "3142") + FIXED.format("beta") + SILENT, "cannot listen on 127.0.0.1 port 3142: Address already in use"),
            (HEAD + "data = elsewhere\n" + FIXED.format("beta") + SILENT, "needs a restart"),
        ):
            with pytest.raises(PypidaemonError, match=problem) as caught:
                daemon.reload(text + (FIXED.format("beta") + SILENT if "policies" in text else ""))
            assert "\n" not in str(caught.value)
            assert lines[-1].endswith(str(caught.value))
            assert names(daemon) == ["alpha"]
        assert daemon.household.house is house
        assert len(daemon.loop.ports) == ports
        assert not daemon.loop.ports[0].closed
        # A signal has nobody to tell, and does nothing else.
        daemon.write("[daemon]\nlissen = x\n")
        daemon.loop.result(daemon.life.hang_up())
        assert "all stays as it was" in lines[-1]


def test_sockets_stay_come_and_go_as_the_file_says(tmp_path: Path) -> None:
    """One that is still named is not touched, so nobody is turned away."""
    with running(tmp_path, HEAD + FIXED.format("alpha") + SILENT) as daemon:
        first = daemon.loop.ports[0]
        more = HEAD.replace("tcp:3141", "tcp:3142:interface=127.0.0.1\n  tcp:3141")
        daemon.reload(more + FIXED.format("alpha") + SILENT)
        assert [port.address.port for port in daemon.loop.ports] == [3141, 3142]
        second = daemon.loop.ports[1]
        assert second.factory is first.factory
        daemon.reload(HEAD.replace("3141", "3142") + FIXED.format("beta") + SILENT)
        assert (first.closed, second.closed) == (True, False)
        assert names(daemon) == ["beta"]
        assert daemon.life.greeting().startswith("pypidaemon ")
        assert ":3142/" in daemon.life.greeting()
    assert second.closed


def test_parts_that_go_on_are_the_same_and_those_that_went_are_forgotten(tmp_path: Path) -> None:
    """However often: nothing is left behind that would grow."""
    text = HEAD + FIXED.format("alpha") + "[index:private]\nuse = private\n{}[service:clean]\nuse = janitor\n" + SILENT
    with running(tmp_path, text.format("")) as daemon:
        first = daemon.household.house
        calls = len(daemon.loop.getDelayedCalls())
        children = len(daemon.household.services)
        gone = []
        for turn in range(6):
            house = daemon.household.house
            gone += [weakref.ref(house.door.routes), weakref.ref(house.made.bare["index:private"])]
            daemon.reload(text.format("strict = yes\n" if turn % 2 else "overwrite = yes\n"))
            daemon.loop.until(lambda house=house: not house.door.running)  # type: ignore[misc]  # the default is the house
            daemon.loop.until(lambda house=house: house.door not in daemon.household.services)  # type: ignore[misc]  # as above
            assert names(daemon) == ["alpha"]
        made = daemon.household.house.made
        for name in ("records:records", "blobs:blobs", "index:root"):
            assert made.objects[name] is first.made.objects[name]
        assert made.given["spool"] is first.made.given["spool"]
        assert {home.label for home in made.given["holdings"].homes} == {"private"}
        assert made.given["local_indexes"]["private"] is made.bare["index:private"]
        assert len(daemon.household.services) == children
        # The log of those who asked last is written within a tenth of a second.
        daemon.loop.turn(0.2)
        assert len(daemon.loop.getDelayedCalls()) == calls
        assert [service.running for service in daemon.household.services] == [1] * children
        del house, first
        gc.collect()
        assert [there() for there in gone if there() is not None] == []


def test_what_acts_by_itself_stops_before_its_like_starts(tmp_path: Path) -> None:
    """Two of a kind would do the same work at the same time."""
    text = HEAD + FIXED.format("alpha") + "[service:s]\nuse = tests.parts:Diary\nindex = root\ntimes = {}\n" + SILENT
    with running(tmp_path, text.format(1)) as daemon:
        (old,) = daemon.household.house.made.living("service")
        daemon.reload(text.format(2))
        (new,) = daemon.household.house.made.living("service")
        assert (old.running, new.running, new.times) == (0, 1, 2)
        daemon.reload(text.format(2) + "[policy:unused]\nuse = names\n")
        assert daemon.household.house.made.living("service") == [new]


def test_one_that_is_stopped_while_it_gives_way_stops_whole(tmp_path: Path) -> None:
    """Also the old parts that a transfer keeps."""
    with running(tmp_path, HEAD + "drain = 5s\n" + FIXED.format(MANY) + SILENT) as daemon:
        slow = daemon.client()
        slow.wire.stalled = True
        slow.say(get("/simple/"))
        daemon.loop.until(lambda: slow.wire.out)
        old = daemon.household.house
        daemon.reload(HEAD + "drain = 7s\n" + FIXED.format("alpha") + SILENT)
        stopping = daemon.life.stopService()
        daemon.loop.turn(6.9)
        assert not slow.wire.aborted
        daemon.loop.turn(0.2)
        assert slow.wire.aborted
        daemon.hang_up()
        daemon.loop.result(stopping)
        assert not old.door.running
        with pytest.raises(PypidaemonError, match="about to stop"):
            daemon.loop.result(daemon.life.reload())
    assert [service for service in daemon.household.services if service.running] == []


def test_a_service_that_does_not_start_is_logged_and_left_out(tmp_path: Path, no_logged_failures: list[dict[str, Any]]) -> None:
    """By then the rest is in force, and the next reload tries again."""
    text = HEAD + FIXED + "[service:a]\nuse = tests.parts:Late\nbroken = {}\n[service:b]\nuse = tests.parts:Late\nbroken = no\n" + SILENT
    with running(tmp_path, text.format("alpha", "no")) as daemon:
        daemon.reload(text.format("beta", "yes"))
        assert names(daemon) == ["beta"]
        assert [one.running for one in daemon.household.house.made.living("service")] == [0, 1]
        assert len(no_logged_failures) == 1
        no_logged_failures.clear()
        daemon.reload(text.format("beta", "no"))
        assert [one.running for one in daemon.household.house.made.living("service")] == [1, 1]
