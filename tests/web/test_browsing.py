"""What makes pages for people is loaded with the first of them: programs never have it loaded, and nobody waits for it on the reactor's thread."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from pypidaemon.blueprints import plan
from pypidaemon.commands import main
from pypidaemon.errors import PypidaemonError
from pypidaemon.waits import Bell
from tests.gear import later, now, waiting
from tests.house import House
from tests.web.test_views import BROWSER


@pytest.fixture
def house() -> House:
    """With an upstream."""
    return House()


def test_installers_have_none_of_it_loaded(house: House) -> None:
    """Nor what they do wrong."""
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"bytes"))
    for path in (
        "/", "/simple/", "/simple/alpha/", "/simple/alpha", "/simple/none/", "/packages/none", "/pypi/alpha/json", "/pypi/none/json", "/rss/updates.xml",
        "/integrity/alpha/1.0/x/provenance", "/links/", "/+nothing", "/none/none", "/index/pypi/simple/alpha/", "/index/pypi", "/+health",
    ):  # fmt: skip
        with suppress(PypidaemonError):
            house.get(path)
    assert house.door.routes.views._desk is None


def test_it_is_loaded_on_a_thread_and_made_once(house: House) -> None:
    """However many come first."""
    views, gate, loaded = house.door.routes.views, Bell(), []

    async def slow(function: Any, *args: Any, **kwargs: Any) -> Any:
        loaded.append(function.__name__)
        await gate.wait()
        return function(*args, **kwargs)

    views.cpu = slow
    assert views.flights == ()
    views.rights_changed()
    asking = [later(house.door.routes.handle(house.ask("/", accept=BROWSER))) for _ in range(2)]
    assert all(waiting(one) for one in asking)
    gate.ring()
    assert [now(one).status for one in asking] == [200, 200]
    desk = views.desk
    assert now(views.loaded()) is desk
    assert loaded == ["load", "load"]
    assert len(views.flights) == 2


def test_one_that_was_ended_before_it_was_loaded_tells_no_news(house: House) -> None:
    views = house.door.routes.views
    views.end()
    assert views.desk.status.events._closed
    views.end()


def test_an_installation_that_lacks_it_is_told_of_by_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, and not by the first page that somebody wants in a month."""
    file = tmp_path / "c.ini"
    assert main(["init", str(file)]) == 0
    assert plan(str(file))
    capsys.readouterr()
    assert main(["check", "-c", str(file)]) == 0
    monkeypatch.setitem(sys.modules, "pypidaemon.web.views.desk", None)
    assert main(["check", "-c", str(file)]) == 1
    assert capsys.readouterr().err.startswith("pypidaemon: this installation is not whole: ")
