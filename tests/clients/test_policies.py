"""Every policy before real installers: what each of them leaves is what pip and uv choose."""

from __future__ import annotations

import hashlib
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from pypidaemon.components import BUILT_IN
from pypidaemon.moments import written
from pypidaemon.testing import make_wheel
from tests.advisories.writing import affected, malware, osv, zipped
from tests.clients import installers
from tests.clients.daemon import Daemon, Upstream
from tests.clients.looking import JSON, eventually

pytestmark = pytest.mark.clients

DAY = 86400
INSTALLERS = {"pip": installers.pip, "uv": installers.uv_pip}
HERE = sysconfig.get_platform().replace("-", "_").replace(".", "_")
"""The platform tag that wheels for this very machine have."""


@attrs.frozen
class Trial:
    """
    What a project has, and what is left of it by some policies.

    :param policies: the keys of each one's section.
    :param releases: by version, with what `TestIndex.add` is told besides; `only` a source distribution or a yank are words of this module.
    :param without: the version that installers choose without any policy.
    :param chosen: the version that they choose of what the policies leave; None if there is none.
    :param wanted: what follows the name in the requirement.
    """

    policies: Sequence[str]
    releases: Mapping[str, Mapping[str, Any]]
    without: str = "2.0"
    chosen: str | None = "1.0"
    wanted: str = ""


def sha256(label: str, version: str) -> str:
    """The digest of the wheel of a release that is like most."""
    return hashlib.sha256(make_wheel(project(label), version)[1]).hexdigest()


def project(label: str) -> str:
    """The project that the trial of that label is about."""
    return f"seeds-by-{label}"


BOTH: Mapping[str, Mapping[str, Any]] = {"1.0": {}, "2.0": {}}
YOUNG, OLD = written(time.time() - DAY), "2020-06-01T12:00:00Z"
MIT, GPL = ({"fields": [f"License-Expression: {licence}"]} for licence in ("MIT", "GPL-3.0-or-later"))
TYPED, PRIVATE = ({"fields": [f"Classifier: {classifier}"]} for classifier in ("Typing :: Typed", "Private :: Do Not Upload"))
TRIALS = {
    # Refused as a whole are the projects that the newer releases need, so that an older one is the only one that can be had.
    "names": Trial(["use = names\ndeny = *-unwanted"], {"1.0": {}, "2.0": {"requires": ["seeds-unwanted"]}}),
    "statuses": Trial(["use = statuses\ndeny = archived"], {"1.0": {}, "2.0": {"requires": ["seeds-archived"]}}),
    "newest": Trial(
        ["use = newest\ncount = 1\nexempt = seeds-by-*"], {"1.0": {"requires": ["seeds-part>=2"]}, "2.0": {"requires": ["seeds-part<2"]}}
    ),
    "filenames": Trial(["use = filenames\ndeny = *.WHL"], {"1.0": {"sdist": True}, "2.0": {}}),
    "versions": Trial(["use = versions\nallow = seeds-by-* <2"], BOTH),
    # Where there are no final releases installers take others unasked; asked for some they do not agree on which these are.
    "pre-releases": Trial(["use = pre-releases\nkinds = beta"], {"1.0a1": {}, "1.0b1": {}}, without="1.0b1", chosen="1.0a1"),
    "kinds": Trial(["use = kinds\nallow = wheel"], {"1.0": {}, "2.0": {"only": "sdist"}}),
    "platforms": Trial(["use = platforms\ndeny = linux macos"], {"1.0": {}, "2.0": {"tag": f"py3-none-{HERE}"}}),
    "pythons": Trial(["use = pythons\nversions = 3.9 3.10"], {"1.0": {}, "2.0": {"python": ">=3.11"}}),
    "sizes": Trial(["use = sizes\nat-most = 50KiB"], {"1.0": {}, "2.0": {"size": 100_000}}),
    "maximum-age": Trial(["use = maximum-age\nage = 52w"], {"1.0": {"upload_time": YOUNG}, "2.0": {"upload_time": OLD}}),
    "minimum-age": Trial(["use = minimum-age\nage = 3d"], {"1.0": {"upload_time": OLD}, "2.0": {"upload_time": YOUNG}}),
    "freeze": Trial(["use = freeze\nmoment = 2020-06-02"], {"1.0": {"upload_time": OLD}, "2.0": {"upload_time": YOUNG}}),
    "yanked": Trial(["use = yanked"], {"1.0": {}, "2.0": {"yanked": "it eats files"}}, chosen=None, wanted="==2.0"),
    "licences": Trial(["use = licences\nallow = MIT\ndeny = GPL-*"], {"1.0": MIT, "2.0": GPL}),
    "classifiers": Trial(["use = classifiers\nallow = Typing :: Typed\nunknown = hide"], {"1.0": TYPED, "2.0": PRIVATE}),
    "requirements": Trial(["use = requirements\nfiles = locked.txt"], BOTH),
    "malware": Trial(["use = malware\nadvisories = advisories.zip"], BOTH),
    "vulnerable": Trial(["use = vulnerable\nadvisories = advisories.zip"], BOTH),
    "several": Trial(
        [
            "use = newest\ncount = 1",
            "use = sizes\nat-most = 50KiB",
            "use = minimum-age\nage = 3d",
            "use = pythons\nversions = 3.10",
            "use = versions\ndeny = seeds-by-several ==1.4",
            "use = kinds\ndeny = sdist",
        ],
        {
            "0.9": {},
            "1.0": {},
            "1.1": {"size": 100_000},
            "1.2": {"upload_time": YOUNG},
            "1.3": {"python": ">=3.11"},
            "1.4": {},
            "1.5": {"only": "sdist"},
        },
        without="1.5",
    ),
}
BY_METADATA = ("licences", "classifiers")


