"""The projects that the upstream has, and what an installer should make of them."""

from __future__ import annotations

from tests.clients.daemon import Upstream

WHEELS = {"seeds-alpha": "1.1", "seeds-beta": "1.1", "seeds-delta": "1.0", "seeds-epsilon": "1.0", "seeds-zeta": "1.0"}
"""What every installer chooses of the wheels: not the yanked release, and not the one for another Python."""
EVERYTHING = {**WHEELS, "seeds-gamma": "1.0"}
"""The same with the project that has nothing but a source distribution."""
LOCAL = "1.0+local.1"


def fill(upstream: Upstream) -> None:
    """
    Publish them.

    * seeds-alpha needs seeds-beta; both have two releases and source distributions;
    * seeds-gamma has a source distribution only;
    * seeds-delta has a wheel without metadata beside it (PEP 658), large enough that reading its end alone saves something;
    * the newer releases of seeds-epsilon are yanked, one with a reason and one without, that of seeds-zeta is for a Python that does not exist yet;
    * seeds-local has a local version, whose `+` is spelt in two ways in URLs;
    * seeds-timely has releases of different years;
    * seeds-large is more than the daemon checks before it sends the first byte.
    """
    for version in ("1.0", "1.1"):
        upstream.tell("add", "seeds-alpha", version, requires=[f"seeds-beta>={version}"], sdist=True)
        upstream.tell("add", "seeds-beta", version, sdist=True)
    wheel = upstream.tell("add", "seeds-gamma", "1.0", sdist=True)
    upstream.tell("remove", "seeds-gamma", wheel)
    wheel = upstream.tell("add", "seeds-delta", "1.0", size=200_000)
    upstream.tell("hide_metadata", "seeds-delta", wheel)
    upstream.tell("add", "seeds-epsilon", "1.0")
    upstream.tell("yank", "seeds-epsilon", upstream.tell("add", "seeds-epsilon", "1.1"), "it eats files")
    upstream.tell("yank", "seeds-epsilon", upstream.tell("add", "seeds-epsilon", "1.2"), "")
    upstream.tell("add", "seeds-zeta", "1.0")
    upstream.tell("add", "seeds-zeta", "2.0", python=">=3.99")
    upstream.tell("add", "seeds-local", LOCAL)
    for version, year in (("1.0", 2020), ("2.0", 2022), ("3.0", 2024)):
        upstream.tell("add", "seeds-timely", version, upload_time=f"{year}-06-01T12:00:00.000000Z")
    upstream.tell("add", "seeds-large", "1.0", size=3_000_000)
