"""The upstreams under their common contract."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent
from twisted.web.iweb import IAgent
from zope.interface import implementer

from pypidaemon.interfaces import IBody
from pypidaemon.testing import TestIndex
from pypidaemon.upstreams.guard import Guarded
from pypidaemon.upstreams.http import HttpUpstream
from pypidaemon.upstreams.pypi import PypiUpstream, public_index
from tests.contracts.upstream import UpstreamContract
from tests.gear import inline
from tests.upstreams.parts import Identity, serve, started


@implementer(IAgent)
@attrs.frozen
class Rerouted:
    """Sends everything to one place, whatever host it is for."""

    agent: Any
    there: str

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[Any]:
        parts = urlsplit(uri.decode("ascii"))
        assert parts.scheme == "https"
        return self.agent.request(method, f"{self.there}{parts.path}".encode(), headers, bodyProducer)


class HttpContract(UpstreamContract, TestCase):
    """Any index, over a real socket."""

    def make(self, index: TestIndex) -> HttpUpstream:
        return started(self, serve(self, index).simple)


@implementer(IBody)
@attrs.define(eq=False)
class AllAtOnce:
    """What `fetch_whole` brought, as a body."""

    total: int
    _left: bytes
    offset: int = 0
    validator: str = "not known of what comes so"

    async def read(self) -> bytes:
        data, self._left = self._left, b""
        return data

    def close(self) -> None:
        """There is nothing to let go of."""


class WholeContract(UpstreamContract, TestCase):
    """Asked for small files in few steps, wherever a whole one is wanted and there is a connection already."""

    def make(self, index: TestIndex) -> HttpUpstream:
        upstream = started(self, serve(self, index).simple)
        usual = HttpUpstream.fetch_body

        async def fetch_body(self: HttpUpstream, url: str, offset: int) -> Any:
            if offset:
                return await usual(self, url, offset)
            filename = unquote(url.rpartition("/")[2]).removesuffix(".metadata")
            known = index.metadata if url.endswith(".metadata") else index.data
            here = any(filename in project.files for project in index.projects.values())
            said = await self.fetch_whole(url, len(known("some-thing", filename)) if here else 1)
            return AllAtOnce(len(said), said) if isinstance(said, bytes) else said

        self.patch(HttpUpstream, "fetch_body", fetch_body)
        return upstream

    async def test_it_comes_so(self) -> None:
        assert isinstance(await self.upstream.fetch_body((await self.file()).url, 0), AllAtOnce)

    async def test_a_reader_may_leave_early(self) -> None:
        """There is none: the bytes are here before anybody hears of them."""


class AlternatesContract(UpstreamContract, TestCase):
    """With others that would stand in for it, which changes nothing while it answers."""

    def make(self, index: TestIndex) -> HttpUpstream:
        return started(self, serve(self, index).simple, mirrors=("http://127.0.0.1:9/simple/",), file_mirrors=("http://127.0.0.1:9/",))


class GuardedContract(UpstreamContract, TestCase):
    """Behind a guard that reserves something else."""

    def make(self, index: TestIndex) -> Guarded:
        return Guarded(started(self, serve(self, index).simple), ("acme-*",))


class PypiContract(UpstreamContract, TestCase):
    """The public index, with requests for it sent elsewhere."""

    def make(self, index: TestIndex) -> PypiUpstream:
        agent = Rerouted(Agent(reactor), serve(self, index).url)
        upstream = PypiUpstream(label="pypi", clock=reactor, reactor=reactor, cpu=inline, records=Identity(), agent=agent)  # type: ignore[arg-type]
        upstream.startService()
        self.addCleanup(upstream.stopService)
        return upstream

    def test_its_address_is_the_public_simple_index_by_https(self) -> None:
        assert self.upstream.url == public_index()
        assert public_index().startswith("https://")
        assert public_index().endswith("/simple/")
