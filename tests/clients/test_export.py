"""Real installers at a tree of plain files: by Python's own web server, without any, and through nginx before a daemon (S2, L5, L6)."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pypidaemon.testing.archives import make_wheel
from tests.clients import installers
from tests.clients.daemon import PAUSE, TRIES, Daemon, Upstream, ask, free_port
from tests.clients.looking import JSON, files
from tests.clients.nginx import nginx
from tests.clients.tools import ROOT

pytestmark = pytest.mark.clients

INSTALLED = {"seeds-alpha": "1.1", "seeds-beta": "1.1"}
BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(
        r"^\.\. code-block:: nginx\n((?:\n| +[^\n]*\n)+)", (ROOT / "docs" / "howto" / "export.rst").read_text("utf-8") + "\n", re.MULTILINE
    )
]
"""What the page says is to be written into nginx's configuration: for all servers, for one, and pages in another way."""


def export(daemon: Daemon, tree: Path, *arguments: str) -> None:
    """Bring the tree up to date, in a process that sees nothing else."""
    done = daemon.ordered("export", str(tree), *arguments)
    assert (done.returncode, done.stderr) == (1, ""), done.stdout


@pytest.fixture
def tree(daemon: Daemon, upstream: Upstream, tmp_path: Path) -> Path:
    """An export of what an installer took through the daemon, after which upstream is asked for nothing any more."""
    for project, release in INSTALLED.items():
        for name, file in files(daemon, project).items():
            if release in name:
                assert daemon.ask("GET", file["path"]).status == 200
    upstream.tell("stop")
    export(daemon, tmp_path / "tree")
    return tmp_path / "tree"


@contextmanager
def plain_server(tree: Path) -> Iterator[str]:
    """Python's own web server in that folder; its URL."""
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(TRIES):
                try:
                    ask(url, "GET", "/last-modified")
                    break
                except OSError:
                    time.sleep(PAUSE)
            yield url
        finally:
            process.terminate()


def test_S2_installers_at_any_web_server_and_without_one(daemon: Daemon, tree: Path, tmp_path: Path) -> None:
    """
    Neither daemon nor upstream is there any more.

    Without a server pip reads `index.html` in the project's folder, and buildout looks for the files there.
    """
    daemon.stop()
    with plain_server(tree) as url:
        for number, (installer, index) in enumerate(
            (
                (installers.pip, f"{url}/simple/"),
                (installers.uv_pip, f"{url}/simple/"),
                (installers.pip, f"{tree.as_uri()}/simple/"),
            )
        ):
            place = tmp_path / f"place-{number}"
            place.mkdir()
            assert installer(index, place, ["seeds-alpha"]) == INSTALLED, index
        # It spends a second on each distribution.
        for number, index in enumerate((f"{url}/simple/", str(tree / "simple"))):
            place = tmp_path / f"buildout-{number}"
            place.mkdir()
            assert installers.buildout(index, place, ["seeds-beta"]) == {"seeds-beta": INSTALLED["seeds-beta"]}, index


def troubles(url: str) -> Iterator[str]:
    """What is wrong with the tree that is delivered there, as one round of reading finds it."""
    if not (body := ask(url, "GET", "/simple/").body).endswith(b"</html>\n"):
        yield f"half a list: {body!r}"
    for project in INSTALLED:
        page = ask(url, "GET", f"/simple/{project}/index.v1_json")
        if page.status != 200:
            yield f"{page.status} for {project}"
            continue
        for file in page.json()["files"]:
            got = ask(url, "GET", file["url"].removeprefix("../.."))
            if hashlib.sha256(got.body).hexdigest() != file["hashes"]["sha256"]:
                yield f"{got.status} for {file['filename']}"


def test_S2_readers_see_no_half_state(daemon: Daemon, upstream: Upstream, tree: Path) -> None:
    """While a tree changes again and again, whoever reads it meets nothing that is cut or missing."""
    upstream.tell("start")
    found: list[str] = []
    rounds: list[None] = []
    stop = threading.Event()

    def read(url: str) -> None:
        while not stop.is_set():
            found.extend(troubles(url))
            rounds.append(None)

    with plain_server(tree) as url:
        reader = threading.Thread(target=read, args=(url,))
        reader.start()
        try:
            for name, file in files(daemon, "seeds-alpha").items():
                if "1.0" in name:
                    assert daemon.ask("GET", file["path"]).status == 200
                    export(daemon, tree)
        finally:
            stop.set()
            reader.join()
        assert len(ask(url, "GET", "/simple/seeds-alpha/index.v1_json").json()["files"]) == 4
    assert rounds
    assert found == []


