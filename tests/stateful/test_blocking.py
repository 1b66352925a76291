"""Whatever is blocked, in whatever order: no page has it, and no address, of whatever index and by whatever route, leads to a byte of it."""

from __future__ import annotations

import functools
import hashlib
import json

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import PypidaemonError
from pypidaemon.filenames import filename as clean_name
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.merged import Merged
from pypidaemon.indexes.pinned import Pinned
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IIndex
from pypidaemon.model import Companion, NormalizedName
from pypidaemon.policies.names import Names
from pypidaemon.rulemaking import Rulemaking
from pypidaemon.testing.archives import make_wheel
from pypidaemon.versions import same_version
from tests.gear import inline, now
from tests.house import House
from tests.web.posting import look
from tests.web.test_uploads import upload, wheel

JSON = "application/vnd.pypi.simple.v1+json"


@attrs.frozen
class Stored:
    """A file somewhere in the town, with every address that it ever had."""

    project: str
    version: str
    filename: str
    digest: str
    paths: frozenset[str] = frozenset()

    def blocked(self, targets: set[str]) -> bool:
        """What must become of it."""
        return bool(targets & {self.project, f"{self.project}=={same_version(self.version)}", f"sha256:{self.digest}"})


@attrs.frozen
class Town:
    """Every kind of index over two leaves: alpha is ours, alpha and beta the upstream's, and gamma is known by no hash."""

    house: House
    indexes: dict[str, IIndex]
    rulemaking: Rulemaking
    files: tuple[Stored, ...]


@functools.cache
def town() -> Town:
    house = House()
    wheels = {(name, version): make_wheel(name, version) for name, version in (("alpha", "9.0"), ("beta", "1.0"), ("beta", "2.0"))}
    for name in ("alpha", "beta"):
        made = [found for (project, _), found in wheels.items() if project == name]
        house.upstream.add(name, *made, versions=tuple(version for project, version in wheels if project == name))
    # An address without any hash in it leads by name.
    house.upstream.add("gamma", ("gamma-1.0.tar.gz", b"gamma"))
    house.upstream.pages["gamma"] = attrs.evolve(
        house.upstream.pages["gamma"],
        files=tuple(attrs.evolve(one, path="") for one in house.upstream.pages["gamma"].files),  # type: ignore[union-attr, arg-type]  # it is a page
    )
    private = house.with_private()
    ours, theirs = house.barred(private), house.barred(house.proxy)
    first = FirstMatch("first", (ours, theirs), house.records)
    merged = Merged("merged", (ours, theirs), ("*",), house.records, inline)
    policed = Policed("policed", first, (Names("no-delta", deny=("delta",)),), house.records, house.clock, inline)
    pinned = Pinned("pinned", merged, ("alpha==1.0", "alpha==9.0", "beta==2.0"), house.records, inline)
    indexes: dict[str, IIndex] = {"first": first, "private": ours, "pypi": theirs, "merged": merged, "policed": policed, "pinned": pinned}
    house.open(indexes, "first")
    house.tokens["ann"] = house.token("ann")
    house.grant("ann", "upload", "private")
    for version in ("1.0", "1.1"):
        assert upload(house, house.tokens["ann"], wheel("alpha", version)).status == 200
    return Town(house, indexes, house.door.routes.rulings.rulemaking, addressed(house, indexes))


def addressed(house: House, indexes: dict[str, IIndex]) -> tuple[Stored, ...]:
    """All files, with the addresses that pages lead to while nothing is blocked; each is fetched once, so its bytes are here."""
    found: dict[str, Stored] = {}
    for label in indexes:
        for project in ("alpha", "beta", "gamma"):
            page = look(house, f"/index/{label}/simple/{project}/", accept=JSON)
            for one in json.loads(page.body)["files"] if page.status == 200 else ():
                path = f"/index/{label}/" + one["url"].removeprefix("../../")
                body = house.body(look(house, path))
                version = one["filename"].removesuffix(".tar.gz").split("-")[1]
                known = found.setdefault(one["filename"], Stored(project, version, one["filename"], hashlib.sha256(body).hexdigest()))
                below = path.removeprefix(f"/index/{label}")
                everywhere = {below, f"/at/2027-01-01{below}", *(f"/index/{other}{below}" for other in indexes)}
                everywhere.add(f"/index/{label}/integrity/{project}/{version}/{one['filename']}/provenance")
                found[one["filename"]] = attrs.evolve(known, paths=known.paths | everywhere)
    assert len(found) == 6, found
    return tuple(found.values())


TARGETS = (
    "alpha",
    "beta",
    "gamma",
    "alpha==1",
    "alpha==1.1",
    "alpha==9",
    "beta==1.0",
    "beta==2",
    "gamma==1.0",
    "bytes 0",
    "bytes 1",
    "bytes 2",
    "bytes 5",
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(TARGETS)), max_size=6))
def test_law_2_what_is_blocked_is_on_no_page_and_opened_by_no_route(orders: list[tuple[bool, str]]) -> None:
    """Blocks and unblocks in any order, against a set of targets; after each of them all is as the set says."""
    here = town()
    in_force = {ruling.target for ruling in here.house.rulings.all()}
    for about in in_force:
        now(here.rulemaking.perform("unblock", {"target": about}, THE_OPERATOR))
    targets: set[str] = set()
    for blocking, word in orders:
        about = f"sha256:{here.files[int(word[6:])].digest}" if word.startswith("bytes") else spelled(word)
        if blocking:
            now(here.rulemaking.perform("block", {"target": about, "reason": "a trial"}, THE_OPERATOR))
            targets.add(about)
        elif about in targets:
            now(here.rulemaking.perform("unblock", {"target": about}, THE_OPERATOR))
            targets.discard(about)
        look_around(here, targets)


def look_around(here: Town, targets: set[str]) -> None:
    """Ask for every file in every way."""
    bad = {stored.filename: stored for stored in here.files if stored.blocked(targets)}
    seen: set[str] = set()
    for label, index in here.indexes.items():
        for project in ("alpha", "beta", "gamma"):
            page = look(here.house, f"/index/{label}/simple/{project}/", accept=JSON)
            if project in targets:
                assert page.status == 404, (label, project)
            names = {one["filename"] for one in json.loads(page.body)["files"]} if page.status == 200 else set()
            assert not names & set(bad), (label, project, targets)
            seen |= names
        for stored in bad.values():
            for companion in Companion:
                assert not opens(index, stored, companion), (label, stored, companion, targets)
    # A project that another index gives alone hides nothing of what is not blocked.
    whole = {stored.filename for stored in here.files if stored.project not in targets}
    assert seen == whole - set(bad), targets
    for stored in bad.values():
        for path in stored.paths:
            for method in ("GET", "HEAD"):
                for companion in ("", ".metadata", ".provenance"):
                    assert look(here.house, path + companion, method=method).status in (403, 404), (path, targets)
        assert look(here.house, min(stored.paths, key=len)).status == 403 or stored.version == "9.0", stored


def opens(index: IIndex, stored: Stored, companion: Companion) -> bool:
    """Whether the index gives any byte of it."""
    try:
        now(index.open_file(NormalizedName(stored.project), clean_name(stored.filename), companion))
    except PypidaemonError:
        return False
    return True


def spelled(word: str) -> str:
    """A target in its one spelling."""
    name, marked, version = word.partition("==")
    return f"{name}=={same_version(version)}" if marked else name
