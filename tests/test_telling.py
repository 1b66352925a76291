"""Explanations as JSON objects and as lines for people."""

from __future__ import annotations

import json

import attrs
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.filenames import filename
from pypidaemon.model import Explanation, Filename, HiddenFile, NormalizedName, Outcome, ProjectPage, Refusal
from pypidaemon.telling import MOST_SENTENCES, WAITING, document, enumerated, fates, hidden_by, lines, no_address, plural
from tests.fakes import file
from tests.strategies import texts

ALPHA = NormalizedName("alpha")
COOLDOWN = Refusal("cooldown", "uploaded an hour ago", 1_780_000_000.0)
NAMES = Refusal("names", "not on the list")


def proxy(*names: str, **more: object) -> Explanation:
    """What a proxy says that shows these files."""
    page = ProjectPage(ALPHA, tuple(file(name) for name in names), source="pypi")
    return Explanation("pypi", "proxy", Outcome.ANSWERS, page=page, **more)  # type: ignore[arg-type]  # tests know what they pass


def policed(inner: Explanation, **hidden: tuple[Refusal, ...]) -> Explanation:
    """What an index before it says that hides some; files are named by their version, with `_` for the dots."""
    assert inner.page is not None
    wanted = {f"alpha-{version[1:].replace('_', '.')}.tar.gz": refusals for version, refusals in hidden.items()}
    kept = tuple(one for one in inner.page.files if one.filename not in wanted)
    gone = tuple(HiddenFile(one, wanted[one.filename]) for one in inner.page.files if one.filename in wanted)
    return Explanation(
        "root", "policed", Outcome.ANSWERS, page=attrs.evolve(inner.page, files=kept), hidden=gone, below=(inner,), facts=(("rules", "x"),)
    )


def test_a_release_that_waits_is_told_with_the_rule_and_the_end() -> None:
    """The sentence that people look for."""
    told = policed(proxy("alpha-1.0.tar.gz", "alpha-2.0.tar.gz"), v2_0=(COOLDOWN,))
    said = document(told, ALPHA, None)
    assert said["summary"] == [
        "alpha is shown by root, from pypi: 1 release, 1 file",
        "alpha 2.0 is hidden by cooldown until 2026-05-28T20:26:40Z: uploaded an hour ago",
    ]
    assert said["shown"] is True
    assert [(one["version"], one["shown"], one["hidden"]) for one in said["releases"]] == [("2.0", 0, 1), ("1.0", 1, 0)]
    assert said["releases"][0]["files"][0]["refusals"] == [
        {"index": "root", "rule": "cooldown", "reason": "uploaded an hour ago", "until": "2026-05-28T20:26:40Z"}
    ]
    assert list(lines(said)) == [
        *said["summary"],
        "",
        "root (policed): answers, 1 file, 1 hidden",
        "    rules: x",
        "  pypi (proxy): answers, 2 files",
    ]


def test_of_one_release_every_file_is_named() -> None:
    """Whatever its version is spelled like."""
    told = policed(proxy("alpha-1.0.tar.gz", "alpha-2.0.tar.gz"), v2_0=(COOLDOWN, NAMES))
    hidden = document(told, ALPHA, "v2")
    assert hidden["shown"] is False
    assert list(lines(hidden))[-2:] == [
        "alpha-2.0.tar.gz",
        "  hidden by cooldown until 2026-05-28T20:26:40Z: uploaded an hour ago; and by names: not on the list",
    ]
    shown = document(told, ALPHA, "1")
    assert (shown["shown"], shown["summary"]) == (True, ["alpha 1 is shown by root, from pypi: 1 file"])
    absent = document(told, ALPHA, "3")
    assert (absent["shown"], absent["summary"]) == (False, ["root has no release 3 of alpha"])


def test_what_waits_for_the_line_is_not_told_as_if_it_could_be_had() -> None:
    """Of all files, of some, and of none."""
    both = proxy("alpha-1.0.tar.gz", "alpha-2.0.tar.gz")

    def first(told: Explanation, version: str | None) -> str:
        summary: list[str] = document(told, ALPHA, version)["summary"]
        return summary[0]

    newer = attrs.evolve(both, remarks=((Filename("alpha-2.0.tar.gz"), WAITING),))
    assert first(newer, None) == "alpha is shown by pypi: 2 releases, 2 files, of which 1 waits for the line"
    assert first(newer, "1.0") == "alpha 1.0 is shown by pypi: 1 file"
    assert first(newer, "2.0") == "alpha 2.0 waits for the line: 1 file that pypi knows of, none of them here, and upstream cannot be asked"
    all_of_them = attrs.evolve(both, remarks=tuple((Filename(f"alpha-{number}.0.tar.gz"), WAITING) for number in (1, 2)))
    assert first(all_of_them, None).startswith("alpha waits for the line: 2 files")


