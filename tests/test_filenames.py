"""The gate: what passes it, and what a file name says."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from pypidaemon import filenames
from pypidaemon.errors import InvalidName
from pypidaemon.model import Companion, Filename
from tests.examples import examples

HISTORIC = [
    "zope.interface-3.6.1-py2.5-linux-x86_64.egg",
    "foo-1.0+local.1-py3-none-any.whl",
    "Foo-1.0.win32-py2.7.exe",
    "numpy-1.0-variants.json",
    "a_b-1!2.0.tar.gz",
    "foo-1.0-1.noarch.rpm",
    "foo-1.0~rc1.tar.gz",
    "foo-1.0(final),2.zip",
    "_foo-1.0.tar.Z",
    "foo-1.0.7z",
    "foo-1.0-py3-none-any.whlx",
    "foo-1.0.tar.gz.asc",
]
PIECES = st.sampled_from(
    [*[""] * 30, *"aZ09._-+!~ :*\n\x7fé", "-1", "-2.0", ".win32", "-py3", "..", "/", "\\", "%2f", "\0", "C:", chr(0x202E)]
)
EXTENSIONS = st.sampled_from([".tar.gz", ".whl", ".egg", ".zip", ".exe", ".msi", ".rpm", ".deb", "-variants.json", ".whl.metadata", ""])
PLAUSIBLE = st.tuples(st.sampled_from(["a", "b-1", "", ".", "-"]), PIECES, PIECES, PIECES, EXTENSIONS).map("".join)


@pytest.mark.parametrize(
    ("spelled", "normal"), [("Foo_.Bar", "foo-bar"), ("zope.interface", "zope-interface"), ("a", "a"), ("A--B", "a-b"), ("2to3", "2to3")]
)
def test_R1_one_spelling_per_project(spelled: str, normal: str) -> None:
    assert filenames.project_name(spelled) == normal


@pytest.mark.parametrize(
    "raw", ["", "-", "-a", "a-", "a.", "_a", "a b", "a\n", "a/b", "a\0", "..", "é", chr(0x212A), chr(0xFF41), "a+b", "a" * 201]
)
def test_R2_names_that_are_none_are_refused(raw: str) -> None:
    with pytest.raises(InvalidName) as caught:
        filenames.project_name(raw)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_R2_longest_project_name() -> None:
    assert filenames.project_name("a" * 200) == "a" * 200


@pytest.mark.parametrize("raw", HISTORIC)
def test_names_of_old_files_pass_unchanged(raw: str) -> None:
    assert filenames.filename(raw) == raw


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "..",
        "../x.whl",
        "..%2fx.whl",
        "a%00.whl",
        "a\0.whl",
        "C:\\x.whl",
        "C:x.whl",
        "/x.whl",
        "a/b.whl",
        "a\\b.whl",
        "a..b.whl",
        ".x.whl",
        "-x.whl",
        "x.whl.",
        "x.whl ",
        " x.whl",
        "x y.whl",
        "x.whl\n",
        "x\x7f.whl",
        "x\x1f.whl",
        "~x.whl",
        *(f"x{sign}y.whl" for sign in ":*?\"<>|%#&;'$^`{}[]"),
    ],
)
def test_S1_S4_dangerous_file_names_are_refused(raw: str) -> None:
    with pytest.raises(InvalidName) as caught:
        filenames.filename(raw)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("raw", ["é.whl", chr(0xFF46) + "oo-1.0.whl", "foo-" + chr(0x202E) + "1.0.whl", "f" * 241 + ".whl", "a" * 70_000])
def test_S3_R126_long_or_foreign_file_names_are_refused(raw: str) -> None:
    with pytest.raises(InvalidName) as caught:
        filenames.filename(raw)
    assert len(str(caught.value)) < 700


def test_R126_longest_file_name_leaves_room_for_its_companions() -> None:
    longest = filenames.filename("f" * 240 + ".whl")
    assert len(longest + Companion.PROVENANCE.value) == 255


@pytest.mark.parametrize("raw", ["foo", "foo-1", "foo-1.0", "foo-1.0.", "foo.-", "foo.a_b"])
def test_a_file_name_has_an_extension(raw: str) -> None:
    with pytest.raises(InvalidName):
        filenames.filename(raw)


@pytest.mark.parametrize("raw", ["foo-1.0-py3-none-any.whl.metadata", "foo-1.0.METADATA", "foo-1.0.tar.gz.provenance"])
def test_no_file_hides_behind_the_sidecar_of_another(raw: str) -> None:
    with pytest.raises(InvalidName):
        filenames.filename(raw)


@settings(max_examples=examples(500))
@given(PLAUSIBLE | st.text(max_size=2))
@example("a/../b.whl")
def test_S6_nothing_that_passes_can_leave_its_place(raw: str) -> None:
    """No separator, no dot-dot, no NUL, no drive, one printable ASCII segment, and the same text that was given."""
    try:
        name = filenames.filename(raw)
    except InvalidName:
        return
    assert name == raw
    assert not set(name) & set('/\\%:*?"<>| \0')
    assert ".." not in name
    assert name.isascii()
    assert name.isprintable()
    assert name[0] not in ".-"
    assert name[-1] != "."
    assert len(name) <= 244


@given(st.text(max_size=210) | st.text(st.sampled_from(string.ascii_letters + "-_.1"), max_size=210))
def test_a_project_name_is_normal_once_and_for_all(raw: str) -> None:
    try:
        name = filenames.project_name(raw)
    except InvalidName:
        return
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
    assert filenames.project_name(name) == name


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("foo-1.0.whl", ("foo-1.0.whl", Companion.FILE)),
        ("foo-1.0.whl.metadata", ("foo-1.0.whl", Companion.METADATA)),
        ("foo-1.0.whl.provenance", ("foo-1.0.whl", Companion.PROVENANCE)),
        (".provenance", (".provenance", Companion.FILE)),
        ("foo-1.0.whl.asc", ("foo-1.0.whl.asc", Companion.FILE)),
        (".metadata", (".metadata", Companion.FILE)),
        ("", ("", Companion.FILE)),
    ],
)
def test_only_metadata_and_provenance_are_suffixes(segment: str, expected: tuple[str, Companion]) -> None:
    assert filenames.split_companion(segment) == expected


READINGS = [
    # file name, {candidate: version}, packagetype, python_version
    ("zope.interface-3.6.1-py2.5-linux-x86_64.egg", {"zope-interface": "3.6.1"}, "bdist_egg", "2.5"),
    ("foo-1.0.egg", {"foo": "1.0"}, "bdist_egg", "any"),
    ("foo-bar-1.0-py2.7-macosx-10.6-intel.egg", {"foo": "bar-1.0", "foo-bar": "1.0"}, "bdist_egg", "2.7"),
    ("foo-1.0+local.1-py3-none-any.whl", {"foo": "1.0+local.1"}, "bdist_wheel", "py3"),
    ("Foo_Bar-1.0.post1-cp312-abi3-linux_x86_64.whl", {"foo-bar": "1.0.post1"}, "bdist_wheel", "cp312"),
    ("foo-1.0-2-py2.py3-none-any.whl", {"foo": "1.0"}, "bdist_wheel", "py2.py3"),
    ("foo-1.0-py3-none-any-x8664v3.whl", {"foo": "1.0"}, "bdist_wheel", "py3"),
    ("foo-1.0-1b-py3-none-any-x8664v3.whl", {"foo": "1.0"}, "bdist_wheel", "py3"),
    ("foo-bar-1.0-py3-none-any.whl", {"foo": "bar", "foo-bar": "1.0"}, "bdist_wheel", "py3"),
    ("foo-1.0.whl", {"foo": "1.0"}, "bdist_wheel", "any"),
    ("foo.whl", {"foo": None}, "bdist_wheel", "any"),
    ("foo-1.0-py3-none-any.whlx", {"foo": "1.0"}, "", "any"),
    ("numpy-1.0-variants.json", {"numpy": "1.0"}, "", "any"),
    ("a_b-1!2.0.tar.gz", {"a-b": "1!2.0"}, "sdist", "source"),
    ("foo-2-1.0.tar.gz", {"foo-2": "1.0", "foo": "2-1.0"}, "sdist", "source"),
    ("foo-1.0-beta.tar.bz2", {"foo": "1.0-beta"}, "sdist", "source"),
    ("foo-2-v1.0.ZIP", {"foo-2": "v1.0", "foo": "2-v1.0"}, "sdist", "source"),
    ("foo-bar-dev.tgz", {"foo-bar": "dev", "foo": "bar-dev"}, "sdist", "source"),
    ("foo-1.0.tar.Z", {"foo": "1.0"}, "sdist", "source"),
    ("foo.win32-1.0.tar.gz", {"foo-win32": "1.0"}, "sdist", "source"),
    ("foo-2to3-py3-1.0.tar.gz", {"foo-2to3-py3": "1.0", "foo": "2to3-py3-1.0"}, "sdist", "source"),
    ("foo.zip", {"foo": None}, "sdist", "source"),
    ("foo--1.0.tar.gz", {}, "sdist", "source"),
    ("-1.0.tar.gz", {}, "sdist", "source"),
    ("foo-1.0.linux-x86_64.tar.gz", {"foo": "1.0"}, "bdist_dumb", "any"),
    ("foo-1.0.macosx-10.6-intel.zip", {"foo": "1.0"}, "bdist_dumb", "any"),
    ("Foo-1.0.win32-py2.7.exe", {"foo": "1.0"}, "bdist_wininst", "2.7"),
    ("foo-py3-1.0.win-amd64.msi", {"foo-py3": "1.0"}, "bdist_msi", "any"),
    ("foo-bar-1.0-1.noarch.rpm", {"foo-bar": "1.0"}, "bdist_rpm", "any"),
    ("foo-1.0.rpm", {"foo": "1.0"}, "bdist_rpm", "any"),
    ("foo-1.0.dmg", {"foo": "1.0"}, "bdist_dmg", "any"),
    ("python-foo_1.0-1_all.deb", {"python-foo": "1.0-1"}, "bdist_dumb", "any"),
    # What pip takes for an archive and for a local version is a source distribution, whatever else its name could mean.
    ("foo-1.0.tlz", {"foo": "1.0"}, "sdist", "source"),
    ("foo-2.0+a.linux.tar.gz", {"foo": "2.0+a.linux"}, "sdist", "source"),
    (
        "foo-2to3-2.0+a.macosx-10.6-intel.zip",
        {"foo": "2to3-2.0+a.macosx-10.6-intel", "foo-2to3": "2.0+a.macosx-10.6-intel"},
        "sdist",
        "source",
    ),
    ("foo-1.0-1+a.win.zip", {"foo-1-0": "1+a.win", "foo": "1.0-1+a.win"}, "sdist", "source"),
    ("foo-1.0+a+b.linux-x86_64.tar.gz", {"foo": "1.0+a+b"}, "bdist_dumb", "any"),
    ("foo-1.0.linux-x86+64.tar.gz", {"foo": "1.0"}, "bdist_dumb", "any"),
    # Old pips read the underscore in a wheel's version as the dash that it stands for, and so did setuptools with eggs.
    ("foo-1.0_1-py3-none-any.whl", {"foo": "1.0-1"}, "bdist_wheel", "py3"),
    ("foo-1.0_1-py2.7.egg", {"foo": "1.0-1"}, "bdist_egg", "2.7"),
    ("foo-1.0_post1-py3-none-any.whl", {"foo": "1.0_post1"}, "bdist_wheel", "py3"),
    ("foo-of_old-py3-none-any.whl", {"foo": "of_old"}, "bdist_wheel", "py3"),
    # What stands beside a file is of its project and version.
    ("foo-1.0.tar.gz.asc", {"foo": "1.0"}, "", "any"),
    ("foo-1.0.linux-x86_64.tar.gz.sig", {"foo": "1.0"}, "", "any"),
    ("foo_bar-1.0-1-py3-none-any.whl.sigstore.json", {"foo-bar": "1.0"}, "", "any"),
    ("foo-1.0-py2.7.egg.asc.asc", {"foo": "1.0"}, "", "any"),
    ("foo-1.0_1-py3-none-any.WHL.ASC", {"foo": "1.0-1"}, "", "any"),
    ("foo-1.0.tar.gz.a.b.c", {"foo": "1.0.tar.gz.a.b"}, "", "any"),
    ("a-1-2-3-4-5.zip", {"a-1-2-3-4": "5", "a": "1-2-3-4-5", "a-1": "2-3-4-5", "a-1-2": "3-4-5"}, "sdist", "source"),
]


@pytest.mark.parametrize(("raw", "readings", "type_", "tag"), READINGS)
def test_what_a_file_name_says(raw: str, readings: dict[str, str | None], type_: str, tag: str) -> None:
    """Projects likeliest first, with the version each would mean, as spelled; the legacy JSON's words for type and Python."""
    name = Filename(raw)
    assert filenames.candidates(name) == tuple(readings)
    assert {project: filenames.version_of(name, project) for project in filenames.candidates(name)} == readings
    assert filenames.package_type(name) == type_
    assert filenames.python_tag(name) == tag


