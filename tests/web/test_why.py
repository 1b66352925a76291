"""`/+why/`: explanations for people and programs, and for nobody who may not see what they are about."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import InvalidName, NoSuchFile, NoSuchProject, NotAllowed, PypidaemonError, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.model import ProjectStatus
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.policies.names import Names
from pypidaemon.policies.versions import Versions, bounds
from pypidaemon.rulings import Rulings
from pypidaemon.testing.archives import make_wheel
from pypidaemon.waits import Bell
from pypidaemon.web import failures
from pypidaemon.web.reply import Reply
from pypidaemon.web.views.frame import PROTECTION
from pypidaemon.web.why import AT_ONCE
from tests.contracts.hosted_index import Yard, publish, upload
from tests.fakes import file, page
from tests.gear import inline, later, now, waiting
from tests.house import House, header

HOUR_AGO = "2026-05-28T19:26:40Z"


def get(house: House, path: str, token: str = "", **headers: str) -> Reply:
    """What is answered there to who shows that token."""
    if token:
        headers["authorization"] = f"Bearer {token}"
    return house.get(path, **headers)


def told(house: House, path: str, token: str = "") -> dict[str, object]:
    """The same in JSON."""
    reply = get(house, path, token, accept="application/json")
    assert reply.status == 200
    found: dict[str, object] = json.loads(reply.body)
    return found


@pytest.fixture
def house() -> House:
    """Alpha with a release that is too young, behind a private index."""
    house = House()
    young = file("alpha-2.0.tar.gz", b"two", upload_time=HOUR_AGO)
    house.upstream.pages["alpha"] = page("alpha", file("alpha-1.0.tar.gz", b"one"), young, versions=("1.0", "2.0"))
    private = house.with_private()
    waiting = Policed("waiting", house.proxy, (MinimumAge("cooldown", Rulings(), 3 * 86400.0),), house.records, house.clock, inline)
    root = FirstMatch("root", (private, waiting), house.records)
    house.open({"root": root, "private": private, "pypi": house.proxy}, "root")
    return house


def closed(house: House) -> str:
    """From now on `private` is for ann alone, whose token this is; beta is there, and hers."""
    name, data = make_wheel("beta", "1.0")
    yard = Yard(house.records, house.blobs, house.clock, house.announcements)
    publish(yard, house.door.routes.indexes["private"], said=upload(name, name="beta"), data=data)  # type: ignore[arg-type]  # it is hosted
    token = house.token("ann")
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "pypi")
        house.grant("ann", right, "private")
    return token


def test_the_sentence_that_people_look_for(house: House) -> None:
    """As a page, as text, as JSON: who hides the release, until when, and why."""
    sentence = f"alpha 2.0 is hidden by cooldown until 2026-05-31T19:26:40Z: uploaded {HOUR_AGO}"
    for kind, more in (("text/html", {}), ("text/plain", {"accept": "text/plain"}), ("application/json", {"accept": "application/json"})):
        for path in ("/+why/alpha", "/+why/alpha/2.0"):
            reply = get(house, path, **more)
            assert (reply.status, (header(reply, "Content-Type") or "").partition(";")[0]) == (200, kind)
            assert sentence.encode() in reply.body
            assert header(reply, "Cache-Control") == "no-store"
            assert header(reply, "X-Pypidaemon-Index") == "pypi"
    for form, kind in (("json", "application/json"), ("text", "text/plain; charset=utf-8"), ("html", "text/html; charset=utf-8")):
        assert header(get(house, f"/+why/alpha?format={form}", accept="text/plain"), "Content-Type") == kind
    assert header(get(house, "/+why/alpha", accept="image/png"), "Content-Type") == "text/html; charset=utf-8"


def test_which_index_answers_and_which_had_none_of_it(house: House) -> None:
    said = told(house, "/+why/alpha")
    assert (said["index"], said["sources"], said["shown"]) == ("root", ["pypi"], True)
    below = said["indexes"]["below"]  # type: ignore[index]  # an object
    assert [(one["index"], one["outcome"]) for one in below] == [("private", "absent"), ("waiting", "answers")]
    assert "page fetched" in below[1]["below"][0]["facts"]
    assert told(house, "/+why/alpha/1")["shown"] is True
    assert told(house, "/+why/alpha/2")["shown"] is False
    assert told(house, "/+why/alpha/7")["summary"] == ["root has no release 7 of alpha"]
    assert told(house, "/+why/nothing")["summary"] == ["root has no such project: nothing"]


def test_each_index_explains_below_its_own_address(house: House) -> None:
    """And so does the past."""
    assert told(house, "/index/pypi/+why/alpha")["index"] == "pypi"
    assert len(told(house, "/index/pypi/+why/alpha")["releases"]) == 2  # type: ignore[arg-type]  # a list
    past = told(house, "/at/2025-01-01/+why/alpha")
    assert past["shown"] is False
    with pytest.raises(NoSuchFile):
        get(house, "/+why/alpha/1.0/x")


def test_R7_another_spelling_leads_to_the_one(house: House) -> None:
    """In one hop, with its query."""
    for path, location in (
        ("/+why/Al_pha", "al-pha"),
        ("/+why/alpha/", "../alpha"),
        ("/+why/ALPHA/", "../alpha"),
        ("/+why/ALPHA/1 0?format=json", "../alpha/1%200?format=json"),
    ):
        reply = get(house, path)
        assert (reply.status, header(reply, "Location")) == (301, location)


@pytest.mark.parametrize("path", ["/+why/-x", "/+why/", "/+why/a b", "/+why/" + "a" * 300])
def test_R10_what_is_no_name_is_one_line(house: House, path: str) -> None:
    with pytest.raises(InvalidName, match="not a project name"):
        get(house, path)


def test_no_version_is_that_long(house: House) -> None:
    with pytest.raises(NoSuchFile):
        get(house, "/+why/alpha/" + "1" * 300)


def test_S42_strangers_hear_nothing_of_private_projects(house: House) -> None:
    """As at the page: to log in, whichever address they ask, and not that an index they may not read was asked."""
    ann = closed(house)
    for path in ("/+why/beta", "/+why/beta/1.0", "/index/private/+why/beta"):
        with pytest.raises(NotAllowed) as refused:
            get(house, path)
        assert refused.value.would_help
        assert told(house, path, ann)["shown"] is True
    public = json.dumps(told(house, "/+why/alpha"))
    assert "private" not in public
    assert '"private"' in json.dumps(told(house, "/+why/alpha", ann))
    assert "private" not in json.dumps(told(house, "/+why/absent"))


def test_S42_who_may_read_one_project_hears_of_no_other(house: House) -> None:
    """Where there is none of that name, it is absent, as its page is."""
    closed(house)
    bob = house.token("bob")
    house.grant("bob", "read", "private/beta")
    assert told(house, "/index/private/+why/beta", bob)["shown"] is True
    with pytest.raises(NoSuchProject):
        get(house, "/index/private/+why/gamma", bob)


def test_R191_a_concealed_project_is_as_if_it_were_not_there(house: House) -> None:
    """Word for word, so a name that is nowhere is not explained either."""
    house.conceal = True
    house.open(dict(house.door.routes.indexes), "root")
    closed(house)
    with pytest.raises(NoSuchProject, match=r"^no such project: beta$"):
        get(house, "/+why/beta")
    with pytest.raises(NoSuchProject, match=r"^no such project: absent$"):
        get(house, "/+why/absent")
    assert told(house, "/+why/alpha")["shown"] is True


def test_S42_what_fails_in_an_index_is_for_who_may_read_there(house: House) -> None:
    """And what hides a project there."""
    closed(house)
    private = house.door.routes.indexes["private"]
    shut = Policed("shut", private, (Names("closed", deny=("beta",)),), house.records, house.clock, inline)
    house.open({"shut": shut}, "shut")
    with pytest.raises(NotAllowed):
        get(house, "/+why/beta")


def test_S42_why_a_private_project_is_blocked_is_not_for_strangers(house: House) -> None:
    """Also where the index that answers stands behind a public one, and another index of it is for everybody."""
    ann = closed(house)
    private = house.door.routes.indexes["private"]
    leaves = (house.barred(private), house.barred(house.proxy))
    root = FirstMatch("root", leaves, house.records)
    house.open({"root": root, "private": leaves[0], "pypi": leaves[1]}, "root")
    for about in ("beta", "alpha"):
        now(house.door.routes.rulings.rulemaking.perform("block", {"target": about, "reason": "the ticket of ACME"}, THE_OPERATOR))
    for path in ("/+why/beta", "/index/private/+why/beta"):
        with pytest.raises(NotAllowed):
            get(house, path)
        assert b"ACME" in get(house, path, ann).body
    assert b"ACME" in get(house, "/index/pypi/+why/alpha").body


def test_S42_what_fails_behind_an_index_is_for_who_may_read_there(house: House) -> None:
    """Not for who may read in another index below the same one."""
    ann = closed(house)
    book = house.records.files

    async def broken(self: object, label: str, name: str) -> None:
        raise PypidaemonError("/srv/customers/acme is gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(book), "page", broken)
        with pytest.raises(NotAllowed):
            get(house, "/+why/beta")
        assert b"acme" in get(house, "/+why/beta", ann).body


@pytest.mark.parametrize(
    "path",
    [
        "/simple/{}/",
        "/pypi/{}/json",
        "/+why/{}?format=text",
        "/+why/{}/1.0",
        f"/packages/aa/bb/{'c' * 60}/{{}}-1.0-py3-none-any.whl",
        "/integrity/{0}/1.0/{0}-1.0-py3-none-any.whl/provenance",
    ],
)
def test_R191_a_rule_on_names_does_not_tell_which_of_them_are_concealed(house: House, path: str) -> None:
    """Whatever is asked, and the same for a name that nobody has; who may read there hears of the rule."""
    house.conceal = True
    ann = closed(house)
    private = house.door.routes.indexes["private"]
    root = FirstMatch("root", (private, house.proxy), house.records)
    rules = (Names("allowed", ("numpy",)),)
    house.open({"pol": Policed("pol", root, rules, house.records, house.clock, inline), "private": private}, "pol")
    said = [answer(house, path.format(name)).body.replace(name.encode(), b"X") for name in ("beta", "absent")]
    assert said[0] == said[1]
    assert b"allowed" not in said[0]
    assert b"no such" in said[0]
    assert b"allowed" in answer(house, path.format("beta"), ann).body


def test_R191_a_rule_on_files_does_not_tell_either(house: House) -> None:
    """Where a policy hides a release of a concealed project, there is no such file, as where there is no such project."""
    house.conceal = True
    ann = closed(house)
    root = FirstMatch("root", (house.door.routes.indexes["private"], house.proxy), house.records)
    rules = (Versions("no-old", deny=bounds("beta <2")),)
    house.open({"pol": Policed("pol", root, rules, house.records, house.clock, inline)}, "pol")
    page = f"/packages/aa/bb/{'c' * 60}/{{}}-1.0-py3-none-any.whl"
    said = [answer(house, page.format(name)).body.replace(name.encode(), b"X") for name in ("beta", "absent")]
    assert said[0] == said[1]
    assert b"no-old" in answer(house, page.format("beta"), ann).body


def answer(house: House, path: str, token: str = "") -> Reply:
    """What is answered, errors by their table."""
    try:
        return get(house, path, token)
    except PypidaemonError as error:
        return failures.answer(error, "0", path.startswith("/packages"))


def test_the_same_explanation_is_put_together_once_and_few_at_a_time(house: House) -> None:
    """Whoever asks for it, and whatever of it: a long page takes long. An upstream that is waited for takes no turn."""
    why = house.door.routes.why
    jobs: list[Deferred[None]] = []

    async def slow(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        jobs.append(Deferred())
        await jobs[-1]
        return function(*args, **kwargs)

    why.cpu = slow
    asked = [later(house.door.routes.handle(house.ask(f"/+why/alpha/{number}.0"))) for number in range(5)]
    assert len(jobs) == AT_ONCE
    for job in jobs:
        job.callback(None)
    assert len(jobs) == 5
    assert [now(one).status for one in asked] == [200] * 5

    explaining: list[Deferred[None]] = []
    pol = house.door.routes.indexes["pypi"]
    page = type(pol).project_page

    async def held_up(self: Any, name: Any) -> Any:
        explaining.append(Deferred())
        await explaining[-1]
        return await page(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(pol), "project_page", held_up)
        same = [later(house.door.routes.handle(house.ask("/index/pypi/+why/alpha"))) for _ in range(9)]
        assert len(explaining) == 1
        other = later(house.door.routes.handle(house.ask("/index/private/+why/absent")))
        assert len(jobs) == 6
        for one in explaining:
            one.callback(None)
    assert waiting(other)
    for job in jobs:
        if not job.called:
            job.callback(None)
    assert {now(one).status for one in [*same, other]} == {200}


def test_an_upstream_that_fails_slowly_holds_up_no_other_explanation(house: House) -> None:
    """It is asked again for what there is to say of it, which may take as long again."""
    names = [f"slow-{number}" for number in range(AT_ONCE + 1)]
    house.upstream.pages |= dict.fromkeys(names, UpstreamUnavailable("pypi", "no answer"))
    told(house, "/+why/alpha")
    house.upstream.gate = first = Bell()
    slow = [later(house.door.routes.handle(house.ask(f"/+why/{name}"))) for name in names]
    house.upstream.gate = second = Bell()
    first.ring()
    assert [house.upstream.asked.count(f"page {name}") for name in names] == [2] * len(names)
    other = later(house.door.routes.handle(house.ask("/+why/alpha")))
    assert now(other).status == 200
    second.ring()
    assert {now(one).status for one in slow} == {200}


class Reading(HTMLParser):
    """Notes what tags and attributes there are."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}


