"""What the door lets through is what rights and rules were held against, whatever an upstream says a moment later."""

from __future__ import annotations

import hashlib
import json
import xmlrpc.client
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest
from zope.interface import implementer

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.descriptions import Descriptions
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IIndex, IInformant, IPolicy
from pypidaemon.model import Attested, Companion, File, Filename, Knowledge, NormalizedName, NotModified, UpstreamPage, Validators
from pypidaemon.moments import written
from pypidaemon.policies.licences import Licences
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.policies.names import Names
from pypidaemon.settings import Lines
from pypidaemon.waits import Bell
from tests.fakes import FakeUpstream, file, page
from tests.gear import inline, later, now, waiting
from tests.house import NOON, House
from tests.web.posting import look, send
from tests.web.test_uploads import upload, wheel

DAY = 86400.0
FOO = NormalizedName("foo")
GOOD = file("foo-1.0.tar.gz", b"\x1f\x8bgood", upload_time=written(NOON - 10), provenance="https://files.example/provenance")
EVIL = attrs.evolve(file("foo-1.0.tar.gz", b"\x1f\x8bevil", path=GOOD.path, provenance=GOOD.provenance), upload_time=GOOD.upload_time)


@attrs.define
class Turning(FakeUpstream):
    """Says one thing `turn` times and another from then on, and each time that it holds for no second."""

    turn: int = 0
    first: File = GOOD
    other: File = EVIL

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """As `IUpstream`."""
        self.turn -= 1
        return page(name, self.other if self.turn < 0 else self.first, max_age=0.0, serial=None)


def bodies(house: House) -> None:
    house.upstream.bodies |= {GOOD.url: b"\x1f\x8bgood", EVIL.url: b"\x1f\x8bevil"}


def order(house: House, verb: str, about: str) -> None:
    now(house.door.routes.rulings.rulemaking.perform(verb, {"target": about, "reason": "it is evil"}, THE_OPERATOR))


def got(house: House, path: str) -> bytes | int:
    """The bytes of an answer, or its status where there are none."""
    try:
        reply = look(house, path)
        return house.body(reply) if reply.status == 200 else reply.status
    except PypidaemonError:
        return 0


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("hashless", [False, True])
def test_law_2_blocked_bytes_are_not_given_however_often_upstream_changes_its_mind(turn: int, hashless: bool) -> None:
    """Also where its first word has no digest at all; where it has, the file is off the page from then on (S28)."""
    house = House(upstream=Turning(turn=turn, first=attrs.evolve(GOOD, hashes=()) if hashless else GOOD))
    bodies(house)
    house.open({"pypi": house.barred(house.proxy)}, "pypi")
    order(house, "block", f"sha256:{EVIL.digest}")
    assert got(house, f"/packages/{GOOD.path}") in (b"\x1f\x8bgood", 403, 503, *(() if hashless else (404,)))


def test_law_2_what_an_informant_vouched_for_is_what_is_given() -> None:
    """It takes its time, and upstream's page runs out and changes meanwhile, which somebody accepts."""
    house = House()
    bodies(house)
    bell = Bell()
    asked: list[str] = []

    @implementer(IInformant)
    class Slow:
        """Vouches for the good bytes alone, and the second time not before a bell rings."""

        async def inform(self, index: IIndex, name: NormalizedName, files: Sequence[File]) -> Mapping[Filename, File]:
            asked.extend(file.filename for file in files)
            if len(asked) == 2:
                await bell.wait()
            good, bad = Attested(("github:acme/foo",)), Attested(problem="it does not hold")
            return {file.filename: attrs.evolve(file, attested=good if file.digest == GOOD.digest else bad) for file in files}

    rule = MinimumAge("cool", house.rulings, 3 * DAY, ("publisher:github:acme/*",))
    index = Policed("pol", house.proxy, (rule,), house.records, house.clock, inline, {Knowledge.PROVENANCE: Slow()})
    house.upstream.pages["foo"] = page("foo", GOOD)
    house.open({"pol": index}, "pol")
    now(house.doorkeeper.admit(None, ""))
    reply = later(house.door.routes.handle(house.ask(f"/packages/{GOOD.path}")))
    assert waiting(reply)
    house.upstream.pages["foo"] = page("foo", EVIL)
    house.clock.advance(700)
    now(house.proxy.project_page(FOO))
    assert now(house.records.facts.accept("pypi", FOO, GOOD.filename)) is not None
    now(house.proxy.refresh(FOO))
    bell.ring()
    assert now(reply).reason.startswith("Refused by cool: uploaded")


