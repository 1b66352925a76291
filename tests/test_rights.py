"""What accounts may: nothing that was not given, and never more by a token."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.interfaces import IAccount
from pypidaemon.model import ACTIONS, Grant, NormalizedName
from pypidaemon.rights import PUBLIC, SCOPES, Account, Rights, account_name

A, B = NormalizedName("acme-a"), NormalizedName("beta")
PROJECTS = [A, B, NormalizedName("acme-b"), NormalizedName("c")]
LABELS = ["private", "pypi"]
READERS = (Grant("anonymous", "list", "*"), Grant("anonymous", "read", "*"))

subjects = st.sampled_from(["ann", "bob", "group:staff", "group:ops", "anonymous", "authenticated"])
patterns = st.sampled_from(["*", "acme-*", "acme-a", "beta", "[a-b]*", "?"])
grants = st.builds(Grant, subjects, st.sampled_from(ACTIONS), st.sampled_from(["*", *LABELS]), patterns)
owned = st.frozensets(st.tuples(st.sampled_from(LABELS), st.sampled_from(PROJECTS)), max_size=3)
accounts = st.builds(
    Rights,
    name=st.sampled_from(["ann", "bob"]),
    authenticated=st.just(True),
    groups=st.frozensets(st.sampled_from(["staff", "ops"])),
    grants=st.lists(grants, max_size=6).map(tuple),
    owned=owned,
)
questions = st.tuples(st.sampled_from(ACTIONS), st.sampled_from([*LABELS, "*"]), st.sampled_from([*PROJECTS, None]))


def ann(*given: Grant, **more: object) -> Rights:
    return attrs.evolve(Rights(name="ann", authenticated=True, grants=given), **more)


def seen(rights: Rights) -> set[tuple[str, str, NormalizedName]]:
    """Everything that it lets one see."""
    return {(a, label, project) for a in ("list", "read") for label in LABELS for project in PROJECTS if rights.may(a, label, project)}


def test_an_account_is_what_its_interface_promises() -> None:
    account = Account(ann(*READERS))
    assert verifyObject(IAccount, account)
    assert (account.name, account.authenticated, account.scope) == ("ann", True, PUBLIC)
    assert account.may("read", "pypi", A)
    assert not account.may("upload", "pypi", A)


@given(questions, st.frozensets(st.sampled_from(["staff"])))
def test_nothing_is_allowed_by_default(question: tuple[str, str, NormalizedName | None], groups: frozenset[str]) -> None:
    """With no grant and nothing owned, and with the grants of others."""
    assert not Rights().may(*question)
    assert not ann(groups=groups).may(*question)
    others = (Grant("bob", "admin", "*"), Grant("group:ops", "admin", "*"))
    assert not ann(*others, groups=groups).may(*question)


def test_anonymous_has_only_what_is_granted_to_it() -> None:
    everything = tuple(Grant(subject, "admin", "*") for subject in ("authenticated", "group:x", "ann"))
    nobody = Rights(grants=(*READERS, *everything))
    assert {action for action in ACTIONS if nobody.may(action, "private", A)} == {"list", "read"}
    assert ann(*everything[:1]).may("delete", "private", A)


def test_a_group_named_like_a_user_is_another_subject() -> None:
    """And the group's name without its mark gives nothing."""
    assert not ann(Grant("staff", "admin", "*"), groups=frozenset({"staff"})).may("read", "pypi", A)
    assert ann(Grant("group:staff", "admin", "*"), groups=frozenset({"staff"})).may("read", "pypi", A)
    assert not ann(Grant("group:ann", "admin", "*")).may("read", "pypi", A)


@given(accounts, grants, questions)
def test_a_further_grant_takes_nothing_away(rights: Rights, more: Grant, question: tuple[str, str, NormalizedName | None]) -> None:
    """Rights grow with grants."""
    if rights.may(*question):
        assert attrs.evolve(rights, grants=(*rights.grants, more)).may(*question)


@given(accounts, st.sampled_from(sorted(SCOPES)), patterns, questions)
def test_S70_a_token_never_gives_more_than_its_account(
    rights: Rights, scope: str, pattern: str, question: tuple[str, str, NormalizedName | None]
) -> None:
    """Nor more than its scope, nor another project."""
    token = attrs.evolve(rights, token_scope=scope, token_projects=pattern)
    if token.may(*question):
        assert rights.may(*question)
        assert question[0] in SCOPES[scope]
    elif question[2] is not None and pattern == "*" and question[0] in SCOPES[scope]:
        assert not rights.may(*question)


