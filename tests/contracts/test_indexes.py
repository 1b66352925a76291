"""The contract of indexes, over every index there is."""

from __future__ import annotations

import pytest

from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IIndex
from pypidaemon.policies import Names
from tests.contracts.index import IndexContract
from tests.fakes import FakeUpstream
from tests.gear import inline
from tests.house import House


class TestProxy(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return house.proxy


class TestFirstMatch(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return FirstMatch("root", (house.new_proxy("none", FakeUpstream("none")), house.proxy), house.records)


class TestPoliced(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        return Policed("policed", house.proxy, (Names("names", deny=("bad-*",)),), house.records, house.clock, inline)


class TestPolicedFirstMatchOfPoliced(IndexContract):
    @pytest.fixture
    def index(self, house: House) -> IIndex:
        inner = Policed("inner", house.proxy, (Names("names", allow=("alpha", "empty", "absent")),), house.records, house.clock, inline)
        chain = FirstMatch("root", (inner,), house.records)
        return Policed("outer", chain, (), house.records, house.clock, inline)
