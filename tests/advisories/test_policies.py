"""The policies `malware` and `vulnerable`: what they hide and say, and how a new copy comes into force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from pypidaemon.advisories.copies import some
from pypidaemon.advisories.library import MANY, SOON
from pypidaemon.advisories.policy import Malware, Vulnerable, ids, severity, showing
from pypidaemon.assembly import describe, make, plan
from pypidaemon.errors import ConfigError, Refused
from pypidaemon.filenames import filename
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IChangingPolicy, IReadying
from pypidaemon.model import File, NormalizedName
from pypidaemon.waits import Bell
from tests.advisories.writing import affected, malware, osv, put, vulnerable, zipped
from tests.gear import inline, later, now, waiting
from tests.house import NOON, House

ALPHA = NormalizedName("alpha")
READING = "the advisories are still being read"
GOOD, BAD = "alpha-1.0.tar.gz", "alpha-2.0.tar.gz"


@pytest.fixture
def house() -> House:
    """Alpha with two releases."""
    house = House()
    house.upstream.add("alpha", (GOOD, b"good"), (BAD, b"bad"), versions=("1.0", "2.0"))
    return house


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy that says nothing of alpha."""
    return put(tmp_path / "all.zip", zipped(malware("MAL-9", "unheard-of")), NOON - 100)


def made(kind: Callable[..., Any], house: House, copy: Path, **more: Any) -> Any:
    """A policy of that kind in that house, not started."""
    disk = more.pop("disk", inline)
    return kind("checked", copy, house.clock, disk, inline, house.announcements, **more)


def started(kind: Callable[..., Any], house: House, copy: Path, **more: Any) -> Any:
    policy = made(kind, house, copy, **more)
    policy.startService()
    return policy


def refusal(policy: Any, name: str, file: str | None = None) -> str | None:
    found: str | None = policy.refusal(NormalizedName(name), None if file is None else File(filename(file)), NOON)
    return found


def looked_through(house: House, *policies: Any) -> None:
    """Have the house show its proxy through these policies."""
    house.open({"root": Policed("root", house.proxy, policies, house.records, house.clock, inline)}, "root")


def shown(house: House) -> list[str]:
    body = house.body(house.get("/simple/alpha/", Accept="application/vnd.pypi.simple.v1+json"))
    return [file["filename"] for file in json.loads(body)["files"]]


def status(house: House, name: str) -> tuple[int, str]:
    """What somebody is answered who asks for that file by its address, which he has from before."""
    found = now(house.proxy.project_page(ALPHA)).file(name)
    assert found is not None
    reply = house.get(f"/packages/{found.path}")
    return reply.status, house.body(reply).decode()


def test_a_release_with_malware_is_hidden_and_the_older_one_shown(house: House, tmp_path: Path) -> None:
    """Also where its bytes are here, and the reason is said."""
    copy = put(tmp_path / "all.zip", zipped(malware("MAL-2024-1234", "Alpha", "2.0.0")), NOON)
    looked_through(house)
    assert status(house, BAD) == (200, "bad")
    looked_through(house, started(Malware, house, copy))
    assert shown(house) == [GOOD]
    assert status(house, GOOD) == (200, "good")
    code, said = status(house, BAD)
    assert code == 403
    assert "MAL-2024-1234: Malicious code in Alpha (PyPI)" in said


def test_a_project_that_is_malware_in_every_version_is_refused_as_a_whole(house: House, tmp_path: Path) -> None:
    """And is not asked of the upstream."""
    looked_through(house, started(Malware, house, put(tmp_path / "all.zip", zipped(malware("MAL-1", "alpha")), NOON)))
    with pytest.raises(Refused, match="refused by checked: MAL-1: Malicious code in alpha"):
        house.get("/simple/alpha/")
    assert house.upstream.asked == []


