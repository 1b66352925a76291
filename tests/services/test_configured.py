"""`[service:...]` with `use = mirroring`, as configurations say it."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from pypidaemon import assembly
from pypidaemon.assembly import describe, plan
from pypidaemon.errors import ConfigError
from pypidaemon.indexes.mirror import Mirror
from pypidaemon.interfaces import IFillable, IMirror, ISourced
from pypidaemon.services.mirroring import Mirroring
from pypidaemon.settings import KEY, Reference, Setting
from tests.test_assembly import Reactor

BEGIN = "[daemon]\nindex = mirror\n[index:mirror]\nuse = mirror\n"


def made(tmp_path: Path, text: str) -> assembly.Made:
    """Everything of that configuration, made and not started."""
    file = tmp_path / "c.ini"
    file.write_text(text)
    return assembly.make(plan(str(file)), Reactor())


def test_every_key_can_be_said(tmp_path: Path) -> None:
    """And reads back as it was written."""
    (tmp_path / "requirements.txt").write_text("alpha==1.0\n")
    text = (
        f"{BEGIN}removal = keep\nremoval-delay = 3d\nremoval-limit = 10%\n[policy:p]\nuse = names\ndeny = evil\n[service:s]\nuse = mirroring\n"
        "index = mirror\nprojects = a* b\nexclude = c\nrequirements = requirements.txt\nasked = 30d\npolicies = p\nschedule = daily 03:15\n"
        "jitter = 10m\nhours = 22:00-06:00\nbandwidth = 2MiB\nparallel = 8\nprovenance = no\n"
    )
    found = made(tmp_path, text)
    [service] = found.mirrorings().values()
    assert IMirror.providedBy(service.index)
    shown = describe(found.plan)
    for line in ("schedule = daily 03:15", "hours = 22:00-06:00", "bandwidth = 2MiB", "parallel = 8", "removal-limit = 10%"):
        assert line in shown, line


@pytest.mark.parametrize("component", [Mirroring, Mirror])
def test_the_howto_names_every_key(component: type) -> None:
    """Whoever sets a mirror up reads one page."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "mirror.rst").read_text("utf-8")
    keys = [field.name.replace("_", "-") for field in attrs.fields(component) if isinstance(field.metadata.get(KEY), Setting | Reference)]
    assert len(keys) >= 5
    assert [key for key in keys if f"``{key}``" not in page] == []


def test_F22_what_fills_knows_whose_serials_it_reads(tmp_path: Path) -> None:
    """Through whatever stands before the upstream, and without a password."""
    for address in ("https://one.example/simple/", "https://two.example/simple/"):
        text = f"{BEGIN}upstream = up\n[upstream:up]\nuse = http\nurl = {address}\nusername = u\n[service:s]\nuse = mirroring\nindex = mirror\nprojects = a\n"
        upstream = made(tmp_path, text).mirrorings()["s"].index.upstream
        assert ISourced.providedBy(upstream)
        assert upstream.source == address
    assert ISourced(
        made(tmp_path, f"{BEGIN}[service:s]\nuse = mirroring\nindex = mirror\nprojects = a\n").mirrorings()["s"].index.upstream
    ).source


def test_a_proxy_is_filled_without_what_stands_before_it(tmp_path: Path) -> None:
    """Orders hide things from clients, not from who brings them."""
    found = made(tmp_path, "[daemon]\n[service:s]\nuse = mirroring\nindex = pypi\nprojects = a\n")
    assert IFillable.providedBy(found.mirrorings()["s"].index)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{BEGIN}[service:s]\nuse = mirroring\nindex = mirror\n", "chooses nothing"),
        (f"{BEGIN}[service:s]\nuse = mirroring\nindex = mirror\nprojects = *\nparallel = 11\n", "from 1 to 10"),
        (f"{BEGIN}[service:s]\nuse = mirroring\nindex = mirror\nprojects = *\nschedule = sometimes\n", "no schedule"),
        (f"{BEGIN}[service:s]\nuse = mirroring\nindex = mirror\nrequirements = none.txt\n", "cannot read"),
        ("[daemon]\n[service:s]\nuse = mirroring\nindex = private\nprojects = *\n", "can not be filled"),
        (
            f"{BEGIN}[service:s]\nuse = mirroring\nindex = mirror\nprojects = a\n[service:t]\nuse = mirroring\nindex = mirror\nprojects = b\n",
            "fills the index mirror already",
        ),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    """Which says why."""
    with pytest.raises(ConfigError, match=words):
        made(tmp_path, text)
