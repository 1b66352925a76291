"""A server by what somebody says of it: its URL, who we are there, and which part of it is meant."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from pypidaemon.adoption.beginning import REMOTE, Order, WrongOrder
from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.layouts import layout
from pypidaemon.adoption.servers import Server, remote
from pypidaemon.errors import PypidaemonError
from pypidaemon.testing import TestIndex
from tests.adopting import means
from tests.adoption.remotes import all_of, files
from tests.house import House
from tests.upstreams.parts import Identity, serve


@pytest.mark.parametrize(
    ("layout", "url", "more", "words"),
    [
        ("devpi", "http://ann:secret@devpi.example/", {}, "must not hold credentials"),
        ("devpi", "ftp://devpi.example/", {}, "is not an http or https URL"),
        ("simple", "http://-devpi-.example/%zz?x=1", {}, "neither query nor fragment"),
        ("simple", "http://a..b/", {}, "cannot be used"),
        ("pypiserver", "http://old.example/", {"part": "ann/dev"}, "has no parts to choose from"),
        ("haufe", "http://old.example/", {}, "known: devpi pypiserver simple"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anybody_is_asked(layout: str, url: str, more: dict[str, str], words: str) -> None:
    house = House()
    with pytest.raises(WrongOrder, match=words) as caught:
        means(house, private=house.with_private()).adoption(Order(layout, url, more=more), print)
    assert "secret" not in str(caught.value)


def test_a_folder_of_parts_is_told_which_and_no_other_is() -> None:
    house = House()
    ready = means(house, private=house.with_private())
    ready.adoption(Order("devpi-export", "/nowhere", more={"part": "ann/dev"}), print)
    with pytest.raises(WrongOrder, match="no parts"):
        ready.adoption(Order("haufe", "/nowhere", more={"part": "ann/dev"}), print)


def test_each_layout_says_what_it_is_and_recognises_nothing_in_an_empty_folder(tmp_path: Path) -> None:
    for name in ("eggproxy", "haufe", "eggbasket", "basketweaver", "pip-wheels", "devpi-export"):
        assert layout(name).describe()
        assert layout(name).recognised(Folder(str(tmp_path)))
    assert set(REMOTE) == {"devpi", "pypiserver", "simple"}


class Asked(TestCase):
    """Servers that are asked."""

    def setUp(self) -> None:
        self.index = TestIndex()
        self.wheel = self.index.add("thing", "1.0")
        self.served = serve(self, self.index)
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        house, records, clock = House(), Identity(), reactor
        ready: Any = means(house)
        self.means = attrs.evolve(ready, records=records, reactor=clock, clock=clock, data=Path(held.name))

    async def found(self, layout: str, url: str, more: Mapping[str, str] | None = None) -> list[str]:
        """The files that are there."""
        origin = remote(Order(layout, url, more=more or {}), self.means)
        try:
            findings = await all_of(origin)
            for one in files(findings).values():
                (await origin.open(one)).close()
            return list(files(findings))
        finally:
            await origin.close()

    async def test_pypiserver_by_its_root_or_by_its_pages(self) -> None:
        for url in (self.served.url, f"{self.served.url}/", self.served.simple, self.served.simple.rstrip("/")):
            assert await self.found("pypiserver", url) == [self.wheel]

    async def test_any_index_by_the_url_of_its_pages(self) -> None:
        assert await self.found("simple", self.served.simple) == [self.wheel]

    async def test_it_is_said_who_asks(self) -> None:
        self.index.credentials = ("ann", "secret")
        assert await self.found("simple", self.served.simple, {"user": "ann", "password": "secret"}) == [self.wheel]

    async def test_certificates_that_cannot_be_read_are_one_line(self) -> None:
        for server in ("simple", "devpi"):
            with pytest.raises(PypidaemonError, match="cannot be read as certificates"):
                await self.found(server, "https://127.0.0.1/simple/", {"ca-file": "/nonexistent.pem"})

    async def test_what_is_no_devpi(self) -> None:
        with pytest.raises(PypidaemonError, match="no devpi answers at that URL"):
            await self.found("devpi", self.served.url)

    async def test_a_server_that_was_never_asked_is_closed_as_well(self) -> None:
        origin: Any = remote(Order("devpi", self.served.url), self.means)
        assert isinstance(origin.server, Server)
        await origin.close()
