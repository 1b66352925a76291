"""
Real uploaders and a real daemon: what they upload is what installers then get.

The table of clients in the documentation says what these tests and those of installers find; the last test compares.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.clients import installers, uploaders
from tests.clients.daemon import Upstream
from tests.clients.relay import relay
from tests.clients.store import PASSWORD, Store, contents, store
from tests.clients.test_installers import INSTALLERS
from tests.clients.tools import ROOT, TOOLS, installed
from tests.clients.uploaders import OLD_PYTHONS, UPLOADERS, Release

pytestmark = pytest.mark.clients


@pytest.fixture(scope="module")
def shop(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One daemon for all of these tests, each of which has projects of its own."""
    with store(tmp_path_factory.mktemp("shop") / "daemon", shared_upstream.simple) as found:
        yield found


def below(place: Path, name: str) -> Path:
    """A folder for one run of one tool."""
    folder = place / name
    folder.mkdir()
    return folder


def own_name(name: str) -> str:
    """The project that an uploader of that name uploads."""
    return "seeds-by-" + re.sub(r"[^a-z0-9]+", "-", name)


@pytest.mark.parametrize("name", UPLOADERS)
def test_R164_R165_R166_R174_what_is_uploaded_is_installed(name: str, shop: Store, tmp_path: Path) -> None:
    """All files are on the page with their hashes, pip and uv install them, the same again does no harm, and other bytes come in never."""
    manner, project = UPLOADERS[name], own_name(name)
    release = Release(project, "1.0")
    first = below(tmp_path, "first")
    outcome = manner.upload(shop.login(), first, release)
    assert outcome.code == 0, outcome.said
    uploaded = contents(first / "dist")
    assert len(uploaded) == 2
    assert shop.hashes(project) == uploaded
    assert installers.pip(shop.simple, below(tmp_path, "pip"), [project]) == {project: "1.0"}
    assert installers.uv_pip(shop.simple, below(tmp_path, "uv"), [project]) == {project: "1.0"}

    outcome = manner.upload(shop.login(), below(tmp_path, "again"), release)
    assert outcome.code == 0, outcome.said
    assert ("already exists" in outcome.said) == (manner.again == "skipped"), outcome.said

    outcome = manner.upload(shop.login(), below(tmp_path, "other"), Release(project, "1.0", edition=1))
    if manner.other == "refused":
        assert outcome.code == manner.refused, outcome.said
        assert re.search("File already exists|Local file and index file do not match", outcome.said), outcome.said
    else:
        assert outcome.code == 0, outcome.said
        assert "already exists" in outcome.said
    assert shop.hashes(project) == uploaded


@pytest.mark.parametrize("name", UPLOADERS)
def test_R170_R188_who_may_not_is_told_so(name: str, shop: Store, tmp_path: Path) -> None:
    """A wrong password is 401 and a login that may not upload 403, in each tool's own words, and nothing is there afterwards."""
    manner, release = UPLOADERS[name], Release("seeds-not-" + own_name(name), "1.0")
    wrong = manner.upload(shop.by_password("wrong"), below(tmp_path, "wrong"), release)
    assert wrong.code == manner.refused, wrong.said
    assert "401" in wrong.said
    assert "these credentials are not good" in wrong.said
    refused = manner.upload(shop.login(shop.reader), below(tmp_path, "refused"), release)
    assert refused.code == manner.refused, refused.said
    assert "403" in refused.said
    assert "eve may not upload or create in private" in refused.said
    assert not shop.knows(release.name)
    for said in (wrong.said, refused.said):
        assert shop.reader not in said


def test_R186_a_password_does_as_well_as_a_token(shop: Store, tmp_path: Path) -> None:
    """With twine; and a source distribution alone can be installed."""
    outcome = uploaders.twine(shop.by_password(), tmp_path, Release("seeds-by-password", "1.0"))
    assert outcome.code == 0, outcome.said
    assert PASSWORD not in outcome.said
    wanted = ["--no-binary", "seeds-by-password", "seeds-by-password"]
    assert installers.pip(shop.simple, below(tmp_path, "pip"), wanted) == {"seeds-by-password": "1.0"}
    assert installers.uv_pip(shop.simple, below(tmp_path, "uv"), wanted) == {"seeds-by-password": "1.0"}


def test_R189_credentials_that_nobody_asked_for_are_taken(shop: Store, tmp_path: Path) -> None:
    """pip and uv with a login in the index's address send it whether or not it is needed, and get what everybody gets."""
    assert uploaders.twine(shop.login(), below(tmp_path, "up"), Release("seeds-unasked", "1.0")).code == 0
    for user, password in (("__token__", shop.reader), ("ann", quote(PASSWORD))):
        index = shop.simple.replace("//", f"//{user}:{password}@", 1)
        assert installers.pip(index, below(tmp_path, f"pip-{user}"), ["seeds-unasked"]) == {"seeds-unasked": "1.0"}
        assert installers.uv_pip(index, below(tmp_path, f"uv-{user}"), ["seeds-unasked"]) == {"seeds-unasked": "1.0"}