def test_S57_a_page_is_plain_and_shows_words_from_outside_as_words(house: House) -> None:
    """Whatever an upstream says of a project, or somebody asks for; the policy of the page is that of all others."""
    evil = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    entries = (file("alpha-1.0.tar.gz", yanked=evil), attrs.evolve(file("alpha-2.0.tar.gz"), upload_time=None, size=None))
    house.upstream.pages["alpha"] = page("alpha", *entries, status=ProjectStatus("archived", evil))
    for path in ("/index/pypi/+why/alpha", f"/index/pypi/+why/alpha/{evil.replace('/', '')}"):
        reply = get(house, path)
        document = reply.body.decode()
        assert "<script" not in document
        assert "<img" not in document
        reading = Reading()
        reading.feed(document)
        assert not {"script", "img", "style", "iframe"} & set(reading.tags)
        assert not [name for name in reading.attributes if name.startswith("on") or name == "style"]
        assert set(PROTECTION) <= set(reply.headers)
    assert "&lt;script&gt;" in get(house, "/index/pypi/+why/alpha").body.decode()


def test_a_file_that_names_no_version_has_a_row(house: House) -> None:
    house.upstream.pages["alpha"] = page("alpha", file(filename("alpha.zip")))
    assert "<td>-</td>" in get(house, "/index/pypi/+why/alpha").body.decode()


