"""`pypidaemon why` and `pypidaemon check --effect`: without a daemon, with a pretended one, and with a real one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from pypidaemon.announcements import Announcements
from pypidaemon.blobs.directory import DirectoryBlobs
from pypidaemon.blueprints import plan
from pypidaemon.commands import control, main
from pypidaemon.commands.comparing import Change, compared
from pypidaemon.commands.effect import changes_anything, lines
from pypidaemon.indexes.private import Private
from pypidaemon.model import Explanation, HiddenFile, NormalizedName, Outcome, ProjectPage, Refusal, Remembered, Ruling, RulingKind
from pypidaemon.telling import no_address
from tests.contracts.hosted_index import WHEEL, WHEEL_BYTES, PlainInspectors, upload
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import NOON
from tests.orders import ordered
from tests.records_gear import sqlite_records
from tests.test_commands import PretendedDaemon, answer
from tests.test_commands_people import run

ALPHA = NormalizedName("alpha")
HEAD = """[daemon]
listen = tcp:0:interface=127.0.0.1
data = var
index = root
[index:root]
use = first-match
indexes = private pypi
[index:private]
use = private
[records:records]
use = sqlite
path = var/records.sqlite
[blobs:blobs]
use = directory
path = var/blobs
[upstream:pypi]
use = http
url = http://127.0.0.1:9/simple/
"""
PLAIN = HEAD + "[index:pypi]\nuse = proxy\nupstream = pypi\n"
STRICT = (
    HEAD
    + """[index:pypi]
use = policed
index = pypi-cache
policies = no-wheels
[index:pypi-cache]
use = proxy
upstream = pypi
[policy:no-wheels]
use = kinds
deny = bdist_wheel
"""
)


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration without policies, with nothing beside it."""
    place = tmp_path / "c.ini"
    place.write_text(PLAIN)
    return str(place)


@pytest.fixture
def strict(tmp_path: Path) -> str:
    """The same data folder, without wheels; the proxy has another label."""
    place = tmp_path / "strict.ini"
    place.write_text(STRICT)
    return str(place)


@pytest.fixture
def filled(config: str, tmp_path: Path) -> str:
    """The same with what a daemon remembers: pages of beta and gamma, of which one release is blocked; alpha 1.0 is our own."""
    clock = Clock()
    clock.advance(NOON)
    (tmp_path / "var").mkdir(mode=0o700)
    records = sqlite_records(tmp_path / "var" / "records.sqlite", clock)
    blobs = DirectoryBlobs(tmp_path / "var" / "blobs", "blobs", inline)
    records.startService()
    blobs.startService()
    index = Private("private", records, blobs, clock, inline, Announcements(), PlainInspectors())
    draft = now(index.draft())
    now(draft.write(WHEEL_BYTES))
    now(index.publish(upload(WHEEL), draft, "ann", True))
    for name, versions in (("beta", ("1.0", "2.0")), ("gamma", ("1.0",))):
        entries = [file(f"{name}-{version}{end}", version.encode()) for version in versions for end in (".tar.gz", "-py3-none-any.whl")]
        now(records.pages.keep("pypi", NormalizedName(name), Remembered(page(name, *entries), NOON, NOON)))
    now(records.rulings.rule(Ruling(RulingKind.BLOCK, "beta==2", "malware", time=NOON)))
    now(records.stopService())
    return config


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder, by its bytes."""
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_why_without_a_daemon_goes_by_what_is_remembered(filled: str, tmp_path: Path) -> None:
    """Upstreams are not asked, blocks hold, and nothing is written. Status 1 is for what is not shown."""
    before = contents(tmp_path / "var")
    said = run(filled, "why", "Beta")
    assert said.splitlines()[:2] == [
        "beta waits for the line: 2 files that root, from pypi knows of, none of them here, and upstream cannot be asked",
        "beta 2.0 is hidden by a block: beta==2 was blocked on 2026-05-28: malware",
    ]
    assert "private (private): has no such project" in said
    assert "down: no daemon is running, so nothing is asked" in said
    run_with_output(filled, "why", "beta==2.0", status=1)
    answer = json.loads(run_with_output(filled, "why", "nothing", "--json", status=1))
    assert (answer["outcome"], answer["shown"]) == ("unknown", False)
    assert json.loads(run(filled, "why", "alpha==1", "--json", "--index", "private"))["sources"] == ["private"]
    assert "no index 'nowhere' has an address of its own; those that have: private pypi root; without --index" in run(
        filled, "why", "alpha", "--index", "nowhere", status=2
    )
    assert contents(tmp_path / "var") == before


def run_with_output(config: str, *arguments: str, status: int) -> str:
    """What a verb prints that ends with this status and without complaint."""
    done = ordered(*arguments, "-c", config)
    assert (done.returncode, done.stderr) == (status, "")
    return done.stdout


def test_why_without_anything_remembered_is_one_line(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And makes no folder."""
    assert main(["why", "alpha", "-c", config]) == 1
    assert capsys.readouterr().err == f"pypidaemon: nothing is remembered yet: there is no data folder {tmp_path}/var\n"
    assert not (tmp_path / "var").exists()