def sections() -> str:
    """An index for each trial, and one for the policy that goes by orders."""
    made = "[index:pypi]\nuse = proxy\nupstream = pypi\n"
    policies = {label: trial.policies for label, trial in TRIALS.items()} | {"blocked": ["use = blocked"]}
    for label, keys in policies.items():
        names = [f"{label}-{number}" for number in range(len(keys))]
        made += f"[index:{label}]\nuse = policed\nindex = pypi\npolicies = {' '.join(names)}\n"
        made += "".join(f"[policy:{name}]\n{text}\n" for name, text in zip(names, keys, strict=True))
    return made


def publish(upstream: Upstream, name: str, version: str, *, only: str = "", yanked: str | None = None, **more: Any) -> None:
    """One release."""
    wheel = upstream.tell("add", name, version, **{"sdist": only == "sdist", **more})
    if only == "sdist":
        upstream.tell("remove", name, wheel)
    if yanked is not None:
        upstream.tell("yank", name, wheel, yanked)


@pytest.fixture(scope="module")
def stocked(shared_upstream: Upstream) -> Iterator[Upstream]:
    """The upstream with the projects of all trials, and with those that some of them need."""
    releases = {project(label): trial.releases for label, trial in TRIALS.items()}
    releases |= {project("blocked"): BOTH, "seeds-part": BOTH, "seeds-unwanted": BOTH, "seeds-archived": BOTH}
    for name, versions in releases.items():
        for version, more in versions.items():
            publish(shared_upstream, name, version, **more)
    shared_upstream.tell("quarantine", "seeds-archived", "archived")
    yield shared_upstream
    for name in releases:
        shared_upstream.tell("remove", name)


