"""Tokens and Authorization headers, as text."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

from pypidaemon.accounts.credentials import (
    LONGEST,
    ITokenCredentials,
    PasswordCredentials,
    TokenCredentials,
    read,
    suspect,
)
from pypidaemon.accounts.tokens import fits, make, parse, secret_hash, token_id
from tests.accounts.parts import basic, random_bytes


def told(header: str) -> tuple[str, ...] | None:
    """What a header says, as text."""
    match read(header):
        case TokenCredentials(secret):
            return (secret.reveal(),)
        case PasswordCredentials(name, password):
            return name.decode(), password.decode()
    return None


@given(st.binary(min_size=64, max_size=64))
def test_S70_R195_a_token_can_be_told_from_afar_and_read_back(noise: bytes) -> None:
    """Prefix, 12 characters of id, and 200 bits; nothing in it needs quoting anywhere."""
    token = make(lambda count: noise[:count])
    text = token.text()
    assert re.fullmatch(r"pypidaemon-[a-z2-7]{12}-[a-z2-7]{40}", text)
    assert parse(text) == parse(f" {text}\n") == token
    assert token_id(text) == token_id(token.id) == token.id
    assert token.secret not in repr(token)


def test_S67_every_bit_of_the_secret_counts() -> None:
    """The secret is as many bits as were drawn, and its hash is sha256."""
    token = make(random_bytes())
    stored = secret_hash(token.secret)
    assert stored == hashlib.sha256(token.secret.encode()).hexdigest()
    assert fits(token.secret, stored)
    assert len({make(lambda count, bit=bit: (1 << bit).to_bytes(count, "big")).secret for bit in range(80)}) == 80
    for position in range(len(token.secret)):
        other = "b" if token.secret[position] == "a" else "a"
        assert not fits(token.secret[:position] + other + token.secret[position + 1 :], stored)
    assert base64.b32decode(token.secret.upper()) == (2).to_bytes(25, "little")


@pytest.mark.parametrize(
    "text",
    ["", "pypi-abc", "pypidaemon-", f"pypidaemon-{'a' * 12}-{'b' * 39}", f"PYPIDAEMON-{'a' * 12}-{'b' * 40}", f"{'a' * 12}-{'b' * 40}"],
)
def test_what_is_no_token(text: str) -> None:
    assert parse(text) is None
    assert token_id(text) is None


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_R187_basic_is_split_at_the_first_colon_in_either_encoding(encoding: str) -> None:
    assert told(basic("jürgen", "gr:ün", encoding)) == ("jürgen", "gr:ün")


@given(st.text(max_size=40).filter(lambda text: ":" not in text and text.strip() != "__token__"), st.text(max_size=40))
def test_R187_whatever_is_sent_in_utf8_arrives(user: str, password: str) -> None:
    assert told(basic(user, password)) == (user, password)


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_R186_token_as_password(scheme: str) -> None:
    """Blanks around it are nobody's fault."""
    assert told(basic("__token__", " tok \r\n").replace("Basic", scheme)) == ("tok",)


@pytest.mark.parametrize("header", ["Bearer tok", "bearer  tok ", "token tok", "Token tok"])
def test_R186_token_by_scheme(header: str) -> None:
    assert told(header) == ("tok",)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ",
        "Basic ?",
        "Basic dXNlcg==",
        "Basic dXNlcjpwdw",
        "Digest x",
        "Basicx",
        "Bearer",
        "Basic ä",
        "Basic " + "A" * LONGEST,
    ],
)
def test_R186_what_is_no_credential(header: str) -> None:
    """No colon, no base64, no scheme of ours, too long."""
    assert told(header) is None


@given(st.text(max_size=60))
def test_no_header_is_too_odd_to_read(header: str) -> None:
    """Whatever comes gives credentials or None."""
    told(header)
    told("Basic " + header)


def test_S71_credentials_do_not_show_themselves() -> None:
    for header in (basic("ann", "canary"), "Bearer canary"):
        shown = read(header)
        assert "canary" not in f"{shown!r} {shown}"
        assert shown is not None
        assert "canary" not in suspect(shown)


def test_suspects_are_accounts_and_tokens() -> None:
    text = make(random_bytes()).text()
    shown = [read(basic("ann", "x")), read(f"Bearer {text}"), read("Bearer x")]
    assert [suspect(one) for one in shown if one] == ["user:ann", f"token:{text.split('-')[1]}", ""]


def test_credentials_are_what_cred_wants() -> None:
    token, password = read("Bearer x"), read(basic("ann", "pw"))
    assert verifyObject(ITokenCredentials, token)
    assert isinstance(password, PasswordCredentials)
    assert password.checkPassword(b"pw")
    assert not password.checkPassword(b"px")