def test_R195_a_token_is_kept_to_its_projects_and_scope() -> None:
    """The scopes are those of the design."""
    admin = Grant("ann", "admin", "private")
    upload = ann(admin, token_scope="upload", token_projects="acme-*")
    assert {a for a in ACTIONS if upload.may(a, "private", A)} == {"list", "read", "upload", "create"}
    assert not any(upload.may(a, "private", B) for a in ACTIONS)
    assert {a for a in ACTIONS if ann(admin, token_scope="read").may(a, "private", B)} == {"list", "read"}
    assert {a for a in ACTIONS if ann(admin, token_scope="").may(a, "private", B)} == set(ACTIONS)
    assert not any(ann(admin, token_scope="unheard-of").may(a, "private", B) for a in ACTIONS)


@given(accounts, questions)
def test_a_disabled_account_may_nothing(rights: Rights, question: tuple[str, str, NormalizedName | None]) -> None:
    """Not even what everybody may."""
    disabled = attrs.evolve(rights, grants=(*rights.grants, *READERS), disabled=True)
    assert not disabled.may(*question)
    assert disabled.scope != PUBLIC


@given(accounts, st.sampled_from(ACTIONS), st.sampled_from(LABELS), st.sampled_from(PROJECTS), patterns)
def test_no_project_asks_for_any(rights: Rights, action: str, label: str, project: NormalizedName, pattern: str) -> None:
    """What may be done in one may be begun; what may not be begun may be done in none."""
    for one in (rights, attrs.evolve(rights, token_projects=pattern)):
        if one.may(action, label, project):
            assert one.may(action, label, None)


@given(accounts, owned)
def test_an_owner_uploads_and_deletes_there(rights: Rights, more: frozenset[tuple[str, NormalizedName]]) -> None:
    """And has nothing else by it, nor elsewhere."""
    owner = attrs.evolve(rights, owned=rights.owned | more)
    for label in LABELS:
        for project in PROJECTS:
            for action in ACTIONS:
                expected = rights.may(action, label, project) or ((label, project) in more and action in ("upload", "create", "delete"))
                assert owner.may(action, label, project) == expected


def test_upload_covers_new_projects_and_create_only_those() -> None:
    """As far as the pattern goes."""
    uploader, founder = ann(Grant("ann", "upload", "private", "acme-*")), ann(Grant("ann", "create", "private"))
    assert uploader.may("upload", "private", A)
    assert uploader.may("create", "private", A)
    assert not uploader.may("create", "private", B)
    assert founder.may("create", "private", B)
    assert not founder.may("upload", "private", B)
    assert not founder.may("upload", "private", None)


def test_a_grant_is_for_its_index_alone() -> None:
    rights = ann(Grant("ann", "read", "private"), Grant("ann", "admin", "*", "beta"))
    assert rights.may("read", "private", A)
    assert not rights.may("read", "pypi", A)
    assert rights.may("overwrite", "pypi", B)
    assert not rights.may("admin", "private", A)
    assert rights.may("admin", "*", None)
    assert not ann(Grant("ann", "admin", "private")).may("admin", "*", None)
    assert not ann(Grant("ann", "admin", "*")).may("fly", "pypi", A)


@given(accounts, accounts, st.booleans())
def test_equal_scopes_see_the_same(one: Rights, other: Rights, public: bool) -> None:
    """Also a token's, and that of anonymous."""
    more = READERS if public else ()
    one, other = (attrs.evolve(rights, grants=(*one.grants, *more)) for rights in (one, other))
    for left in (one, attrs.evolve(one, token_projects="acme-*"), Rights(grants=one.grants)):
        for right in (other, attrs.evolve(other, token_scope="read"), attrs.evolve(other, token_projects="beta")):
            if left.scope == right.scope:
                assert seen(left) == seen(right)
    assert Rights(grants=one.grants).scope == PUBLIC


