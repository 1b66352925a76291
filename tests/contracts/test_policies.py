"""The contract of policies, over every policy there is."""

from __future__ import annotations

from pypidaemon.policies.names import Names
from tests.contracts.policy import PolicyContract


class TestNames(PolicyContract):
    policy = Names("names", allow=("a*", "b*"), deny=("*z",))


class TestNamesWithoutRules(PolicyContract):
    policy = Names("names")
