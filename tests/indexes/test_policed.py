"""An index seen through policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile, Refused, StorageFull
from pypidaemon.filenames import filename
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import ICostlyPolicy, IPolicy
from pypidaemon.judging import Rules
from pypidaemon.model import Companion, File, NormalizedName
from pypidaemon.policies.names import Names
from tests.gear import inline, now
from tests.house import House

ALPHA = NormalizedName("alpha")


@implementer(IPolicy)
@attrs.frozen
class NoSuffix:
    """Refuses files by how their names end; with it the tests can refuse single files."""

    label: str
    suffix: str

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        if file is not None and file.filename.endswith(self.suffix):
            return f"files must not end in {self.suffix}"
        return None


def policed(house: House, *policies: object) -> Policed:
    """The house's proxy seen through these policies."""
    return Policed("policed", house.proxy, policies, house.records, house.clock, inline)  # type: ignore[arg-type]  # all are policies


@implementer(ICostlyPolicy)
class Slow(NoSuffix):
    """One that takes its time for each file."""


@pytest.fixture
def house() -> House:
    """Alpha with two releases."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.zip", b"two"), versions=("0.5", "1.0", "2.0"), serial=10)
    return house


def test_law_2_a_refused_file_is_on_no_page_and_cannot_be_opened(house: House) -> None:
    """Its version goes with it; a release without files, which nobody refused, stays."""
    index = policed(house, NoSuffix("no-zip", ".zip"))
    page = now(index.project_page(ALPHA))
    assert [file.filename for file in page.files] == ["alpha-1.0.tar.gz"]
    assert page.versions == ("0.5", "1.0")
    for companion in (Companion.FILE, Companion.METADATA):
        with pytest.raises(Refused, match=r"no-zip: files must not end in \.zip"):
            now(index.open_file(ALPHA, filename("alpha-2.0.zip"), companion))
    assert "body alpha-2.0.zip" not in house.upstream.asked


def test_a_file_that_passes_is_the_inner_one(house: House) -> None:
    """And one that never was is absent, not refused."""
    index = policed(house, NoSuffix("no-zip", ".zip"))
    assert now(now(index.open_file(ALPHA, filename("alpha-1.0.tar.gz"), Companion.FILE)).read(0, 9)) == b"one"
    with pytest.raises(NoSuchFile):
        now(index.open_file(ALPHA, filename("alpha-3.0.tar.gz"), Companion.FILE))


def test_a_refused_project_is_not_asked_of_upstream(house: House) -> None:
    """By any question."""
    index = policed(house, Names("no-alpha", deny=("alp*",)))
    with pytest.raises(Refused):
        now(index.project_page(ALPHA))
    with pytest.raises(Refused):
        now(index.open_file(ALPHA, filename("alpha-1.0.tar.gz"), Companion.FILE))
    assert house.upstream.asked == []


def test_the_list_and_the_changes_leave_refused_projects_out(house: House) -> None:
    """S42: every route that names projects."""
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"alpha"},{"name":"beta"}]}'
    index = policed(house, Names("no-alpha", deny=("alpha",)))
    assert [name for name, _ in now(index.project_names()).entries()] == ["beta"]
    now(policed(house).project_page(ALPHA))
    assert now(index.changes(0)) == []
    assert now(policed(house).changes(0)) != []


def test_a_page_that_nothing_refuses_is_the_inner_one(house: House) -> None:
    """Same revision, so the same answers."""
    assert now(policed(house).project_page(ALPHA)).revision == now(house.proxy.project_page(ALPHA)).revision


def test_R71_another_policy_raises_the_serial(house: House) -> None:
    """What clients see changed, so mirrors of us must look again."""
    before = now(policed(house).project_page(ALPHA))
    after = now(policed(house, NoSuffix("no-zip", ".zip")).project_page(ALPHA))
    assert after.serial > before.serial
    assert after.revision != before.revision


def test_R69_no_serial_falls_while_the_ledger_cannot_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of no index that numbers pages, whatever was shown before."""
    index = FirstMatch("root", (policed(house, NoSuffix("no-zip", ".zip")),), house.records)
    shown = [now(index.project_page(ALPHA)).serial]
    for suffix in (".gz", ".zip", "x"):
        index = FirstMatch("root", (policed(house, NoSuffix("p", suffix)),), house.records)
        shown.append(now(index.project_page(ALPHA)).serial)

    async def full(*asked: object) -> int:
        raise StorageFull("the disk is full")

    monkeypatch.setattr(type(house.records.ledger), "number", full)
    for suffix in (".zip", ".gz"):
        index = FirstMatch("root", (policed(house, NoSuffix("p", suffix)),), house.records)
        shown.append(now(index.project_page(ALPHA)).serial)
    monkeypatch.setattr(type(house.records.ledger), "serial", full)
    assert now(index.project_page(ALPHA)).serial > 0
    assert shown == sorted(shown)
    assert shown[-1] == shown[3] > shown[0]


SUFFIXES = st.lists(st.sampled_from([".zip", ".gz", "0.tar.gz", ".whl", "x"]), max_size=4)


@given(SUFFIXES, st.randoms(use_true_random=False))
def test_policies_compose_in_any_order_and_only_take_away(suffixes: list[str], random: object) -> None:
    """A policed page is a subset of the inner page, whatever the order."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"one"), ("alpha-2.0.zip", b"two"), ("alpha-2.0-py3-none-any.whl", b"x"))
    rules = [NoSuffix(f"p{position}", suffix) for position, suffix in enumerate(suffixes)]
    shuffled = list(rules)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' random is one
    inner = now(house.proxy.project_page(ALPHA))
    one, other = now(policed(house, *rules).project_page(ALPHA)), now(policed(house, *shuffled).project_page(ALPHA))
    assert one.files == other.files
    assert set(one.files) <= set(inner.files)
    assert all(not file.filename.endswith(tuple(suffixes)) for file in one.files) or not suffixes


@pytest.mark.parametrize(("rule", "asked"), [(NoSuffix("r", ".zip"), []), (Slow("r", ".zip"), ["judge", "left_by", "on_file"])])
def test_H6_a_costly_rule_is_asked_on_a_thread_also_about_a_single_file(house: House, rule: object, asked: list[str]) -> None:
    """Upstream says what a rule has to read, and everybody else would wait while it does."""
    threaded: list[str] = []

    async def cpu(function: Callable[..., Any], /, *arguments: Any) -> Any:
        threaded.append(function.__name__)
        return function(*arguments)

    index = Policed("policed", house.proxy, (rule,), house.records, house.clock, cpu)  # type: ignore[arg-type]  # it is a policy
    assert [file.filename for file in now(index.project_page(ALPHA)).files] == ["alpha-1.0.tar.gz"]
    with pytest.raises(Refused):
        now(index.find(ALPHA, filename("alpha-2.0.zip")))
    assert threaded == asked


def test_H6_a_page_of_some_length_is_judged_on_a_thread_by_any_rule(house: House) -> None:
    few, many = (Rules((NoSuffix("r", ".zip"),)).slow(count) for count in (20, 21))
    assert (few, many) == (False, True)