def test_a_new_copy_comes_into_force_while_the_daemon_runs(house: House, copy: Path) -> None:
    """At the next look, for pages that are kept and for files that are here; and what is taken back is shown again."""
    policy = started(Malware, house, copy)
    looked_through(house, policy)
    assert shown(house) == [GOOD, BAD]
    assert status(house, BAD) == (200, "bad")
    announced: list[Any] = []
    house.announcements.listen(announced.append)
    before = policy.revision
    put(copy, zipped(malware("MAL-9", "unheard-of"), malware("MAL-1", "alpha", "2.0")), NOON)
    house.clock.advance(899)
    assert announced == []
    house.clock.advance(1)
    assert announced == [ALPHA]
    assert policy.revision != before
    assert shown(house) == [GOOD]
    assert status(house, BAD)[0] == 403
    put(copy, zipped(malware("MAL-9", "unheard-of")), NOON + 1)
    house.clock.advance(900)
    assert announced == [ALPHA, ALPHA]
    assert policy.revision == before
    assert shown(house) == [GOOD, BAD]
    now(policy.stopService())
    assert house.clock.getDelayedCalls() == []


def test_a_copy_with_the_same_in_it_changes_nothing(house: House, copy: Path) -> None:
    policy = started(Malware, house, copy)
    announced: list[Any] = []
    house.announcements.listen(announced.append)
    before = policy.revision
    put(copy, zipped(vulnerable("GHSA-a", "alpha", None), malware("MAL-9", "unheard-of")), NOON)
    house.clock.advance(900)
    assert (announced, policy.revision) == ([], before)


def test_of_many_changes_all_is_announced_at_once(house: House, copy: Path) -> None:
    started(Malware, house, copy)
    announced: list[Any] = []
    house.announcements.listen(announced.append)
    put(copy, zipped(*(malware(f"MAL-{number}", f"bad-{number}") for number in range(MANY))), NOON)
    house.clock.advance(900)
    assert announced == [None]


def test_until_the_first_copy_has_been_read_nothing_is_shown(house: House, copy: Path) -> None:
    """Else a daemon that starts would hand out what it hid a minute before."""
    bell = Bell()

    async def slow(function: Any, /, *arguments: Any) -> Any:
        if function is some:
            await bell.wait()
        return function(*arguments)

    for kind in (Malware, Vulnerable):
        policy = started(kind, house, copy, disk=slow, exempt=("ours-*",))
        announced: list[Any] = []
        house.announcements.listen(announced.append)
        assert [refusal(policy, "alpha"), refusal(policy, "alpha", GOOD)] == [READING, READING]
        assert refusal(policy, "ours-1") is None
        before = policy.revision
        asked = later(policy.ready())
        while waiting(asked):
            bell.ring()
        assert [refusal(policy, "alpha"), refusal(policy, "alpha", GOOD)] == [None, None]
        assert policy.revision != before
        assert announced == [None]


def test_a_daemon_that_stops_leaves_a_reading_behind(house: House, copy: Path) -> None:
    bell = Bell()

    async def slow(function: Any, /, *arguments: Any) -> Any:
        await bell.wait()
        return function(*arguments)

    policy = started(Malware, house, copy, disk=slow)
    now(policy.stopService())
    bell.ring()
    assert policy.library.gathered is None
    assert house.clock.getDelayedCalls() == []
    for kind in (Malware, Vulnerable):
        now(made(kind, house, copy).stopService())


def test_trouble_is_logged_once(house: House, copy: Path) -> None:
    policy = started(Malware, house, copy)
    copy.unlink()
    with capturedLogs() as logged:
        house.clock.advance(900)
        house.clock.advance(900)
    assert [event["reason"] for event in logged if "reason" in event] == ["No such file or directory"]
    assert policy.library.missing is None
    assert policy.library.revision != "unread"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not a zip archive"),
        (zipped(malware("MAL-1", "alpha"))[:-1], "not a zip archive"),
        (zipped(), "no advisory about PyPI"),
        (zipped(osv("MAL-1", {"package": {"ecosystem": "npm", "name": "alpha"}})), "no advisory about PyPI"),
        (zipped(malware("MAL-1", "alpha"), ("a.json", b"x"), ("b.json", b"x")), "2 of its documents are no advisories, and only 1 are"),
    ],
    ids=["empty", "cut", "none", "other", "mostly-broken"],
)
def test_a_broken_or_empty_copy_leaves_in_force_what_was_read_before(house: House, tmp_path: Path, data: bytes, said: str) -> None:
    """It is read once, and where nothing was read before nothing is shown."""
    copy = put(tmp_path / "all.zip", zipped(malware("MAL-1", "alpha", "2.0")), NOON)
    policy = started(Malware, house, copy)
    put(copy, data, NOON + 1)
    fresh = started(Malware, house, copy)
    house.clock.advance(1800)
    assert said in policy.library.trouble
    assert refusal(policy, "alpha", BAD) == "MAL-1: Malicious code in alpha (PyPI)"
    assert refusal(policy, "alpha", GOOD) is None
    assert said in (refusal(fresh, "alpha", GOOD) or "")
    assert str(tmp_path) not in (refusal(fresh, "alpha", GOOD) or "")
    put(copy, zipped(malware("MAL-2", "alpha", "2.0")), NOON + 2)
    house.clock.advance(SOON)
    assert refusal(fresh, "alpha", GOOD) is None
    house.clock.advance(900)
    assert (policy.library.trouble, refusal(policy, "alpha", BAD)) == ("", "MAL-2: Malicious code in alpha (PyPI)")


