"""A cool-down at the door: what waits, and that it ends by itself at the very moment that was told."""

from __future__ import annotations

import json
import re
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import NoSuchFile
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.interfaces import IIndex, IInformant
from pypidaemon.model import Attested, Companion, File, Filename, Knowledge, NormalizedName
from pypidaemon.moments import written
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.web.reply import Reply
from tests.fakes import file, page
from tests.gear import inline, later, now
from tests.house import NOON, House, header
from tests.web.posting import look, send
from tests.web.test_uploads import upload, wheel

DAY = 86400.0
AGE = 3 * DAY
OLD = file("alpha-1.0-py3-none-any.whl", b"one", upload_time="2020-01-02T03:04:05Z", core_metadata="")
NEW = file("alpha-2.0-py3-none-any.whl", b"two", upload_time=written(NOON - AGE + 300), core_metadata="")
NEWER = file("alpha-3.0-py3-none-any.whl", b"three", upload_time=written(NOON - AGE + 3000), core_metadata="")
ALPHA = NormalizedName("alpha")
PAGES = ("/simple/alpha/", "/index/pypi/simple/alpha/", "/at/2999-01-01/simple/alpha/")


class Cool(House):
    """A house whose proxy is seen through a cool-down of three days, and that through a first-match at the root."""

    def cool(self, inner: IIndex, exempt: tuple[str, ...] = ()) -> Policed:
        """That index seen through it."""
        rule = MinimumAge("cooldown", self.rulings, AGE, exempt)
        return Policed("pypi+cooldown", inner, (rule,), self.records, self.clock, inline)

    def order(self, verb: str, **more: str) -> None:
        """An order about alpha 2.0, as the command line gives it."""
        rulemaking = self.door.routes.rulings.rulemaking
        now(rulemaking.perform(verb, {"target": "alpha==2.0", **more}, THE_OPERATOR))


@pytest.fixture
def house() -> Cool:
    """2.0 becomes old enough in 300 s, 3.0 in 3000 s; what upstream says is fresh for a week."""
    house = Cool()
    house.upstream.pages["alpha"] = page("alpha", OLD, NEW, NEWER, versions=("1.0", "2.0", "3.0"), max_age=7 * DAY)
    house.upstream.bodies |= {OLD.url: b"one", NEW.url: b"two", NEWER.url: b"three"}
    cooled = house.cool(house.proxy)
    house.open({"root": FirstMatch("root", (cooled,), house.records), "pypi": cooled}, "root")
    return house


def versions(reply: Reply) -> list[str]:
    """The versions of the files on an HTML page."""
    assert reply.status == 200
    return sorted(set(re.findall(r">alpha-([0-9.]+)-py3", reply.body.decode())))


def serial(reply: Reply) -> int:
    return int(header(reply, "X-PyPI-Last-Serial") or 0)


@pytest.mark.parametrize("path", PAGES)
def test_a_ready_answer_is_given_until_the_next_file_is_old_enough_and_another_from_that_second_on(house: Cool, path: str) -> None:
    """Law 11 to the last moment: the same answer, ready, and then another; nobody polls, and upstream is not asked."""
    seen = [house.get(path)]
    assert versions(seen[0]) == ["1.0"]
    for wait, left in ((300, ["1.0", "2.0"]), (2700, ["1.0", "2.0", "3.0"])):
        house.clock.advance(wait - 0.001)
        warm = house.door.routes.quick(house.ask(path))
        assert warm is not None
        assert (warm.body, header(warm, "ETag")) == (seen[-1].body, header(seen[-1], "ETag"))
        house.clock.advance(0.001)
        assert house.door.routes.quick(house.ask(path)) is None
        seen.append(house.get(path))
        assert versions(seen[-1]) == left
        assert house.door.routes.quick(house.ask(path)) is not None
    assert house.upstream.asked == ["page alpha"]
    assert house.clock.getDelayedCalls() == []
    assert len({header(reply, "ETag") for reply in seen}) == 3
    assert [serial(reply) for reply in seen] == sorted({serial(reply) for reply in seen})


@pytest.mark.parametrize("path", PAGES)
def test_R76_nobody_is_told_to_keep_a_page_beyond_that_moment(house: Cool, path: str) -> None:
    """`max-age` is what is left until then, at most ten minutes."""
    for wait, age in ((0, 300), (299, 1), (0.5, 0), (0.5, 600), (2399, 301), (301, 600)):
        house.clock.advance(wait)
        assert header(house.get(path), "Cache-Control") == f"public, max-age={age}"


def test_a_client_that_asks_again_is_told_that_it_has_the_page_until_then(house: Cool) -> None:
    """R74: 304 before, 200 after."""
    etag = header(house.get("/simple/alpha/"), "ETag")
    assert etag is not None
    house.clock.advance(299)
    assert house.get("/simple/alpha/", if_none_match=etag).status == 304
    house.clock.advance(1)
    assert house.get("/simple/alpha/", if_none_match=etag).status == 200


