"""What an upstream may say and do without harm to what is given here: an HTTP upstream in memory behind the real door."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile
from pypidaemon.filenames import filename, project_name
from pypidaemon.model import Companion
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.waits import Bell
from tests.filling import read
from tests.gear import inline, later, now, waiting
from tests.house import House
from tests.network import HOST, Network, Response

ALPHA = project_name("alpha")
ONE, TWO = filename("alpha-1.0.tar.gz"), filename("alpha-2.0.tar.gz")
MISCHIEF = {
    "Set-Cookie": "session=1",
    "Content-Security-Policy": "default-src *",
    "Access-Control-Allow-Origin": "http://elsewhere.example",
    "Strict-Transport-Security": "max-age=1",
    "Location": "http://elsewhere.example/",
    "Content-Disposition": "inline; filename=evil.html",
    "X-Accel-Redirect": "/etc/passwd",
    "Refresh": "0; url=http://elsewhere.example/",
}


@implementer(IAgent)
@attrs.define(eq=False)
class Method:
    """A network that is asked by methods, and adds header fields to what it answers."""

    network: Network
    fields: dict[str, str] = attrs.field(factory=dict)
    methods: list[str] = attrs.field(factory=list)
    on_head: Callable[[str], Response] | None = None

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[Any]:
        self.methods.append(method.decode())
        if method == b"HEAD" and self.on_head is not None:
            return succeed(self.on_head(uri.decode()))
        answering = self.network.request(method, uri, headers, bodyProducer)

        def add(response: Any) -> Any:
            for name, value in self.fields.items():
                response.headers.setRawHeaders(name, [value])
            return response

        return answering.addCallback(add)


def served(**settings: Any) -> tuple[House, Method]:
    """A house whose proxy asks an HTTP upstream with two files of alpha."""
    house = House(settings=settings)
    agent = Method(Network(house.clock))
    agent.network.add("alpha", (ONE, b"one"), (TWO, b"two"))
    upstream: Any = Guarded(
        HttpUpstream(
            label="pypi",
            url=f"{HOST}/simple/",
            clock=house.clock,
            reactor=house.clock,
            cpu=inline,
            records=house.records,
            agent=agent,
            random=lambda: 0.5,
        ),
        (),
    )
    house.upstream = upstream
    house.restart()
    return house, agent


def entries(house: House) -> dict[str, dict[str, Any]]:
    """The files of alpha's page, by name."""
    reply = house.get("/simple/alpha/", accept="application/vnd.pypi.simple.v1+json")
    return {entry["filename"]: entry for entry in json.loads(reply.body)["files"]}


def test_S34_nothing_that_upstream_says_in_its_headers_is_passed_on() -> None:
    """Neither with pages, nor with files, fetched now or before."""
    house, agent = served()
    agent.fields = {**MISCHIEF, "Content-Type": "application/vnd.pypi.simple.v1+json"}
    url = entries(house)[ONE]["url"]
    agent.fields = {**MISCHIEF, "Content-Type": "text/html"}
    for path in ("/simple/alpha/", url.replace("../..", ""), url.replace("../..", "")):
        reply = house.get(path)
        assert reply.status == 200
        said = {name.lower(): value for name, value in reply.headers}
        # Pages may be read from anywhere, by our own word (R80).
        assert not set(said.values()) & set(MISCHIEF.values()), said
        assert said.keys() & {name.lower() for name in MISCHIEF} <= {"access-control-allow-origin"}, said
        assert said["x-content-type-options"] == "nosniff"
        if path != "/simple/alpha/":
            assert said["content-type"] == "application/octet-stream"
            assert house.body(reply) == b"one"
        reply.close()


def test_F11_a_head_that_contradicts_what_comes_is_believed_in_nothing() -> None:
    """Files are asked for by GET alone; a HEAD is only ever asked for a date, and what else it says is not listened to."""
    house, agent = served(dates_from_files=True)
    said = {
        "Content-Length": ["99999"],
        "Last-Modified": ["Wed, 01 Jan 2020 00:00:00 GMT"],
        "ETag": ['"another"'],
        "Content-Type": ["text/html"],
    }
    agent.on_head = lambda _: Response(200, b"", Headers(said))
    assert entries(house)[ONE]["size"] == 3
    assert entries(house)[ONE]["upload-time"].startswith("2020-01-01")
    assert agent.methods.count("HEAD") == 2
    assert read(house.proxy, ALPHA, ONE, Companion.FILE) == b"one"
    assert agent.methods[-1] == "GET"


def test_F23_a_file_that_is_listed_and_not_there_is_absent_alone() -> None:
    """Its page stays, and so do the others; nor is it remembered as absent for longer than the next question."""
    house, agent = served()
    [path] = [path for path in agent.network.bodies if path.endswith(ONE)]
    data = agent.network.bodies.pop(path)
    with pytest.raises(NoSuchFile):
        read(house.proxy, ALPHA, ONE, Companion.FILE)
    assert set(entries(house)) == {ONE, TWO}
    assert read(house.proxy, ALPHA, TWO, Companion.FILE) == b"two"
    agent.network.bodies[path] = data
    assert read(house.proxy, ALPHA, ONE, Companion.FILE) == b"one"


@pytest.mark.parametrize("first", ["run", "client"])
def test_F49_a_run_and_a_client_that_want_the_same_file_share_one_transfer(first: str) -> None:
    """Whoever comes first; and there is one note of it."""
    house = House()
    house.upstream.add("alpha", (ONE, b"one"))
    page = now(house.proxy.offered(ALPHA, 0))
    bell = house.upstream.slow_bodies = Bell()
    orders: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
        "run": lambda: house.proxy.take(ALPHA, page.files[0]),
        "client": lambda: house.proxy.open_file(ALPHA, ONE, Companion.FILE),
    }
    both = {who: later(orders[who]()) for who in sorted(orders, key=lambda who: who != first)}
    assert all(waiting(one) for one in both.values())
    house.upstream.slow_bodies = None
    bell.ring()
    content = now(both["client"])
    assert now(content.read(0, 10)) == b"one"
    content.close()
    # Of those who share it, the one who did not begin it has fetched nothing.
    assert now(both["run"]) == (3 if first == "run" else 0)
    assert house.upstream.asked.count(f"body {ONE}") == 1
    assert [use.filename for use in now(house.records.uses.listed(ALPHA))] == [ONE]


def test_F1_what_is_old_says_so_and_is_for_no_other_cache() -> None:
    """A page that upstream could not confirm is marked, and nobody on the way keeps it."""
    house, agent = served()
    entries(house)
    house.clock.advance(100_000)
    agent.network.wrong = lambda _, __: succeed(Response(500, b"trouble"))
    reply = house.get("/simple/alpha/")
    said = {name.lower(): value for name, value in reply.headers}
    assert reply.status == 200
    assert said["cache-control"] in ("no-cache", "no-store")
    assert any("stale" in f"{name} {value}".lower() for name, value in said.items()), said
