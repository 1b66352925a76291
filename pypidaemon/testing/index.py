"""A package index that a test fills, watches and breaks."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import unquote

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from pypidaemon.testing import writing
from pypidaemon.testing.answering import Answer, send
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.testing.faults import Fault
from pypidaemon.testing.stock import Project, normalized, stocked

MODIFIED = "Wed, 01 Jan 2020 00:00:00 GMT"


@attrs.define
class Seen:
    """A request that came in; header names are in lower case, `status` is None until it is answered."""

    method: str
    path: str
    headers: dict[str, str]
    status: int | None = None


@implementer(IResource)
@attrs.define(eq=False)
class TestIndex:
    """
    A simple index (PEP 503, 691) with its files, their metadata and the legacy JSON.

    Everything may be changed between two requests. Files lie below `/packages/` where PyPI would have them. `absolute` is put
    before their paths on pages, so that they may seem to lie elsewhere; "" gives relative URLs.

    :param rate: bytes a second of each answer's body; None sends as fast as it goes.
    :param delay: seconds before each answer.
    """

    __test__ = False
    isLeaf = True

    rate: int | None = None
    delay: float = 0.0
    clock: IReactorTime | None = None
    serial: int = 1000
    cache_control: str | None = "max-age=600, public"
    etags: bool = True
    last_modified: bool = False
    serials: bool = True
    html_only: bool = False
    hashes: bool = True
    sidecars: bool = True
    gzip: bool = True
    absolute: str = ""
    credentials: tuple[str, str] | None = None
    projects: dict[str, Project] = attrs.field(factory=dict)
    requests: list[Seen] = attrs.field(factory=list)
    _frozen: dict[str, Project] = attrs.field(factory=dict, init=False)
    _faults: list[tuple[str, Fault, list[int]]] = attrs.field(factory=list, init=False)
    _calls: list[IDelayedCall] = attrs.field(factory=list, init=False)

    def add(
        self,
        name: str,
        version: str,
        *,
        requires: Sequence[str] = (),
        python: str = ">=3.8",
        size: int = 0,
        sdist: bool = False,
        tag: str = "py3-none-any",
        upload_time: str | None = None,
        fields: Sequence[str] = (),
    ) -> str:
        """Publish a wheel, with `fields` in its METADATA, and with `sdist` a source distribution too; answer the wheel's file name."""
        filename, data = make_wheel(name, version, requires, python, size=size, tag=tag, fields=fields)
        if sdist:
            self.add_file(name, *make_sdist(name, version, requires, python, size=size), upload_time=upload_time)
        self.add_file(name, filename, data, upload_time=upload_time)
        self.projects[normalized(name)].files[filename].requires_python = python
        return filename

    def add_file(self, name: str, filename: str, data: bytes, *, metadata: bytes | None = None, upload_time: str | None = None) -> None:
        """Publish any file; a wheel's metadata is taken from it unless given."""
        project = self._project(name)
        project.files[filename] = stocked(filename, data, metadata, upload_time or "2020-01-01T00:00:00.000000Z")

    def claim(self, name: str) -> None:
        """Have a project, with or without files."""
        self._project(name)

    def remove(self, name: str, filename: str | None = None) -> None:
        """Take away a file, or the whole project."""
        if filename is None:
            self.serial += 1
            del self.projects[normalized(name)]
        else:
            del self._project(name).files[filename]

    def yank(self, name: str, filename: str, reason: str = "") -> None:
        """Yank a file (PEP 592)."""
        self._project(name).files[filename].yanked = reason

    def unyank(self, name: str, filename: str) -> None:
        """Take the yank back."""
        self._project(name).files[filename].yanked = None

    def quarantine(self, name: str, marker: str | None = "quarantined", reason: str | None = None) -> None:
        """Give a project a status (PEP 792); None makes it plain active."""
        project = self._project(name)
        project.status, project.reason = marker, reason

    def replace(self, name: str, filename: str, data: bytes) -> None:
        """Put other bytes behind an unchanged page."""
        self.projects[normalized(name)].files[filename].data = data

    def freeze(self, name: str) -> None:
        """Go on answering a project's page as it is now, with the serial of now, as a stale node of a CDN does (F20)."""
        project = self.projects[normalized(name)]
        files = {filename: attrs.evolve(file) for filename, file in project.files.items()}
        self._frozen[project.name] = attrs.evolve(project, files=files)

    def thaw(self, name: str) -> None:
        """Answer its page as it is."""
        self._frozen.pop(normalized(name), None)

    def data(self, name: str, filename: str) -> bytes:
        """The bytes of a file."""
        return self.projects[normalized(name)].files[filename].data

    def metadata(self, name: str, filename: str) -> bytes:
        """The METADATA of a file."""
        found = self.projects[normalized(name)].files[filename].metadata
        assert found is not None, f"{filename} has no metadata"
        return found

    def path(self, name: str, filename: str) -> str:
        """The path of a file's URL."""
        return self.projects[normalized(name)].files[filename].path

    def break_(self, path_glob: str, fault: Fault, times: int | None = None) -> None:
        """Answer requests for matching paths with a fault, for so many times or until healed; the latest that matches counts."""
        self._faults.insert(0, (path_glob, fault, [-1 if times is None else times]))

    def heal(self, path_glob: str | None = None) -> None:
        """Take back the faults of that glob, or all."""
        self._faults = [entry for entry in self._faults if path_glob is not None and entry[0] != path_glob]

    def count(self, path_glob: str = "*") -> int:
        """How many requests for matching paths came in."""
        return sum(fnmatchcase(seen.path, path_glob) for seen in self.requests)

    def clear(self) -> None:
        """Forget the requests so far."""
        self.requests.clear()

    def hush(self) -> None:
        """Drop the answers, and parts of answers, that are still to be sent."""
        for call in self._calls:
            if call.active():
                call.cancel()
        self._calls.clear()

    def getChildWithDefault(self, name: bytes, request: IRequest) -> IResource:
        """As `IResource`; never called, since this is a leaf."""
        return self

    def putChild(self, path: bytes, child: IResource) -> None:
        """As `IResource`; there is no place for children."""
        raise TypeError("a scriptable index has no children")

    def render(self, request: Any) -> Any:
        """As `IResource`."""
        path = request.uri.decode("latin-1").partition("?")[0]
        headers = {
            name.decode("latin-1").lower(): b", ".join(values).decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        seen = Seen(request.method.decode("latin-1"), path, headers)
        self.requests.append(seen)
        fault = self._fault(path)
        if fault.drop:
            request.channel.transport.abortConnection()
        elif not fault.stall:
            wait = self.delay + fault.delay
            if wait:
                self._later(wait, self._answer, request, seen, fault)
            else:
                self._answer(request, seen, fault)
        return NOT_DONE_YET

    def _later(self, seconds: float, function: Callable[..., object], *arguments: object) -> None:
        if self.clock is None:
            raise RuntimeError("an index needs a clock for whatever takes time")
        self._calls = [call for call in self._calls if call.active()]
        self._calls.append(self.clock.callLater(seconds, function, *arguments))

    def _answer(self, request: Any, seen: Seen, fault: Fault) -> None:
        if request.channel is None:
            return
        headers = seen.headers
        if fault.body is not None or fault.flip is not None or fault.endless:
            # Another body is no answer to a question whether it is still the same one.
            headers = {name: value for name, value in headers.items() if name not in ("if-none-match", "if-modified-since")}
        answer = self._find(unquote(seen.path), headers)
        answer.spoil(fault)
        if seen.path.startswith("/packages/"):
            answer.ranged(seen.headers.get("range"), fault)
        seen.status = answer.status
        send(request, answer, fault, self._later, self.rate)

    def _fault(self, path: str) -> Fault:
        for path_glob, fault, left in self._faults:
            if left[0] != 0 and fnmatchcase(path, path_glob):
                left[0] -= 1
                return fault
        return Fault()

    def _project(self, name: str) -> Project:
        self.serial += 1
        project = self.projects.setdefault(normalized(name), Project(normalized(name), self.serial))
        project.serial = self.serial
        return project

    def _find(self, path: str, headers: dict[str, str]) -> Answer:
        if self.credentials is not None:
            import base64

            expected = "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()
            if headers.get("authorization") != expected:
                return Answer(401, {"www-authenticate": 'Basic realm="pypi"'}, b"who are you?\n")
        match path.split("/"):
            case ["", "simple", ""]:
                return self._list(headers)
            case ["", "simple", name] if name:
                return Answer(301, {"location": f"/simple/{normalized(name)}/"}, b"")
            case ["", "simple", name, ""]:
                return self._page(name, headers)
            case ["", "packages", *_]:
                return self._file(path, headers)
            case ["", "pypi", name, "json"] if normalized(name) in self.projects:
                project = self.projects[normalized(name)]
                return self._document(writing.legacy_json(project, self.absolute), "application/json", project.serial, headers)
        return Answer(404, {"content-type": "text/plain"}, b"not found\n")

    def _list(self, headers: dict[str, str]) -> Answer:
        projects = [self.projects[name] for name in sorted(self.projects)]
        if self._wants_json(headers):
            return self._document(writing.names_json(projects, self.serial), writing.JSON, self.serial, headers)
        return self._document(writing.names_html(projects, self.serial), writing.HTML, self.serial, headers)

    def _page(self, name: str, headers: dict[str, str]) -> Answer:
        if name != normalized(name):
            return Answer(301, {"location": f"/simple/{normalized(name)}/"}, b"")
        project = self._frozen.get(name) or self.projects.get(name)
        if project is None:
            return Answer(404, {"content-type": "text/plain"}, b"no such project\n")
        is_json = self._wants_json(headers)
        write = writing.page_json if is_json else writing.page_html
        body = write(project, self.absolute or "../..", hashes=self.hashes, sidecars=self.sidecars, serials=self.serials)
        return self._document(body, writing.JSON if is_json else writing.HTML, project.serial, headers)

    def _file(self, path: str, headers: dict[str, str]) -> Answer:
        for project in self.projects.values():
            for file in project.files.values():
                if path == file.path:
                    tag = f'"{hashlib.md5(file.data, usedforsecurity=False).hexdigest()}"'
                    return Answer(200, self._marked({"content-type": "application/octet-stream"}, tag), file.data)
                if path == f"{file.path}.metadata" and self.sidecars and file.metadata is not None:
                    return Answer(200, {"content-type": "application/octet-stream"}, file.metadata)
        return Answer(404, {"content-type": "text/plain"}, b"no such file\n")

    def _document(self, body: bytes, content_type: str, serial: int, headers: dict[str, str]) -> Answer:
        said = self._marked({"content-type": content_type, "vary": "Accept"}, f'"{hashlib.sha256(body).hexdigest()[:20]}"')
        if self.cache_control is not None:
            said["cache-control"] = self.cache_control
        if self.serials:
            said["x-pypi-last-serial"] = str(serial)
        same = (self.etags and said["etag"] in headers.get("if-none-match", "")) or (
            self.last_modified and headers.get("if-modified-since") == MODIFIED and "if-none-match" not in headers
        )
        if same:
            return Answer(304, said, b"")
        if self.gzip and "gzip" in headers.get("accept-encoding", ""):
            said["content-encoding"] = "gzip"
            body = gzip.compress(body, 1, mtime=0)
        return Answer(200, said, body)

    def _marked(self, headers: dict[str, str], tag: str) -> dict[str, str]:
        if self.etags:
            headers["etag"] = tag
        if self.last_modified:
            headers["last-modified"] = MODIFIED
        return headers

    def _wants_json(self, headers: dict[str, str]) -> bool:
        return not self.html_only and writing.JSON in headers.get("accept", "")