@pytest.mark.parametrize(
    ("raw", "file"),
    [
        ("foo-1.0.tar.gz.asc", "foo-1.0.tar.gz"),
        ("foo-1.0.zip.sigstore.json", "foo-1.0.zip"),
        ("foo-1.0.zip", "foo-1.0.zip"),
        ("foo-1.0.7z", "foo-1.0.7z"),
        ("foo.asc", "foo.asc"),
        ("numpy-1.0-variants.json", "numpy-1.0-variants.json"),
    ],
)
def test_a_signature_says_of_which_file_it_is(raw: str, file: str) -> None:
    assert filenames.signed(Filename(raw)) == file


ARCHIVES = [".zip", ".tar.bz2", ".tbz", ".tar.gz", ".tgz", ".tar", ".tar.xz", ".txz", ".tlz", ".tar.lz", ".tar.lzma"]
"""What pip takes for a source distribution."""


@pytest.mark.parametrize("extension", [*ARCHIVES, *map(str.upper, ARCHIVES)])
def test_a_source_distribution_is_what_pip_takes_for_one_and_of_the_version_that_it_reads(extension: str) -> None:
    """All behind the project's name. Else a block of that version would not be one."""
    for version in ("1.0", "2.0+a.linux", "2.0+a.win", "2.0+win-amd64"):
        name = Filename(f"foo-{version}{extension}")
        assert filenames.package_type(name) == "sdist"
        found = filenames.version_of(name, filenames.project_name("foo"))
        assert found is not None
        assert Version(found) == Version(version)


