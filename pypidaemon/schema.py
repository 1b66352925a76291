"""
From a component's attrs class to what its section may say, and from what it says to values.

The attrs class is the schema (design, section 6): its fields carry what `pypidaemon.settings` put into their metadata. The `[daemon]`
section has a class like any component, so it is read by the same rules.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.endpoints import serverFromString

from pypidaemon.budget import Share, budget
from pypidaemon.components import Unloadable
from pypidaemon.interfaces import IBlobStore, IIndex, IRecords
from pypidaemon.late_tls import is_plain, is_put_off
from pypidaemon.moments import moment, written
from pypidaemon.settings import (
    KEY,
    Given,
    Lines,
    Reference,
    Secret,
    Setting,
    count,
    duration,
    flag,
    path,
    reference,
    secret,
    setting,
    size,
    text,
    url,
    words,
)

GIVEN = (
    "allotments",
    "announcements",
    "clock",
    "cpu",
    "data",
    "disk",
    "holdings",
    "informants",
    "inspector",
    "label",
    "lists",
    "local_indexes",
    "offline",
    "reactor",
    "reserved",
    "rulings",
    "spool",
)
"""
What a component can ask for by `settings.given`: what may be taken of what is never evicted, who is told of changes, the reactor's clock, threads for computing, the data folder, threads for
disks, what is stored and who names it, the inspector of uploaded archives, the section's own label, a store for upstreams' project lists, the
indexes whose truth is here, by label, once all are made, whether nobody outside is asked for anything, the reactor, the reserved patterns, and the spool of the default blob store.
"""

DAEMON_WIDE = ("reserved", "offline")
"""What `[daemon]` says about all upstreams: where that changes they are made anew when the configuration is read again."""

HIDDEN = "(hidden)"
"""Stands where a secret would."""

_LOCATION = re.compile(r"/(?:[A-Za-z0-9_-]{1,60}/){1,5}")
_HOSTS = re.compile(r"[a-z0-9_.*?-]{1,253}")
_PORT = re.compile(r"(?:tcp6?|ssl):(?:port=)?(\d+)")
_INTERFACE = re.compile(r":interface=((?:[^:\\]|\\.)+)")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")
_UNITS = (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60))
_SIZES = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def endpoints(raw: str) -> tuple[str, ...]:
    """
    One or more Twisted endpoint descriptions, each parsed to see whether it can be; nothing is bound.

    `systemd:` reads what the service manager hands over, so it is only parsed where there is a service manager.
    """
    descriptions = words(raw)
    if not descriptions:
        raise ValueError("must name at least one endpoint, such as tcp:3141:interface=127.0.0.1")
    for description in descriptions:
        port = _PORT.match(description)
        if port and int(port[1]) > 65535:
            raise ValueError(f"{description!r}: there is no port {port[1]}")
        if description.startswith("systemd:") and "LISTEN_FDS" not in os.environ:
            continue
        if is_put_off() and not is_plain(description):
            raise ValueError(f"{description!r} may speak TLS, and this daemon was started without: that needs a restart")
        try:
            serverFromString(None, description)
        except Exception as error:  # noqa: BLE001  # parsers of endpoints are plugins and share no exception
            hint = f"; for a port write tcp:{description}" if description.isdecimal() else ""
            raise ValueError(f"{description!r} is not an endpoint: {error}{hint}") from None
    return descriptions


def networks(raw: str) -> tuple[str, ...]:
    """IP addresses and networks such as `10.0.0.0/8`; host names are not taken, since whoever answers for them could be believed."""
    for word in words(raw):
        try:
            ipaddress.ip_network(word)
        except ValueError as error:
            raise ValueError(f"{word!r} is not an IP network: {error}") from None
    return words(raw)


def hosts(raw: str) -> tuple[str, ...]:
    """Host names without ports, and patterns of them in which `*` stands for any run of characters and `?` for one."""
    names = tuple(word.lower() for word in words(raw))
    if not names:
        raise ValueError("must not be empty; leave the key out instead")
    for name in names:
        if not _HOSTS.fullmatch(name):
            raise ValueError(f"{name!r} is not a host name, or a pattern of some; ports are left out")
    return names


def location(raw: str) -> str:
    """The path of a web server's location, from `/` to `/`."""
    if not _LOCATION.fullmatch(raw.strip()):
        raise ValueError(f"{raw.strip()!r} is not a location: it begins and ends with / and has plain letters, digits, - and _ between")
    return raw.strip()


def some(raw: str) -> int:
    """A whole number above 0."""
    if (number := count(raw)) == 0:
        raise ValueError("must be at least 1")
    return number


def retention(raw: str) -> float:
    """How long something is kept: a duration, or `no` for not at all, which is 0."""
    return 0.0 if raw.strip().lower() in ("no", "off", "false") else duration(raw)


