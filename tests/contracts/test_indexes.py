"""The contract of indexes, over every index there is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pypidaemon.indexes.directory import Directory
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.home_first import HomeFirst
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.pinned import Pinned
from pypidaemon.indexes.policed import AsOf, Barred, Policed
from pypidaemon.indexes.private import Private
from pypidaemon.interfaces import IIndex
from pypidaemon.model import NormalizedName, Ruling, RulingKind, Standing
from pypidaemon.policies.blocked import Blocked
from pypidaemon.policies.names import Names
from pypidaemon.rulings import Rulings
from pypidaemon.testing.archives import core_metadata, make_sdist
from tests.contracts.hosted_index import SDIST, SDIST_BYTES, WHEEL, WHEEL_BYTES, PlainInspectors, Yard, publish, upload
from tests.contracts.index import AnyIndexContract, Contents, IndexContract, stock
from tests.fakes import FakeUpstream
from tests.filling import bring
from tests.gear import inline, now
from tests.house import House


class TestProxy(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return house.proxy


class TestMirror(AnyIndexContract):
    """A mirror of what the proxies of this suite have."""

    @pytest.fixture
    def index(self) -> IIndex:
        house = House()
        stock(house)
        mirror = house.new_mirror()
        for name, serial in (("alpha", 9), ("empty", 8)):
            bring(mirror, NormalizedName(name), serial)
        house.upstream.asked.clear()
        house.upstream.fails(["alpha", "empty", "absent"])
        return mirror


class TestFirstMatch(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return FirstMatch("root", (house.new_proxy("none", FakeUpstream("none")), house.proxy), house.records)


class TestHomeFirst(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        indexes = (house.new_proxy("none", FakeUpstream("none")), house.proxy)
        return HomeFirst("root", indexes, (), house.records, house.clock, house.announcements, inline)


class TestPoliced(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return Policed("policed", house.proxy, (Names("names", deny=("bad-*",)),), house.records, house.clock, inline)


class TestBarred(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return Barred("pypi", house.records, house.clock, inline, house.proxy, (Blocked("blocked", Rulings()),))


class TestBarredOfWhichSomethingIsBlocked(IndexContract):
    """Other than what the contract asks for; the numbers of the altered project are its own."""

    @pytest.fixture
    def index(self, house: House) -> IIndex:
        rulings = Rulings()
        rulings.replace([Ruling(RulingKind.BLOCK, "other"), Ruling(RulingKind.BLOCK, "alpha==3.0")])
        return Barred("pypi", house.records, house.clock, inline, house.proxy, (Blocked("blocked", rulings),))


class TestAsOf(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return AsOf("pypi", house.clock.seconds(), house.clock, inline, house.proxy)


class TestPolicedFirstMatchOfPoliced(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        inner = Policed("inner", house.proxy, (Names("names", allow=("alpha", "empty", "absent")),), house.records, house.clock, inline)
        chain = FirstMatch("root", (inner,), house.records)
        return Policed("outer", chain, (), house.records, house.clock, inline)


class TestPrivate(AnyIndexContract):
    @pytest.fixture
    def contents(self) -> Contents:
        return Contents(WHEEL_BYTES, core_metadata("alpha", "1.0"), SDIST_BYTES)

    @pytest.fixture
    def index(self) -> IIndex:
        house = House()
        yard = Yard(house.records, house.blobs, house.clock, house.announcements)
        made = Private("private", house.records, house.blobs, house.clock, inline, house.announcements, PlainInspectors())
        publish(yard, made, WHEEL, WHEEL_BYTES)
        publish(yard, made, SDIST, SDIST_BYTES)
        filename, data = make_sdist("empty", "1.0")
        publish(yard, made, said=upload(filename, name="empty"), data=data)
        now(made.place(NormalizedName("empty"), None, Standing.DELETED))
        return made


class TestMerged(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return Merged("root", (house.new_proxy("none", FakeUpstream("none")), house.proxy), ("other",), house.records, inline)


class TestMergedOfNamedProjects(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return Merged("root", (house.new_proxy("none", FakeUpstream("none")), house.proxy), ("*",), house.records, inline)


class TestPinned(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return Pinned("stable", house.proxy, ("alpha==1.0.0", "empty==3"), house.records, inline)


class TestDirectory(AnyIndexContract):
    @pytest.fixture
    def contents(self) -> Contents:
        return Contents(WHEEL_BYTES, core_metadata("alpha", "1.0"), SDIST_BYTES)

    @pytest.fixture
    def index(self, tmp_path: Path) -> IIndex:
        house = House()
        filename, data = make_sdist("empty", "1.0")
        for name, content in ((WHEEL, WHEEL_BYTES), (SDIST, SDIST_BYTES), (filename, data)):
            (tmp_path / name).write_bytes(content)
            os.utime(tmp_path / name, (0, 0))
        made = Directory("files", tmp_path, house.records, house.clock, inline, house.announcements)
        now(made.project_page(NormalizedName("empty")))
        (tmp_path / filename).unlink()
        now(made.look())
        return made
