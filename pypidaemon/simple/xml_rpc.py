"""
Calls and answers of XML-RPC, which old tools speak (R146-R150, P13): read with suspicion, written so that every parser takes them.

Nothing here knows a method, save the two lists of projects, which are written a piece at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pypidaemon.model import NormalizedName
from pypidaemon.simple.names import Layout

# The library is imported where it is used: it takes half a megabyte, and few daemons are ever asked a thing in this way.
if TYPE_CHECKING:
    from xmlrpc.client import DateTime

PARSE, NO_METHOD, BAD_PARAMETERS, RETIRED = -32700, -32601, -32602, -32500
"""Codes of faults: the first three of the interoperability specification, the last as PyPI answers what it no longer does (R148)."""

LARGEST_INT = 2**31 - 1
"""`<int>` has 32 bits (R147)."""

_MARKUP = re.compile(rb"<!(?!--|\[CDATA\[)")
_ENCODING = re.compile(rb"\A\s*<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)", re.IGNORECASE)
_ENCODINGS = {b"utf-8", b"ascii", b"us-ascii", b"iso-8859-1"}
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_ANSWER = "this is no XML-RPC response"
_START = b"<?xml version='1.0'?>\n<methodResponse><params><param><value>"
_END = b"</value></param></params></methodResponse>\n"


class Dangerous(ValueError):
    """A call or a response with a document type, an entity, or an encoding that could hide one (S83); it is not parsed."""


class Fault(Exception):
    """What is answered instead of a result: a code and a line."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code
        self.line = line


def read_call(body: bytes) -> tuple[str, tuple[Any, ...]]:
    """
    The method and the parameters of a call.

    :raises Dangerous: it is not safe to parse.
    :raises Fault: it cannot be read.
    """
    parameters, method = _read(body, "this is no XML-RPC call")
    if not method:
        raise Fault(PARSE, "this is no XML-RPC call")
    return method, parameters


def read_answer(body: bytes) -> Any:
    """
    The result in a response. Slow for long ones, so call it on a thread.

    :raises Dangerous: it is not safe to parse.
    :raises Fault: it cannot be read, or says that there is a fault.
    """
    results, method = _read(body, _NO_ANSWER)
    if method or len(results) != 1:
        raise Fault(PARSE, _NO_ANSWER)
    return results[0]


def write_call(method: str, *given: int) -> bytes:
    """The call of a method with these numbers."""
    from xmlrpc.client import dumps

    return dumps(given, method).encode("utf-8")


def write_answer(value: Any) -> bytes:
    """The response with that result: texts, numbers, None, lists and dictionaries of such, and `xmlrpc.client.DateTime`."""
    from xmlrpc.client import dumps

    return dumps((_fit(value),), methodresponse=True, allow_none=True).encode("utf-8")


def write_fault(fault: Fault) -> bytes:
    """The response that says what was wrong."""
    from xmlrpc import client

    return client.dumps(client.Fault(fault.code, _fit(fault.line)), methodresponse=True).encode("utf-8")


def moment(text: str | None) -> DateTime | None:
    """An `upload-time` as XML-RPC has it: to the second, in UTC."""
    from xmlrpc.client import DateTime

    return None if text is None else DateTime(text[:19].replace("-", ""))


def _array_lines(entries: Iterable[tuple[NormalizedName, int]]) -> Iterable[bytes]:
    # A name that passed the gate has nothing to escape.
    return (b"<value><string>%b</string></value>\n" % name.encode() for name, _ in entries)


def _struct_lines(entries: Iterable[tuple[NormalizedName, int]]) -> Iterable[bytes]:
    return (
        b"<member><name>%b</name><value><int>%d</int></value></member>\n" % (name.encode(), min(number, LARGEST_INT))
        for name, number in entries
    )


NAMES_ARRAY = Layout(lambda _: _START + b"<array><data>\n", _array_lines, lambda _: b"</data></array>" + _END)
"""The response to `list_packages`. The serial of the list stands nowhere in it."""
NAMES_STRUCT = Layout(lambda _: _START + b"<struct>\n", _struct_lines, lambda _: b"</struct>" + _END)
"""The response to `list_packages_with_serial`."""


def _read(body: bytes, wrong: str) -> tuple[tuple[Any, ...], str | None]:
    """Values, and the method where it is a call; `wrong` is what a fault says where it cannot be read."""
    encoding = _ENCODING.match(body)
    # A NUL is in every text of UTF-16, in which `<!` would look otherwise.
    if _MARKUP.search(body) or b"\0" in body or (encoding is not None and encoding[1].lower() not in _ENCODINGS):
        raise Dangerous("document types, entities and other encodings than UTF-8 are not accepted")
    from xml.parsers.expat import ExpatError
    from xmlrpc import client

    # What could make its parser misbehave is refused by now.
    try:
        return client.loads(body, use_builtin_types=True)
    except client.Fault as fault:
        raise Fault(_whole(fault.faultCode), str(fault.faultString)) from None
    except (ExpatError, client.Error, ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
        # In all these ways the library answers what nobody thought of.
        raise Fault(PARSE, wrong) from None


def _whole(code: Any) -> int:
    return code if isinstance(code, int) else PARSE


def _fit(value: Any) -> Any:
    """The value without what XML or XML-RPC cannot carry."""
    if isinstance(value, str):
        return _ILLEGAL.sub("", value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > LARGEST_INT:
        # The size of a large file: exact as a double up to 8 PiB.
        return float(value)
    if isinstance(value, list | tuple):
        return [_fit(item) for item in value]
    if isinstance(value, dict):
        return {_fit(key): _fit(item) for key, item in value.items()}
    return value
