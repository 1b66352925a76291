"""A daemon that takes uploads, with the people who may and may not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

from pypidaemon.commands import control
from pypidaemon.services.sockets import CONTROL
from tests.clients.daemon import Daemon
from tests.clients.looking import files
from tests.clients.uploaders import Login

PASSWORD = "correct horse, battery staple"
SECTIONS = """
[index:root]
use = first-match
indexes = private proxy
[index:private]
use = private
[index:proxy]
use = proxy
upstream = pypi
"""


@attrs.define(eq=False)
class Store:
    """Private packages before a proxy at the root, as the shipped configuration has it, and three users."""

    daemon: Daemon
    uploader: str = ""
    """The token of ann, who may upload everything; her password is `PASSWORD`."""
    founder: str = ""
    """The token of bob, who may begin projects."""
    reader: str = ""
    """The token of eve, who may no more than everybody."""

    @property
    def simple(self) -> str:
        """The URL of the simple index."""
        return self.daemon.simple

    def login(self, token: str = "", root: str = "") -> Login:
        """A login by token, ann's where none is given."""
        return Login(root or self.daemon.url, "__token__", token or self.uploader)

    def by_password(self, password: str = PASSWORD) -> Login:
        """Ann's login."""
        return Login(self.daemon.url, "ann", password)

    def hashes(self, project: str) -> dict[str, str]:
        """The sha256 of each file on a project's page, by file name."""
        return {name: file["hashes"]["sha256"] for name, file in files(self.daemon, project).items()}

    def knows(self, project: str) -> bool:
        """Whether there is such a project, private or public."""
        return self.daemon.ask("GET", f"/simple/{project}/").status == 200


@contextmanager
def store(folder: Path, upstream: str, settings: str = "") -> Iterator[Store]:
    """
    Such a daemon as long as the block lasts. What it logged in that time must be nothing to worry about, and no secret.

    :param settings: more of its section `[daemon]`.
    """
    found = Store(Daemon(folder, upstream, SECTIONS, index="root", uploads="private", settings=settings))
    order = found.daemon.order
    found.daemon.start()
    try:
        order("user", "add", "ann", "--password-stdin", said=f"{PASSWORD}\n")
        order("grant", "ann", "upload", "private")
        found.uploader = order("token", "add", "ann")
        tell(found.daemon, "grant/add", name="group:founders", right="create", place="private")
        for name in ("bob", "eve"):
            tell(found.daemon, "user/add", name=name)
        tell(found.daemon, "group/add", group="founders", name="bob")
        found.founder, found.reader = (tell(found.daemon, "token/add", name=name)["token"] for name in ("bob", "eve"))
        yield found
    finally:
        found.daemon.stop()
    found.daemon.check_log()
    for secret in (PASSWORD, found.uploader, found.founder, found.reader):
        assert secret not in found.daemon.log


def tell(daemon: Daemon, order: str, **fields: str) -> dict[str, Any]:
    """An order about people, as the command line gives it to the daemon, but without a process of its own."""
    place = daemon.folder / "var" / CONTROL
    answer: dict[str, Any] = control.ask(place, "POST", f"/people/{order}", body=json.dumps(fields).encode())
    return answer


def contents(folder: Path) -> dict[str, str]:
    """The sha256 of each distribution in a folder, by file name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
