"""This daemon and nginx, as they are compared with the others."""

from __future__ import annotations

import base64
import gzip
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import attrs
from measuring import get

from benchmarks.side_by_side.pressing import PIP, Unable
from benchmarks.side_by_side.servers import PROCESSORS, Server
from pypidaemon.commands import control
from pypidaemon.services.sockets import CONTROL


@attrs.define(eq=False)
class Pypidaemon(Server):
    """Private packages before a proxy, as the shipped configuration has it; with accounts, an access log in a file, and metrics."""

    name = "pypidaemon"
    uploads, uploaded = "/legacy/", "/index/private/simple/"
    token: str = attrs.field(default="", init=False)
    settings: str = attrs.field(default="", init=False)
    """More of its section `[daemon]`."""

    def prepare(self) -> None:
        """As `Server`."""
        (self.folder / "config.ini").write_text(
            f"[daemon]\nlisten = tcp:{self.port}:interface=127.0.0.1\ndata = {self.folder / 'data'}\nindex = root\nuploads = private\n{self.settings}"
            "[index:root]\nuse = first-match\nindexes = private proxy\n[index:private]\nuse = private\n[index:proxy]\nuse = proxy\nupstream = pypi\n"
            f"[upstream:pypi]\nuse = http\nurl = {self.upstream}\nproxy = none\nmax-age = 1h\n"
        )

    def command(self) -> list[str]:
        """As `Server`."""
        return [sys.executable, "-m", "pypidaemon", "run", "-c", str(self.folder / "config.ini"), "--log", str(self.folder / "access.log")]

    def introduce(self) -> None:
        """As `Server`: people, a right, and a token that pages are asked with as well."""
        self._tell("user/add", name="ann")
        self._tell("grant/add", name="ann", right="upload", place="private")
        self.token = self._tell("token/add", name="ann")["token"]

    def login(self) -> dict[str, str]:
        """As `Server`."""
        return {"Authorization": "Basic " + base64.b64encode(f"__token__:{self.token}".encode()).decode()}

    def _tell(self, order: str, **fields: str) -> dict[str, str]:
        said: dict[str, str] = control.ask(self.folder / "data" / CONTROL, "POST", f"/people/{order}", body=json.dumps(fields).encode())
        return said


class Nginx(Server):
    """nginx with files that lie ready, plain and compressed: one process, no log, open files kept, as little as it can do for each request."""

    name = "nginx"
    lacks: ClassVar[Mapping[str, str]] = {
        "uploads": "it takes no uploads",
        "mixed": "it takes no uploads",
        "first-page": "it has no upstream",
    }

    @property
    def root(self) -> Path:
        """Where its files are."""
        return self.folder / "root"

    def page(self, project: str) -> str:
        """As `Server`: the file itself, since a redirect inside would cost something."""
        return f"/simple/{project}" if project else "/list"

    def prepare(self) -> None:
        """As `Server`."""
        for name in ("simple", "files"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        page = "types { } default_type application/vnd.pypi.simple.v1+json; gzip_static on; gzip_vary on;"
        self._configure(
            f"root {self.root}; location / {{ {page} }} location /files/ {{ types {{ }} default_type application/octet-stream; }}"
        )

    def command(self) -> list[str]:
        """As `Server`."""
        return ["nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]

    def put(self, path: str, plain: bytes, zipped: bytes | None = None) -> None:
        """Have it serve these bytes; a file that has them already stays as it is, since its ETag goes by the time at which it was written."""
        for name, data in ((path.lstrip("/"), plain), (f"{path.lstrip('/')}.gz", zipped)):
            place = self.root / name
            if data is not None and not (place.exists() and place.read_bytes() == data):
                place.write_bytes(data)

    def copy(self, ours: Server, project: str) -> None:
        """Have it serve a page, or with an empty name the list, in the very bytes that our daemon gives."""
        url = ours.url + (ours.page(project) if project else ours.simple)
        zipped = get(url, {**PIP, "Connection": "close"}, keep=True)
        if zipped.headers.get("content-encoding") != "gzip":
            raise Unable(f"our page of {project or 'all'} is not compressed: {zipped.status}")
        self.put(self.page(project), gzip.decompress(zipped.body), zipped.body)

    def _configure(self, server: str, http: str = "") -> None:
        temporary = "\n".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(
            f"{user} daemon off; master_process off; pid {self.folder}/nginx.pid; error_log {self.folder}/error.log;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; sendfile on; tcp_nopush on; etag on; keepalive_requests 1000000000;\n"
            f"open_file_cache max=5000 inactive=600s; {temporary}\n{http}\nserver {{ listen 127.0.0.1:{self.port};\n{server} }} }}\n"
        )


class NginxCache(Nginx):
    """nginx as a cache before the upstream, where one client fetches and the others wait."""

    def prepare(self) -> None:
        """As `Server`."""
        upstream = self.upstream.removesuffix("/simple/").removesuffix("/long")
        self._configure(
            f"location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_cache files; proxy_cache_valid 200 1d;"
            " proxy_cache_lock on; proxy_cache_lock_timeout 120s; proxy_cache_lock_age 120s; }",
            f"proxy_cache_path {self.folder}/cache levels=1:2 keys_zone=files:10m max_size=20g inactive=1d;",
        )

    def page(self, project: str) -> str:
        """As `Server`."""
        return f"/simple/{project}/"


@contextmanager
def everywhere() -> Iterator[None]:
    """Let what is started here use all processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, PROCESSORS)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
