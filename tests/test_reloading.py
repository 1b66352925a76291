"""What a daemon is at when its configuration is read again: uploads, orders, changes of rights, verifications, a stop (F80, S73)."""

from __future__ import annotations

import base64
import gc
import json
import os
import socket
import weakref
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.application.service import IService, Service
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from zope.interface import implementer

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.archives.rules import Rules
from pypidaemon.errors import ConfigError, PypidaemonError
from pypidaemon.inspection import processes
from pypidaemon.inspection.inline import InlineInspector
from pypidaemon.interfaces import IInspector
from pypidaemon.settings import count, given, setting
from pypidaemon.verification.clearing import AGE, Clearing
from pypidaemon.verification.pace import Pace
from tests.clients.posting import BOUNDARY, Parcel
from tests.clients.uploaders import Release
from tests.gear import later
from tests.running import Running, running
from tests.test_renewing import FIXED, HEAD, MANY, SILENT, names
from tests.web.wire import Client, Heard, answers, get

HOSTED = HEAD.replace("index = root", "index = private\nuploads = private") + "[index:private]\nuse = private\nstrict = {}\n"
SEEDS = Parcel.of(Release("seeds", "1.0", 20_000))


class InThisProcess(Service):
    """Inspects archives without other processes, which a reactor in memory has none of."""

    name = "inspector"

    def __init__(self, reactor: Any) -> None:
        pass

    def under(self, rules: Rules) -> IInspector:
        inspector: IInspector = InlineInspector(rules)
        return inspector


@pytest.fixture(autouse=True)
def inspected_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ProcessInspector", InThisProcess)


def token(daemon: Running, name: str = "ann") -> str:
    """The secret of a token of a new user, who may begin projects."""
    people = daemon.household.house.door.people
    daemon.loop.result(people.add_user(OPERATOR, name, None))
    daemon.loop.result(people.grant(OPERATOR, name, "create", "private"))
    _, secret = daemon.loop.result(people.add_token(OPERATOR, name, "", "*", None))
    return secret


def basic(secret: str) -> str:
    """A token as a header."""
    return "Authorization: Basic " + base64.b64encode(f"__token__:{secret}".encode()).decode()


