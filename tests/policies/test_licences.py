"""Under which licences files are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.model import Described, File, Filename, Knowledge, NormalizedName
from pypidaemon.policies.licences import Licences, licences
from pypidaemon.policies.spdx import CLASSIFIERS, canonical, classified, holds
from pypidaemon.settings import Lines

FOO = NormalizedName("foo")
FILE = File(Filename("foo-1.0-py3-none-any.whl"))
MIT = "License :: OSI Approved :: MIT License"


def refusal(policy: Licences, expression: str | None = None, text: str | None = None, *classifiers: str) -> str | None:
    file = File(FILE.filename, described=Described(expression, text, classifiers))
    return policy.refusal(FOO, file, 0.0)


def policy(allow: str = "", deny: str = "", unknown: str = "show") -> Licences:
    return Licences("p", *(licences(raw) if raw else Lines() for raw in (allow, deny)), unknown)


@pytest.mark.parametrize(
    ("expression", "shown"),
    [
        ("MIT", True),
        ("mit", True),
        ("Apache-2.0", True),
        ("Apache-2.0+", True),
        ("BSD-3-Clause", True),
        ("ISC", False),
        ("MIT OR ISC", True),
        ("MIT AND ISC", False),
        ("MIT AND (ISC OR BSD-2-Clause)", True),
        ("MIT OR ISC AND Zlib", True),
        ("(MIT OR ISC) AND Zlib", False),
        ("ISC AND MIT OR Zlib", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("ISC WITH LLVM-exception", False),
        ("((((MIT))))", True),
        ("LicenseRef-Acme", False),
    ],
)
def test_an_expression_has_to_be_satisfiable_with_what_is_allowed(expression: str, shown: bool) -> None:
    found = refusal(policy("MIT\napache-2.0\nBSD-*"), expression)
    assert found == (None if shown else f"its licence, {canonical(expression)}, is not allowed")


def test_what_is_denied_is_no_way_to_satisfy_an_expression() -> None:
    assert refusal(policy(deny="GPL-*"), "GPL-3.0-or-later") == "its licence, GPL-3.0-or-later, is not allowed"
    assert refusal(policy(deny="GPL-*"), "GPL-2.0-only WITH Classpath-exception-2.0") is not None
    assert refusal(policy(deny="GPL-*"), "LGPL-3.0-only") is None
    assert refusal(policy(deny="GPL-*"), "GPL-2.0-only OR MIT") is None
    assert refusal(policy(allow="*", deny="MIT"), "MIT") is not None
    assert refusal(policy(allow="GPL-2.0-only WITH Classpath-exception-2.0"), "GPL-2.0-only WITH Classpath-exception-2.0") is None
    assert refusal(policy(allow="GPL-2.0-only WITH Classpath-exception-2.0"), "GPL-2.0-only") is not None


def test_old_classifiers_are_matched_whole_by_their_last_part_and_by_what_they_mean_for_certain() -> None:
    for pattern in ("MIT", "mit license", "License :: OSI Approved :: MIT*"):
        assert refusal(policy(pattern), None, None, "Topic :: Games/Entertainment", MIT) is None
    assert refusal(policy("ISC"), None, None, MIT) == f"its licence, {MIT}, is not among the allowed ones"
    assert refusal(policy(deny="MIT"), None, None, MIT) == f"its licence, {MIT}, is denied"
    # What the classifier of Apache's licence means is not certain, since it names no version.
    assert refusal(policy("Apache-2.0"), None, None, "License :: OSI Approved :: Apache Software License") is not None
    assert refusal(policy("Apache Software License"), None, None, "License :: OSI Approved :: Apache Software License") is None


def test_the_old_field_is_an_expression_or_a_name() -> None:
    assert refusal(policy("MIT"), None, "mit or isc") is None
    assert refusal(policy("MIT"), None, "MIT AND ISC") == "its licence, MIT AND ISC, is not among the allowed ones"
    assert refusal(policy("BSD*"), None, "BSD  3-clause\n licence") is None
    assert refusal(policy(deny="GPL-*"), None, "GPL-3.0-only") == "its licence, GPL-3.0-only, is denied"
    assert refusal(policy(deny="GPL*"), None, "GPL v3") == "its licence, GPL v3, is denied"


def test_an_expression_that_is_none_is_a_name() -> None:
    assert refusal(policy("BSD"), "BSD") is None
    assert refusal(policy("MIT"), "BSD") == "its licence, BSD, is not among the allowed ones"
    assert refusal(policy("MIT"), "MIT AND " * 200 + "MIT") is None


def test_of_several_old_names_one_that_is_denied_hides_and_one_that_is_allowed_will_do() -> None:
    both = (MIT, "License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    assert refusal(policy("MIT"), None, None, *both) is None
    assert refusal(policy("MIT", "GPL-*"), None, None, *both) == f"its licence, {both[1]}, is denied"


def test_an_expression_has_the_last_word() -> None:
    """PEP 639: where it is, the old ways mean nothing."""
    assert refusal(policy("MIT"), "MIT", "GPL", "License :: OSI Approved :: ISC License (ISCL)") is None


@pytest.mark.parametrize("text", [None, "", "UNKNOWN", "none", "The licence's whole text. " * 50])
def test_what_nobody_says_is_unknown(text: str | None) -> None:
    classifiers = ("License :: OSI Approved", "License", "Topic :: Utilities")
    assert refusal(policy("MIT"), None, text, *classifiers) is None
    assert refusal(policy("MIT", unknown="hide"), None, text, *classifiers) == "its licence is not known"


def test_metadata_that_is_not_here_is_unknown_and_wanted() -> None:
    assert policy("MIT").refusal(FOO, FILE, 0.0) is None
    assert policy("MIT", unknown="hide").refusal(FOO, FILE, 0.0) == "its licence is not known"
    assert policy("MIT").wants(FOO, FILE, 0.0) == {Knowledge.METADATA}
    assert policy("MIT", unknown="hide").refusal(FOO, None, 0.0) is None


def test_each_licence_stands_on_a_line_of_its_own() -> None:
    assert licences("MIT\n Apache Software License\nBSD *") == ("MIT", "Apache Software License", "BSD *")
    for raw in ("MIT Apache-2.0", "MIT GPL-*", "mit or"):
        with pytest.raises(ValueError, match="names several licences"):
            licences(raw if raw != "mit or" else "mit isc")
    with pytest.raises(ValueError, match="empty"):
        licences("")


@pytest.mark.parametrize("identifier", sorted(CLASSIFIERS.values()))
def test_what_classifiers_mean_are_identifiers(identifier: str) -> None:
    assert canonical(identifier) == identifier


@pytest.mark.parametrize("classifier", ["", "License", "License :: OSI Approved", "Topic :: License", "Licence :: MIT License"])
def test_other_classifiers_name_no_licence(classifier: str) -> None:
    assert classified(classifier) == ()


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Licence expressions with parentheses wherever they change nothing or something."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["MIT", "ISC", "Zlib", "Apache-2.0"]))
    inner = [draw(expressions(depth - 1)) for _ in range(2)]
    return f"({inner[0]}) {draw(st.sampled_from(['AND', 'OR']))} ({inner[1]})"


@given(expressions(), st.sets(st.sampled_from(["MIT", "ISC", "Zlib", "Apache-2.0"])))
def test_an_expression_holds_as_python_would_have_it(expression: str, good: set[str]) -> None:
    values = {name: str(name in good) for name in ("MIT", "ISC", "Zlib", "Apache-2.0")}
    python = expression.replace("AND", "and").replace("OR", "or")
    for name, value in values.items():
        python = python.replace(name, value)
    assert holds(expression, lambda names: names[0] in good) == eval(python)


@given(st.text(st.sampled_from("MIT() ANDORWH+-.2")) | st.text(max_size=20))
def test_any_text_is_an_expression_or_none(text: str) -> None:
    read = canonical(text)
    if read is not None:
        assert holds(read, lambda _: True)
        assert not holds(read, lambda _: False)
