"""What requirements files name."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.model import File, Filename, NormalizedName
from pypidaemon.policies.requirement_files import MOST_FILES, Named, requirement_files
from pypidaemon.policies.requirements import Requirements
from pypidaemon.settings import Lines

GOOD, BAD = "a" * 64, "b" * 64


def read(folder: Path, **texts: str) -> Named:
    """Those files, read from the one that is called `main`."""
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return requirement_files(Lines([folder / "main.txt"]))


def shown(named: Named, name: str, *also: str, digest: str = BAD) -> bool:
    project = NormalizedName(name.replace(".", "-").partition("-")[0])
    policy = Requirements("p", named, also)
    return policy.refusal(project, File(Filename(name), hashes=(("sha256", digest),)), 0.0) is None


def test_only_what_is_named_is_shown_and_only_the_versions_that_fit(tmp_path: Path) -> None:
    named = read(tmp_path, main="Foo_ [extra] >=1,<2 ; python_version < '3'  # comment\n\n# bar\nbaz\n".replace("Foo_ ", "Foo"))
    assert shown(named, "foo-1.5.tar.gz")
    assert not shown(named, "foo-2.0.tar.gz")
    assert shown(named, "baz-0.1rc1.zip")
    assert shown(named, "baz.zip")
    assert not shown(named, "foo.zip")
    assert not shown(named, "bar-1.0.tar.gz")
    assert shown(named, "bar-1.0.tar.gz", "ba?")
    assert shown(named, "foo-2.0.tar.gz", "*")


def test_each_refusal_says_why(tmp_path: Path) -> None:
    policy = Requirements("p", read(tmp_path, main=f"foo==1.0 --hash=sha256:{GOOD}"))
    foo, other = NormalizedName("foo"), NormalizedName("other")
    assert policy.refusal(other, None, 0.0) == "no requirements file names the project"
    assert policy.refusal(foo, None, 0.0) is None
    assert policy.refusal(foo, File(Filename("foo-2.0.zip")), 0.0) == "the version fits no line of the requirements files"
    assert policy.refusal(foo, File(Filename("foo-1.0.zip")), 0.0) == "none of the hashes in the requirements files is that of the file"


def test_of_several_lines_one_has_to_fit_since_markers_are_for_who_installs(tmp_path: Path) -> None:
    named = read(tmp_path, main="foo==1.0; python_version<'3.9'\nfoo==2.0; python_version>='3.9'")
    assert shown(named, "foo-1.0.zip")
    assert shown(named, "foo-2.0.zip")
    assert not shown(named, "foo-1.5.zip")


def test_hashes_leave_only_these_files(tmp_path: Path) -> None:
    """On lines that go on, and in other algorithms than ours; a line without any leaves all."""
    named = read(
        tmp_path,
        main=f"foo==1.0 \\\n    --hash=sha256:{GOOD.upper()} \\\n    --hash=sha512:{'c' * 128}\nfoo==2.0\nbar --hash sha256:{GOOD}",
    )
    assert shown(named, "foo-1.0.zip", digest=GOOD)
    assert not shown(named, "foo-1.0.zip", digest=BAD)
    assert shown(named, "foo-2.0.zip", digest=BAD)
    assert not shown(named, "bar-2.0.zip", digest=BAD)
    assert shown(named, "bar.zip", digest=GOOD)
    sha512 = File(Filename("foo-1.0.zip"), hashes=(("sha512", "c" * 128),))
    assert Requirements("p", named).refusal(NormalizedName("foo"), sha512, 0.0) is None


def test_constraints_limit_and_name_nothing(tmp_path: Path) -> None:
    named = read(
        tmp_path, main="-c limits.txt\nfoo\nbar>1", limits="foo<3\nfoo!=2.5\nbar<=2; python_version<'3'\nbar>=5; python_version>'3'\nbaz<1"
    )
    assert [version for version in ("2.0", "2.5", "3.0") if shown(named, f"foo-{version}.zip")] == ["2.0"]
    assert [version for version in ("1", "2", "3", "5") if shown(named, f"bar-{version}.zip")] == ["2", "5"]
    assert not shown(named, "baz-0.1.zip")


def test_files_include_others_from_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.txt").write_text("one\n--constraint=../limits.txt\n-r two.txt\n")
    (tmp_path / "deep" / "two.txt").write_text("two\n-r one.txt\n-r ../main.txt\n")
    named = read(tmp_path, main="-rdeep/one.txt\n--requirement 'three.txt'", limits="one<2\n-r more.txt", more="two<2", three="three")
    assert set(named.wanted) == {"one", "two", "three"}
    assert set(named.limits) == {"one", "two"}
    assert str(named) == str(tmp_path / "main.txt")


@pytest.mark.parametrize(
    "line",
    [
        "https://files.example/foo-1.0.zip",
        "git+https://git.example/foo.git#egg=foo",
        "foo @ https://files.example/foo-1.0.zip",
        "-e .",
        "--editable ./foo",
        "./foo",
        "../foo-1.0.tar.gz",
        "/srv/foo",
        "~/foo",
        "sub/folder",
        "foo-1.0-py3-none-any.whl",
        "foo-1.0.tar.gz[extra]",
        "-r https://files.example/requirements.txt",
    ],
)
def test_what_no_index_has_is_left_out_with_a_warning(tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        named = read(tmp_path, main=f"{line}\nbar")
    assert set(named.wanted) == {"bar"}
    assert len(caplog.messages) == 1
    # A URL may hold a password, so only the place is said.
    assert caplog.messages[0].startswith(f"{tmp_path / 'main.txt'}, line 1: left out")


def test_options_on_how_to_install_mean_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    options = (
        "--index-url https://index.example/simple\n--require-hashes\n--pre\n--extra-index-url=https://x.example\n-i https://index.example"
    )
    assert set(read(tmp_path, main=options + "\nfoo --global-option=x").wanted) == {"foo"}
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fine\n\nfoo >= x\n", "line 3: 'foo >= x' is no requirement"),
        ("foo bar", "line 1"),
        ("ünknown", "line 1"),
        ("foo" + "x" * 300, "line 1"),
        ("foo\\\n>=x", "line 1"),
        ("# only\\\nfoo>=x", "line 2"),
        ("foo>=x\\", "line 1"),
        ("foo>=1" + "".join(f",!={number}" for number in range(400)), "longer than 1000 characters"),
    ],
)
def test_a_line_that_is_no_requirement_is_said_with_its_number(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read(tmp_path, main=text)


def test_a_file_that_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read .*missing\.txt: No such file"):
        read(tmp_path, main="-r missing.txt")


def test_more_files_than_anybody_has_are_refused(tmp_path: Path) -> None:
    many = "".join(f"-r {number}.txt\n" for number in range(MOST_FILES))
    for number in range(MOST_FILES):
        (tmp_path / f"{number}.txt").write_text("")
    with pytest.raises(ValueError, match="more than 1000 files"):
        read(tmp_path, main=many)


def test_another_text_of_a_file_is_another_policy(tmp_path: Path) -> None:
    before = read(tmp_path, main="-r more.txt", more="foo")
    after = read(tmp_path, main="-r more.txt", more="bar")
    assert repr(Requirements("p", before)) != repr(Requirements("p", after))


@given(st.text(st.sampled_from("foo-r=c \\\n#@:/.>1e[];'\"") | st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.txt").write_text(text, "utf-8", newline="")
    logging.disable()
    refused: str | None = None
    try:
        assert requirement_files(Lines([folder / "any.txt"])).digest
    except ValueError as error:
        refused = str(error)
    finally:
        logging.disable(logging.NOTSET)
    assert refused is None or len(refused.splitlines()) == 1
