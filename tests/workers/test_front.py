"""What a front takes, what it gives away, and that nobody can tell who has answered him."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator

import pytest
from twisted.internet.address import IPv4Address
from twisted.logger import LogPublisher

from pypidaemon.web.answers import Answer
from pypidaemon.web.places import Caps
from pypidaemon.workers.front import MOST, Rules
from tests.fronts import Rig
from tests.gear import now
from tests.house import House
from tests.roads import Roads
from tests.web.test_express import JSON, PIP, request
from tests.web.wire import answers

HEAD = request("/simple/alpha/", *PIP)


@pytest.fixture
def house() -> House:
    """Alpha with forty files, one of which a page is nearly too long, and one of which it is; public."""
    house = House(by_both_roads=False)
    house.upstream.add("alpha", *((f"alpha-{n}.0.tar.gz", b"%d" % n) for n in range(40)), serial=10)
    house.upstream.add("large", *((f"large-{n}.0.tar.gz", b"%d" % n) for n in range(3000)), serial=11)
    house.upstream.add("lesser", *((f"lesser-{n}.0.tar.gz", b"%d" % n) for n in range(500)), serial=13)
    house.upstream.add("middle", *((f"middle-{n}.0.tar.gz", b"%d" % n) for n in range(1200)), serial=12)
    now(house.doorkeeper.admit(None, ""))
    return house


@pytest.fixture
def rig(house: House) -> Iterator[Rig]:
    rig = Rig(house.door.site, house.clock)
    house.told = rig.generations.change
    yield rig
    rig.close()
    house.door.access.lines.flush()


def known(rig: Rig, head: bytes = HEAD, address: str = "127.0.0.1") -> bytes:
    """Ask until the front knows it; what it says then."""
    for _ in range(5):
        heard, how = rig.ask(head, address)
        if how == "front":
            return heard
    raise AssertionError("the front did not learn that")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("headers", [(), PIP, ("Accept: text/html", "Accept-Encoding: zstd"), (f"Accept: {JSON}", "X: \xe9")])
def test_it_says_the_same_to_the_byte(house: House, rig: Rig, headers: tuple[str, ...], method: str) -> None:
    """Whether the keeper has the answer and it asks for it, or it has it itself; a page that the client has is a 304."""
    head = request("/simple/alpha/", *headers, method=method)
    plain = Roads(house.door.site).plainly(head)
    plain = Roads(house.door.site).plainly(head)
    heard, how = rig.ask(head)
    assert (heard, how) == (plain, "keeper")
    assert known(rig, head) == plain
    tag = answers(plain, (method,))[0].one("etag")
    conditional = request("/simple/alpha/", *headers, f"If-None-Match: {tag}", method=method)
    heard = known(rig, conditional)
    assert heard == Roads(house.door.site).plainly(conditional)
    assert answers(heard, (method,))[0].status == 304


def test_the_clock_goes_on_in_what_it_says(house: House, rig: Rig) -> None:
    """The date, and the seconds for which it may be kept, at every moment down to the last, and when the clock is put back."""
    roads = Roads(house.door.site)
    roads.plainly(HEAD)
    known(rig)
    for wait in (0.0, 0.25, 0.5, 0.25, 0.75, 0.5, 1.0, 7.125, 60.0, 300.0, 229.0, 0.5):
        house.clock.advance(wait)
        heard, how = rig.ask(HEAD)
        assert (heard, how) == (roads.plainly(HEAD), "front")
    house.clock.advance(0.125)
    assert rig.ask(HEAD)[1] != "front"
    roads.plainly(HEAD)
    known(rig)
    house.clock.rightNow -= 1.0
    assert rig.ask(HEAD)[1] != "front"


@pytest.mark.parametrize(
    "sent",
    [
        request("/simple/alpha/", "Connection: close"),
        request("/simple/alpha/", version="1.0"),
        request("/simple/alpha/", method="POST"),
        request("/simple/unknown/"),
        request("/simple/Alpha/"),
        request("/simple/alpha/", *PIP) + request("/simple/alpha/"),
        request("/simple/alpha/", *PIP) + b"G",
        b"\r\n" + HEAD,
        request("/simple/alpha/", "Content-Length: 3") + b"abc",
        request("/simple/alpha/", "Content-Length: 3"),
        request("/+health"),
        request("/simple/large/", f"Accept: {JSON}"),
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
    ids=range(14),
)
def test_everything_else_it_gives_away(house: House, rig: Rig, sent: bytes) -> None:
    """What is said is what is said to whom the keeper has accepted itself, and no more than that is begun."""
    roads = Roads(house.door.site)
    roads.plainly(HEAD)
    known(rig)
    heard, how = rig.ask(sent)
    assert how == "over"
    assert heard.split(b"\r\n")[0] == roads.plainly(sent).split(b"\r\n")[0]
    assert len(house.door.site.places) == 0


def test_half_a_head_is_given_away_with_what_there_is_of_it(rig: Rig) -> None:
    """And its time runs at the keeper."""
    client = rig.client()
    client.send(HEAD[:20])
    assert rig.desk.handed == 1
    assert answers(client.say(HEAD[20:]))[0].status == 200
    slow = rig.client()
    slow.send(HEAD[:20])
    rig.loop.clock.advance(16.0)
    assert slow.heard().startswith(b"HTTP/1.1 408")


def test_a_connection_goes_on_through_the_change_of_hands(house: House, rig: Rig) -> None:
    """Answered by the front, then about something that it cannot know, then as before."""
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    client = rig.client()
    assert answers(client.say(HEAD))[0].status == 200
    assert answers(client.say(request("/+health")))[0].status == 200
    assert answers(client.say(HEAD))[0].status == 200


@pytest.mark.parametrize("told", ["alpha", None])
def test_a_change_is_seen_by_the_next_request(house: House, rig: Rig, told: str | None) -> None:
    """However it is told of: of the project, or of everything."""
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    house.announcements.announce(told)  # type: ignore[arg-type]  # a name that is clean
    assert rig.ask(HEAD)[1] == "over"
    known(rig)


def test_what_changes_of_others_does_not_matter(house: House, rig: Rig) -> None:
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    rig.generations.change("beta")
    assert rig.ask(HEAD)[1] == "front"


def test_the_log_and_the_counts_say_the_same_as_of_others(house: House, rig: Rig) -> None:
    """One line and one count for each answer, with its id, the client and the moment, when the front has told."""
    lines: list[str] = []
    house.door.access.lines.publisher = LogPublisher(lambda event: lines.append(event["line"]))
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    rig.tell()
    house.door.access.lines.flush()
    metrics = house.door.routes.operations.metrics
    before, hits = sum(metrics.requests.values()), len(lines)
    sent = metrics.sent[("simple",)]
    for _ in range(3):
        heard, how = rig.ask(HEAD)
        assert how == "front"
    assert len(lines) == hits
    house.clock.advance(0.1)
    rig.loop.settle()
    house.door.access.lines.flush()
    assert sum(metrics.requests.values()) == before + 3
    assert metrics.sent[("simple",)] == sent + 3 * len(answers(heard)[0].body)
    assert lines[hits:] == [lines[0].rpartition(" 0.0")[0] + f" 0.000 {'07' * 8}"] * 3
    assert rig.desk.answered == 4


def test_what_it_cannot_tell_it_counts(house: House, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the keeper is too busy to listen for long."""
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    rig.tell()
    monkeypatch.setattr("pypidaemon.workers.front.UNSAID", 1500)
    client = rig.client()
    rig.loop.removeReader(rig.link)
    while not rig.listener.link.waiting:
        rig.listener.link.say("nothing", [], b"x" * 50_000)
    waiting = rig.listener.link.waiting
    for _ in range(1503):
        client.say(HEAD)
        house.clock.advance(0.01)
    assert rig.listener.link.waiting == waiting
    before = rig.desk.answered
    rig.loop.addReader(rig.link)
    rig.loop.settle()
    rig.tell()
    assert (rig.lost, rig.desk.answered - before) == (3, 1500)


