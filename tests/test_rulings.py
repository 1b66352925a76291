"""Rulings in force: how a target is spelled, whom a ruling concerns, and for how long."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import InvalidName, Refused
from pypidaemon.filenames import filename
from pypidaemon.model import Digest, File, NormalizedName, Ruling, RulingKind
from pypidaemon.policies.blocked import Blocked
from pypidaemon.rulings import Rulings, digest_of, project_of, target, version_in

ALPHA = NormalizedName("alpha")
DIGEST = hashlib.sha256(b"bad").hexdigest()
FILE = File(filename("alpha-1.0.tar.gz"), hashes=(("sha256", Digest(DIGEST)),))
BLOCK, EXEMPT = RulingKind.BLOCK, RulingKind.EXEMPT


@pytest.mark.parametrize(
    ("raw", "about"),
    [
        ("Alpha", "alpha"),
        (" a_l.pha ", "a-l-pha"),
        ("Alpha==1.0", "alpha==1"),
        ("alpha == 1.0.0", "alpha==1"),
        ("alpha==1!2.0rc1", "alpha==1!2rc1"),
        ("alpha==v1!2.0", "alpha==1!2"),
        ("alpha==latest", "alpha==latest"),
        (f"SHA256:{DIGEST.upper()}", f"sha256:{DIGEST}"),
    ],
)
def test_a_target_has_one_spelling(raw: str, about: str) -> None:
    assert target(raw) == about
    assert target(about) == about


@pytest.mark.parametrize(
    "raw", ["", "==1", "a/b", "alpha==", "alpha== ", "alpha==1\n2", "alpha==" + "1" * 201, "sha256:12", f"sha256:{'g' * 64}"]
)
def test_what_is_no_target_is_refused(raw: str) -> None:
    with pytest.raises(InvalidName):
        target(raw)


@pytest.mark.parametrize(
    "version", ["1.*", "=1.0", "1.0,==1.1", ">=1", "<2", "~=1.0", "!1", "1!2!3", "not a version", "1.0 , <2", "1;x", "1!"]
)
def test_what_would_block_nothing_is_refused(version: str) -> None:
    """Whoever wrote a condition on versions would think that it holds."""
    with pytest.raises(InvalidName, match="not one release"):
        target(f"alpha=={version}")


@given(st.text(max_size=80) | st.from_regex(r"(alpha|be_ta)\s?==[0-9!.rc]{1,6}|[sS]ha256:[0-9a-fA-F]{64}", fullmatch=True))
def test_no_text_is_read_in_two_ways(raw: str) -> None:
    """Whatever is accepted is spelled once and for all, and can be taken apart."""
    try:
        about = target(raw)
    except InvalidName:
        return
    assert target(about) == about
    if project_of(about) is None:
        assert len(digest_of(about)) == 64
        assert version_in(about) is None
    else:
        version = version_in(about)
        assert about == (project_of(about) if version is None else f"{project_of(about)}=={version}")


@pytest.mark.parametrize(
    ("about", "concerned"), [("alpha", True), ("alpha==1", True), (f"sha256:{DIGEST}", True), ("alpha==2", False), ("beta", False)]
)
def test_a_file_is_concerned_by_project_release_or_bytes(about: str, concerned: bool) -> None:
    rulings = Rulings()
    rulings.replace([Ruling(BLOCK, about)])
    assert (rulings.on_file(BLOCK, ALPHA, FILE, 0.0) is not None) == concerned
    assert rulings.on_file(EXEMPT, ALPHA, FILE, 0.0) is None
    assert (rulings.on_project(BLOCK, ALPHA, 0.0) is not None) == (about == "alpha")


def test_files_without_a_digest_or_a_version_are_concerned_by_what_is_known_of_them() -> None:
    rulings = Rulings()
    assert rulings.on_file(BLOCK, ALPHA, FILE, 0.0) is None
    rulings.replace([Ruling(BLOCK, "alpha==1")])
    assert rulings.on_file(BLOCK, ALPHA, File(filename("alpha-1.0.tar.gz")), 0.0) is not None
    assert rulings.on_file(BLOCK, ALPHA, File(filename("strange.txt")), 0.0) is None


def test_a_ruling_ends_by_itself() -> None:
    """Its last second counts, and the next does not."""
    rulings = Rulings()
    rulings.replace([Ruling(EXEMPT, "alpha", until=10.0), Ruling(BLOCK, "beta")])
    assert rulings.on_project(EXEMPT, ALPHA, 9.9) is not None
    assert rulings.on_project(EXEMPT, ALPHA, 10.0) is None
    assert [ruling.target for ruling in rulings.in_force(10.0)] == ["beta"]
    assert [ruling.target for ruling in rulings.over(10.0)] == ["alpha"]
    assert rulings.over(9.9) == []
    assert [ruling.target for ruling in rulings.all()] == ["beta", "alpha"]


def test_R71_the_revision_tells_rulings_apart_over_a_restart() -> None:
    """Another process with other blocks must not take a client's old list for its own, however often either was changed."""
    one, other, same = Rulings(), Rulings(), Rulings()
    blank = Blocked("blocked", one).revision
    for rulings, about in ((one, "alpha"), (other, "beta"), (same, "beta"), (same, "alpha")):
        rulings.replace([Ruling(BLOCK, about, "why", time=1.0)])
    assert len({blank, *(Blocked("blocked", rulings).revision for rulings in (one, other))}) == 3
    assert Blocked("blocked", same).revision == Blocked("blocked", one).revision
    before = one.revision(BLOCK)
    one.replace([*one.all(), Ruling(EXEMPT, "gamma")])
    assert one.revision(BLOCK) == before


