"""A daemon of several processes: what one of them is told all know, and what happens to one concerns no other."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.daemon import Upstream
from tests.clients.fronts import Caller, fronts, listening
from tests.clients.looking import JSON, eventually
from tests.clients.posting import BOUNDARY, Parcel
from tests.clients.store import Store, store, tell
from tests.clients.uploaders import Release

pytestmark = pytest.mark.clients

ACCEPT = f"Accept: {JSON}"
ALPHA = "/simple/seeds-alpha/"


@pytest.fixture(scope="module")
def kept(shared_upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store(tmp_path_factory.mktemp("workers") / "daemon", shared_upstream.simple, "workers = 2\n") as found:
        yield found


@pytest.fixture
def shop(kept: Store, upstream: Upstream) -> Store:
    upstream.tell("set", "cache_control", "max-age=600")
    return kept


@pytest.fixture(autouse=True)
def nobody_stays() -> Iterator[None]:
    yield
    Caller.hang_up()


def basic(token: str) -> str:
    return "Authorization: Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()


def done(shop: Store) -> dict[str, float]:
    """What the fronts have done, as the daemon counts it."""
    lines = shop.daemon.ask("GET", "/+metrics").body.decode().splitlines()
    counted = (line.split('what="')[1].split('"} ') for line in lines if line.startswith("pypidaemon_workers_total"))
    return {what: float(value) for what, value in counted}


def warmed(shop: Store, path: str, *headers: str) -> Caller:
    """A client of a front, which has answered him that by itself."""
    found: list[Caller] = []

    def answered() -> bool:
        # Where nothing is ready yet, the keeper takes the connection.
        before = done(shop)
        found.append(Caller.of_a_front(shop.daemon))
        for _ in range(4):
            assert found[-1].ask(path, *headers)[0] == 200
        now = done(shop)
        while now["answered"] == before["answered"] and now["handed"] == before["handed"]:
            now = done(shop)
        return now["answered"] > before["answered"]

    eventually(answered)
    return found[-1]


def test_S73_a_revoked_token_is_refused_at_the_next_request(shop: Store) -> None:
    """By a front that has just answered to it."""
    token = tell(shop.daemon, "token/add", name="eve")["token"]
    caller = warmed(shop, ALPHA, ACCEPT, basic(token))
    tell(shop.daemon, "token/revoke", token=token)
    assert caller.ask(ALPHA, ACCEPT, basic(token))[0] == 401


def test_what_is_uploaded_through_one_process_is_on_the_next_page_of_another(shop: Store) -> None:
    """The upload comes in by a front, which gives it away, and the page is asked of a front."""
    path = "/simple/seen-at-once/"
    for version in ("1.0", "2.0", "3.0"):
        parcel = Parcel.of(Release("seen-at-once", version))
        headers = (basic(shop.uploader), f"Content-Type: multipart/form-data; boundary={BOUNDARY}")
        waiting = warmed(shop, path, ACCEPT) if version != "1.0" else Caller.of_a_front(shop.daemon)
        assert Caller.of_a_front(shop.daemon).ask("/legacy/", *headers, method="POST", body=parcel.body)[0] == 200
        status, page = waiting.ask(path, ACCEPT)
        assert status == 200
        assert parcel.filename.encode() in page


def test_what_is_blocked_is_gone_from_the_next_page(shop: Store) -> None:
    caller = warmed(shop, "/simple/seeds-beta/", ACCEPT)
    shop.daemon.order("block", "seeds-beta", "--reason", "a trial")
    try:
        status, page = caller.ask("/simple/seeds-beta/", ACCEPT)
        assert (status, b"seeds_beta" in page) != (200, True)
    finally:
        shop.daemon.order("unblock", "seeds-beta")


def test_a_head_that_comes_in_pieces_and_two_at_once_are_answered_all_the_same(shop: Store) -> None:
    """By whoever can."""
    head = f"GET {ALPHA} HTTP/1.1\r\nHost: 127.0.0.1\r\n{ACCEPT}\r\n\r\n".encode()
    caller = Caller.of_a_front(shop.daemon)
    handed = done(shop)["handed"]
    caller.socket.sendall(head[:30])
    # The keeper has it before the rest is there.
    eventually(lambda: done(shop)["handed"] > handed)
    assert caller.say(head[30:])[0] == 200
    both = Caller.of_a_front(shop.daemon)
    assert both.say(head + head)[0] == 200
    assert both.hear()[0] == 200


def test_one_fetch_serves_everybody_whichever_process_he_came_to(shop: Store, upstream: Upstream, project: str) -> None:
    """Twenty clients want one file that is not here."""
    page = shop.daemon.page(project)
    upstream.clear()
    path = "/simple/" + project + "/" + page["files"][0]["url"] if not page["files"][0]["url"].startswith("/") else page["files"][0]["url"]
    callers = [Caller.of_a_front(shop.daemon) if number % 2 else Caller.of_the_keeper(shop.daemon) for number in range(20)]
    heard: list[tuple[int, bytes]] = []
    threads = [threading.Thread(target=lambda one=one: heard.append(one.ask(os.path.normpath(path)))) for one in callers]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status for status, _ in heard] == [200] * 20
    assert len({body for _, body in heard}) == 1
    assert len(upstream.requests(f"*{page['files'][0]['filename']}")) == 1


def test_a_front_that_is_killed_takes_only_its_own_clients_with_it(shop: Store) -> None:
    """And another one comes in its place."""
    ours, theirs = Caller.of_the_keeper(shop.daemon), warmed(shop, ALPHA, ACCEPT)
    (old,) = fronts(shop.daemon)
    os.kill(old, signal.SIGKILL)
    assert theirs.ask(ALPHA, ACCEPT)[0] == 0
    assert ours.ask(ALPHA, ACCEPT)[0] == 200
    eventually(lambda: any(pid != old for pid in listening(shop.daemon)))
    warmed(shop, ALPHA, ACCEPT)
    assert "a worker process has ended" in shop.daemon.log


def test_signals_are_for_the_first_process_alone(shop: Store) -> None:
    """A terminal sends them to all, and so do some service managers."""
    eventually(lambda: bool(listening(shop.daemon)))
    (front,) = fronts(shop.daemon)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        os.kill(front, number)
    warmed(shop, ALPHA, ACCEPT)
    assert fronts(shop.daemon) == [front]


def test_F72_a_new_configuration_counts_from_the_next_request_on(shop: Store) -> None:
    """Also for a front that stays."""
    caller = warmed(shop, ALPHA, ACCEPT)
    file = shop.daemon.folder / "config.ini"
    text = file.read_text()
    file.write_text(text.replace("workers = 2", "workers = 2\nreserved = seeds-alpha"))
    shop.daemon.order("reload")
    assert caller.ask(ALPHA, ACCEPT)[0] == 404
    file.write_text(text)
    shop.daemon.order("reload")


def test_the_number_changes_with_the_configuration(shop: Store) -> None:
    """Whoever is connected to one that goes may come again; requests are answered all the time."""
    waiting = Caller.of_a_front(shop.daemon)
    file = shop.daemon.folder / "config.ini"
    text = file.read_text()
    file.write_text(text.replace("workers = 2", "workers = 1"))
    shop.daemon.order("reload")
    assert waiting.socket.recv(1) == b""
    eventually(lambda: not fronts(shop.daemon))
    assert Caller.of_the_keeper(shop.daemon).ask(ALPHA, ACCEPT)[0] == 200
    file.write_text(text.replace("workers = 2", "workers = 3"))
    shop.daemon.order("reload")
    eventually(lambda: len(listening(shop.daemon)) == 2)
    assert json.loads(shop.daemon.order("status", "--json"))["workers"]["processes"] == 3
    file.write_text(text)
    shop.daemon.order("reload")
    eventually(lambda: len(fronts(shop.daemon)) == 1)


def test_F73_fronts_do_not_outlive_a_keeper_that_is_killed(shared_upstream: Upstream, tmp_path: Path) -> None:
    """Nobody listens any more at once, and the daemon starts again as after any other kill."""
    with store(tmp_path / "daemon", shared_upstream.simple, "workers = 2\n") as shop:
        Caller.of_a_front(shop.daemon)
        (front,) = fronts(shop.daemon)
        shop.daemon.kill()
        eventually(lambda: not Path(f"/proc/{front}/fd").is_dir() or not any(Path(f"/proc/{front}/fd").iterdir()))
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", shop.daemon.port), timeout=5)
        shop.daemon.start()
        warmed(shop, ALPHA, ACCEPT)
