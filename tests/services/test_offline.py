"""`[daemon] offline` and `while-down`, as a configuration says them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from pypidaemon import assembly
from pypidaemon.errors import ConfigError, UpstreamUnavailable
from pypidaemon.interfaces import IDependent, IStandIns
from pypidaemon.model import File, Filename, NormalizedName, Validators
from pypidaemon.services.probing import Probing
from pypidaemon.upstreams.unasked import OFFLINE
from tests.gear import now
from tests.test_assembly import SILENT, Reactor, planned


def test_N1_offline_means_that_no_upstream_is_asked(tmp_path: Path) -> None:
    reactor = Reactor()
    reactor.advance(1_780_000_000.0)
    made = assembly.make(planned(tmp_path, "[daemon]\noffline = yes\n"), reactor)
    upstream = made.upstreams()["pypi"]
    assert (upstream.health.state, upstream.health.cause, upstream.health.since) == ("offline", OFFLINE, 1_780_000_000.0)
    assert upstream.health_of("https://files.example/x").state == "offline"
    for question in (
        upstream.fetch_page(NormalizedName("alpha"), Validators()),
        upstream.fetch_names(Validators()),
        upstream.fetch_body("https://files.example/x", 0),
        upstream.changes(1),
        upstream.last_modified("https://files.example/x"),  # type: ignore[attr-defined]  # every upstream has a guard that can be asked
    ):
        with pytest.raises(UpstreamUnavailable, match=OFFLINE):
            now(question)
    probing = Probing(reactor, made.records(), made.upstreams())
    probing.startService()
    assert not reactor.getDelayedCalls()


def test_without_it_upstreams_are_asked(tmp_path: Path) -> None:
    made = assembly.make(planned(tmp_path, f"[daemon]\noffline = no\n{SILENT}"), Reactor())
    assert made.upstreams()["pypi"].health.state == "down"


@pytest.mark.parametrize(("said", "shrinks"), [("", True), ("while-down = held\n", True), ("while-down = all\n", False)])
def test_what_pages_list_while_the_line_is_down(tmp_path: Path, said: str, shrinks: bool) -> None:
    text = f"[daemon]\nindex = pypi\n[index:pypi]\nuse = proxy\nupstream = pypi\n{said}{SILENT}"
    made = assembly.make(planned(tmp_path, text), Reactor())
    proxy = made.bare["index:pypi"]
    verifyObject(IDependent, proxy)
    assert proxy.shrinks is shrinks
    assert proxy.line is made.upstreams()["pypi"].health


def test_another_word_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[index:pypi\] while-down: 'some' is none of held, all"):
        planned(tmp_path, f"[daemon]\nindex = pypi\n[index:pypi]\nuse = proxy\nwhile-down = some\n{SILENT}")


def test_M18_others_that_stand_in_as_a_configuration_says_them(tmp_path: Path) -> None:
    said = "mirrors =\n  https://a.example/simple\n  https://b.example/simple/\nfile-mirrors = https://c.example/x/\n"
    made = assembly.make(planned(tmp_path, f"[daemon]\n[upstream:pypi]\nuse = pypi\n{said}"), Reactor())
    upstream = made.upstreams()["pypi"]
    assert IStandIns.providedBy(upstream)
    assert IStandIns(upstream).line is not upstream.health
    file = File(Filename("alpha-1.0.tar.gz"), "https://files.example/packages/a", hashes=(("sha256", "0" * 64),))
    places: Any = IStandIns(upstream).places(NormalizedName("alpha"), file, "")
    assert [place.key for place in places.places] == [
        "files.example",
        "https://c.example/x/",
        "https://a.example/simple/",
        "https://b.example/simple/",
    ]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("mirrors = ftp://a.example/simple/", "mirrors: is not an http or https URL"),
        ("mirrors = https://a.example/simple https://a.example/simple/", "mirrors: names the same URL twice"),
        ("file-mirrors = https://me:secret@a.example/", "file-mirrors: must not hold credentials"),
    ],
)
def test_others_that_cannot_be_asked_are_refused_in_one_line(tmp_path: Path, said: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"\[upstream:pypi\] {words}"):
        planned(tmp_path, f"[daemon]\n[upstream:pypi]\nuse = pypi\n{said}\n")
