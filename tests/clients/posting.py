"""Uploads without an uploader: many at once, and each knowing what became of it."""

from __future__ import annotations

import base64
import hashlib
from http.client import HTTPConnection, HTTPException

import attrs

from pypidaemon.testing.archives import make_wheel
from tests.clients.uploaders import Release

BOUNDARY = "4f1b8a7c2d9e4f1b8a7c2d9e"


@attrs.frozen
class Parcel:
    """A wheel, ready to be sent; `sha256` is that of the wheel."""

    project: str
    filename: str
    sha256: str
    body: bytes

    @classmethod
    def of(cls, release: Release) -> Parcel:
        """The wheel of that release, in a form as twine sends it."""
        filename, data = make_wheel(release.name, release.version, size=release.edition)
        digest = hashlib.sha256(data).hexdigest()
        fields = {
            ":action": "file_upload",
            "protocol_version": "1",
            "metadata_version": "2.1",
            "name": release.name,
            "version": release.version,
            "filetype": "bdist_wheel",
            "pyversion": "py3",
            "sha256_digest": digest,
        }
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()
        ]
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n\r\n'.encode()
        return cls(release.name, filename, digest, b"".join([*parts, head, data, f"\r\n--{BOUNDARY}--\r\n".encode()]))


@attrs.define(eq=False)
class Poster:
    """One client with one connection, which it opens again when it has to."""

    port: int
    token: str
    path: str = "/legacy/"
    user: str = "__token__"
    _connection: HTTPConnection | None = attrs.field(default=None, init=False)

    def post(self, parcel: Parcel) -> int | None:
        """Send it; the status of the answer, None where the connection ended before there was one, so that nobody knows."""
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        login = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        try:
            self._connection.request("POST", self.path, parcel.body, headers)
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, HTTPException):
            self.close()
            return None
        return answer.status

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