def test_P4_who_began_a_project_goes_on_with_it_and_nobody_else_does(shop: Store, tmp_path: Path) -> None:
    """bob may begin projects, so he owns what he began, and has nothing to say in ann's."""
    assert uploaders.twine(shop.login(shop.founder), below(tmp_path, "begun"), Release("seeds-of-bob", "1.0")).code == 0
    assert uploaders.twine(shop.login(shop.founder), below(tmp_path, "next"), Release("seeds-of-bob", "1.1")).code == 0
    assert uploaders.twine(shop.login(), below(tmp_path, "ann"), Release("seeds-of-ann", "1.0")).code == 0
    before = shop.hashes("seeds-of-ann")
    refused = uploaders.twine(shop.login(shop.founder), below(tmp_path, "refused"), Release("seeds-of-ann", "1.1"))
    assert refused.code == 1, refused.said
    assert shop.hashes("seeds-of-ann") == before


def test_L1_an_upload_takes_the_place_of_a_public_project_as_a_whole(shop: Store, tmp_path: Path) -> None:
    """The stranger's releases are gone from pages and installers with the first private one, whichever is newer."""
    place = below(tmp_path, "before")
    assert installers.uv_pip(shop.simple, place, ["seeds-beta"]) == {"seeds-beta": "1.1"}
    assert uploaders.uv_publish(shop.login(), below(tmp_path, "up"), Release("seeds-beta", "0.1")).code == 0
    assert installers.uv_pip(shop.simple, below(tmp_path, "uv"), ["seeds-beta"]) == {"seeds-beta": "0.1"}
    assert installers.pip(shop.simple, below(tmp_path, "pip"), ["seeds-beta"]) == {"seeds-beta": "0.1"}


def test_P3_uv_that_checks_sends_nothing_that_is_there(shop: Store, tmp_path: Path) -> None:
    """`--check-url` finds our hashes: the second run asks for the page, and posts nothing."""
    release = Release("seeds-checked", "1.0")
    posts = []
    for state in ("first", "again"):
        with relay(shop.daemon.port) as between:
            outcome = uploaders.uv_publish_checked(shop.login(root=between.url), below(tmp_path, state), release)
            posts.append([asked.method for asked in between.asked("/legacy/")])
        assert outcome.code == 0, outcome.said
    assert posts == [["POST", "POST"], []]


def test_R175_hatch_looks_before_it_uploads(shop: Store, tmp_path: Path) -> None:
    """It asks below the upload address, and posts nothing that the page there lists."""
    release = Release("seeds-looked-for", "1.0")
    posted = []
    for state in ("first", "again"):
        with relay(shop.daemon.port) as between:
            outcome = uploaders.hatch(shop.login(root=between.url), below(tmp_path, state), release)
            assert [asked.method for asked in between.asked("simple/seeds-looked-for/")] == ["GET"]
            # The second of two posts stands behind the body of the first, where the relay does not see that it begins.
            posted.append(between.asked("/legacy/") != [])
        assert outcome.code == 0, outcome.said
    assert posted == [True, False]


@pytest.mark.parametrize("name", ["twine", "uv publish", "flit"])
@pytest.mark.parametrize("where", ["request", "answer"])
def test_R165_R172_an_upload_that_broke_off_is_simply_done_again(name: str, where: str, shop: Store, tmp_path: Path) -> None:
    """Cut within the form nothing is there; cut before the answer all of the file is; and the second run succeeds either way."""
    manner, release = UPLOADERS[name], Release(f"{own_name(name)}-cut-{where}", "1.0")
    # Some tools try again by themselves, and some do not.
    with relay(shop.daemon.port, 0 if where == "answer" else None, 700 if where == "request" else None) as between:
        cut = manner.upload(shop.login(root=between.url), below(tmp_path, "cut"), release)
        assert between.cut_after is between.cut_request_after is None, cut.said
    uploaded = contents(tmp_path / "cut" / "dist")
    if cut.code == 0:
        assert shop.hashes(release.name) == uploaded
    elif where == "request":
        assert not shop.knows(release.name)
    outcome = manner.upload(shop.login(), below(tmp_path, "whole"), release)
    assert outcome.code == 0, outcome.said
    assert shop.hashes(release.name) == uploaded


