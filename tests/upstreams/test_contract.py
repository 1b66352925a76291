"""The upstreams under their common contract."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import attrs
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent
from twisted.web.iweb import IAgent
from zope.interface import implementer

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