def test_S57_of_3000_files_a_page_has_a_hundred(house: House) -> None:
    """60 KB at most, and none is on two of them; what is no page is the first, and past the last there is the last."""
    names = [f"alpha-{number}.0.tar.gz" for number in range(3000)]
    house.upstream.pages["alpha"] = page("alpha", *(file(name, name.encode()) for name in names))
    found: set[str] = set()
    for number in (1, 2, 15, 30):
        reply = get(house, f"/index/pypi/+why/alpha?page={number}", accept_encoding="gzip")
        assert len(reply.body) < 30_000
        document = gzip.decompress(reply.body).decode()
        assert len(document) < 60_000
        assert f"Page {number} of 30" in document
        found |= {name for name in names if f">{name}<" in document}
        assert len(found) == 100 * (number if number < 3 else 3 if number == 15 else 4)
    first = get(house, "/index/pypi/+why/alpha").body
    for query in ("page=x", "page=-1", "page=9999999"):
        assert get(house, f"/index/pypi/+why/alpha?{query}").body == first
    assert b"Page 30 of 30" in get(house, "/index/pypi/+why/alpha?page=31").body


def test_the_page_leads_to_the_project_and_back(house: House) -> None:
    """Also below an index of its own, and for one release; what goes wrong is a page as well."""
    for path, way in (("/+why/alpha", "../project/alpha/"), ("/index/pypi/+why/alpha/1.0", "../../../../index/pypi/project/alpha/")):
        reply = get(house, path, accept="text/html")
        assert f'href="{way}"' in reply.body.decode()
    closed(house)
    refused = get(house, "/index/private/+why/beta", accept="text/html")
    assert (refused.status, b"<h1>" in refused.body) == (401, True)


