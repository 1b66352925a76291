"""
A scriptable index in a process of its own, told what to do by lines of JSON on standard input.

Each line is `[name, arguments, keywords]`; each answer is `{"result": ...}` or `{"error": ...}` on a line of standard output. A
name is a method of `pypidaemon.testing.TestIndex`, or one of the few below.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.ssl import DefaultOpenSSLContextFactory
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

from pypidaemon.testing import Fault, Served, TestIndex, faults, listen
from pypidaemon.testing.seeding import seed

WORDS = ("fault", "seed", "holdings", "recorded")
"""Methods of `Script` that a line may name; all others are the index's."""


@attrs.define
class Script:
    """What a line may ask for beyond the index's own methods."""

    index: TestIndex
    served: Served

    async def obey(self, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        """Do one thing; answer what JSON can say of its outcome."""
        match name:
            case "requests":
                return [attrs.astuple(seen) for seen in self.index.requests]
            case "set":
                setattr(self.index, *arguments)
            case "hide_metadata":
                project, filename = arguments
                self.index.projects[project].files[filename].metadata = None
            case "serve_page":
                project, text, content_type = arguments
                fault = Fault(body=text.encode(), content_type=content_type, headers=(("ETag", ""),))
                self.index.break_(f"/simple/{project}/", fault)
            case "add_text":
                project, filename, text = arguments
                self.index.add_file(project, filename, text.encode())
            case "break_":
                headers = tuple((field, value) for field, value in keywords.pop("headers", ()))
                times = keywords.pop("times", None)
                # JSON has no bytes.
                keywords |= {name: keywords[name].encode() for name in ("body", "extra") if name in keywords}
                [path_glob] = arguments
                self.index.break_(path_glob, Fault(headers=headers, **keywords), times)
            case "stop":
                await self.served.stop()
            case "start":
                await self.served.start()
            case _:
                result = getattr(self if name in WORDS else self.index, name)(*arguments, **keywords)
                return result if isinstance(result, str | int | dict) else None
        return None

    def fault(self, path_glob: str, kind: str, *rest: Any) -> None:
        """Break it with a fault that one of the functions of `pypidaemon.testing.faults` makes."""
        self.index.break_(path_glob, getattr(faults, kind)(*rest))

    def seed(self, *arguments: int) -> None:
        """As `pypidaemon.testing.seeding.seed`."""
        seed(self.index, *arguments)

    def holdings(self) -> dict[str, dict[str, list[Any]]]:
        """Path, size, sha256, and the sha256 of the metadata (None where there is none), by project and file name."""
        return {
            name: {
                file.filename: [
                    file.path, len(file.data), hashlib.sha256(file.data).hexdigest(),
                    None if file.metadata is None else hashlib.sha256(file.metadata).hexdigest(),
                ]
                for file in project.files.values()
            }
            for name, project in self.index.projects.items()
        }  # fmt: skip

    def recorded(self, place: str, filename: str) -> None:
        """Offer a file of `tests/recorded`, as one of a project or at a path of its own."""
        data = (Path(__file__).parents[1] / "recorded" / filename).read_bytes()
        if place.startswith("/"):
            self.index.break_(place, Fault(status=200, body=data, content_type="application/json"))
        else:
            self.index.add_file(place, filename, data)


class Ears(LineReceiver):
    """Hears the lines and answers them."""

    delimiter = b"\n"
    MAX_LENGTH = 1 << 20

    def __init__(self, script: Script, reactor: Any) -> None:
        self.script = script
        self.reactor = reactor

    def lineReceived(self, line: bytes) -> None:
        """As `LineReceiver`."""
        name, arguments, keywords = json.loads(line)
        outcome = Deferred.fromCoroutine(self.script.obey(name, arguments, keywords))
        outcome.addCallbacks(lambda result: self.say({"result": result}), lambda failure: self.say({"error": failure.getTraceback()}))

    def say(self, answer: dict[str, Any]) -> None:
        """One line of answer."""
        self.sendLine(json.dumps(answer).encode())  # type: ignore[no-untyped-call]  # Twisted's method has no types

    def connectionLost(self, reason: Any = None) -> None:
        """Whoever started this process is gone, so nobody needs it."""
        if self.reactor.running:
            self.reactor.stop()


def main(certificate: str | None = None) -> int:
    """
    Serve an empty index on a free port; the first line of output is its URL.

    :param certificate: a file of a key and certificates, for https.
    """
    from twisted.internet import reactor

    index = TestIndex()
    served = listen(reactor, index, tls=None if certificate is None else DefaultOpenSSLContextFactory(certificate, certificate))
    ears = Ears(Script(index, served), reactor)
    StandardIO(ears)
    ears.say({"result": served.url})
    reactor.run()
    return 0


def run() -> int:
    """The same as a program."""
    return main(*sys.argv[1:])


if __name__ == "__main__":
    sys.exit(run())
