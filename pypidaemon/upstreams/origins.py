"""URLs that may be asked, and what may be asked of whom: schemes, hosts, redirects and credentials (S47, S50, S51)."""

from __future__ import annotations

import re
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import attrs

from pypidaemon.upstreams.addresses import is_clean_host

_PORTS = {"http": 80, "https": 443}
_SAFE = "/%:@!$&'()*+,;=~?"
_LAST_PORT = 65_535
_USUAL = re.compile(r"(https?)://([a-z0-9][a-z0-9.-]*)(?::([1-9][0-9]{0,4}))?(/[!$&-;=@-Z_a-z~%]*)", re.ASCII)
"""A URL of which nothing has to be written in another way: the host a name or address in lower case, no query, and nothing but safe characters."""


class BadTarget(Exception):
    """A URL that must not be asked; the text says why without showing it."""


@attrs.frozen
class Target:
    """A clean absolute URL without userinfo and fragment, and its parts; `host` is in lower case and without brackets."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: who gets credentials (RFC 9110 §4.3.1)."""
        return (self.scheme, self.host, self.port)

    @property
    def authority(self) -> str:
        """Host, and port where that is not the scheme's own, as they stand in the URL: what the field `Host` says (RFC 9110 §7.2)."""
        return self.url.split("/", 3)[2]

    @property
    def place(self) -> str:
        """Who answers there, as it may be shown: the host, with the port where that is none of the web's two, which are one and the same server's."""
        if self.port in _PORTS.values():
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def target(url: str) -> Target:
    """
    Take a URL apart.

    :raises BadTarget: it is not http or https, holds credentials, or its host is not a clean one.
    """
    match = _USUAL.fullmatch(url)
    if match is None:
        return taken_apart(url)
    # Nearly all are like this, and there is one for each file of a mirror.
    scheme, host, number, path = match.groups()
    known = _PORTS[scheme]
    port = int(number) if number else known
    if port > _LAST_PORT or not is_clean_host(host):
        return taken_apart(url)
    authority = host if port == known else f"{host}:{port}"
    return Target(f"{scheme}://{authority}{path}", scheme, host, port)


def taken_apart(url: str) -> Target:
    """As `target`, for every kind of URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadTarget("the URL cannot be read") from None
    if parts.scheme not in _PORTS:
        raise BadTarget("the URL is neither http nor https")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise BadTarget("the URL holds credentials")
    if not host or not is_clean_host(host):
        raise BadTarget("the host of the URL is no proper name or address")
    known = _PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port is None or port == known else f"{shown}:{port}"
    clean = urlunsplit((parts.scheme, authority, quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE), ""))
    return Target(clean, parts.scheme, host, known if port is None else port)


def configured(key: str, url: str) -> Target:
    """
    As `target`, for a URL that stands in a configuration.

    :raises ValueError: it cannot be used; the text begins with the key.
    """
    try:
        return target(url)
    except BadTarget as error:
        raise ValueError(f"{key}: {error}") from None


def redirected(here: Target, location: str) -> Target:
    """
    Where a redirect from `here` leads (RFC 9110 §10.2.2).

    :raises BadTarget: as `target`.
    """
    try:
        there = urljoin(here.url, location.strip())
    except ValueError:
        raise BadTarget("the URL cannot be read") from None
    return target(there)


def as_folder(url: str) -> str:
    """That URL, which is to end in a slash."""
    return url if url.endswith("/") else url + "/"


def check_page(here: Target, there: Target) -> None:
    """
    Check that a page may be looked for at `there` instead of `here`: on the same host, and never less safely (F7, S50).

    A page from elsewhere is a captive portal or somebody else's index, which has no say in what this index offers.

    :raises BadTarget: it may not.
    """
    if there.host != here.host:
        raise BadTarget(f"it redirects to another host ({there.host})")
    if (here.scheme, there.scheme) == ("https", "http"):
        raise BadTarget("it redirects from https to http")
    if here.scheme == there.scheme and here.port != there.port:
        raise BadTarget("it redirects to another port")


def check_file(index: Target, there: Target) -> None:
    """
    Check that bytes may be fetched from `there` for an index at `index`: from anywhere by https, by http only if the index is http.

    What is fetched is judged by the page's digest, and where it may be by its address (S47, S48).

    :raises BadTarget: it may not.
    """
    if there.scheme == "http" and index.scheme == "https":
        raise BadTarget("the URL is http although the index is https")
