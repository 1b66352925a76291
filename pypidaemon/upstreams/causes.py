"""Why a request came to nothing, in words that a person understands and that show neither URLs nor credentials (S50, S71)."""

from __future__ import annotations

from twisted.internet import error
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError

from pypidaemon.upstreams.addresses import AddressRefused
from pypidaemon.upstreams.sieve import HeadTooLarge, UnaskedBytes
from pypidaemon.upstreams.tunnel import ProxyFailed
from pypidaemon.waits import TookTooLong

_PHRASES: tuple[tuple[type[BaseException], str], ...] = (
    (TookTooLong, "it does not answer"),
    (HeadTooLarge, "its response head is too large"),
    (UnaskedBytes, "it sent more than one response"),
    (error.DNSLookupError, "its address cannot be found"),
    (error.ConnectionRefusedError, "it refuses connections"),
    (error.NoRouteError, "there is no route to it"),
    (error.TimeoutError, "it cannot be connected to"),
    (ParseError, "it does not speak HTTP"),
    (error.ConnectionLost, "it broke the connection"),
    (error.ConnectionDone, "it closed the connection"),
    (error.ConnectionAborted, "the connection was cut"),
    (error.ConnectError, "it cannot be connected to"),
)


def explain(trouble: BaseException) -> str:
    """A few words on what went wrong with a request."""
    for inner in _reasons(trouble):
        if isinstance(inner, AddressRefused | ProxyFailed):
            return str(inner)
        tls = _tls(inner)
        if tls:
            return tls
        for kind, phrase in _PHRASES:
            if isinstance(inner, kind):
                return phrase
    return f"the request failed ({type(trouble).__name__})"


def _reasons(trouble: BaseException) -> list[BaseException]:
    """The errors that Twisted wrapped, innermost first, and last the wrapper itself."""
    found: list[BaseException] = []
    for reason in getattr(trouble, "reasons", None) or ():
        if isinstance(reason, Failure) and reason.value is not None:
            found += _reasons(reason.value)
    return [*found, trouble]


def _tls(trouble: BaseException) -> str:
    # These classes are known by where they stand, since what defines them is loaded with the first connection that needs it.
    home = type(trouble).__module__.partition(".")[0]
    if home == "service_identity":
        return "TLS: its certificate is for another host"
    # OpenSSL's errors are lists of (library, function, reason); pyOpenSSL has one class for all of them.
    if home != "OpenSSL":
        return ""
    entries = trouble.args[0] if trouble.args and isinstance(trouble.args[0], list) else []
    words = sorted({str(entry[-1]) for entry in entries if isinstance(entry, tuple) and entry and entry[-1]})
    said = ", ".join(words) or "it broke the connection"
    if "certificate verify failed" in said or "expired" in said or "not yet valid" in said:
        return f"TLS: {said} (its certificate is not trusted or out of date; is the clock right?)"
    return f"TLS: {said}"