def test_it_tells_before_too_much_has_gathered(house: House, rig: Rig) -> None:
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    rig.tell()
    before = rig.desk.answered
    client = rig.client()
    for _ in range(MOST):
        client.say(HEAD)
    rig.loop.settle()
    assert rig.desk.answered == before + MOST


def test_S61_what_a_proxy_says_of_its_clients_is_its_own(house: House) -> None:
    """Another peer's same words are another question, and where the front does not know that yet it keeps nothing."""
    house.trusted_proxies = ("127.0.0.2",)
    house.open({"pypi": house.proxy}, "pypi")
    now(house.doorkeeper.admit(None, ""))
    head = request("/simple/alpha/", *PIP, "X-Forwarded-For: 192.0.2.7")
    Roads(house.door.site).plainly(head)
    house.door.access.lines.flush()
    lines: list[str] = []
    house.door.access.lines.publisher = LogPublisher(lambda event: lines.append(event["line"]))
    rig = Rig(house.door.site, house.clock)
    try:
        for _ in range(4):
            assert rig.ask(head, "127.0.0.2")[1] == "keeper"
        rig.follow(Rules(by_peer=True))
        known(rig, head, "127.0.0.2")
        assert rig.ask(head, "127.0.0.3")[1] == "keeper"
        known(rig, head, "127.0.0.3")
        rig.tell()
        house.door.access.lines.flush()
        clients = {line.split()[0] for line in lines}
        assert clients == {"192.0.2.7", "127.0.0.3"}
    finally:
        rig.close()
        house.door.access.lines.flush()