def server(port: int, *directives: str) -> str:
    """One server of nginx."""
    return f"server {{ listen 127.0.0.1:{port};\n{chr(10).join(directives)}\n}}"


def filled_in(block: str, tree: Path, daemon: Daemon) -> str:
    """What the page says, for this folder and this daemon."""
    assert "3141" in block
    return block.replace("/srv/pypi", str(tree)).replace("http://127.0.0.1:3141", daemon.url)


def test_L6_nginx_gives_hits_itself_and_passes_misses_on(daemon: Daemon, upstream: Upstream, tree: Path, tmp_path: Path) -> None:
    """With the configuration of the page: nothing reaches the daemon that is in the folder, and when it is down only what is not is missed."""
    upstream.tell("start")
    everything, one, other = BLOCKS
    static, fresh = free_port(), free_port()
    start = one.index("location /simple/")
    by_daemon = one[:start] + other + one[one.index("location @pypidaemon") :]
    http = everything + server(static, filled_in(one, tree, daemon)) + server(fresh, filled_in(by_daemon, tree, daemon))
    url = f"http://127.0.0.1:{static}"
    with nginx(tmp_path / "nginx", http, url):
        for number, index in enumerate((f"{url}/simple/", f"http://127.0.0.1:{fresh}/simple/")):
            place = tmp_path / f"up-{number}"
            place.mkdir()
            assert installers.pip(index, place, ["seeds-alpha", "seeds-zeta"]) == {**INSTALLED, "seeds-zeta": "1.0"}
        assert ask(url, "GET", "/simple/seeds-alpha").headers["location"] == "/simple/seeds-alpha/"
        assert ask(url, "GET", "/simple/Seeds_Alpha/").status == 301
        page = ask(url, "GET", "/simple/seeds-alpha/", {"Accept": JSON})
        assert (page.headers["content-type"], page.headers["vary"]) == (JSON, "Accept")
        # What the daemon lists and the folder does not have comes from the daemon, by the same address.
        assert len(ask(f"http://127.0.0.1:{fresh}", "GET", "/simple/seeds-alpha/", {"Accept": JSON}).json()["files"]) == 4
        assert len(page.json()["files"]) == 2
        missed = files(daemon, "seeds-alpha")["seeds_alpha-1.0.tar.gz"]
        assert ask(url, "GET", missed["path"]).status == 200
        daemon.stop()
        for number, index in enumerate((f"{url}/simple/", f"http://127.0.0.1:{fresh}/simple/")):
            for installer in (installers.pip, installers.uv_pip) if not number else (installers.pip,):
                place = tmp_path / f"down-{number}-{installer.__name__}"
                place.mkdir()
                assert installer(index, place, ["seeds-alpha"]) == INSTALLED
            for missing in ("/simple/seeds-zeta/", missed["path"]):
                assert ask(index, "GET", missing).status == 502


def test_L5_a_folder_of_private_packages_that_falls_back_to_us(daemon: Daemon, tmp_path: Path) -> None:
    """The recipe of old: nginx lists a folder, and whatever is not in it comes from the daemon."""
    private = tmp_path / "web" / "simple" / "seeds-priv"
    private.mkdir(parents=True)
    name, data = make_wheel("seeds-priv", "1.0")
    (private / name).write_bytes(data)
    port = free_port()
    http = server(
        port,
        f"root {tmp_path}/web; autoindex on;",
        "location / { try_files $uri $uri/ @daemon; }",
        f"location @daemon {{ proxy_pass {daemon.url}; proxy_set_header Host $host; }}",
    )
    url = f"http://127.0.0.1:{port}"
    place = tmp_path / "place"
    place.mkdir()
    with nginx(tmp_path / "nginx", http, url):
        assert installers.pip(f"{url}/simple/", place, ["seeds-priv", "seeds-zeta"]) == {"seeds-priv": "1.0", "seeds-zeta": "1.0"}