def log_file(raw: str) -> Path | str:
    """A file, or `no` for none."""
    return "no" if raw.strip().lower() in ("no", "off", "false") else path(raw)


def log_form(raw: str) -> str:
    """`combined` or `json`."""
    return _one_of(raw, ("combined", "json"))


def addresses(raw: str) -> str:
    """`whole`, `shortened` or `none`."""
    return _one_of(raw, ("whole", "shortened", "none"))


def _one_of(raw: str, known: tuple[str, ...]) -> str:
    if (word := raw.strip().lower()) not in known:
        raise ValueError(f"{raw.strip()!r} is none of {', '.join(known)}")
    return word


def patterns(raw: str) -> tuple[str, ...]:
    """Patterns of project names, as `pypidaemon.globs.globs` reads them."""
    from pypidaemon.globs import globs

    return globs(raw)


def bundle_keys(raw: str) -> tuple[str, ...]:
    """Public keys, as `pypidaemon bundle key` prints them."""
    from pypidaemon.bundles.keys import public_keys

    return public_keys(raw)


@attrs.frozen
class Daemon:
    """What `[daemon]` says. `data` None is the default that depends on where the file stands: see `data_beside`."""

    blobs: str = reference(IBlobStore, default="blobs", help="where files are kept")
    records: str = reference(IRecords, default="records", help="where what is known about them is kept")
    accounts: str = reference(ICredentialsChecker, default="accounts", help="who says who it is that logs in")
    index: str = reference(IIndex, default="root", help="the index at /simple/")
    uploads: str | None = setting(text, default=None, help="the index that uploads at the root go to; without it they are off")
    conceal: bool = setting(flag, default=False, help="whether what an account may not see is answered as if it were not there")
    access_records: float = setting(
        retention, default=90 * 86400.0, help="how long it is on record who took which file, from which address; no: not at all"
    )
    access_log: Path | str | None = setting(
        log_file,
        default=None,
        help="a file of its own for the access log; no: there is none; by default its lines stand in the daemon's log",
    )
    access_log_form: str = setting(log_form, default="combined", help="how a line of it is written: as web servers do, or as a JSON object")
    client_addresses: str = setting(
        addresses,
        default="whole",
        help="what the access log and the records of who took what say of a client's address; shortened: the first 24 bits of it, in IPv6 the first 48",
    )
    drain: float = setting(duration, default=30.0, help="how long transfers that are under way may go on when the daemon is told to stop")
    listen: tuple[str, ...] = setting(
        endpoints, default=("tcp:3141:interface=127.0.0.1",), help="where to listen: Twisted endpoint descriptions"
    )
    connections: int = setting(
        some, default=4000, help="how many clients may be connected at once; above it those that wait longest without a request are let go"
    )
    connections_per_address: int = setting(
        some, default=200, help="how many of them from one address, this machine and trusted-proxies excepted; in IPv6 from one /64"
    )
    requests_per_address: int = setting(
        count,
        default=0,
        help="how many requests one address may make in a minute, this machine and trusted-proxies excepted; in IPv6 one /64; 0: as many as it likes",
    )
    workers: int = setting(
        some,
        default=1,
        help="how many processes answer at plain TCP sockets: all but one of them only what was answered before",
    )
    data: Path | None = setting(path, default=None, help="the folder that everything is kept in")
    budget: tuple[Share, ...] = setting(
        budget,
        default=(),
        help="how much of the disk may be taken, by role: proxied=20GiB is for files fetched on demand, pages=1GiB (that is the default) for what"
        " upstreams said of others; mirrored=500GiB stops runs, private=50GiB refuses uploads; no limit by default",
    )
    read_only: bool = setting(
        flag, default=False, help="whether nothing is written and nobody outside asked: for a data folder on a disk that can only be read"
    )
    reserved: tuple[str, ...] = setting(patterns, default=(), help="patterns of project names that no upstream is ever asked about")
    offline: bool = setting(flag, default=False, help="whether nobody outside is asked for anything: what is here is all there is")
    bundle_keys: tuple[str, ...] = setting(
        bundle_keys, default=(), help="the public keys whose bundles are taken in, as `pypidaemon bundle key` prints them"
    )
    unsigned_bundles: bool | None = setting(
        flag, default=None, help="whether bundles are taken in that none of these keys has signed; by default where there are none"
    )
    public_url: str | None = setting(url, default=None, help="the address that clients use, where a proxy stands in front")
    trusted_proxies: tuple[str, ...] = setting(networks, default=(), help="the networks whose X-Forwarded headers are believed")
    accel_redirect: str | None = setting(
        location,
        default=None,
        help="the internal location, such as /internal/, by which the nginx in trusted-proxies sends stored files itself (X-Accel-Redirect)",
    )
    hosts: tuple[str, ...] = setting(
        hosts,
        default=(),
        help="names in the Host header that are answered, besides addresses, localhost and this machine's own; without it, where only this machine"
        " is listened for, these alone, and else all",
    )


