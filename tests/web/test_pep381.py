"""What mirrors of old served besides packages (PEP 381): when they were brought up to date, and what was taken (M12, M13, M14)."""

from __future__ import annotations

import bz2
import csv
import io
import json
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from twisted.internet.defer import Deferred

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import PypidaemonError
from pypidaemon.model import Downloads, Filename, NormalizedName, Progress
from pypidaemon.records.rules import FIRST_GRANTS
from pypidaemon.rights import Account, Rights
from pypidaemon.web.pep381 import rendered, simplified
from pypidaemon.web.reply import Reply
from tests.gear import now
from tests.house import NOON, House, header
from tests.web.posting import look
from tests.web.test_uploads import upload, wheel
from tests.web.wire import Client, answers, get

HEADER = ["# package", "filename", "useragent", "count"]
PIP = "User-Agent: pip/26.3 {}"
DAY = 86_400.0


@pytest.fixture
def house() -> House:
    """ours is private, public a stranger's; that is noted what is taken."""
    house = House(fetches=True, by_both_roads=False)
    house.upstream.add("public", ("public-9.0.tar.gz", b"stranger"))
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "upload", "private")
    assert upload(house, house.tokens["ann"], wheel("ours")).status == 200
    return house


def today(house: House) -> str:
    """The day that it is."""
    return datetime.fromtimestamp(house.clock.seconds(), UTC).strftime("%Y-%m-%d")


def path(house: House, project: str) -> str:
    """Where its one file is."""
    page = look(house, f"/simple/{project}/?format=application/vnd.pypi.simple.v1+json")
    return "/" + str(json.loads(page.body)["files"][0]["url"]).removeprefix("../../")


def take(house: House, where: str, *headers: str, method: str = "GET") -> int:
    """Have a file sent to its end over a connection; the status of the answer."""
    (answer,) = answers(
        Client(house.door.site).say(get(where, *headers, method=method).replace(b"index.example", b"127.0.0.1:3141")), (method,)
    )
    return answer.status


def table(reply: Reply) -> list[list[str]]:
    """The rows of a day, or the status where there are none."""
    assert reply.status == 200, reply
    return list(csv.reader(io.StringIO(bz2.decompress(reply.body).decode(), newline="")))


# --- /last-modified -----------------------------------------------------------------------------------------------------------


def run(house: House, label: str, started: float) -> None:
    """A run that filled that index was complete."""
    now(house.records.mirrors.advance(label, Progress(started=started)))


def test_M12_it_is_the_beginning_of_the_last_complete_run(house: House) -> None:
    assert look(house, "/last-modified").status == 404
    run(house, "pypi", NOON + 0.9)
    for where in ("/last-modified", "/index/pypi/last-modified"):
        reply = look(house, where)
        assert (reply.status, reply.body, header(reply, "Content-Type")) == (200, b"20260528T20:26:40\n", "text/plain")
    assert look(house, "/index/private/last-modified").status == 404
    assert look(house, "/at/2999-01-01/last-modified").status == 404
    assert look(house, "/last-modified/").status == 404


def test_M12_of_several_it_is_the_first_that_was_ever_filled(house: House) -> None:
    """In the order in which they are asked."""
    run(house, "pypi", NOON)
    run(house, "private", NOON - DAY)
    assert look(house, "/last-modified").body == b"20260527T20:26:40\n"


def test_S42_of_an_index_that_nobody_may_see_it_is_not_told(house: House) -> None:
    run(house, "pypi", NOON)
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
    house.grant("ann", "list", "pypi")
    for where in ("/last-modified", "/index/pypi/last-modified"):
        assert look(house, where).status == 404
        assert look(house, where, house.tokens["ann"]).status == 200


# --- /local-stats -------------------------------------------------------------------------------------------------------------