def test_S58_the_places_are_for_all_processes_together(house: House) -> None:
    """Whoever is one too many is told so, whoever accepted him; who only sits there makes way."""
    house.door.site.places.caps = Caps(each=3, total=2)
    house.door.site.places.uncapped = ()
    Roads(house.door.site).plainly(HEAD)
    rig = Rig(house.door.site, house.clock)
    try:
        first, second = rig.client(), rig.client()
        assert len(house.door.site.places) == 2
        third = rig.client()
        assert first.closed
        assert not second.closed
        assert answers(third.say(HEAD))[0].status == 200
    finally:
        rig.close()
        house.door.access.lines.flush()
    assert len(house.door.site.places) == 0


def test_S58_one_address_has_its_places_in_all_processes_together(house: House, rig: Rig) -> None:
    """The keeper takes who is one too many, and says so as to anybody; nobody is counted twice."""
    places = house.door.site.places
    places.caps = Caps(each=1, total=8)
    rig.desk.heard("came", [101, "192.0.2.1"], b"", [])
    for away in rig.desk._away.values():
        places.works(away)
    wanted: list[tuple[object, ...]] = []
    rig.desk.say = lambda *said: wanted.append(said)
    rig.desk.heard("came", [102, "192.0.2.1"], b"", [])
    rig.desk.heard("asks", [102, "07" * 8, "192.0.2.1"], HEAD, [])
    assert wanted == [("take", [102])]
    ours, theirs = socket.socketpair()
    with ours:
        rig.desk.adopt = lambda *given: given[-1].buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
        rig.desk.heard("gives", [102, int(socket.AF_INET)], b"", [theirs.detach()])
    assert places.measures() == {"admitted": 1.0, "refused": 1.0, "closed": 0.0}


def test_S58_who_is_answered_by_a_front_has_not_waited_longest(house: House, rig: Rig) -> None:
    """The keeper hears of it with the answers."""
    house.door.site.places.caps = Caps(total=2)
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    first, second = rig.client(), rig.client()
    assert first.say(HEAD)
    rig.tell()
    rig.client()
    assert second.closed
    assert not first.closed


def test_S57_who_asks_nothing_and_who_takes_nothing_is_let_go(house: House, rig: Rig) -> None:
    """By the same rules as at the keeper, to the second."""
    large = request("/simple/middle/", *PIP)
    rig.follow(Rules(idle=60.0, stall=30.0))
    for head in (HEAD, large):
        Roads(house.door.site).plainly(head)
        known(rig, head)
    idle, busy, deaf = rig.client(), rig.client(), rig.client(room=4096)
    while not rig.front.stalled:
        deaf.send(large)
    (caller,) = rig.front.stalled
    for _ in range(59):
        house.clock.advance(1.0)
        rig.loop.settle()
    assert caller.over
    assert answers(busy.say(HEAD))[0].status == 200
    assert not idle.closed
    for _ in range(3):
        house.clock.advance(1.0)
        rig.loop.settle()
    assert idle.closed
    assert not busy.closed


