"""Uploads of wheels of 20 kB by several clients at once, each on a connection of its own."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Mapping, Sequence

from benchmarks.side_by_side.pressing import Unable
from benchmarks.side_by_side.servers import Server
from tests.clients.posting import BOUNDARY, Parcel
from tests.clients.uploaders import Release

CLIENTS = 4
LENGTH = 19_000
"""Bytes of noise in each wheel; the rest is its own."""


def parcels(word: str, projects: int, each: int) -> list[Parcel]:
    """So many wheels, ready to be sent; one project after the other in turn."""
    return [
        Parcel.of(Release(f"{word}-{project}", f"1.{number}", edition=LENGTH + number % 500))
        for number in range(each)
        for project in range(projects)
    ]


def post(server: Server, login: Mapping[str, str], some: Sequence[Parcel], over: threading.Event | None = None, pause: float = 0.0) -> int:
    """
    Upload one after the other on one connection, until `over` where that is given; answer how many were taken.

    :param pause: seconds from the beginning of one to that of the next, if the server is as quick as that.
    :raises Unable: one was not taken.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    fields = {**login, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    taken, began = 0, time.perf_counter()
    for parcel in some:
        if over is not None and over.wait(max(0.0, began + taken * pause - time.perf_counter())):
            break
        connection.request("POST", server.uploads, parcel.body, fields)
        answer = connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 201):
            raise Unable(f"an upload was answered {answer.status}: {said[:200]!r}")
        taken += 1
    connection.close()
    return taken


def shared(server: Server, some: Sequence[Parcel], clients: int = CLIENTS) -> float:
    """
    Let so many clients share these uploads; answer the seconds that took.

    :raises Unable: one was not taken.
    """
    login = server.login()
    troubles: list[Exception] = []

    def client(own: Sequence[Parcel]) -> None:
        try:
            post(server, login, own)
        except (OSError, http.client.HTTPException, Unable) as error:
            troubles.append(error)

    threads = [threading.Thread(target=client, args=(some[number::clients],)) for number in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise Unable(f"{type(troubles[0]).__name__}: {troubles[0]}")
    return time.perf_counter() - began