def data_beside(here: Path) -> Path:
    """
    The data folder of a file that does not name one: `<root>/var` for `<root>/etc/config.ini`, `/var/lib/pypidaemon` for a file in
    `/etc/pypidaemon`, and else `var` in the file's own folder.
    """
    if here == Path("/etc/pypidaemon"):
        return Path("/var/lib/pypidaemon")
    return here.parent / "var" if here.name == "etc" else here / "var"


def local_url(listen: tuple[str, ...]) -> str:
    """The address under which this machine itself reaches the first of these endpoints that has a port; a wildcard means loopback."""
    for description in listen:
        port = _PORT.match(description)
        if port:
            interface = _INTERFACE.search(description)
            host = interface[1].replace("\\", "") if interface else ""
            host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # recognised, not bound
            return f"{'https' if description.startswith('ssl') else 'http'}://{f'[{host}]' if ':' in host else host}:{port[1]}/"
    return "http://localhost/"


@attrs.frozen
class Wish:
    """One field of a component that the configuration or the daemon fills. `default` is `attrs.NOTHING` where there is none."""

    argument: str
    key: str
    source: Setting | Reference | Given
    default: Any

    def value(self, raw: str, here: Path) -> Any:
        """
        Read the text of a setting. Relative paths, also in `file:PATH`, start at `here` and never at the working directory.

        :raises ValueError: its text says what is wrong.
        """
        assert isinstance(self.source, Setting)
        if self.source.convert is secret and raw.strip().startswith("file:"):
            raw = f"file:{_absolute(Path(raw.strip()[5:]).expanduser(), here)}"
        value = self.source.convert(raw)
        if isinstance(value, Path):
            value = _absolute(value, here)
        elif isinstance(value, Lines):
            value = Lines(_absolute(item, here) if isinstance(item, Path) else item for item in value)
        return value if self.source.read is None else self.source.read(value)

    def shown(self, value: Any) -> Any:
        """That value for people: None, a flag, or text that reads back as the same value; a secret is hidden."""
        assert isinstance(self.source, Setting)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Secret):
            return HIDDEN
        if isinstance(value, tuple | list | frozenset | set):
            return ("\n" if isinstance(value, Lines) else " ").join(str(item) for item in value)
        if self.source.convert is retention and not value:
            return "no"
        if self.source.convert in (duration, retention):
            return _in_units(value, _UNITS) or f"{value:g}s"
        if self.source.convert is size:
            return _in_units(value, _SIZES) or str(value)
        if isinstance(value, float) and (spelled := self._as_duration(value)) is not None:
            return spelled
        if self.source.convert is moment:
            return written(value)
        return _CREDENTIALS.sub(HIDDEN + "@", str(value))

    def _as_duration(self, value: float) -> str | None:
        """That value as a duration, where a component's own way of reading understands those; else None."""
        assert isinstance(self.source, Setting)
        spelled = _in_units(value, _UNITS) or f"{value:g}s"
        try:
            return spelled if self.source.convert(spelled) == value else None
        except ValueError:
            return None


def wishes(component: type) -> tuple[Wish, ...]:
    """
    What a component wants, in the order of its fields.

    Fields without one of `pypidaemon.settings`' words are the component's own business and need a default.

    :raises Unloadable: the class is not an attrs class, has a field nobody could fill, or asks for something that cannot be given.
    """
    if not attrs.has(component):
        raise Unloadable(f"{component.__module__}:{component.__qualname__} is not an attrs class, so it cannot say what it wants")
    found = []
    for field in attrs.fields(component):
        if not field.init:
            continue
        source = field.metadata.get(KEY)
        if source is None:
            if field.default is attrs.NOTHING:
                raise Unloadable(f"{component.__qualname__}.{field.name} has neither a default nor a source (see pypidaemon.settings)")
            continue
        if isinstance(source, Given) and source.name not in GIVEN:
            raise Unloadable(f"{component.__qualname__}.{field.name} asks for {source.name!r}, which the daemon does not give", GIVEN)
        default = field.default.factory() if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]  # attrs types its class Factory as a function
        found.append(Wish(field.alias, field.alias.replace("_", "-"), source, default))
    return tuple(found)


def unknown(values: Mapping[str, str], known: tuple[str, ...]) -> str | None:
    """The first key that is not known, or None."""
    for key in values:
        if key not in known:
            return key
    return None


def _absolute(value: Path, here: Path) -> Path:
    return Path(os.path.normpath(here / value))


def _in_units(value: float, units: tuple[tuple[str, int], ...]) -> str | None:
    for unit, each in units:
        if value and value % each == 0:
            return f"{value / each:.0f}{unit}"
    return None