def many(count: int) -> bytes:
    return zipped(*(malware(f"MAL-{number}", f"evil{number}") for number in range(count)))


def test_M7_a_copy_with_far_fewer_advisories_counts_when_it_still_has_no_more_a_recheck_later(house: House, tmp_path: Path) -> None:
    """It may be half of a new copy, and what is not in it yet would be shown."""
    copy = put(tmp_path / "all.zip", many(200), NOON)
    policy = started(Malware, house, copy)
    put(copy, many(189), NOON + 1)
    with capturedLogs() as logged:
        house.clock.advance(900)
        now(policy.library.look())
    assert "it has only 189 advisories after 200" in policy.library.trouble
    assert len([event for event in logged if "reason" in event]) == 1
    assert refusal(policy, "evil199") is not None
    put(copy, many(188), NOON + 2)
    house.clock.advance(900)
    assert refusal(policy, "evil199") is not None
    house.clock.advance(899)
    now(policy.library.look())
    assert refusal(policy, "evil199") is not None
    house.clock.advance(1)
    assert policy.library.trouble == ""
    assert refusal(policy, "evil188") is None
    assert refusal(policy, "evil187") is not None


@pytest.mark.parametrize(("before", "after"), [(1000, 950), (20, 11)])
def test_M7_a_few_advisories_that_are_taken_back_are_gone_at_once(house: House, tmp_path: Path, before: int, after: int) -> None:
    copy = put(tmp_path / "all.zip", many(before), NOON)
    policy = started(Malware, house, copy)
    put(copy, many(after), NOON + 1)
    house.clock.advance(900)
    assert refusal(policy, f"evil{before - 1}") is None


def test_M7_a_folder_that_is_being_emptied_hides_what_it_hid(house: House, tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"MAL-{number}.json").write_text(json.dumps(malware(f"MAL-{number}", f"evil{number}")))
    policy = started(Malware, house, tmp_path)
    for number in range(99):
        (tmp_path / f"MAL-{number}.json").unlink()
    house.clock.advance(900)
    assert refusal(policy, "evil7") is not None
    (tmp_path / "MAL-7.json").write_text(json.dumps(malware("MAL-7", "evil7")))
    house.clock.advance(900)
    assert refusal(policy, "evil8") is not None


def test_M7_malware_in_versions_that_cannot_be_read_is_hidden_whole_and_somebody_is_told(house: House, tmp_path: Path) -> None:
    broken = osv("MAL-1", affected("alpha", ["9"], [("introduced", "0"), ("fixed", "not-a-version")]))
    with capturedLogs() as logged:
        policy = started(Malware, house, put(tmp_path / "all.zip", zipped(broken), NOON))
    assert refusal(policy, "alpha") == "MAL-1"
    assert any("all versions count as malicious" in event["log_format"] for event in logged)