def test_F79_told_to_leave_it_lets_everybody_have_his_answer(house: House, rig: Rig) -> None:
    """And nobody is there any more when it ends."""
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    clients = [rig.client() for _ in range(3)]
    asking = rig.client()
    asking.socket.sendall(HEAD)
    rig.generations.change(None)
    # The keeper takes its time.
    rig.loop.removeReader(rig.link)
    rig.loop.settle()
    rig.link.say("leaves")
    rig.loop.settle()
    assert all(client.closed for client in clients)
    assert not rig.over
    rig.loop.addReader(rig.link)
    assert answers(asking.heard())[0].status == 200
    assert rig.over


def test_a_keeper_that_is_gone_ends_it(rig: Rig) -> None:
    rig.link.end_it()
    rig.loop.settle()
    assert rig.over


def test_a_front_that_is_gone_leaves_no_place_taken(house: House, rig: Rig) -> None:
    rig.client()
    rig.client()
    assert len(house.door.site.places) == 2
    rig.listener.link.end_it()
    rig.loop.settle()
    assert len(house.door.site.places) == 0


def test_what_it_forgets_the_keeper_forgets(house: House, rig: Rig) -> None:
    """However many heads come, no more is held than there is room for."""
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    rig.follow(Rules(idle=61.0))
    rig.tell()
    assert not rig.desk._given
    assert not rig.front._entries


def test_S58_where_requests_are_counted_the_keeper_answers_them_itself(house: House, rig: Rig) -> None:
    """A front would not count what it answers."""
    lane = house.door.site.lane
    assert lane is not None
    counted: list[str] = []
    lane.allows = lambda client: not counted.append(client)
    for _ in range(5):
        heard, how = rig.ask(HEAD)
        assert answers(heard)[0].status == 200
        assert how == "over"
    assert counted


def test_the_keeper_keeps_no_bytes_of_what_a_front_has(house: House, rig: Rig) -> None:
    """What is out of date there is to cost nothing here."""
    gc.collect()
    others = [one for one in gc.get_objects() if isinstance(one, Answer)]
    large = request("/simple/middle/", *PIP)
    Roads(house.door.site).plainly(large)
    known(rig, large)
    (given,) = rig.desk._given.values()
    (entry,) = rig.front._entries._held.values()
    assert len(entry[0].body) > 10_000
    assert not given.ready.body
    house.announcements.announce(None)
    gc.collect()
    known_before = {id(one) for one in others}
    held = [one for one in gc.get_objects() if isinstance(one, Answer) and one.state.serial == 12 and id(one) not in known_before]
    assert held == []


def test_when_everything_has_changed_nothing_old_is_kept(house: House, rig: Rig) -> None:
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    rig.generations.change(None)
    rig.ask(request("/simple/unknown/"))
    assert not rig.front._entries
    rig.tell()
    assert not rig.desk._given


def test_what_is_asked_of_fronts_alone_is_in_use(house: House, rig: Rig) -> None:
    """The door does not take it for forgotten."""
    Roads(house.door.site).plainly(HEAD)
    known(rig)
    answers_ = house.door.routes.pages.answers
    house.get("/simple/middle/")
    (first, *_) = answers_._shelf._held
    assert first.project == "alpha"
    house.clock.advance(1.0)
    assert rig.ask(HEAD)[1] == "front"
    rig.tell()
    (*_, last) = answers_._shelf._held
    assert last.project == "alpha"


def test_each_answer_counts_once_as_having_been_ready(house: House, rig: Rig) -> None:
    """Whoever gave it."""
    Roads(house.door.site).plainly(HEAD)
    hits = house.door.routes.pages.answers.hits
    for number, who in enumerate(("keeper", "keeper", "front"), 1):
        assert rig.ask(HEAD)[1] == who
        rig.tell()
        assert house.door.routes.pages.answers.hits == hits + number


@pytest.mark.parametrize(("room", "large"), [(0, HEAD), (4096, request("/simple/middle/", *PIP)), (4096, request("/simple/lesser/", *PIP))])
def test_who_hangs_up_behind_his_question_has_the_whole_answer(house: House, rig: Rig, room: int, large: bytes) -> None:
    """Also where it does not go out at once, be it more than the transport likes to hold or less."""
    plain = Roads(house.door.site).plainly(large)
    known(rig, large)
    plain = Roads(house.door.site).plainly(large)
    client = rig.client(room=room)
    client.socket.sendall(large)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.to_the_end() == plain
    assert rig.desk.handed == 0