def test_a_release_of_which_some_is_hidden() -> None:
    """By other rules each, and files that name no version."""
    names = ("alpha-1.0.tar.gz", "alpha-1.0.zip", "alpha-1.0-py3-none-any.whl", "alpha.tar.gz", "alpha.zip")
    inner = proxy(*names)
    assert inner.page is not None
    first, second, third, fourth, _ = inner.page.files
    gone = (
        HiddenFile(first, (COOLDOWN,)),
        HiddenFile(second, (NAMES,)),
        HiddenFile(third, (COOLDOWN, NAMES)),
        HiddenFile(fourth, (NAMES,)),
    )
    told = attrs.evolve(inner, page=attrs.evolve(inner.page, files=inner.page.files[4:]), hidden=gone)
    said = document(told, ALPHA, None)
    assert said["summary"][0] == "alpha is shown by pypi: 0 releases, 1 file"
    assert [sentence.partition(" hidden ")[0] for sentence in said["summary"][1:]] == [
        "1 of 3 files of alpha 1.0 is",
        "1 of 3 files of alpha 1.0 is",
        "1 of 3 files of alpha 1.0 is",
        "1 of 2 files of alpha, without a version in their names, is",
    ]


def test_the_other_outcomes_are_told() -> None:
    absent = Explanation("root", "proxy", Outcome.ABSENT)
    refused = Explanation("root", "policed", Outcome.REFUSED, refusals=(NAMES, COOLDOWN))
    unknown = Explanation("root", "proxy", Outcome.UNKNOWN, "upstream pypi: it is down")
    assert [document(told, ALPHA, None)["summary"] for told in (absent, refused, unknown)] == [
        ["root has no such project: alpha"],
        ["alpha is hidden by names: not on the list; and by cooldown until 2026-05-28T20:26:40Z: uploaded an hour ago"],
        ["root cannot answer for alpha: upstream pypi: it is down"],
    ]
    assert not any(document(told, ALPHA, version)["shown"] for told in (absent, refused, unknown) for version in (None, "1"))
    assert document(refused, ALPHA, None)["refusals"][0]["rule"] == "names"


def test_law_3_a_project_without_files_is_shown_and_one_of_hidden_files_is_not() -> None:
    assert document(proxy(), ALPHA, None)["shown"] is True
    assert document(policed(proxy("alpha-1.0.tar.gz"), v1_0=(NAMES,)), ALPHA, None)["shown"] is False


def test_many_hidden_releases_are_cut_short_for_people_alone() -> None:
    names = [f"alpha-{number}.0.tar.gz" for number in range(MOST_SENTENCES + 5)]
    said = document(policed(proxy(*names), **{f"v{number}_0": (NAMES,) for number in range(MOST_SENTENCES + 5)}), ALPHA, None)
    assert len(said["summary"]) == MOST_SENTENCES + 2
    assert said["summary"][-1] == "and 5 more; ask about one release"
    assert len(said["releases"]) == MOST_SENTENCES + 5
    assert said["releases"][0]["version"] == f"{MOST_SENTENCES + 4}.0"


def test_what_an_index_leaves_out_without_a_word_is_laid_to_its_door() -> None:
    """Nothing goes missing between two pages."""
    inner = proxy("alpha-1.0.tar.gz", "alpha-2.0.tar.gz")
    assert inner.page is not None
    outer = Explanation("outer", "index", Outcome.ANSWERS, page=attrs.evolve(inner.page, files=()), below=(inner,))
    found = fates(outer)
    assert [fate.refusals[0][1].rule for fate in found] == ["outer", "outer"]
    assert found[0].refusals[0][1].reason == "it leaves this file out and does not say why"
    # An index without a page has an answer, and nothing goes missing in it.
    assert fates(Explanation("outer", "index", Outcome.REFUSED, refusals=(NAMES,), below=(inner,))) == []