def upload(secret: str, parcel: Parcel = SEEDS) -> tuple[bytes, bytes]:
    """The two halves of an upload."""
    head = f"POST /legacy/ HTTP/1.1\r\nHost: index.example\r\n{basic(secret)}\r\nContent-Length: {len(parcel.body)}\r\n"
    whole = f"{head}Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode() + parcel.body
    return whole[: len(whole) // 2], whole[len(whole) // 2 :]


def answered(daemon: Running, client: Client) -> Heard:
    """The answer that comes next."""
    heard = b""
    while not (b"\r\n\r\n" in heard and answers(heard)):
        daemon.loop.until(lambda: client.wire.out)
        heard += client.heard()
    (answer,) = answers(heard)
    return answer


def tell(client: Client, data: bytes) -> None:
    """Send that; what comes back is left for `answered`."""
    client.channel.dataReceived(data)


def begun(daemon: Running, secret: str) -> tuple[Client, bytes]:
    """A client whose upload is halfway, as far as the store is concerned, and what he has still to say."""
    client = daemon.client()
    half, rest = upload(secret)
    client.say(half)
    skin = daemon.household.house.door.skins[0]
    daemon.loop.until(lambda: skin.working and client.channel._holding is False)
    return client, rest


def staying(daemon: Running) -> Client:
    """A client who takes his time over an answer, for whom the house he asked has to stay."""
    client = daemon.client()
    client.wire.stalled = True
    client.say(get("/index/many/simple/"))
    daemon.loop.until(lambda: client.wire.out)
    return client


def test_F80_an_upload_that_is_halfway_is_taken_and_seen_by_who_asks_then(tmp_path: Path) -> None:
    """Though the index that took it has gone by then, and the one that shows it had been asked for that project before."""
    with running(tmp_path, HOSTED.format("no") + SILENT) as daemon:
        secret = token(daemon)
        client, rest = begun(daemon, secret)
        old = daemon.household.house
        daemon.reload(HOSTED.format("yes") + SILENT)
        new = daemon.household.house
        assert new.made.bare["index:private"] is not old.made.bare["index:private"]
        assert daemon.ask("/simple/seeds/", basic(secret)).status == 404
        tell(client, rest)
        assert answered(daemon, client).status == 200
        page = daemon.ask("/simple/seeds/", "Accept: application/vnd.pypi.simple.v1+json")
        assert [file["hashes"]["sha256"] for file in json.loads(page.body)["files"]] == [SEEDS.sha256]
        daemon.loop.until(lambda: not old.door.running)
        # Who began the project owns it, which the new house knows as well.
        tell(client, b"".join(upload(secret, Parcel.of(Release("seeds", "2.0", 100)))))
        assert answered(daemon, client).status == 200


def test_S73_a_token_that_is_revoked_after_a_reload_ends_what_began_before_it(tmp_path: Path) -> None:
    """The rights of an upload are those of the moment when it is whole, whichever house it is in."""
    with running(tmp_path, HOSTED.format("no") + SILENT) as daemon:
        client, rest = begun(daemon, token(daemon))
        daemon.reload(HOSTED.format("yes") + SILENT)
        daemon.loop.result(daemon.household.house.door.people.disable_user(OPERATOR, "ann"))
        tell(client, rest)
        assert answered(daemon, client).status == 401
        assert daemon.ask("/simple/seeds/").status == 404


def test_S73_an_order_that_an_old_house_carries_out_is_in_force_in_the_new_one(tmp_path: Path) -> None:
    """At once, however long others keep the old one."""
    text = HOSTED + SILENT + FIXED.replace("root", "many").format(MANY)
    with running(tmp_path, text.format("no")) as daemon:
        shown = basic(token(daemon))
        staying(daemon)
        old = daemon.household.house
        daemon.ask("/index/many/simple/project-00001/")
        assert old.door.desk.answers.weight
        daemon.reload(text.format("yes"))
        assert daemon.ask("/simple/", shown).status == 200
        daemon.loop.result(old.door.people.disable_user(OPERATOR, "ann"))
        assert old.door.running
        assert old.door.desk.answers.weight == 0
        assert daemon.ask("/simple/", shown).status == 401


def test_F61_how_many_files_may_be_open_is_still_known_after_a_reload(tmp_path: Path) -> None:
    """Or so many connections would be let in again that there is no file left for what they ask."""
    with running(tmp_path, HEAD + FIXED.format("alpha") + SILENT) as daemon:
        places = daemon.front.places
        places.allow(300)
        allowed = places.allowed
        daemon.reload(HEAD + FIXED.format("beta") + SILENT)
        assert daemon.front.places is places
        assert places.files is not None
        places.allow(300)
        assert places.allowed == allowed


def test_F53_how_much_room_there_is_is_known_to_who_asks_first_and_what_was_evicted_is_counted_on(tmp_path: Path) -> None:
    """Nothing free on the volume is what people are woken for, and a count that falls is none."""
    with running(tmp_path, HEAD + FIXED.format("alpha") + SILENT) as daemon:

        def measured(name: str) -> float:
            lines = daemon.ask("/+metrics").body.decode().splitlines()
            return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

        def said() -> Any:
            """The status that its operator is given."""
            client = Client(daemon.household.house.front[1], UNIXAddress(None))
            client.say(get("/status"))
            return json.loads(answered(daemon, client).body)["disk"]

        assert measured("pypidaemon_disk_free_bytes") > 0
        daemon.household.house.evicting.evicted = 3
        daemon.reload(HEAD + FIXED.format("beta") + SILENT)
        assert said()["floor"] > 0
        assert said()["evicted"] == measured('pypidaemon_eviction_total{what="evicted"}') == 3


def test_F79_a_stop_while_the_file_is_being_read_again_is_a_stop(tmp_path: Path) -> None:
    """Nothing of what the file says is started, since nobody would stop it."""
    with running(tmp_path, HEAD + FIXED.format("alpha") + SILENT) as daemon:
        house = daemon.household.house
        daemon.write(HEAD.replace("3141", "3142") + FIXED.format("beta") + SILENT)
        results: list[Any] = []
        later(daemon.life.reload()).addBoth(results.append)
        stopping = daemon.life.stopService()
        daemon.loop.result(stopping)
        daemon.loop.until(lambda: results)
        assert results[0].check(PypidaemonError), results
        assert daemon.household.house is house
        assert [port.closed for port in daemon.loop.ports] == [True]
        assert [service for service in daemon.household.services if service.running] == []


def test_an_order_that_comes_late_to_a_service_that_has_gone_begins_nothing(tmp_path: Path) -> None:
    """Two runs would fill one index, one of them by what was said before, and nobody would end it."""
    text = (
        HEAD
        + FIXED.format("alpha")
        + "[index:m]\nuse = mirror\nupstream = pypi\n[service:night]\nuse = mirroring\nindex = m\nprojects = a\nparallel = {}\n"
        + SILENT
    )
    with running(tmp_path, text.format(1)) as daemon:
        old = daemon.household.house.made.mirrorings()["night"]
        daemon.reload(text.format(2))
        with pytest.raises(PypidaemonError, match="has stopped"):
            old.begin(None, False)
        assert daemon.household.house.made.mirrorings()["night"].begin(None, True) >= 1


def test_a_verification_goes_on_over_a_reload_and_is_told_of(tmp_path: Path) -> None:
    """It may have hours behind it, and the command asks for it again and again."""
    with running(tmp_path, HOSTED.format("no") + SILENT) as daemon:

        def verify(method: str) -> dict[str, Any]:
            client = Client(daemon.household.house.front[1], UNIXAddress(None))
            tell(client, get("/verify", *(["Content-Length: 0"] if method == "POST" else []), method=method))
            answer = answered(daemon, client)
            client.hang_up(clean=True)
            assert answer.status == 200, answer
            found: dict[str, Any] = json.loads(answer.body)
            return found

        number = verify("POST")["run"]
        old = daemon.household.house
        daemon.reload(HOSTED.format("yes") + SILENT)
        daemon.loop.until(lambda: not old.door.running)
        while (told := verify("GET"))["running"]:
            daemon.loop.turn(1)
        assert (told["run"], told["error"], told["problems"]) == (number, None, 0)


def test_what_was_uploaded_is_nobodys_only_when_the_records_say_so(tmp_path: Path) -> None:
    """Though no index of the configuration refers to these records, as while its owner tries out something else."""
    with running(tmp_path, HOSTED.format("no") + SILENT) as daemon:
        client, rest = begun(daemon, token(daemon))
        tell(client, rest)
        assert answered(daemon, client).status == 200
        daemon.reload(HEAD + FIXED.format("alpha") + SILENT)
        holdings = daemon.household.house.made.given["holdings"]
        assert holdings.homes == []
        daemon.loop.rightNow = 4e9

        async def unowned() -> list[Any]:
            return [one async for one in Clearing(holdings, daemon.loop, AGE, Pace(daemon.loop, 1e9)).unowned()]

        assert daemon.loop.result(unowned()) == []


def test_a_socket_that_nobody_handed_over_is_one_line(tmp_path: Path) -> None:
    """By its name in the configuration; at a reload everything stays."""
    with running(tmp_path, HEAD + FIXED.format("alpha") + SILENT) as daemon:
        with pytest.raises(ConfigError, match=r"listen: 'systemd:.*': no socket of the name 'http' was handed over") as caught:
            daemon.reload(HEAD.replace("tcp:3141:interface=127.0.0.1", "systemd:domain=INET:name=http") + FIXED.format("beta") + SILENT)
        assert "\n" not in str(caught.value)
        assert names(daemon) == ["alpha"]


@implementer(IService)
@attrs.define(eq=False, slots=False)
class Slow(Service):
    """A service that takes its time to stop."""

    label: str = given("label")
    times: int = setting(count, default=1)
    stopped: Deferred[None] = attrs.field(factory=Deferred, init=False)

    def stopService(self) -> Deferred[None]:
        Service.stopService(self)
        return self.stopped


def test_F80_who_orders_a_reload_and_leaves_does_not_stop_it_halfway(tmp_path: Path) -> None:
    """As a command that is interrupted: what acts by itself would not act again, and what was would stay for ever."""
    text = HEAD + FIXED + "[service:s]\nuse = tests.test_reloading:Slow\ntimes = {}\n" + SILENT
    with running(tmp_path, text.format("alpha", 1)) as daemon:
        old = daemon.household.house
        (slow,) = old.made.living("service")
        daemon.write(text.format("beta", 2))
        client = Client(old.front[1], UNIXAddress(None))
        tell(client, get("/reload", "Content-Length: 0", method="POST"))
        daemon.loop.until(lambda: daemon.household.house is not old)
        client.hang_up()
        assert not slow.running
        slow.stopped.callback(None)
        daemon.loop.until(lambda: not old.door.running)
        clocks = daemon.household.house.clocks
        assert [one.running for one in clocks] == [1] * len(clocks)
        assert names(daemon) == ["beta"]
        daemon.household.house.made.living("service")[0].stopped.callback(None)


ALL_KINDS = """\
[daemon]
listen = tcp:3141:interface=127.0.0.1
index = root
uploads = private
hosts = index.example
reserved = {}
[index:root]
use = first-match
indexes = private m shown
[index:private]
use = private
[index:shown]
use = policed
index = pypi
policies = cool names
[index:pypi]
use = proxy
upstream = pypi
[index:m]
use = mirror
upstream = quiet
[policy:cool]
use = minimum-age
age = 3d
[policy:names]
use = names
deny = x
[service:night]
use = mirroring
index = m
projects = alpha
[service:clean]
use = janitor
[upstream:pypi]
use = http
url = https://index.example/simple/
[upstream:quiet]
use = tests.parts:Silent
"""


def opened() -> Counter[str]:
    """The files that this process has open, but for databases: a pool opens another connection to one whenever all are at work."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        # The one that lists them is gone by now.
        with suppress(FileNotFoundError):
            file = os.readlink(f"/proc/self/fd/{name}")
            found[_family(int(name)) if file.startswith("socket:") else file] += 1
    return Counter({file: count for file, count in found.items() if ".sqlite" not in file})


def _family(descriptor: int) -> str:
    """Of what family a socket is: each house has a new one by which it hears of the way out."""
    with socket.socket(fileno=os.dup(descriptor)) as found:
        return socket.AddressFamily(found.family).name


def test_nothing_of_a_house_that_went_is_left(tmp_path: Path) -> None:
    """Of no kind of part, and no open file. The upstream that is really one is asked nothing: a lookup may take as long as it likes, and holds who asked."""
    with running(tmp_path, ALL_KINDS.format("a-*")) as daemon:
        gone: list[weakref.ref[Any]] = []
        counts = []
        for turn in range(4):
            house = daemon.household.house
            made = house.made
            parts = [made.bare["index:pypi"], made.bare["index:m"], made.objects["upstream:pypi"], made.mirrorings()["night"]]
            gone += [weakref.ref(one) for one in (house.door.routes, house.doorkeeper, house.door, *parts)]
            daemon.ask("/index/private/simple/")
            daemon.reload(ALL_KINDS.format(f"b{turn}-*"))
            daemon.loop.until(lambda house=house: not house.door.running)  # type: ignore[misc]  # the default is the house
            daemon.loop.until(lambda house=house: house.door not in daemon.household.services)  # type: ignore[misc]  # as above
            counts.append((opened(), len(daemon.household.services)))
            del house, made, parts
        (before, services), (after, services_after) = counts[0], counts[-1]
        assert (after - before, services_after) == (Counter(), services)
        gc.collect()
        assert [there() for there in gone if there() is not None] == []
