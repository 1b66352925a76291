"""The contract of indexes that can be filled, over both."""

from __future__ import annotations

import pytest

from pypidaemon.interfaces import IFillable
from tests.contracts.fillable import FillableContract
from tests.house import House


class TestMirror(FillableContract):
    @pytest.fixture
    def index(self, house: House) -> IFillable:
        return house.new_mirror()


class TestProxy(FillableContract):
    @pytest.fixture
    def index(self, house: House) -> IFillable:
        return house.new_proxy("pypi")