@pytest.mark.parametrize("hashless", [False, True])
def test_S42_a_file_that_was_uploaded_meanwhile_is_not_given_by_the_rights_on_upstreams(hashless: bool) -> None:
    house = House()
    private = house.with_private()
    house.tokens = {"ann": house.token("ann")}
    house.grant("ann", "upload", private.label)
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "pypi")
        house.grant("ann", right, private.label)
    made = wheel("beta", "1.0")
    theirs = file(made[0], b"theirs", **({"hashes": ()} if hashless else {}))
    house.upstream.pages["beta"] = page("beta", theirs)
    house.upstream.bodies[theirs.url] = b"theirs"
    now(house.doorkeeper.admit(None, ""))
    house.upstream.gate = Bell()
    reply = later(house.door.routes.handle(house.ask(f"/packages/{theirs.path}")))
    assert waiting(reply)
    assert upload(house, house.tokens["ann"], made).status == 200
    house.upstream.gate.ring()
    with pytest.raises(NoSuchFile):
        now(reply)


def test_S42_metadata_that_was_uploaded_meanwhile_is_in_no_document_of_upstreams_project() -> None:
    """The legacy document was asked for when upstream alone had the project."""
    house = House()
    private = house.with_private()
    house.tokens = {"ann": house.token("ann")}
    house.grant("ann", "upload", private.label)
    made = wheel("beta", "1.0", fields=("Summary: a secret",))
    theirs = file(made[0], b"theirs", core_metadata="")
    house.upstream.pages["beta"] = page("beta", theirs)
    house.upstream.gate = Bell()
    now(house.doorkeeper.admit(None, ""))
    reply = later(house.door.routes.handle(house.ask("/pypi/beta/json")))
    assert waiting(reply)
    assert upload(house, house.tokens["ann"], made).status == 200
    house.upstream.gate.ring()
    assert b"secret" not in now(reply).body