@pytest.mark.parametrize("version", uploaders.tried())
def test_P1_P2_distutils_of_old_pythons(version: str, shop: Store, tmp_path: Path) -> None:
    """`setup.py sdist upload` uploads what can be installed; `register`, `verify` and `list_classifiers` are answered with a line."""
    python = uploaders.old_python(version)
    release = Release(f"seeds-old-{version.replace('.', '')}", "1.0")
    upload = ["sdist", "upload", "-r", "local"]
    first = below(tmp_path, "first")
    outcome = uploaders.distutils(python, shop.login(), first, release, upload)
    assert outcome.code == 0, outcome.said
    assert "Server response (200): OK" in outcome.said
    uploaded = contents(first / "dist")
    assert shop.hashes(release.name) == uploaded

    builder = installed("setuptools").program("python")
    arguments = ["-q", "--no-build-isolation", "--target", "target", release.name]
    # Building it is most of what this test costs, and either is told the same of all of them.
    for tool in ("pip", "uv") if version == OLD_PYTHONS[-1] else ("uv",):
        place = below(tmp_path, tool)
        if tool == "pip":
            installers.must([builder, "-m", "pip", "--isolated", "install", "-i", shop.simple, "--no-cache-dir", *arguments], place)
        else:
            installers.must(
                installers.uv_command("pip", "install", "--python", builder, *arguments),
                place,
                installers.uv_environment(shop.simple, place),
            )
        assert installers.present(place / "target") == {release.name: "1.0"}

    # What distutils builds a second time has other bytes.
    outcome = uploaders.distutils(python, shop.login(), below(tmp_path, "other"), Release(release.name, "1.0", edition=1), upload)
    assert outcome.code == 1, outcome.said
    assert "Upload failed (400): File already exists" in outcome.said
    outcome = uploaders.distutils(python, shop.by_password("wrong"), below(tmp_path, "wrong"), release, upload)
    assert "Upload failed (401): these credentials are not good" in outcome.said
    outcome = uploaders.distutils(python, shop.login(shop.reader), below(tmp_path, "refused"), release, upload)
    assert "Upload failed (403): eve may not upload or create in private" in outcome.said
    assert shop.hashes(release.name) == uploaded

    place = below(tmp_path, "old")
    # It sends its credentials once it is asked for them in the realm `pypi`, and then learns that there is nothing to do.
    outcome = uploaders.distutils(python, shop.login(), place, release, ["register", "-r", "local"])
    assert (outcome.code, "Server response (410): there is nothing to register" in outcome.said) == (0, True), outcome.said
    # These two send none, whatever they are asked.
    outcome = uploaders.distutils(python, shop.login(), place, release, ["-n", "register", "-r", "local"])
    assert (outcome.code, "Server response (401): who does not log in may not upload" in outcome.said) == (0, True), outcome.said
    outcome = uploaders.distutils(python, shop.login(), place, release, ["register", "-r", "local", "--list-classifiers"])
    assert "error: HTTP Error 410: any classifier is accepted here" in outcome.said, outcome.said


PAGE = ROOT / "docs" / "reference" / "clients.rst"


def listed(rows: str) -> list[list[str]]:
    """The rows of the tables of that page which begin with such a first cell."""
    found = re.findall(r"^   \* - (.+)\n((?:     - .*\n)*)", PAGE.read_text("utf-8"), re.MULTILINE)
    return [[first, *re.findall(r"^     - (.*)$", rest, re.MULTILINE)] for first, rest in found if re.fullmatch(rows, first)]


def test_the_table_of_uploaders_says_what_these_tests_find() -> None:
    """Which, in which version, and what each makes of what is there already."""
    expected = [
        [name, TOOLS[manner.tool].version, "wheel, sdist", manner.again, manner.other, "401 / 403, with the reason"]
        for name, manner in UPLOADERS.items()
    ]
    expected += [
        ["distutils (setup.py upload)", version, "sdist", "refused, as it builds other bytes", "refused", "401 / 403, with the reason"]
        for version in OLD_PYTHONS
    ]
    names = "|".join(re.escape(name) for name in [*UPLOADERS, "distutils (setup.py upload)"])
    assert [row for row in listed(names) if len(row) == 6] == expected


def test_the_table_of_installers_names_all_that_are_tried() -> None:
    """In the versions that are tried."""
    tools = {"old_pip": "old-pip", "uv_pip": "uv", "uv_lock": "uv", "pip_tools": "pip-tools", "buildout": "zc.buildout"}
    spoken = {"old_pip": "pip (oldest that runs)", "uv_pip": "uv pip", "uv_lock": "uv lock, uv sync", "pip_tools": "pip-tools"}
    versions = {spoken.get(name, name): TOOLS[tools.get(name, name)].version for name in INSTALLERS}
    assert {row[0]: row[1] for row in listed("|".join(re.escape(name) for name in versions)) if len(row) == 3} == versions