def test_law_2_a_file_that_waits_cannot_be_had_by_any_address(house: Cool) -> None:
    """403 with the rule and the moment from which it is shown, in the reason phrase; also where its bytes are here."""
    said = f"Refused by cooldown: uploaded {NEW.upload_time}, less than 3d ago; shown from {written(NOON + 300)} on"
    now(house.proxy.open_file(ALPHA, NEW.filename, Companion.FILE)).close()
    paths = [
        f"{root}packages/{NEW.path}{tail}" for root in ("/", "/index/pypi/", "/at/2999-01-01/") for tail in ("", ".metadata", ".provenance")
    ]
    for path in paths:
        for method in ("GET", "HEAD"):
            reply = house.get(path, method)
            assert (reply.status, reply.reason) == (403, said)
    house.clock.advance(300)
    for path in paths[::3]:
        assert house.body(house.get(path)) == b"two"


def test_the_legacy_documents_turn_with_the_page(house: Cool) -> None:
    """They are kept ready too, and no longer than that."""
    for wait, newest in ((0, "1.0"), (299.9, "1.0"), (0.1, "2.0"), (2699.9, "2.0"), (0.1, "3.0")):
        house.clock.advance(wait)
        reply = house.get("/pypi/alpha/json")
        assert json.loads(reply.body)["info"]["version"] == newest
        assert [*json.loads(reply.body)["releases"]][-1] == newest
    assert json.loads(house.get("/pypi/alpha/2.0/json").body)["info"]["version"] == "2.0"


def test_a_release_that_waits_has_no_legacy_document(house: Cool) -> None:
    with pytest.raises(NoSuchFile):
        house.get("/pypi/alpha/2.0/json")
    house.clock.advance(300)
    assert house.get("/pypi/alpha/2.0/json").status == 200


def call(house: House, method: str, *given: Any) -> Any:
    reply = send(house, "/pypi", xmlrpc.client.dumps(given, method).encode(), "text/xml")
    [found], _ = xmlrpc.client.loads(house.body(reply))
    return found


def test_calls_of_old_tools_turn_with_the_page(house: Cool) -> None:
    """XML-RPC keeps nothing of its own."""
    for wait, newest in ((0, "1.0"), (300, "2.0"), (2700, "3.0")):
        house.clock.advance(wait)
        assert call(house, "package_releases", "alpha")[0] == newest
        assert call(house, "release_data", "alpha", newest)["version"] == newest
        if newest != "3.0":
            assert call(house, "release_data", "alpha", "3.0") == {}
            assert call(house, "release_urls", "alpha", "3.0") == []


def test_R71_the_list_has_the_serial_of_the_page(house: Cool) -> None:
    """So a mirror of us that goes by serials fetches the page again once it has changed."""
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"alpha"}]}'
    seen = []
    for wait in (0, 300, 2700):
        house.clock.advance(wait)
        serial_of_page = serial(house.get("/simple/alpha/"))
        listed = json.loads(house.body(house.get("/simple/?format=application/vnd.pypi.simple.v1+json")))
        assert listed["projects"] == [{"name": "alpha", "_last-serial": serial_of_page}]
        seen.append(serial_of_page)
    assert seen == sorted(set(seen))


def test_a_private_package_waits_as_well_and_its_page_is_never_kept_by_others() -> None:
    """R75: `no-cache` before and after; the turn is to the very moment all the same, on flat pages too."""
    house = Cool()
    private = house.with_private()
    token = house.token("ann")
    house.grant("ann", "upload", "private")
    house.open({"root": house.cool(private), "private": private}, "root")
    made = wheel("alpha")
    name = made[0]
    assert upload(house, token, made).status == 200
    for path in ("/simple/alpha/", "/links/"):
        assert (header(look(house, path), "Cache-Control"), name in look(house, path).body.decode()) == ("no-cache", False)
    first = look(house, "/simple/alpha/")
    house.clock.advance(AGE - 0.001)
    links = look(house, "/links/")
    assert name not in links.body.decode()
    assert house.door.routes.quick(house.ask("/simple/alpha/")) is not None
    house.clock.advance(0.001)
    for path in ("/simple/alpha/", "/links/"):
        assert (header(look(house, path), "Cache-Control"), name in look(house, path).body.decode()) == ("no-cache", True)
    last = look(house, "/simple/alpha/")
    assert serial(last) > serial(first)
    assert header(last, "ETag") != header(first, "ETag")