def test_M13_each_file_of_a_finished_day_is_counted(house: House) -> None:
    first, there, ours = today(house), path(house, "public"), path(house, "ours")
    for _ in range(3):
        assert take(house, there, PIP) == 200
    assert take(house, there, "User-Agent: uv/0.9 x") == 200
    assert take(house, ours, "User-Agent: ann's own <machine>") == 200
    where = f"/local-stats/days/{first}.bz2"
    assert look(house, where).status == 404
    house.clock.advance(DAY)
    reply = look(house, where)
    assert header(reply, "Content-Type") == "application/x-bzip2"
    assert table(reply) == [
        HEADER,
        ["ours", wheel("ours")[0], "-", "1"],
        ["public", "public-9.0.tar.gz", "pip/26.3", "3"],
        ["public", "public-9.0.tar.gz", "uv/0.9", "1"],
    ]
    assert bz2.decompress(reply.body).startswith(b"# package,filename,useragent,count\n")
    assert b"192.0.2" not in bz2.decompress(reply.body)
    assert look(house, where).body == reply.body
    assert look(house, where, if_none_match=str(header(reply, "ETag"))).status == 304
    assert table(look(house, f"/index/private{where}")) == [HEADER, ["ours", wheel("ours")[0], "-", "1"]]
    assert len(table(look(house, f"/index/pypi{where}"))) == 3


def test_M13_only_whole_files_count(house: House) -> None:
    """Neither HEAD nor parts nor what a client has already nor what breaks off."""
    first, there = today(house), path(house, "public")
    assert take(house, there, method="HEAD") == 200
    assert take(house, there, "Range: bytes=0-3") == 206
    assert take(house, there, "Range: bytes=0-") == 206
    etag = header(look(house, there), "ETag")
    assert take(house, there, f"If-None-Match: {etag}") == 304
    house.upstream.add("large", ("large-1.zip", b"x" * 3_000_000))
    client = Client(house.door.site)
    client.wire.stalled = True
    client.say(get(path(house, "large")).replace(b"index.example", b"127.0.0.1:3141"))
    client.hang_up()
    house.clock.advance(DAY)
    assert look(house, f"/local-stats/days/{first}.bz2").status == 404
    # On record for who has to know it is all the same.
    assert len(now(house.records.fetches.of_project(NormalizedName("large"), None, 0.0, 10))) == 1