def control(house: House, path: str) -> Reply:
    """What the control socket answers."""
    return now(house.door.control.resource.handle(house.ask(path)))


def test_the_operator_sees_all_of_it(house: House) -> None:
    """On the control socket, of any index that has an address."""
    closed(house)
    said = json.loads(control(house, "/why?project=Beta").body)
    assert (said["index"], said["shown"]) == ("root", True)
    assert json.loads(control(house, "/why?project=alpha&version=2&index=pypi").body)["shown"] is True
    refused = control(house, "/why?project=alpha&index=nowhere")
    assert (refused.status, refused.line) == (
        404,
        "no index 'nowhere' has an address of its own; those that have: private pypi root; without --index it is the one at /simple/",
    )
    with pytest.raises(InvalidName):
        control(house, "/why")


def test_the_control_socket_says_what_was_read(house: House) -> None:
    assert json.loads(control(house, "/configuration").body) == {"file": "", "text": ""}


def test_an_index_that_cannot_be_read_is_explained(house: House) -> None:
    """A page of it would be 503."""
    house.upstream.fails(["beta"])
    assert told(house, "/+why/beta")["summary"] == ["root cannot answer for beta: upstream pypi: it is down"]
    with pytest.raises(PypidaemonError):
        get(house, "/simple/beta/")
