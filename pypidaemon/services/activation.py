"""Sockets that a service manager has bound and hands over, found by what the configuration says (sd_listen_fds(3))."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

from twisted.internet import endpoints
from twisted.internet.endpoints import AdoptedStreamServerEndpoint, serverFromString
from twisted.internet.interfaces import IStreamServerEndpoint

from pypidaemon.services.sockets import generous

_TCP = re.compile(r"tcp6?:(?:port=)?(\d+)(?::interface=((?:[^:\\]|\\.)+))?(?::backlog=\d+)?")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_UNIX = re.compile(r"unix:(?:address=)?((?:[^:\\=]|\\.)+)(?::.*)?")


def handed_over() -> tuple[int, ...]:
    """
    The descriptors that were handed over to this process.

    Twisted reads the environment when it is imported, and takes out what it has read, so nobody else can; it has no public name for what it found.
    """
    found: list[int] = endpoints._SystemdParser._sddaemon.inheritedDescriptors()
    return tuple(found)


def endpoint(reactor: Any, description: str, descriptors: tuple[int, ...]) -> IStreamServerEndpoint:
    """
    What listens at that description: on the socket that was handed over for it, where one was.

    So the same configuration works with and without a service manager that binds ports, as one must below 1024 without being root. With `ssl:` and
    the like only `systemd:` itself can name a socket; clients are sent all certificates that are in its file.
    """
    for descriptor in descriptors:
        try:
            with socket.socket(fileno=os.dup(descriptor)) as looked_at:
                if looked_at.type == socket.SOCK_STREAM and _is_meant(description, looked_at.family, looked_at.getsockname()):
                    return AdoptedStreamServerEndpoint(reactor, descriptor, looked_at.family)
        except OSError:
            # It is no socket, or was used before.
            continue
    made: IStreamServerEndpoint = serverFromString(reactor, generous(description))
    context = getattr(made, "_sslContextFactory", None)
    if context is not None and context.extraCertChain == []:
        context.extraCertChain = _authorities(description)
    return made


def _authorities(description: str) -> list[Any]:
    """
    What stands behind the first certificate in the file that an `ssl:` endpoint has it from, which is where most programs want those of the authority.

    Twisted reads no more than the first, and clients who do not know the others could not trust it.

    :raises Exception: one of them cannot be read.
    """
    from twisted.internet import ssl

    words, named = endpoints._parse(description)
    said = dict(zip(("privateKey", "certKey"), words[2:], strict=False)) | named
    file = Path(said.get("certKey", said.get("privateKey", "server.pem")))
    _, *others = _CERTIFICATE.findall(file.read_bytes())
    return [ssl.Certificate.loadPEM(one).original for one in others]


def _is_meant(description: str, family: int, name: Any) -> bool:
    if family == socket.AF_UNIX:
        unix = _UNIX.fullmatch(description)
        return unix is not None and re.sub(r"\\(.)", r"\1", unix[1]) == name
    tcp = _TCP.fullmatch(description)
    if tcp is None or family not in (socket.AF_INET, socket.AF_INET6) or int(tcp[1]) != name[1]:
        return False
    interface = (tcp[2] or "").replace("\\", "")
    # A service manager that is told a port alone binds it for IPv6, which on Linux takes IPv4 as well.
    return name[0] == interface or (interface in ("", "0.0.0.0", "::") and name[0] in ("0.0.0.0", "::"))  # noqa: S104  # recognised, not bound
