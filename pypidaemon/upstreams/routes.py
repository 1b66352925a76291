"""Whether a request goes straight to its host or by way of an HTTP proxy, and which."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

import attrs

from pypidaemon.settings import Secret, secret, url

DIRECT = "none"
FROM_ENVIRONMENT = "env"


@attrs.frozen
class Proxy:
    """An outgoing HTTP proxy; its text is what may be shown."""

    host: str
    port: int
    credentials: Secret | None = None

    @property
    def authorization(self) -> bytes | None:
        """The value of `Proxy-Authorization` (RFC 9110 §11.7.2), None where it wants none."""
        return basic(self.credentials) if self.credentials is not None else None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@attrs.frozen
class Routes:
    """Which proxy serves which scheme, and the hosts that are reached without one."""

    http: Proxy | None = None
    https: Proxy | None = None
    bypass: tuple[str, ...] = ()

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for that destination, None where it is reached directly."""
        proxy = self.https if scheme == "https" else self.http
        return None if proxy is None or any(_matches(rule, host, port) for rule in self.bypass) else proxy


def basic(credentials: Secret) -> bytes:
    """`user:password` as HTTP's Basic scheme sends it (RFC 7617)."""
    return b"Basic " + base64.b64encode(credentials.reveal().encode())


def login(username: str | None, password: Secret | None) -> bytes | None:
    """The same for who has one of them or both, None for who has neither; where no user is named, a token's, as the public index chose it."""
    if username is None and password is None:
        return None
    return basic(Secret(f"{username or '__token__'}:{password.reveal() if password is not None else ''}"))


def proxy_choice(raw: str) -> str | Secret:
    """
    `env` (what HTTP_PROXY, HTTPS_PROXY and NO_PROXY say), `none`, the URL of a proxy, or one that holds credentials by way of
    `env:NAME` or `file:PATH`.
    """
    value = raw.strip()
    if value in (DIRECT, FROM_ENVIRONMENT):
        return value
    if value.startswith(("env:", "file:")):
        hidden = secret(value)
        _proxy(hidden.reveal())
        return hidden
    _proxy(url(value))
    return value


def routes(choice: str | Secret, environ: Mapping[str, str]) -> Routes:
    """
    The routes that a `proxy_choice` means.

    :param environ: read for `env`; lower-case names rule, as they do in curl.
    :raises ValueError: a proxy's URL cannot be used; the text does not show it.
    """
    if isinstance(choice, Secret):
        proxy = _proxy(choice.reveal())
        return Routes(proxy, proxy)
    if choice == DIRECT:
        return Routes()
    if choice != FROM_ENVIRONMENT:
        proxy = _proxy(choice)
        return Routes(proxy, proxy)

    def said(name: str) -> str:
        return (environ.get(name) or environ.get(name.upper()) or "").strip()

    found = [
        _proxy(value) if value else None for value in (said("http_proxy") or said("all_proxy"), said("https_proxy") or said("all_proxy"))
    ]
    return Routes(found[0], found[1], tuple(said("no_proxy").lower().replace(",", " ").split()))


def _proxy(value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is not the URL of a proxy") from None
    if parts.scheme != "http" or not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must be the URL of an HTTP proxy, such as http://proxy.example:3128")
    credentials = None
    if parts.username is not None:
        credentials = Secret(f"{unquote(parts.username)}:{unquote(parts.password or '')}")
    return Proxy(host.lower(), port or 80, credentials)


def _matches(rule: str, host: str, port: int) -> bool:
    if rule == "*":
        return True
    name, colon, wanted = rule.rpartition(":")
    if colon and wanted.isdigit() and ":" not in name:
        if int(wanted) != port:
            return False
        rule = name
    try:
        return ip_address(host) in ip_network(rule, strict=False)
    except ValueError:
        # One of the two is a name, so they are compared as names, each rule with everything below it.
        suffix = rule.lstrip("*").strip(".")
        return bool(suffix) and (host == suffix or host.endswith("." + suffix))
