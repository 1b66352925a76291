"""The contract of policies, over the two that go by advisories."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from pypidaemon.advisories.policy import Malware, Vulnerable
from pypidaemon.announcements import Announcements
from tests.advisories.writing import affected, malware, osv, vulnerable
from tests.contracts.policy import PolicyContract
from tests.gear import inline

LETTERS = string.ascii_lowercase + string.digits
"""Names that hypothesis comes back to."""
STRANGE = {"summary": " \r\n\x1b\u2028 a \x00", "database_specific": {"severity": "LOW"}}


def policy(kind: Any, *, read: bool = True, **settings: Any) -> Any:
    """A policy that goes by a few advisories about most short names."""
    made = kind("checked", Path(__file__), Clock(), inline, inline, Announcements(), **settings)
    if read:
        made.library.empty.take(json.dumps(document).encode() for document in documents())
        made.library.gathered = made.library.empty.gathered()
    return made


def documents() -> list[Any]:
    found = []
    for number, letter in enumerate(LETTERS):
        if number % 3 == 0:
            found.append(malware(f"MAL-{number}", letter))
        elif number % 3 == 1:
            found.append(osv(f"MAL-{number}", affected(letter, [], [("introduced", "0"), ("last_affected", "9")]), **STRANGE))
        found.append(vulnerable(f"GHSA-{number}", letter, "2" if number % 2 else None))
    return found


class TestMalware(PolicyContract):
    policy = policy(Malware)


class TestMalwareWithExceptions(PolicyContract):
    policy = policy(Malware, exempt=("a*",), ignore=("MAL-6",))


class TestMalwareUnread(PolicyContract):
    policy = policy(Malware, read=False, exempt=("a*",))


class TestVulnerable(PolicyContract):
    policy = policy(Vulnerable)


class TestVulnerableWithExceptions(PolicyContract):
    policy = policy(Vulnerable, exempt=("a*",), ignore=("GHSA-1",), unfixed="show", severity="high")
