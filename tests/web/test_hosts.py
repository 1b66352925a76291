"""Which names requests may call the daemon by, and what pages of other sites may have a browser do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pypidaemon.web.hosts import Hosts, is_loopback, known_hosts, machine_names
from tests.house import House
from tests.web.posting import send
from tests.web.test_uploads import upload, wheel
from tests.web.wire import Client, answers

OURS = Hosts(("index.internal", "*.lan"), "https://Packages.Example:8443/python/")


def said(hosts: tuple[str, ...] | None, host: str, version: str = "1.1", *lines: str) -> int:
    """The status of a request for that host."""
    house = House(hosts=hosts, public_url=OURS.public_url)
    head = [f"GET /+ready HTTP/{version}", *([f"Host: {host}"] if host else []), *lines, "", ""]
    (answer,) = answers(Client(house.door.site).say("\r\n".join(head).encode()))
    if answer.status == 421:
        assert answer.one("Connection") == "close"
        assert b"evil" not in answer.body
        assert answer.body.count(b"\n") == 2
    return answer.status


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:3141", "192.0.2.9:80", "[::1]:3141", "[2001:db8::1]", "localhost", "LocalHost:3141", "localhost.", "a.localhost:1",
        "packages.example", "PACKAGES.example:443", "index.internal:3141", "nas.lan", "a.b.lan",
    ],
)  # fmt: skip
def test_S56_our_own_names_and_all_addresses_are_answered(host: str) -> None:
    assert said(OURS.names, host) == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:3141", "127.0.0.1.evil.example", "localhost.evil.example", "evil-lan", "evilindex.internal", "0x7f.1"],
)
def test_S56_a_name_that_is_not_ours_is_421_against_dns_rebinding(host: str) -> None:
    """One line, which does not repeat it."""
    assert said(OURS.names, host) == 421
    assert said(None, host) == 200
    assert said(("*",), host) == 200


def test_S56_http_1_0_without_a_host_is_answered() -> None:
    assert said(OURS.names, "", "1.0") == 200
    assert said(OURS.names, "evil.example", "1.0") == 421


def test_S56_a_strangers_x_forwarded_host_vouches_for_nothing() -> None:
    assert said(OURS.names, "evil.example", "1.1", "X-Forwarded-Host: localhost") == 421


@pytest.mark.parametrize(
    ("description", "loopback"),
    [
        ("tcp:3141:interface=127.0.0.1", True),
        ("tcp:port=3141:interface=127.8.0.1:backlog=9", True),
        ("tcp:3141:127.0.0.1", True),
        ("tcp:3141:interface=localhost", True),
        ("tcp6:3141:interface=\\:\\:1", True),
        ("ssl:443:privateKey=a\\:b.pem:interface=127.0.0.1", True),
        ("tcp:3141", False),
        ("tcp:3141:interface=0.0.0.0", False),
        ("tcp6:3141:interface=\\:\\:", False),
        ("tcp:3141:interface=192.0.2.1", False),
        ("unix:/run/x.sock", False),
        ("unix:/run/x\\:interface=127.0.0.1", False),
        ("systemd:domain=INET:index=0", False),
    ],
)
def test_what_listens_for_this_machine_alone_is_known_by_its_description(description: str, loopback: bool) -> None:
    assert is_loopback(description) is loopback


def test_the_machines_own_names_count_where_nobody_else_is_listened_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Nas.Example")
    assert known_hosts(("tcp:1:interface=127.0.0.1",), ())[:2] == ("nas.example", "nas")  # type: ignore[index]  # it has some
    assert known_hosts(("tcp:1",), ("x",))[:3] == ("x", "nas.example", "nas")  # type: ignore[index]  # as above
    monkeypatch.delattr(socket, "gethostname")
    assert known_hosts(("tcp:1:interface=127.0.0.1", "tcp:2"), ()) is None


def test_F36_the_machines_other_names_are_read_and_no_name_server_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Debian writes them; a server that does not answer would hold up the start for minutes."""
    monkeypatch.setattr(socket, "gethostname", lambda: "nas")
    for asking in ("getfqdn", "gethostbyaddr", "getaddrinfo"):
        monkeypatch.delattr(socket, asking)
    table = tmp_path / "hosts"
    table.write_text(
        "127.0.0.1 localhost\n127.0.1.1\tNas.Home.Example. nas files # nas.elsewhere\n\n::1 ip6-localhost\n# 127.0.0.9 nas x\n"
    )
    assert machine_names(table) == ("nas", "nas.home.example", "files")
    assert machine_names(tmp_path / "none") == ("nas",)


FOREIGN = [
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://["},
    {"origin": "http://127.0.0.1.evil.example"},
    {"origin": "http://127.0.0.1:3141", "sec_fetch_site": "cross-site"},
]
OWN = [
    {},
    {"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1:3141"},
    {"sec_fetch_site": "none"},
    {"origin": "https://packages.example:8443"},
]


@pytest.fixture
def house() -> House:
    """ann may upload and delete."""
    house = House(public_url=OURS.public_url)
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    for right in ("upload", "delete"):
        house.grant("ann", right, "private")
    return house


@pytest.mark.parametrize("fields", [*FOREIGN, *OWN])
def test_a_page_of_another_site_uploads_nothing_with_the_credentials_a_browser_keeps(house: House, fields: dict[str, str]) -> None:
    reply = upload(house, house.tokens["ann"], wheel(), **fields)
    assert reply.status == (403 if fields in FOREIGN else 200)


@pytest.mark.parametrize("fields", [*FOREIGN, *OWN])
def test_a_page_of_another_site_gives_no_orders_either(house: House, fields: dict[str, str]) -> None:
    reply = send(house, "/+api/releases/yank", b"{}", "application/json", house.tokens["ann"], **fields)
    assert (reply.status == 403) is (fields in FOREIGN)