def test_remarks_and_yanks_stand_beside_their_files() -> None:
    """Those of every index below; a file that is shown somewhere is not hidden by who else has one of that name."""
    entries = (file("alpha-1.0.tar.gz", yanked="broken"), file("alpha-2.0.tar.gz", yanked=""))
    inner = Explanation(
        "pypi",
        "proxy",
        Outcome.ANSWERS,
        page=ProjectPage(ALPHA, entries, source="pypi"),
        remarks=((filename("alpha-1.0.tar.gz"), "held here"),),
    )
    other = Explanation("private", "private", Outcome.ANSWERS, hidden=(HiddenFile(entries[0], (NAMES,)),), page=ProjectPage(ALPHA))
    told = Explanation("root", "merged", Outcome.ANSWERS, page=inner.page, below=(other, inner))
    assert [(fate.shown, fate.remarks) for fate in fates(told)] == [(True, ("yanked: broken", "held here")), (True, ("yanked",))]
    assert "  held here" in list(lines(document(told, ALPHA, "1.0")))


def test_an_older_daemon_may_say_less() -> None:
    """What is not there is not told."""
    assert list(lines({})) == [""]
    assert list(lines({"summary": ["a"], "version": "1"})) == ["a", ""]


def test_words_for_people() -> None:
    assert (plural(1, "file"), plural(0, "file")) == ("1 file", "0 files")
    assert [plural(count, "advisory", "advisories") for count in (1, 2)] == ["1 advisory", "2 advisories"]


def test_of_many_names_the_first_are_named() -> None:
    assert [enumerated(list("abcdefg")[:count]) for count in (0, 1, 5, 7)] == ["", "a", "a, b, c, d, e", "a, b, c, d, e and 2 more"]
    assert hidden_by([]) == ""


@given(texts, st.lists(st.sampled_from(["1.0", "2.0", "2", "x"]), max_size=3), st.none() | texts)
def test_any_words_make_an_object_that_can_be_sent_and_lines_that_a_terminal_can_show(
    words: str, versions: list[str], version: str | None
) -> None:
    """Reasons and statuses come from outside."""
    escape = f"{words}\x1b[2J\n{words}"
    names = list(dict.fromkeys(f"alpha-{one}.tar.gz" for one in versions))
    inner = proxy(*names, facts=(("status", escape),), cause=escape)
    assert inner.page is not None
    hidden = tuple(HiddenFile(one, (Refusal("rule", escape),)) for one in inner.page.files)
    told = attrs.evolve(inner, page=attrs.evolve(inner.page, files=()), hidden=hidden)
    said = document(told, ALPHA, version)
    assert json.loads(json.dumps(said)) == said
    assert all(line.isprintable() for line in lines(said))


def test_where_everything_is_hidden_that_is_what_is_said_first() -> None:
    """And not that it is shown, with nothing."""
    both = policed(proxy("alpha-1.0.tar.gz", "alpha-2.0.tar.gz"), v1_0=(NAMES,), v2_0=(NAMES,))
    assert document(both, ALPHA, None)["summary"][0] == "alpha: all 2 releases are hidden in root"
    one = policed(proxy("alpha-1.0.tar.gz"), v1_0=(NAMES,))
    assert document(one, ALPHA, None)["summary"][0] == "alpha: the only release is hidden in root"


def test_when_it_ends_is_said_once() -> None:
    until = "2026-05-28T20:26:40Z"
    refusal = {"rule": "cooldown", "until": until, "reason": f"uploaded yesterday; shown from {until} on"}
    assert hidden_by([refusal]) == f"by cooldown until {until}: uploaded yesterday"
    assert hidden_by([{**refusal, "until": None}]) == f"by cooldown: {refusal['reason']}"


def test_a_block_is_called_one() -> None:
    """It is no rule that a configuration has a name for."""
    refusal = {"rule": "blocked", "until": None, "reason": "alpha was blocked on 2026-05-28: malware"}
    assert hidden_by([refusal]) == "by a block: alpha was blocked on 2026-05-28: malware"


def test_who_asks_an_index_that_has_no_address_is_told_which_have() -> None:
    assert "no index 'x' has an address of its own; those that have: a b;" in no_address("x", ["b", "a"])