def test_a_copy_that_is_gone_leaves_in_force_what_was_read_before(house: House, tmp_path: Path) -> None:
    copy = put(tmp_path / "all.zip", zipped(malware("MAL-1", "alpha", "2.0")), NOON)
    policy = started(Malware, house, copy)
    copy.rename(tmp_path / "aside")
    house.clock.advance(900)
    assert policy.library.trouble == "No such file or directory"
    assert refusal(policy, "alpha", BAD) == "MAL-1: Malicious code in alpha (PyPI)"
    (tmp_path / "aside").rename(copy)
    house.clock.advance(900)
    assert policy.library.trouble == ""


def test_a_copy_that_changes_while_it_is_read_is_read_again(house: House, copy: Path) -> None:
    """It may be half of the old and half of the new."""
    changes = [1, 2]

    async def disk(function: Any, /, *arguments: Any) -> Any:
        if function is some and changes:
            put(copy, zipped(malware("MAL-1", "alpha")), NOON + changes.pop(0))
        return function(*arguments)

    policy = started(Malware, house, copy, disk=disk)
    assert "changed while it was read" in (refusal(policy, "alpha") or "")
    house.clock.advance(SOON)
    house.clock.advance(SOON)
    assert refusal(policy, "alpha") == "MAL-1: Malicious code in alpha (PyPI)"