CHANGES = st.lists(
    st.tuples(st.booleans(), st.sampled_from(RulingKind), st.sampled_from(["alpha", "alpha==1", "alpha==2", "beta==1"]), st.integers(0, 2))
)


@given(CHANGES)
def test_one_order_after_the_other_comes_to_the_same_as_all_at_once(changes: list[tuple[bool, RulingKind, str, int]]) -> None:
    """Whom they concern, how many there are, and what the revision is."""
    rulings, left = Rulings(), dict[tuple[RulingKind, str], Ruling]()
    for made, kind, about, time in changes:
        if made:
            left[kind, about] = Ruling(kind, about, "why", time=float(time))
            rulings.put(left[kind, about])
        else:
            left.pop((kind, about), None)
            rulings.drop(kind, about)
    whole = Rulings()
    whole.replace(left.values())
    assert rulings.all() == whole.all() == [left[key] for key in sorted(left, key=lambda key: (key[0].value, key[1]))]
    assert sorted(rulings.targets()) == sorted(about for _, about in left)
    assert rulings.count == len(left)
    for kind in RulingKind:
        assert rulings.revision(kind) == whole.revision(kind)
        assert (rulings.revision(kind) == "") == (not any(key[0] is kind for key in left))
        assert (
            rulings.near(kind, ALPHA, 0.0)
            == whole.near(kind, ALPHA, 0.0)
            == sorted(about for one, about in left if one is kind and about.startswith("alpha"))
        )
        found = whole.on_file(kind, ALPHA, FILE, 0.0)
        assert rulings.on_file(kind, ALPHA, FILE, 0.0) == found == (left.get((kind, "alpha")) or left.get((kind, "alpha==1")))


def test_frozen_rulings_stay_what_they_were() -> None:
    rulings = Rulings()
    rulings.put(Ruling(BLOCK, "alpha==1"))
    frozen = rulings.frozen()
    before = frozen.revision(BLOCK)
    rulings.drop(BLOCK, "alpha==1")
    rulings.put(Ruling(BLOCK, "beta"))
    assert frozen.on_file(BLOCK, ALPHA, FILE, 0.0) is not None
    assert frozen.revision(BLOCK) == before != rulings.revision(BLOCK)
    assert rulings.on_file(BLOCK, ALPHA, FILE, 0.0) is None


def test_blocked_says_why() -> None:
    rulings = Rulings()
    rule = Blocked("blocked", rulings)
    rule.check(ALPHA, FILE, 0.0)
    rulings.replace([Ruling(BLOCK, "alpha==1", "mal\nware", time=86400.0)])
    with pytest.raises(Refused, match=r"refused by blocked: alpha==1 was blocked on 1970-01-02: mal ware"):
        rule.check(ALPHA, FILE, 0.0)
    assert rule.refusal(ALPHA, None, 0.0) is None
    rulings.replace([Ruling(BLOCK, "alpha")])
    assert rule.refusal(ALPHA, None, 0.0) == "alpha was blocked on 1970-01-01"
