"""Clients that get a large file and check what they got: its length, and one of them its sha256. Redirects are followed, and chunks are put together."""

from __future__ import annotations

import hashlib
import http.client
import threading
import time
from urllib.parse import urljoin, urlsplit

import attrs

REDIRECTS = (301, 302, 303, 307, 308)
PATIENCE = 300.0
"""Seconds for each step."""


@attrs.frozen
class Got:
    """One answer; times in seconds from just before connecting. `sha256` is empty where it was not wanted; `hops` counts the redirects that were followed."""

    status: int
    first: float
    total: float
    length: int
    sha256: str
    hops: int = 0


def get(url: str, *, hashing: bool = True) -> Got:
    """
    Get a URL over a connection of its own.

    :param hashing: whether to hash what comes, which takes about as long as to receive it.
    :raises OSError: the connection failed, or broke off.
    :raises http.client.HTTPException: what was sent is no answer, or not all of it.
    """
    began = time.perf_counter()
    for hops in range(5):
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
        try:
            connection.request("GET", parts.path, headers={"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"})
            answer = connection.getresponse()
            if answer.status in REDIRECTS:
                url = urljoin(url, answer.getheader("location", ""))
                continue
            return _read(answer, began, hops, hashing=hashing)
        finally:
            connection.close()
    raise OSError(f"too many redirects to {url}")


def _read(answer: http.client.HTTPResponse, began: float, hops: int, *, hashing: bool) -> Got:
    digest, first, length = hashlib.sha256(), 0.0, 0
    buffer = memoryview(bytearray(1 << 18))
    while data := answer.read1(1 << 18) if not length else buffer[: answer.readinto(buffer)]:
        first = first or time.perf_counter() - began
        if hashing:
            digest.update(data)
        length += len(data)
    return Got(answer.status, first, time.perf_counter() - began, length, digest.hexdigest() if hashing else "", hops)


def at_once(url: str, clients: int) -> list[Got]:
    """
    Let so many clients get a URL at the same time, each in a thread of its own. Only the first hashes: they and the upstream share one processor.

    :raises Exception: what `get` raises, where it fails for one of them.
    """
    found: list[Got] = []
    troubles: list[Exception] = []
    gate = threading.Barrier(clients)

    def client(number: int) -> None:
        gate.wait()
        try:
            found.append(get(url, hashing=not number))
        except (OSError, http.client.HTTPException) as error:
            troubles.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
    return found
