"""A house with something of everything that pages show, and the addresses of all its pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.model import ProjectStatus
from pypidaemon.traffic import Traffic
from tests.fakes import file, page
from tests.gear import now
from tests.readmes import InlineReadmes, described
from tests.web.test_search import Sought
from tests.web.test_uploads import upload, wheel

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
README = """Metadata-Version: 2.4
Name: Everything
Version: 2.0
Summary: Something of everything
Author: Ada
License-Expression: MIT
Keywords: trees,records
Requires-Python: >=3.11
Project-URL: Source, https://git.example/everything
Requires-Dist: bee-keeper>=2
Requires-Dist: fast; extra == "speed"
Classifier: Topic :: Trees
Description-Content-Type: text/markdown

# Everything

It *works*, see [the source](https://git.example/everything) and `code`.

## How

1. Install it.
2. Run it:

```python
import everything
everything.at_once(where="here", when="now", how="slowly", because="a line of code that is longer than a telephone is wide")
```

| What | How many |
|------|----------|
| bees | 60,000 |

> A bee is no wasp.

![A picture](https://git.example/bee.png)

- [x] done
- [ ] not done

"""
WORDS = "".join(f"\n### Part {number}\n\n{'word ' * 120}\n" for number in range(25))
LONG = 3000
"""Files of the project that has many."""


def furnished(folder: Path) -> Sought:
    """
    The house: uploads and blocks, a project with something of everything and one with `LONG` files, a search, thirty days of traffic, and anonymous who
    may see all that is wrong.

    :param folder: for the search index.
    """
    house = Sought(by_both_roads=False)
    private = house.with_private()
    house.door.routes.views.desk.project.readmes = InlineReadmes(house.clock)
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "upload", "private")
    for version in ("1.0", "1.1"):
        assert upload(house, house.tokens["ann"], wheel("Our.Thing", version, summary="Weather for everybody")).status == 200
    _stock(house)
    pypi = house.door.routes.indexes["pypi"]
    house.open(
        {"root": FirstMatch("root", (house.barred(private), house.barred(pypi)), house.records), "private": private, "pypi": pypi}, "root"
    )
    for target in ("our-thing==1.1", "everything==1.9", "barred"):
        now(house.door.routes.rulings.rulemaking.perform("block", {"target": target, "reason": "it is malware"}, THE_OPERATOR))
    house.search(folder)
    house.door.routes.views.desk.project.readmes = InlineReadmes(house.clock)
    for path in ("/simple/everything/", "/simple/many/", "/project/everything/"):
        house.get(path, accept=BROWSER)
    house.grant("anonymous", "admin", "*")
    ring = now(house.traffic.ring())
    for step in range(0, 30 * 86_400, 3600):
        ring.add(house.clock.seconds() - step, Traffic(100, step % 7, 10**9, 10**8))
    return house


def _stock(house: Sought) -> None:
    tags = ("cp311-cp311-manylinux_2_17_x86_64", "cp311-cp311-win_amd64", "py3-none-any")
    files = [described(house, f"everything-2.0-{tag}.whl", README + WORDS, requires_python=">=3.11") for tag in tags]
    files += [
        file("everything-2.0.tar.gz", b"2"),
        file("everything-1.9.tar.gz", b"3"),
        file("everything-1.8.tar.gz", b"4", yanked="it breaks"),
        file("everything-3.0rc1.tar.gz", b"5"),
    ]
    versions = ("1.8", "1.9", "2.0", "3.0rc1")
    house.upstream.pages["everything"] = page("everything", *files, status=ProjectStatus("archived", "it is done"), versions=versions)
    half = LONG // 2
    many = [file(f"many-2.0-cp311-cp311-manylinux_2_{number}_x86_64.whl", b"%d" % number) for number in range(half)]
    many += [file(f"many-1.{number}.tar.gz", b"o%d" % number) for number in range(half)]
    many.append(described(house, "many-2.0-py3-none-any.whl", README.replace("Everything", "Many") + WORDS))
    house.upstream.pages["many"] = page("many", *many, versions=("2.0", *(f"1.{number}" for number in range(half))))
    house.upstream.pages["gone"] = UpstreamUnavailable("pypi", "no answer")
    house.upstream.pages["barred"] = page("barred", file("barred-1.0.tar.gz", b"6"))


PATHS = (
    "/",
    "/index/private/",
    "/index/pypi/",
    "/project/everything/",
    "/project/everything/1.8/",
    "/project/everything/1.9/",
    "/project/everything/?show=description",
    "/project/our-thing/",
    "/project/many/",
    "/project/many/?show=files",
    "/project/many/?show=files&page=7",
    "/project/many/?show=versions",
    "/search/",
    "/search/?q=thing",
    "/search/?q=nothing-has-this",
    "/status/",
    "/status/?span=month",
    "/+why/everything",
    "/+why/our-thing/1.1",
    "/+why/many",
    "/+why/many?page=31",
    # What goes wrong is a page, too.
    "/project/nowhere/",
    "/project/gone/",
    "/project/barred/",
    "/project/everything/9.9/",
    "/nowhere",
)


def bad_day(house: Sought) -> None:
    """From now on little works there."""
    house.upstream.health.state, house.upstream.health.cause = "down", "the name cannot be found"
    house.door.routes.views.desk.status.facts.policies = {"known": _Broken()}  # type: ignore[dict-item]  # all of it that is asked for
    house.clock.advance(130)


BAD_DAY = ("/", "/project/everything/", "/status/", "/project/gone/")
"""Pages that look otherwise then."""
KINDS = (
    "/",
    "/index/private/",
    "/project/everything/",
    "/project/everything/1.9/",
    "/project/everything/?show=files",
    "/project/many/?show=versions&page=11",
    "/search/?q=thing",
    "/search/?q=nothing-has-this",
    "/status/",
    "/+why/everything",
    "/project/barred/",
)
"""One page of each kind."""


class _Broken:
    """A policy whose documents cannot be used."""

    def read(self) -> dict[str, Any]:
        return {"trouble": "the disk is gone"}


@attrs.frozen
class Screen:
    """What somebody sees pages on."""

    width: int
    dark: bool

    def __str__(self) -> str:
        return f"{self.width} {'dark' if self.dark else 'light'}"


SCREENS = (Screen(360, dark=True), Screen(1400, dark=False))
"""A telephone at night and a wide screen by day: how a page is laid out depends on the one, and its colours on the other."""