@pytest.mark.parametrize(("raw", "kind"), [("a-1.whl", "wheel"), ("a-1.egg", "egg"), ("a-1.zip", "sdist"), ("a-1.linux-x.zip", "other")])
def test_kind(raw: str, kind: str) -> None:
    assert filenames.kind(filenames.filename(raw)) == kind


def test_S4_a_file_of_another_project_does_not_belong() -> None:
    name = filenames.filename("foo_bar-1.0-py3-none-any.whl")
    assert filenames.belongs(name, filenames.project_name("Foo.Bar"))
    assert not filenames.belongs(name, filenames.project_name("foo"))
    assert filenames.version_of(name, filenames.project_name("foo")) is None


@given(PLAUSIBLE)
def test_belonging_and_candidates_agree(raw: str) -> None:
    try:
        name = filenames.filename(raw)
    except InvalidName:
        return
    found = filenames.candidates(name)
    assert len(set(found)) == len(found) <= filenames.MOST_CANDIDATES
    for project in found:
        assert filenames.project_name(project) == project
        assert filenames.belongs(name, project)
        assert filenames.version_of(name, project) != ""
    assert not filenames.belongs(name, filenames.project_name("somebody-elses"))
    assert filenames.python_tag(name)


@given(
    st.from_regex(r"\A[a-z][a-z0-9]{0,5}(_[a-z0-9]{1,5}){0,3}\Z"),
    st.from_regex(r"\A[0-9]{1,2}(\.[0-9]{1,2}){0,2}((a|b|rc)[0-9]|\.post1)?\Z"),
)
def test_modern_names_are_read_back(project: str, version: str) -> None:
    """What today's build tools write (PEP 427, PEP 625) has one meaning and no other candidate."""
    name = filenames.project_name(project)
    for ending in (".tar.gz", "-py3-none-any.whl"):
        file = filenames.filename(f"{project}-{version}{ending}")
        assert filenames.candidates(file) == (name,)
        assert filenames.version_of(file, name) == version