def test_a_folder_is_a_copy_too(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "advisories"
    folder.mkdir()
    put(folder / "MAL-1.json", json.dumps(malware("MAL-1", "alpha", "2.0")).encode(), NOON)
    policy = started(Malware, house, folder)
    assert [refusal(policy, "alpha", BAD), refusal(policy, "alpha", GOOD)] == ["MAL-1: Malicious code in alpha (PyPI)", None]
    put(folder / "MAL-2.json", json.dumps(malware("MAL-2", "alpha", "1")).encode(), NOON)
    house.clock.advance(900)
    assert refusal(policy, "alpha", GOOD) == "MAL-2: Malicious code in alpha (PyPI)"
    (folder / "MAL-1.json").unlink()
    house.clock.advance(900)
    assert refusal(policy, "alpha", BAD) is None


def test_what_is_exempt_or_ignored_is_shown(house: House, tmp_path: Path) -> None:
    documents = [malware("MAL-1", "alpha"), malware("MAL-2", "beta"), malware("MAL-3", "gamma")]
    documents[1]["aliases"] = ["GHSA-2abc"]
    copy = put(tmp_path / "all.zip", zipped(*documents), NOON)
    policy = started(Malware, house, copy, exempt=("Al*",), ignore=("ghsa-2ABC",))
    assert [refusal(policy, name) is None for name in ("alpha", "beta", "gamma")] == [True, True, False]


def test_vulnerable_releases_are_hidden_with_the_version_that_mends_them(house: House, tmp_path: Path) -> None:
    """And no project is, nor is malware its business."""
    documents = [vulnerable("GHSA-a", "alpha", "1.2.3"), malware("MAL-1", "alpha", "3.0"), vulnerable("GHSA-b", "beta", None)]
    policy = started(Vulnerable, house, put(tmp_path / "all.zip", zipped(*documents), NOON))
    assert refusal(policy, "alpha", "alpha-1.2.2-py3-none-any.whl") == "GHSA-a: It falls over (fixed in 1.2.3)"
    assert refusal(policy, "alpha", "alpha-1.2.3-py3-none-any.whl") is None
    assert refusal(policy, "alpha", "alpha-3.0.zip") is None
    assert refusal(policy, "beta", "beta-7.zip") == "GHSA-b: It falls over"
    assert refusal(policy, "beta") is None
    assert refusal(policy, "beta", "other-7.zip") is None


def test_what_nobody_mended_can_be_shown(house: House, tmp_path: Path) -> None:
    """Where the newest release is the vulnerable one, hiding it leaves an older one that is no better."""
    mended_once = [("introduced", "0"), ("fixed", "1.2"), ("introduced", "2.0")]
    documents = [osv("GHSA-a", affected("alpha", [], mended_once)), vulnerable("GHSA-b", "beta", None), vulnerable("GHSA-c", "beta", "2")]
    policy = started(Vulnerable, house, put(tmp_path / "all.zip", zipped(*documents), NOON), unfixed="show")
    assert refusal(policy, "alpha", "alpha-1.1.zip") == "GHSA-a (fixed in 1.2)"
    assert refusal(policy, "alpha", "alpha-2.1.zip") is None
    assert refusal(policy, "beta", "beta-1.0.zip") == "GHSA-c: It falls over (fixed in 2)"
    assert refusal(policy, "beta", "beta-2.0.zip") is None


def test_less_severe_ones_can_be_left_alone(house: House, tmp_path: Path) -> None:
    documents = [vulnerable(f"GHSA-{word}", f"{word}-one", "2", database_specific={"severity": word}) for word in ("low", "HIGH", "odd")]
    policy = started(Vulnerable, house, put(tmp_path / "all.zip", zipped(*documents), NOON), severity="high")
    found = [refusal(policy, name, f"{name}-1.0.zip") for name in ("low-one", "high-one", "odd-one")]
    assert [reason is None for reason in found] == [True, False, False]


@pytest.mark.parametrize("kind", [Malware, Vulnerable])
def test_each_keeps_its_interface_and_is_the_same_for_the_same_settings(house: House, copy: Path, kind: Any) -> None:
    policy = started(kind, house, copy)
    assert verifyObject(IChangingPolicy, policy)
    assert verifyObject(IReadying, policy)
    assert repr(made(kind, house, copy)) == repr(policy)
    assert repr(made(kind, house, copy, ignore=("MAL-1",))) != repr(policy)


@pytest.mark.parametrize("kind", [Malware, Vulnerable])
def test_a_policy_cannot_be_made_of_a_bad_pattern_or_without_a_copy(house: House, copy: Path, kind: Any) -> None:
    with pytest.raises(ValueError, match="not a pattern"):
        made(kind, house, copy, exempt=("a b",))
    with pytest.raises(ValueError, match="no advisories at"):
        made(kind, house, copy.with_name("none"))
    for seconds in (0.0, 0.5, 604801.0):
        with pytest.raises(ValueError, match="recheck must be from 1s to 1w"):
            made(kind, house, copy, recheck=seconds)


CONFIGURATION = """
[daemon]
index = safe
[index:safe]
use = policed
index = pypi
policies = malware vulnerable
[index:pypi]
use = proxy
[upstream:pypi]
use = tests.parts:Silent
[policy:malware]
use = malware
advisories = {copy}
[policy:vulnerable]
use = vulnerable
advisories = {copy}
recheck = 1h
ignore = GHSA-x CVE-2026-1
exempt = ours-*
severity = high
unfixed = show
{more}
"""


def configured(tmp_path: Path, reactor: Any, copy: str = "all.zip", more: str = "") -> Any:
    file = tmp_path / "config.ini"
    file.write_text(CONFIGURATION.format(copy=copy, more=more))
    return make(plan(str(file)), reactor)


def test_the_daemon_starts_them_and_the_copy_is_beside_the_configuration(house: House, copy: Path, tmp_path: Path) -> None:
    made = configured(tmp_path, house.clock)
    malware, vulnerable = made.living("policy")
    assert (malware.advisories, malware.recheck) == (copy, 900)
    assert "recheck = 15m" in describe(made.plan)
    assert (vulnerable.recheck, vulnerable.ignore, vulnerable.exempt) == (3600, ("GHSA-x", "CVE-2026-1"), ("ours-*",))
    assert (vulnerable.severity, vulnerable.unfixed) == ("high", "show")


def test_a_copy_that_is_not_there_is_one_clear_line(house: House, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[policy:malware\].*there are no advisories at .*none\.zip"):
        configured(tmp_path, house.clock, copy="none.zip")


@pytest.mark.parametrize(
    ("read", "raw", "value"),
    [
        (ids, " GHSA-a\n CVE-2 ", ("GHSA-a", "CVE-2")),
        (severity, " High ", "high"),
        (showing, "SHOW", "show"),
    ],
)
def test_settings_are_read(read: Any, raw: str, value: Any) -> None:
    assert read(raw) == value


@pytest.mark.parametrize(
    ("read", "raw"),
    [(ids, "a,b"), (ids, "a\x00b"), (severity, "dire"), (showing, "perhaps")],
)
def test_settings_that_mean_nothing_are_refused(read: Any, raw: str) -> None:
    with pytest.raises(ValueError, match=r"must be|is not"):
        read(raw)