@pytest.fixture(scope="module")
def daemon(stocked: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon with an index for each policy, all of them over the same proxy, which is its default."""
    found = Daemon(tmp_path_factory.mktemp("policies") / "daemon", stocked.simple, sections(), "pypi")
    found.folder.mkdir()
    (found.folder / "locked.txt").write_text(f"{project('requirements')} --hash=sha256:{sha256('requirements', '1.0')}\n")
    hole = osv("GHSA-1", affected(project("vulnerable"), (), [("introduced", "2.0")]))
    (found.folder / "advisories.zip").write_bytes(zipped(malware("MAL-2026-1", project("malware"), "2.0"), hole))
    found.start()
    try:
        yield found
    finally:
        found.stop()
    found.check_log()


def requirement(label: str) -> str:
    """What is asked for in that trial."""
    return project(label) + TRIALS[label].wanted


def page(daemon: Daemon, label: str) -> dict[str, Any]:
    """The page of a trial's project as its index shows it."""
    answer = daemon.ask("GET", f"/index/{label}/simple/{project(label)}/", {"Accept": JSON})
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def versions(daemon: Daemon, label: str) -> set[str]:
    """Those that it shows."""
    return set(page(daemon, label)["versions"])


@pytest.fixture(scope="module")
def described(daemon: Daemon) -> None:
    """Somebody has taken the metadata of the releases whose policies go by it; before, it was unknown."""
    assert [versions(daemon, label) for label in BY_METADATA] == [{"1.0", "2.0"}, set()]
    for label in BY_METADATA:
        for file in daemon.page(project(label))["files"]:
            path = file["url"][file["url"].index("packages/") :]
            assert daemon.ask("GET", f"/{path}.metadata").status == 200
        eventually(lambda label=label: versions(daemon, label) == {"1.0"})  # type: ignore[misc]


@pytest.mark.parametrize("name", INSTALLERS)
def test_without_a_policy_every_trial_comes_out_otherwise(name: str, daemon: Daemon, described: None, tmp_path: Path) -> None:
    """So it is the policies that decide."""
    found = INSTALLERS[name](daemon.simple, tmp_path, [*(requirement(label) for label in TRIALS), project("blocked")])
    assert {label: found.get(project(label)) for label in TRIALS} == {label: trial.without for label, trial in TRIALS.items()}
    assert found[project("blocked")] == "2.0"
    assert all(trial.without != trial.chosen for trial in TRIALS.values())


@pytest.mark.parametrize("name", INSTALLERS)
@pytest.mark.parametrize("label", [label for label, trial in TRIALS.items() if trial.chosen is not None])
def test_installers_choose_what_a_policy_leaves(label: str, name: str, daemon: Daemon, described: None, tmp_path: Path) -> None:
    """Without an option of theirs, and with nothing from elsewhere."""
    found = INSTALLERS[name](f"{daemon.url}/index/{label}/simple/", tmp_path, [requirement(label)])
    assert found.pop(project(label)) == TRIALS[label].chosen
    # The one that needs another at all has the part that is the newest.
    assert found == ({"seeds-part": "2.0"} if label == "newest" else {})


@pytest.mark.parametrize("name", INSTALLERS)
def test_a_yanked_release_is_not_had_by_its_version_either(name: str, daemon: Daemon, tmp_path: Path) -> None:
    """Where installers would take it in spite of the yank; the one before is there."""
    index = f"{daemon.url}/index/yanked/simple/"
    with pytest.raises(AssertionError, match=r"No matching distribution found for|there is no version of seeds-by-yanked==2\.0"):
        INSTALLERS[name](index, tmp_path, [requirement("yanked")])
    assert versions(daemon, "yanked") == {"1.0"}


@pytest.mark.parametrize("name", INSTALLERS)
def test_what_is_blocked_is_not_chosen(name: str, daemon: Daemon, tmp_path: Path) -> None:
    """Until the block is taken back, in an index that names the policy; every other index is held to it as well."""
    target, index = f"{project('blocked')}==2.0", f"{daemon.url}/index/blocked/simple/"
    daemon.order("block", target, "--reason", "it eats files")
    assert INSTALLERS[name](index, tmp_path, [project("blocked")]) == {project("blocked"): "1.0"}
    assert daemon.page(project("blocked"))["versions"] == ["1.0"]
    daemon.order("unblock", target)
    assert versions(daemon, "blocked") == {"1.0", "2.0"}


def test_the_source_distribution_is_taken_where_wheels_are_hidden(daemon: Daemon, tmp_path: Path) -> None:
    """The wheel of the same release is there, and is not what comes."""
    assert [file["filename"] for file in page(daemon, "filenames")["files"]] == ["seeds_by_filenames-1.0.tar.gz"]
    before = len(daemon.log)
    assert installers.uv_pip(f"{daemon.url}/index/filenames/simple/", tmp_path, [project("filenames")]) == {project("filenames"): "1.0"}
    asked = daemon.log[before:]
    assert "seeds_by_filenames-1.0.tar.gz" in asked, asked
    assert ".whl" not in asked, asked


def test_the_newest_are_counted_of_what_the_others_leave(daemon: Daemon) -> None:
    """Each of the newer ones is hidden by another policy, and the older one by the count."""
    assert versions(daemon, "several") == {"1.0"}


def test_every_policy_is_tried() -> None:
    """`attested` elsewhere, since it needs an upstream that speaks https."""
    tried = {keys.split("\n")[0].removeprefix("use = ") for label, trial in TRIALS.items() if label != "several" for keys in trial.policies}
    assert tried | {"blocked", "attested"} == set(BUILT_IN["policy"])