@pytest.mark.parametrize("raw", ["a-1-2-3-4-5-6-7.tar.gz", "_-1.0.tar.gz", "-".join("a" * 9) + ".zip", "_-1.0-py3-none-any.whl"])
def test_a_file_names_a_version_of_no_project_but_its_candidates(raw: str) -> None:
    """However many ways there are to read its name."""
    name = Filename(raw)
    every = {filenames.project_name(raw[:end]) for end in range(1, len(raw)) if raw[0] != "_" and raw[end - 1].isalnum()}
    assert {project for project in every if filenames.version_of(name, project) is not None} <= set(filenames.candidates(name))
    assert filenames.version_of(name, filenames.project_name("other")) is None


@pytest.mark.parametrize(
    ("raw", "tags"),
    [
        ("foo-1.0-py3-none-any.whl", (("py3",), ("none",), ("any",))),
        ("Foo-1.0-1-CP311-cp311-Win_AMD64.WHL", (("cp311",), ("cp311",), ("win_amd64",))),
        ("foo-1.0-py2.py3-none-macosx_11_0_arm64.win32.whl", (("py2", "py3"), ("none",), ("macosx_11_0_arm64", "win32"))),
        ("foo-py3-none-any.whl", None),
        ("foo-1.0.whl", None),
        ("foo-1.0-py3-none-any.zip", None),
    ],
)
def test_a_wheel_says_its_tags_and_nothing_else_does(raw: str, tags: object) -> None:
    assert filenames.wheel_tags(Filename(raw)) == tags


def test_R123_only_lists_of_variants_are_rewritten_by_their_nature() -> None:
    """Whatever else ends like one."""
    names = ("a-1.0-variants.json", "a-1.0.tar.gz", "variants.json", "a-1.0-variants.json.asc")
    assert [name for name in names if filenames.changes(Filename(name))] == ["a-1.0-variants.json"]