@pytest.mark.parametrize("size", [4, 3 << 20])
def test_law_6_bytes_that_were_blocked_are_not_given_where_upstream_tells_no_hash(size: int) -> None:
    """Not the first time either, when it turns out only as they come whose bytes they are; of a large file the end is held back."""
    data = b"\x1f\x8bev" * (size // 4)
    house = House()
    entry = file("alpha-1.0.tar.gz", data, hashes=())
    house.upstream.pages["alpha"] = page("alpha", entry)
    house.upstream.bodies[entry.url] = data
    house.open({"pypi": house.barred(house.proxy)}, "pypi")
    order(house, "block", f"sha256:{hashlib.sha256(data).hexdigest()}")
    for _ in range(2):
        assert got(house, f"/packages/{entry.path}") in (403, 0)
    assert house.upstream.asked.count("body alpha-1.0.tar.gz") == 1


DASHED = file("alpha-1.0-1.tar.gz", b"one")


def dashed(house: House, *policies: IPolicy) -> str:
    """A file of alpha whose name may be read as one of alpha-1-0 too; its address."""
    house.upstream.pages["alpha"] = page("alpha", DASHED, versions=("1.0-1",))
    house.upstream.bodies[DASHED.url] = b"one"
    index = Policed("pol", house.barred(house.proxy), policies, house.records, house.clock, inline)
    house.open({"pol": index}, "pol")
    return f"/packages/{DASHED.path}"


def test_a_file_is_given_though_its_name_reads_as_one_of_a_project_that_is_refused_too() -> None:
    house = House()
    assert got(house, dashed(house, Names("allowed", ("alpha",)))) == b"one"
    order(house, "block", "alpha-1.0")
    assert got(house, f"/packages/{DASHED.path}") == b"one"


def test_a_refusal_is_the_answer_where_no_project_lists_the_path() -> None:
    house = House()
    dashed(house)
    order(house, "block", "alpha-1.0")
    assert got(house, f"/packages/00/00/{'0' * 60}/alpha-1.0-1.tar.gz") == 403
    order(house, "block", "alpha")
    assert got(house, f"/packages/{DASHED.path}") == 403


def found(house: House) -> list[str]:
    """The versions of what a search for foo finds."""
    reply = send(house, "/pypi", xmlrpc.client.dumps(({"name": "foo"},), "search").encode(), "text/xml")
    hits: Any = xmlrpc.client.loads(house.body(reply))[0][0]
    return [hit["version"] for hit in hits]


GPL = b"Metadata-Version: 2.4\nName: foo\nVersion: 2.0\nLicense-Expression: GPL-3.0-only\n\n"


@pytest.mark.parametrize("promised", [hashlib.sha256(GPL).hexdigest(), ""])
def test_R149_search_finds_nothing_that_is_hidden_for_what_it_says_of_itself(promised: str) -> None:
    house = House()
    entry = file("foo-2.0-py3-none-any.whl", b"two", core_metadata=promised)
    house.upstream.pages["foo"] = page("foo", entry, versions=("2.0",))
    house.upstream.bodies |= {entry.url: b"two", f"{entry.url}.metadata": GPL}
    informants = {Knowledge.METADATA: Descriptions(house.blobs, inline, house.announcements)}
    no_gpl = Licences("licences", Lines(), Lines(["GPL-*"]))
    house.open({"pol": Policed("pol", house.proxy, (no_gpl,), house.records, house.clock, inline, informants)}, "pol")

    look(house, "/simple/foo/")
    assert found(house) == ["2.0"]
    now(house.proxy.open_file(NormalizedName("foo"), entry.filename, Companion.METADATA)).close()
    assert found(house) == []


def test_R149_search_asks_nobody_who_attests_a_file_and_leaves_out_what_would_need_it() -> None:
    house = House()
    house.upstream.pages["foo"] = page("foo", GOOD)
    rule = MinimumAge("cool", house.rulings, 3 * DAY, ("publisher:github:acme/*",))
    house.open({"pol": Policed("pol", house.proxy, (rule,), house.records, house.clock, inline)}, "pol")
    look(house, "/simple/foo/")
    asked = list(house.upstream.asked)
    assert found(house) == []
    assert house.upstream.asked == asked


def names(house: House) -> list[str]:
    reply = look(house, "/simple/alpha/", accept="application/vnd.pypi.simple.v1+json")
    return [entry["filename"] for entry in json.loads(reply.body)["files"]]


def test_a_clock_that_is_put_back_hides_again_what_was_not_old_enough() -> None:
    """Neither what was judged nor what was rendered in what is the future now is gone by."""
    house = House()
    new = file("alpha-2.0.tar.gz", b"two", upload_time=written(NOON - 100))
    house.upstream.pages["alpha"] = page("alpha", new, max_age=7 * DAY)
    house.upstream.bodies[new.url] = b"two"
    rule = MinimumAge("cool", house.rulings, 3 * DAY)
    house.open({"pol": Policed("pol", house.proxy, (rule,), house.records, house.clock, inline)}, "pol")
    assert names(house) == []
    house.clock.rightNow += 10 * DAY
    assert names(house) == [new.filename]
    house.clock.rightNow -= 10 * DAY
    assert names(house) == []
    assert look(house, f"/packages/{new.path}").status == 403
    assert look(house, "/pypi/alpha/json").status == 404
