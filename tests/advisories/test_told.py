"""What those who run a daemon are told of a copy of the advisories that is broken, in part or as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from twisted.logger import LogLevel, capturedLogs
from zope.interface.verify import verifyObject

from pypidaemon.advisories.policy import Malware, Vulnerable
from pypidaemon.commands.reporting import report
from pypidaemon.interfaces import IReading
from tests.advisories.writing import malware, put, vulnerable, zipped
from tests.gear import inline, now
from tests.house import NOON, House

UNREADABLE = ("PYSEC-0.json", b"no advisory")


def advisory(kind: Any, id: str, name: str) -> Any:
    return malware(f"MAL-{id}", name) if kind is Malware else vulnerable(f"PYSEC-{id}", name, None)


def told(house: House) -> tuple[dict[str, Any], list[str], list[str]]:
    """What the status says of policies, what the command line makes of it, and what the metrics say of them."""
    house.open({"root": house.proxy}, "root")
    handle: Any = house.door.control.resource
    status = orjson.loads(now(handle.handle(house.ask("/status", "GET"))).body)
    metrics = house.body(house.get("/+metrics")).decode().splitlines()
    lines = list(report({"policies": status.get("policies", {})}))
    return status.get("policies", {}), lines[1:], [line for line in metrics if line.startswith("pypidaemon_policy_")]


@pytest.mark.parametrize("kind", [Malware, Vulnerable])
def test_documents_that_cannot_be_read_are_a_warning_and_are_counted(kind: Any, tmp_path: Path) -> None:
    """Whoever left them may have meant what somebody installs; without any the line is not one to worry about."""
    house = House()
    copy = put(tmp_path / "all.zip", zipped(advisory(kind, "1", "alpha"), advisory(kind, "2", "beta"), UNREADABLE), NOON)
    policy = kind("checked", copy, house.clock, inline, inline, house.announcements)
    house.policies["checked"] = policy
    assert verifyObject(IReading, policy)
    with capturedLogs() as seen:
        policy.startService()
    [line] = [event for event in seen if "not understood" in event["log_format"]]
    assert (line["log_level"], line["count"], line["misread"]) == (LogLevel.warn, "2 advisories", "1 document")
    state, lines, metrics = told(house)
    assert state == {"checked": {"trouble": "", "advisories": 2, "projects": 2, "misread": 1, "parts": 0, "widened": 0}}
    assert lines == ["policies", "  checked  2 advisories about 2 projects; 1 document could not be read"]
    assert 'pypidaemon_policy_documents{policy="checked",what="misread"} 1.0' in metrics
    assert 'pypidaemon_policy_trouble{policy="checked"} 0.0' in metrics
    put(copy, zipped(advisory(kind, "1", "alpha")), NOON + 1)
    with capturedLogs() as seen:
        now(policy.library.look())
    assert [event["log_level"] for event in seen if "not understood" in event["log_format"]] == [LogLevel.info]
    assert told(house)[1] == ["policies", "  checked  1 advisory about 1 project"]
    now(policy.stopService())


def test_a_copy_that_cannot_be_used_is_seen_for_as_long_as_it_is_so(tmp_path: Path) -> None:
    """What was read before stays in force meanwhile."""
    house = House()
    copy = put(tmp_path / "all.zip", zipped(malware("MAL-1", "alpha")), NOON)
    policy = Malware("checked", copy, house.clock, inline, inline, house.announcements)
    house.policies["checked"] = policy
    policy.startService()
    put(copy, b"half an archive", NOON + 1)
    now(policy.library.look())
    state, [_, line], metrics = told(house)
    assert state["checked"]["advisories"] == 1
    assert line.startswith("  checked  1 advisory about 1 project; what there is now cannot be used: ")
    assert 'pypidaemon_policy_trouble{policy="checked"} 1.0' in metrics
    put(copy, zipped(malware("MAL-1", "alpha")), NOON + 2)
    now(policy.library.look())
    assert 'pypidaemon_policy_trouble{policy="checked"} 0.0' in told(house)[2]
    now(policy.stopService())


def test_a_daemon_without_such_policies_says_nothing_of_them() -> None:
    assert told(House())[:2] == ({}, [])