def test_what_is_exempt_by_order_is_there_at_once_and_waits_again_when_the_order_ends(house: Cool) -> None:
    """Break-glass for 100 s: each change to the moment, and with a serial of its own."""
    seen = [house.get("/simple/alpha/")]
    house.order("exempt", **{"for": "100s", "reason": "the fix of today"})
    seen.append(house.get("/simple/alpha/"))
    assert header(seen[-1], "Cache-Control") == "public, max-age=100"
    assert house.body(house.get(f"/packages/{NEW.path}")) == b"two"
    house.clock.advance(99.9)
    assert versions(house.door.routes.quick(house.ask("/simple/alpha/")) or seen[0]) == ["1.0", "2.0"]
    house.clock.advance(0.1)
    seen.append(house.get("/simple/alpha/"))
    assert house.get(f"/packages/{NEW.path}").status == 403
    house.clock.advance(200)
    seen.append(house.get("/simple/alpha/"))
    assert [versions(reply) for reply in seen] == [["1.0"], ["1.0", "2.0"], ["1.0"], ["1.0", "2.0"]]
    assert [serial(reply) for reply in seen] == sorted({serial(reply) for reply in seen})


def test_an_order_that_is_taken_back_ends_at_once(house: Cool) -> None:
    """It is announced, as every order is."""
    house.order("exempt", **{"for": "100s", "reason": "the fix of today"})
    assert versions(house.get("/simple/alpha/")) == ["1.0", "2.0"]
    house.order("unexempt")
    assert versions(house.get("/simple/alpha/")) == ["1.0"]


@implementer(IInformant)
@attrs.define
class Checked:
    """Says that each file is attested by the same publisher, and remembers of which it was asked."""

    attested: Attested
    asked: list[str] = attrs.field(factory=list)

    async def inform(self, index: IIndex, name: NormalizedName, files: Sequence[File]) -> Mapping[Filename, File]:
        """As `IInformant`."""
        self.asked += [each.filename for each in files]
        return {each.filename: attrs.evolve(each, attested=self.attested) for each in files}


@pytest.mark.parametrize(
    ("attested", "left"),
    [
        (Attested(("github:Acme/alpha",)), ["1.0", "2.0"]),
        (Attested(("github:other/alpha",)), ["1.0"]),
        (Attested(problem="it does not hold"), ["1.0"]),
        (Attested(problem="it could not be had just now", lasting=False), ["1.0"]),
    ],
)
def test_a_publisher_who_is_trusted_need_not_wait(house: Cool, attested: Attested, left: list[str]) -> None:
    """What he attests is looked at for young files that have a provenance, and for no others; page and file agree."""
    proved = [attrs.evolve(each, provenance="https://files.example/provenance") for each in (OLD, NEW)]
    house.upstream.pages["alpha"] = page("alpha", *proved, NEWER, versions=("1.0", "2.0", "3.0"), max_age=7 * DAY)
    rule = MinimumAge("cooldown", house.rulings, AGE, ("publisher:github:acme/*",))
    checked = Checked(attested)
    told = {Knowledge.PROVENANCE: checked}
    house.open({"root": Policed("root", house.proxy, (rule,), house.records, house.clock, inline, told)}, "root")
    assert versions(house.get("/simple/alpha/")) == left
    assert house.get(f"/packages/{NEW.path}").status == (200 if "2.0" in left else 403)
    assert house.get(f"/packages/{OLD.path}").status == 200
    assert set(checked.asked) == {NEW.filename}
    house.clock.advance(300)
    assert versions(house.get("/simple/alpha/")) == ["1.0", "2.0"]


def test_a_restart_changes_nothing(house: Cool) -> None:
    """The clock and the records are all that counts."""
    before = house.get("/simple/alpha/")
    house.restart()
    cooled = house.cool(house.proxy)
    house.open({"root": FirstMatch("root", (cooled,), house.records), "pypi": cooled}, "root")
    after = house.get("/simple/alpha/")
    assert (after.body, header(after, "ETag"), serial(after)) == (before.body, header(before, "ETag"), serial(before))


def test_R72_an_order_taken_back_while_a_page_is_judged_leaves_nothing_of_it(house: Cool) -> None:
    """Neither does an exemption show what waits, nor a block hide what is shown, once both have ended."""
    cooled = house.cool(house.barred(house.proxy))
    house.open({"root": cooled}, "root")
    now(house.door.routes.rulings.rulemaking.learn())
    jobs: list[Deferred[None]] = []

    async def slow(function: Callable[..., Any], /, *args: Any) -> Any:
        jobs.append(Deferred())
        await jobs[-1]
        return function(*args)

    many = [file(f"alpha-1.{number}.zip", b"x", upload_time="2020-01-02T03:04:05Z") for number in range(300)]
    house.upstream.pages["alpha"] = page("alpha", OLD, NEW, *many, max_age=7 * DAY)
    cooled.view.cpu = slow
    judged = later(cooled.project_page(ALPHA))
    assert jobs
    house.order("exempt", reason="x")
    for job in jobs:
        job.callback(None)
    house.order("unexempt")
    assert now(judged).file(NEW.filename) is None
    cooled.view.cpu = inline
    assert now(cooled.project_page(ALPHA)).file(NEW.filename) is None