@contextlib.contextmanager
def pretended(config: str, body: dict[str, Any] | str, status: bytes = b"200 OK") -> Iterator[PretendedDaemon]:
    """A daemon that answers that to anything."""
    said = body if isinstance(body, str) else json.dumps(body)
    made = PretendedDaemon(Path(config).parent / "var" / "control.sock", answer(said.encode(), status))
    try:
        yield made
    finally:
        made.close()


def test_why_asks_a_running_daemon(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And prints what it says, whatever version it is of."""
    with pretended(config, {"shown": True, "summary": ["alpha is shown"]}) as daemon:
        assert main(["why", "Al.pha == 1.0", "--index", "pypi", "-c", config]) == 0
        assert capsys.readouterr().out == "alpha is shown\n"
        assert main(["why", "alpha", "--json", "-c", config]) == 0
        assert json.loads(capsys.readouterr().out)["summary"] == ["alpha is shown"]
        assert daemon.asked == ["GET /why?project=al-pha&version=1.0&index=pypi HTTP/1.1", "GET /why?project=alpha HTTP/1.1"]


def test_why_of_an_index_that_the_daemon_does_not_know_is_wrong_usage(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = no_address("nowhere", ["root", "pypi"])
    with pretended(config, line + "\nrequest id: 0123\n", b"404 Not Found"):
        assert main(["why", "alpha", "--index", "nowhere", "-c", config]) == 2
        assert capsys.readouterr().err == f"pypidaemon: {line}\n"
        # Whatever an older one may mean by that, it is no index that was named wrongly.
        assert main(["why", "alpha", "-c", config]) == 1


def test_why_of_a_daemon_that_says_little(config: str) -> None:
    """What is not said to be shown is not."""
    with pretended(config, {}):
        assert main(["why", "alpha", "-c", config]) == 1


@pytest.mark.parametrize("arguments", ["why", "why a/b", "why alpha==", "check --against c.ini", "check --effect --limit x"])
def test_wrong_usage_is_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments.split()) == 2
    assert "--help\n" in capsys.readouterr().err


def test_the_effect_against_another_file(filled: str, strict: str, tmp_path: Path) -> None:
    """Also where the proxy has got another label since; of both directions, and nothing is written."""
    before = contents(tmp_path / "var")
    said = run_with_output(strict, "check", "--effect", "--against", filled, status=1)
    assert said.splitlines() == [
        f"compared with {filled}",
        "beta at /simple/ /index/pypi/simple/",
        "  would be hidden: 1.0 (1 file) by no-wheels: its kind, bdist_wheel, is denied",
        "gamma at /simple/ /index/pypi/simple/",
        "  would be hidden: 1.0 (1 file) by no-wheels: its kind, bdist_wheel, is denied",
        "2 projects of 3 would change: 2 releases (2 files) hidden, 0 releases (0 files) shown",
    ]
    back = json.loads(run_with_output(filled, "check", "--effect", "--against", strict, "--json", status=1))
    assert [(one["project"], [release["files"] for release in one["shown"]]) for one in back["projects"]] == [
        ("beta", [["beta-1.0-py3-none-any.whl"]]),
        ("gamma", [["gamma-1.0-py3-none-any.whl"]]),
    ]
    assert back["projects"][0]["shown"][0]["refusals"][0]["rule"] == "no-wheels"
    assert back["totals"] == {
        "looked_at": 3,
        "projects": 2,
        "hidden_releases": 0,
        "hidden_files": 0,
        "shown_releases": 2,
        "shown_files": 2,
    }
    assert contents(tmp_path / "var") == before


def test_the_effect_of_policies_where_there_is_nothing_to_compare_with(filled: str, tmp_path: Path) -> None:
    """With the same without them; blocks are no policies of a configuration, so they hold on both sides."""
    assert "0 projects of 3 would change" in run(filled, "check", "--effect")
    kept = tmp_path / "kept.ini"
    kept.write_text(STRICT.replace("pypi-cache", "old").replace("[index:pypi]", "[index:seen]").replace("[index:old]", "[index:pypi]")
                    .replace("index = old", "index = pypi").replace("indexes = private pypi", "indexes = private seen"))  # fmt: skip
    said = run_with_output(str(kept), "check", "--effect", "--limit", "1", status=1)
    assert said.startswith("compared with no policies at all")
    assert "beta at /simple/ /index/seen/simple/" in said
    assert "gamma" not in said
    assert "... and 1 project more: say --limit, or --json" in said


def test_a_policy_that_has_to_read_first_is_waited_for(filled: str, tmp_path: Path) -> None:
    """Or it would hide everything, as it does at the start of a daemon."""
    (tmp_path / "advisories").mkdir()
    advisory = {
        "id": "MAL-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "summary": "Malicious code in gamma",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "gamma"}, "versions": ["1.0"]}],
    }
    (tmp_path / "advisories" / "MAL-2026-1.json").write_text(json.dumps(advisory))
    wary = tmp_path / "wary.ini"
    wary.write_text(STRICT.replace("use = kinds\ndeny = bdist_wheel", "use = malware\nadvisories = advisories"))
    found = json.loads(run_with_output(str(wary), "check", "--effect", "--against", filled, "--json", status=1))
    assert [(one["project"], one["hidden"][0]["refusals"][0]["reason"]) for one in found["projects"]] == [
        ("gamma", "MAL-2026-1: Malicious code in gamma")
    ]


def test_the_effect_before_the_first_start(config: str, strict: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to be hidden, but an address may come or go."""
    assert main(["check", "--effect", "-c", config]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "0 projects of 0 would change: 0 releases (0 files) hidden, 0 releases (0 files) shown"
    ]
    shown = tmp_path / "shown.ini"
    shown.write_text(STRICT.replace("[index:pypi-cache]\n", "[index:pypi-cache]\nexposed = yes\n"))
    assert main(["check", "--effect", "-c", str(shown), "--against", strict]) == 1
    assert "/index/pypi-cache/simple/ is new" in capsys.readouterr().out
    assert main(["check", "--effect", "-c", strict, "--against", str(shown)]) == 1
    assert "/index/pypi-cache/simple/ is gone" in capsys.readouterr().out
    assert not (tmp_path / "var").exists()


def test_F72_a_fault_in_either_file_is_one_line(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of the file that is to be compared with, and that of what the daemon read."""
    bad = tmp_path / "bad.ini"
    bad.write_text("[daemon]\nlissen = x\n")
    assert main(["check", "--effect", "-c", config, "--against", str(bad)]) == 1
    assert capsys.readouterr().err.startswith(f"pypidaemon: {bad} [daemon] lissen: unknown key")
    with pretended(config, {"file": "/elsewhere/c.ini", "text": "[daemon]\nlissen = x\n"}) as daemon:
        assert main(["check", "--effect", "-c", config]) == 1
        assert daemon.asked == ["GET /configuration HTTP/1.1"]
    assert capsys.readouterr().err.startswith("pypidaemon: /elsewhere/c.ini [daemon] lissen: unknown key")


@contextlib.contextmanager
def living(config: str) -> Iterator[None]:
    """A real daemon on that configuration."""
    command = [sys.executable, "-m", "pypidaemon", "run", "-c", config]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert any("answers at" in line for line in process.stdout)
            yield
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_a_real_daemon_explains_and_is_compared_with_what_it_read(filled: str, strict: str) -> None:
    """A configuration that has changed since is seen as it was; the daemon goes on meanwhile."""
    file = Path(filled)
    with living(filled):
        said = json.loads(run(filled, "why", "beta==1.0", "--json"))
        assert (said["shown"], said["sources"]) == (True, ["pypi"])
        assert "beta 2.0 is hidden by a block" in run_with_output(filled, "why", "beta==2", status=1)
        assert run(filled, "check", "--effect").splitlines() == [
            f"compared with what the running daemon read from {filled}",
            "0 projects of 3 would change: 0 releases (0 files) hidden, 0 releases (0 files) shown",
        ]
        file.write_text(STRICT)
        changed = json.loads(run_with_output(filled, "check", "--effect", "--json", status=1))
        assert [one["project"] for one in changed["projects"]] == ["beta", "gamma"]
        socket = file.parent / "var" / "control.sock"
        assert control.ask(socket, "GET", "/configuration") == {"file": filled, "text": PLAIN}
        assert control.ask(socket, "GET", "/status")["version"]


def test_a_plan_knows_its_text_wherever_the_process_goes(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that goes into the background changes its folder."""
    monkeypatch.chdir(tmp_path)
    planned = plan("c.ini")
    assert (planned.origin, planned.text) == (Path(config), PLAIN)


def shown(*names: str, source: str = "pypi", **more: object) -> Explanation:
    """An index that shows these files."""
    entries = tuple(file(name, name.encode()) for name in names)
    return Explanation("root", "policed", Outcome.ANSWERS, page=ProjectPage(ALPHA, entries, source=source), **more)  # type: ignore[arg-type]  # tests know


def change(before: Explanation, after: Explanation) -> Change:
    """What changes."""
    found = compared(ALPHA, "/simple/", before, after)
    assert isinstance(found, Change)
    return found


def test_two_explanations_held_against_each_other() -> None:
    """By names and bytes; the reasons are those of whichever side hides a file."""
    one, both = shown("alpha-1.0.tar.gz"), shown("alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    assert compared(ALPHA, "/simple/", both, both) is None
    rule = Refusal("cooldown", "too young", NOON + 0.5)
    hiding = shown("alpha-1.0.tar.gz", hidden=(HiddenFile(file("alpha-2.0.tar.gz", b"alpha-2.0.tar.gz"), (rule,)),))
    assert [(release.version, release.refusals) for release in change(both, hiding).hidden] == [("2.0", (rule,))]
    assert [(release.version, release.refusals) for release in change(hiding, both).shown] == [("2.0", (rule,))]
    assert change(both, hiding).as_json()["hidden"][0]["refusals"][0]["until"] == "2026-05-28T20:26:41Z"
    assert change(both, one).hidden[0].refusals[0].reason == "pypi answers, and does not list it"
    gone = Explanation("root", "policed", Outcome.ABSENT)
    assert change(both, gone).hidden[0].refusals == (Refusal("root", "has no such project"),)
    refused = Explanation("root", "policed", Outcome.REFUSED, refusals=(rule,))
    assert change(both, refused).hidden[0].refusals == (rule,)
    other = Explanation(
        "root", "policed", Outcome.ANSWERS, page=ProjectPage(ALPHA, (file("alpha-1.0.tar.gz", b"other"),), source="private")
    )
    replaced = change(one, other)
    assert replaced.hidden[0].refusals[0].reason == "other bytes stand under this name, from private"
    assert replaced.shown[0].files == ("alpha-1.0.tar.gz",)
    unnamed = change(shown("alpha.zip"), gone)
    assert unnamed.hidden[0].version == ""
    unknown = Explanation("root", "proxy", Outcome.UNKNOWN, "upstream pypi: it is down")
    for before, after in ((unknown, one), (one, unknown)):
        assert compared(ALPHA, "/simple/", before, after) == "root cannot be asked: upstream pypi: it is down"
    assert compared(ALPHA, "/simple/", unknown, unknown) is None


def test_the_effect_in_lines() -> None:
    """What cannot be told is named, and counted."""
    release = {"version": "", "files": ["alpha.zip"], "refusals": []}
    answer = {
        "against": "with c.ini",
        "addresses": {"new": [], "gone": []},
        "projects": [{"project": "alpha", "addresses": ["/simple/"], "hidden": [], "shown": [release]}],
        "unknown": [{"project": "beta", "reason": "root cannot be asked: upstream pypi: it is down"}],
        "totals": {
            "looked_at": 2,
            "projects": 1,
            "hidden_releases": 0,
            "hidden_files": 0,
            "shown_releases": 1,
            "shown_files": 1,
        },
    }
    assert list(lines(answer, 50)) == [
        "compared with c.ini",
        "alpha at /simple/",
        "  would be shown: no version (1 file)",
        "beta cannot be told: root cannot be asked: upstream pypi: it is down",
        "1 project of 2 would change: 0 releases (0 files) hidden, 1 release (1 file) shown; 1 cannot be told",
    ]
    assert changes_anything(answer)