def test_M13_a_download_counts_for_the_day_on_which_it_ends(house: House) -> None:
    """So that a finished day never changes."""
    house.upstream.add("large", ("large-1.zip", b"x" * 3_000_000))
    first = today(house)
    house.clock.advance(DAY - house.clock.seconds() % DAY - 2)
    client = Client(house.door.site)
    client.wire.stalled = True
    client.say(get(path(house, "large")).replace(b"index.example", b"127.0.0.1:3141"))
    assert today(house) == first
    house.clock.advance(4)
    client.wire.stalled = False
    client.wire.producer.resumeProducing()
    house.clock.advance(DAY)
    assert look(house, f"/local-stats/days/{first}.bz2").status == 404
    second = (datetime.fromisoformat(first) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert table(look(house, f"/local-stats/days/{second}.bz2"))[1][:2] == ["large", "large-1.zip"]


@pytest.mark.parametrize(
    "day",
    ["2999-01-01.bz2", "2026-02-30.bz2", "2026-1-1.bz2", "2026-05-27", "2026-05-27.gz", ".bz2", "", "0000-00-00.bz2", "२०२६-05-27.bz2"],
)
def test_M13_what_is_no_finished_day_is_not_there(house: House, day: str) -> None:
    assert look(house, f"/local-stats/days/{day}").status == 404
    assert look(house, f"/at/2999-01-01/local-stats/days/{day}").status == 404


def test_M13_nothing_is_there_where_nothing_is_put_on_record() -> None:
    house = House()
    house.upstream.add("public", ("public-9.0.tar.gz", b"stranger"))
    first = today(house)
    assert take(house, path(house, "public")) == 200
    now(house.records.fetches.count(Downloads(first, "pypi", NormalizedName("public"), Filename("public-9.0.tar.gz"), "pip/26.3")))
    house.clock.advance(DAY)
    assert look(house, f"/local-stats/days/{first}.bz2").status == 404


def test_S42_private_projects_are_in_no_statistics(house: House) -> None:
    """For nobody, and from the moment at which they become private."""
    first = today(house)
    for project in ("ours", "public"):
        assert take(house, path(house, project), PIP) == 200
    house.clock.advance(DAY)
    where = f"/local-stats/days/{first}.bz2"
    assert {row[0] for row in table(look(house, where))[1:]} == {"ours", "public"}
    now(house.door.people.ungrant(OPERATOR, "anonymous", "list", "*"))
    assert look(house, where).status == 404
    house.grant("anonymous", "list", "pypi")
    assert {row[0] for row in table(look(house, where))[1:]} == {"public"}
    assert {row[0] for row in table(look(house, where, house.tokens["ann"]))[1:]} == {"public"}
    house.grant("ann", "admin", "*")
    assert look(house, f"/index/private{where}", house.tokens["ann"]).status == 404


def test_S42_a_change_of_rights_while_a_day_is_made_up_is_not_kept(house: House) -> None:
    first = today(house)
    assert take(house, path(house, "ours"), PIP) == 200
    house.clock.advance(DAY)
    where = f"/local-stats/days/{first}.bz2"
    gates: list[Deferred[None]] = []

    async def slowly(function: object, *given: object) -> object:
        gate: Deferred[None] = Deferred()
        gates.append(gate)
        await gate
        return function(*given)  # type: ignore[operator]  # a function

    desk = house.door.routes.pep381
    before, desk.cpu = desk.cpu, slowly  # type: ignore[assignment]  # as above
    asked = Deferred.fromCoroutine(house.door.routes.handle(house.ask(where)))  # type: ignore[arg-type]  # a coroutine
    desk.cpu = before
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    gates.pop().callback(None)
    assert now(asked).status == 200
    assert look(house, where).status == 404


class FailingBook:
    """A book in which nothing can be written."""

    async def note(self, fetch: object) -> None:
        raise PypidaemonError("there is no room left")

    async def count(self, downloads: object) -> None:
        raise PypidaemonError("there is no room left")


def test_F54_a_count_that_cannot_be_kept_harms_no_download(house: House) -> None:
    house.door.routes.files.fetches.book = FailingBook()  # type: ignore[union-attr,assignment]  # it is only written in
    assert take(house, path(house, "public")) == 200


def test_two_spellings_of_strange_clients_are_one_row() -> None:
    anybody = Account(Rights(grants=FIRST_GRANTS))
    row = Downloads("2026-01-01", "pypi", NormalizedName("a"), Filename("a-1.zip"), "x y", 2)
    body = rendered([row, attrs.evolve(row, agent="<z>"), attrs.evolve(row, index="other")], frozenset({"pypi"}), anybody)
    assert bz2.decompress(body).decode().splitlines()[1:] == ["a,a-1.zip,-,4"]
    assert rendered([row], frozenset(), anybody) == b""


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        ("pip/26.3", "pip/26.3"),
        ("Python-urllib/3.11", "Python-urllib/3.11"),
        ("curl", "curl"),
        ("setuptools/80.9.0+x", "setuptools/80.9.0+x"),
        ("-", "-"),
        ("", "-"),
        ("=cmd()", "-"),
        ("ann@index.example", "-"),
        ("a/b/c", "-"),
        ("x" * 100, "-"),
        ("x/" + "1" * 100, "-"),
        ("pip/26.3\n", "-"),
    ],
)
def test_M13_clients_are_products_with_their_versions(agent: str, shown: str) -> None:
    assert simplified(agent) == shown


def test_M14_signatures_are_not_there(house: House) -> None:
    """PEP 464 took them back; nothing of an upstream is asked for them."""
    house.upstream.asked.clear()
    for where in ("/serversig/public", "/serversig/public/", "/serverkey", "/index/pypi/serversig/public"):
        reply = look(house, where)
        assert reply.status == 404
        assert header(reply, "Content-Type") == "text/plain; charset=utf-8"
    assert house.upstream.asked == []