def test_S70_a_token_for_some_projects_sees_what_everybody_sees() -> None:
    """Who shows it could as well show nothing; a build job needs public packages besides its own."""
    for_acme = ann(
        Grant("anonymous", "read", "pypi", "*"),
        Grant("ann", "read", "private", "*"),
        Grant("ann", "upload", "pypi", "*"),
        token_projects="acme-*",
    )
    assert for_acme.may("read", "pypi", NormalizedName("requests"))
    assert for_acme.may("read", "private", NormalizedName("acme-core"))
    assert not for_acme.may("read", "private", NormalizedName("beta"))
    assert not for_acme.may("upload", "pypi", NormalizedName("requests"))
    assert not attrs.evolve(for_acme, token_scope="none").may("read", "pypi", NormalizedName("requests"))
    assert attrs.evolve(for_acme, grants=for_acme.grants[:1]).scope == PUBLIC != for_acme.scope


@given(accounts)
def test_a_token_for_everything_sees_in_the_scope_of_its_account(rights: Rights) -> None:
    """So the answers kept for one are for the other."""
    assert attrs.evolve(rights, token_scope="read").scope == attrs.evolve(rights, token_scope="upload").scope == rights.scope


def test_writers_see_what_everybody_sees() -> None:
    """Grants that show nothing new make no scope of their own."""
    assert ann(*READERS, Grant("ann", "upload", "*"), Grant("ann", "read", "pypi", "acme-*")).scope == PUBLIC
    assert ann(READERS[0], Grant("ann", "read", "pypi", "acme-*")).scope != PUBLIC
    first, second = Grant("ann", "read", "pypi"), Grant("group:staff", "read", "pypi")
    assert ann(first).scope == ann(second, groups=frozenset({"staff"})).scope


@pytest.mark.parametrize("name", ["ann", "a", "ann.b@acme.example", "x" * 64, "A_b-c+d", "0x_"])
def test_names_that_accounts_can_have(name: str) -> None:
    assert account_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "a b",
        "a:b",
        "group:x",
        "anonymous",
        "Authenticated",
        "__token__",
        "-a",
        "a-",
        "x" * 65,
        "ä",
        "a\n",
        "(operator)",
        "a/b",
        "*",
    ],
)
def test_names_that_no_account_can_have(name: str) -> None:
    """Those that would mean many, or could not be told in Basic credentials."""
    with pytest.raises(ValueError, match="name"):
        account_name(name)


def test_two_patterns_that_may_or_may_not_meet_count_as_meeting() -> None:
    """Without a project a yes is only a maybe, to be asked again with the project."""
    rights = Rights("ann", authenticated=True, grants=(Grant("ann", "upload", "private", "a*"),), token_projects="*z")
    assert rights.may("upload", "private", None)
    assert not rights.may("upload", "private", NormalizedName("abc"))
    assert rights.may("upload", "private", NormalizedName("abcz"))


def test_R195_what_a_token_forbids_is_told_apart_from_what_the_account_may_not() -> None:
    """By scope, then by pattern; and a token that is in nobody's way is not named."""
    uploader = ann(*READERS, Grant("ann", "upload", "private", "acme-*"))
    read = attrs.evolve(uploader, token_scope="read")
    assert read.limit("upload", "private", A) == read.limit("upload", "private", None) == "this token is of scope read"
    assert read.limit("read", "private", A) == ""
    other = attrs.evolve(uploader, token_scope="upload", token_projects="zzz-*")
    assert other.limit("delete", "private", A) == "this token is of scope upload"
    assert other.limit("upload", "private", A) == "this token is for zzz-* only"
    plain = attrs.evolve(uploader, token_projects="zzz")
    assert plain.limit("upload", "private", None) == "this token is for zzz only"
    assert plain.limit("delete", "private", None) == ""
    assert attrs.evolve(uploader, token_projects="acme-a").limit("upload", "private", None) == ""
    assert [uploader.limit(action, "private", A) for action in ACTIONS] == [""] * len(ACTIONS)
    assert Account(read).limit("upload", "private", A) == "this token is of scope read"


def test_S73_what_is_kept_over_restarts_goes_by_what_one_sees_and_not_by_a_word_for_it() -> None:
    """Both see what everybody sees, and that is not the same."""
    everything = Rights(grants=(Grant("anonymous", "list", "*", "*"), Grant("anonymous", "read", "*", "*")))
    some = Rights(grants=(Grant("anonymous", "list", "*", "a-*"), Grant("anonymous", "read", "*", "a-*")))
    nothing = Rights()
    assert everything.scope == some.scope == nothing.scope == PUBLIC
    assert len({everything.sight, some.sight, nothing.sight, attrs.evolve(nothing, disabled=True).sight}) == 4
    assert attrs.evolve(everything, name="ann", authenticated=True).sight == everything.sight
    assert Account(everything).sight == everything.sight
