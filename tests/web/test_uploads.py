"""Uploads at the door, with rights, through the real form reader, archive inspection and private index."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any
from unittest import mock

import pytest
from twisted.internet.defer import CancelledError, Deferred

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.errors import InvalidUpload, NotAllowed, PypidaemonError, StorageFull
from pypidaemon.model import NormalizedName
from pypidaemon.refusals import LONGEST, MOST
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.web import failures
from pypidaemon.web.reply import Reply
from tests.gear import later, now
from tests.house import House, header
from tests.web.posting import basic

JSON = "application/vnd.pypi.simple.v1+json"
BOUNDARY = "b0undary"


def form(filename: str, data: bytes, **fields: str) -> bytes:
    """A form as twine sends it."""
    known = {":action": "file_upload", "protocol_version": "1", "sha256_digest": hashlib.sha256(data).hexdigest(), **fields}
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in known.items()]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n\r\n'.encode()
    return b"".join([*parts, head, data, f"\r\n--{BOUNDARY}--\r\n".encode()])


def post(house: House, body: bytes, path: str = "/legacy/", token: str | None = None, **headers: str) -> Reply:
    """Upload; what the door raises is answered by its table, as the skin does."""
    if token is not None:
        headers["authorization"] = "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()
    ask = house.ask(path, "POST", content_type=f"multipart/form-data; boundary={BOUNDARY}", **headers)
    awaitable = house.door.uploads.receive(ask)
    assert awaitable is not None
    receiver = now(awaitable)  # type: ignore[arg-type]  # a coroutine
    if isinstance(receiver, Reply):
        return receiver
    for start in range(0, len(body), 1000):
        now(receiver.write(body[start : start + 1000]))
    return now(receiver.finish())


def wheel(name: str = "alpha", version: str = "1.0", **more: Any) -> tuple[str, bytes, dict[str, str]]:
    """A real wheel and its form fields."""
    filename, data = make_wheel(name, version, **more)
    return filename, data, {"name": name, "version": version, "filetype": "bdist_wheel", "pyversion": "py3"}


def upload(house: House, token: str | None, made: tuple[str, bytes, Mapping[str, str]], path: str = "/legacy/", **headers: str) -> Reply:
    """Upload that."""
    filename, data, fields = made
    return post(house, form(filename, data, **fields), path, token, **headers)


@pytest.fixture
def house() -> House:
    """A private index before the proxy; upstream has alpha 9.0; ann may upload everything, bob may begin projects."""
    house = House()
    house.upstream.add("alpha", ("alpha-9.0.tar.gz", b"stranger"))
    house.with_private()
    house.tokens["ann"] = house.token("ann")
    house.tokens["bob"] = house.token("bob")
    house.grant("ann", "upload", "private")
    house.grant("bob", "create", "private")
    return house


def status(house: House, path: str, token: str | None = None) -> int:
    """What a reader is told."""
    headers = {} if token is None else {"authorization": "Basic " + base64.b64encode(f"__token__:{token}".encode()).decode()}
    try:
        return house.get(path, **headers).status
    except PypidaemonError as error:
        return failures.answer(error, "0" * 16, path.startswith("/packages")).status


@pytest.mark.parametrize(
    "path", ["/legacy/", "/legacy", "/", "/pypi", "/pypi/", "/simple/", "/index/private/legacy/", "/index/private/legacy"]
)
def test_P1_R157_an_upload_is_taken_at_every_address(house: House, path: str) -> None:
    """And is on the very next page (R174), in front of the stranger of that name (L1), with its sidecar (R102)."""
    assert status(house, "/simple/alpha/") == 200
    reply = upload(house, house.tokens["ann"], wheel(), path)
    assert reply.status == 200
    page = json.loads(house.get("/simple/alpha/", accept=JSON).body)
    assert [one["filename"] for one in page["files"]] == [wheel()[0]]
    assert page["files"][0]["hashes"] == {"sha256": hashlib.sha256(wheel()[1]).hexdigest()}
    path = "/" + page["files"][0]["url"].removeprefix("../../")
    assert house.body(house.get(path)) == wheel()[1]
    assert hashlib.sha256(house.body(house.get(path + ".metadata"))).hexdigest() == page["files"][0]["core-metadata"]["sha256"]


def test_R165_R166_the_same_again_is_success_and_other_bytes_are_not(house: House) -> None:
    """In reason, text and JSON (R167)."""
    assert upload(house, house.tokens["ann"], wheel()).status == 200
    assert upload(house, house.tokens["ann"], wheel()).status == 200
    other = wheel(requires=["six"])
    reply = upload(house, house.tokens["ann"], other)
    assert reply.status == 400
    assert reply.reason.startswith("File already exists")
    assert reply.body.startswith(b"File already exists")
    told = upload(house, house.tokens["ann"], other, accept="application/json;q=0.9, text/plain;q=0.8")
    assert header(told, "Content-Type") == "application/json"
    assert json.loads(told.body)["message"].startswith("File already exists")
    # What uv prints.
    assert json.loads(told.body)["code"].startswith("400 File already exists")


def test_R158_an_upload_to_the_page_of_a_project_is_405(house: House) -> None:
    """By which uv knows that the URL is wrong; no redirect, and no 404."""
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    for path in ("/simple/alpha/", "/simple/nothing/", "/index/private/simple/alpha/"):
        assert house.door.receive(house.ask(path, "POST", content_type=kind)) is None
        assert house.get(path, "POST", content_type=kind).status == 405


def test_R168_a_refusal_is_plain_text(house: House) -> None:
    """Whatever is asked for, JSON excepted: flit prints no body that looks like HTML."""
    upload(house, house.tokens["ann"], wheel())
    refusals = [(house.tokens["ann"], wheel(requires=["six"]), 400), (None, wheel(), 401), (house.token("eve"), wheel(), 403)]
    for token, made, expected in refusals:
        for accept in ("*/*", "text/html"):
            reply = upload(house, token, made, accept=accept)
            assert reply.status == expected
            assert header(reply, "Content-Type") == "text/plain; charset=utf-8"
            assert reply.body[:1].isalpha()


def test_R177_R178_signatures_and_attestations_do_no_harm(house: House) -> None:
    """They are read past and not kept."""
    filename, data, fields = wheel()
    signature = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="gpg_signature"; filename="{filename}.asc"\r\n\r\n-----\r\n'
    body = signature.encode() + form(filename, data, attestations="[{}]", **fields)
    assert post(house, body, token=house.tokens["ann"]).status == 200
    page = json.loads(house.get("/simple/alpha/", accept=JSON).body)
    assert [one["filename"] for one in page["files"]] == [filename]
    assert not page["files"][0].get("provenance")


def test_R188_uploads_need_a_login_and_a_right(house: House) -> None:
    """401 without, 403 with too little; decided from the head."""
    nobody = upload(house, None, wheel())
    assert (nobody.status, header(nobody, "WWW-Authenticate")) == (401, 'Basic realm="pypi"')
    assert upload(house, "pypidaemon-wrong-token", wheel()).status == 401
    assert upload(house, house.token("eve"), wheel()).status == 403
    assert upload(house, house.token("ann", scope="read"), wheel()).status == 403
    assert status(house, "/index/private/simple/alpha/") == 404


def test_P4_R179_who_may_begin_a_project_owns_it_and_no_other(house: House) -> None:
    """`create` covers only names that do not exist yet."""
    assert upload(house, house.tokens["bob"], wheel("gamma")).status == 200
    assert upload(house, house.tokens["bob"], wheel("gamma", "1.1")).status == 200
    assert upload(house, house.tokens["ann"], wheel("delta")).status == 200
    refused = upload(house, house.tokens["bob"], wheel("delta", "1.1"))
    assert refused.status in (400, 403)
    assert now(house.records.files.owner("private", NormalizedName("gamma"))) == "bob"


def test_a_token_for_some_projects_uploads_to_them_alone(house: House) -> None:
    """Whatever its account may."""
    token = house.token("ann", projects="gam*")
    assert upload(house, token, wheel("gamma")).status == 200
    assert upload(house, token, wheel("delta")).status == 403


def test_P5_R77_R190_a_private_index_that_not_everybody_may_read_asks_first(house: House) -> None:
    """Its own address answers 401 to whoever does not log in; at the root its projects do, and public ones stay public (P5)."""
    upload(house, house.tokens["ann"], wheel("secret-lib"))
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    now(house.door.people.ungrant(OPERATOR, "anonymous", "list", "*"))
    house.grant("anonymous", "read", "pypi")
    house.grant("anonymous", "list", "pypi")
    house.grant("ann", "read", "private")
    house.grant("ann", "list", "private")
    house.upstream.names = b'{"meta":{"api-version":"1.4"},"projects":[{"name":"alpha"}]}'
    ann = {"authorization": "Basic " + base64.b64encode(f"__token__:{house.tokens['ann']}".encode()).decode()}
    for path in ("/index/private/simple/", "/index/private/simple/nothing/", "/index/private/simple/secret-lib/", "/simple/secret-lib/"):
        assert status(house, path) == 401
        assert status(house, path, house.tokens["bob"]) == 403
    assert status(house, "/simple/alpha/") == 200
    assert b"secret-lib" not in house.body(house.get("/simple/"))
    assert b"secret-lib" in house.body(house.get("/simple/", **ann))
    page = house.get("/simple/secret-lib/", accept=JSON, **ann)
    assert (header(page, "Cache-Control") or "").startswith("private")
    path = "/" + json.loads(page.body)["files"][0]["url"].removeprefix("../../")
    assert status(house, path) == 401
    assert status(house, path + ".metadata") == 401
    assert status(house, "/pypi/secret-lib/json") == 401
    assert status(house, path, house.tokens["ann"]) == 200


def test_S73_a_revoked_token_is_refused_at_the_next_request(house: House) -> None:
    """Also where its answer was ready."""
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    house.grant("ann", "read", "*")
    upload(house, house.tokens["ann"], wheel("gamma"))
    assert status(house, "/simple/gamma/", house.tokens["ann"]) == 200
    now(house.door.people.revoke_token(OPERATOR, house.tokens["ann"]))
    assert status(house, "/simple/gamma/", house.tokens["ann"]) == 401


def test_R191_what_may_not_be_seen_can_be_concealed() -> None:
    """As if it were not there."""
    house = House(conceal=True)
    house.with_private()
    token = house.token("ann")
    house.grant("ann", "upload", "private")
    upload(house, token, wheel("secret-lib"))
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    house.grant("anonymous", "read", "pypi")
    assert status(house, "/simple/secret-lib/") == 404


@pytest.mark.parametrize("action", ["submit", "verify", "list_classifiers", "doc_upload", "remove_pkg"])
def test_P2_R176_old_actions_are_answered_politely(house: House, action: str) -> None:
    """410, with one line."""
    body = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name=":action"\r\n\r\n{action}\r\n--{BOUNDARY}--\r\n'.encode()
    reply = post(house, body, token=house.tokens["ann"])
    assert reply.status == 410
    assert b"Traceback" not in reply.body


@pytest.mark.parametrize("path", ["/", "/legacy/", "/legacy", "/pypi", "/pypi/"])
def test_P2_classifiers_are_asked_for_in_vain_and_told_so(house: House, path: str) -> None:
    """`setup.py register --list-classifiers` asks by GET, without credentials; other addresses are pages whatever their query."""
    reply = house.get(path + "?:action=list_classifiers")
    assert (reply.status, reply.reason) == (410, "any classifier is accepted here")
    assert header(reply, "Content-Type") == "text/plain; charset=utf-8"
    assert house.get("/simple/alpha/?:action=list_classifiers").status == 200


def test_R175_hatch_finds_what_it_need_not_upload(house: House) -> None:
    """Below the upload address, the page of the index that uploads go to, and not a stranger's of that name."""
    for path in ("/legacy/+simple/alpha/", "/index/private/legacy/+simple/alpha/"):
        assert status(house, path) == 404
    upload(house, house.tokens["ann"], wheel())
    for path in ("/legacy/+simple/alpha/", "/index/private/legacy/+simple/alpha/"):
        reply = house.get(path, accept="*/*")
        assert header(reply, "Content-Type") == "text/html; charset=utf-8"
        assert f">{wheel()[0]}</a>".encode() in reply.body
        assert b"alpha-9.0" not in reply.body
    assert status(house, "/index/pypi/legacy/+simple/alpha/") == 404
    now(house.door.people.ungrant(OPERATOR, "anonymous", "read", "*"))
    now(house.door.people.ungrant(OPERATOR, "anonymous", "list", "*"))
    assert status(house, "/legacy/+simple/alpha/") == 401


def test_S9_S11_what_is_refused_leaves_nothing_behind(house: House) -> None:
    """Neither a page nor a draft nor a blob, and the audit log says that it was tried."""
    filename, data, fields = wheel("gamma")
    blobs = dict(house.blobs._blobs)
    refused = [
        post(house, form(filename, data, **{**fields, "sha256_digest": "0" * 64}), token=house.tokens["ann"]),
        post(house, form(filename, data, **{**fields, "name": "delta"}), token=house.tokens["ann"]),
        post(house, form("../" + filename, b"no zip", **fields), token=house.tokens["ann"]),
        post(house, form(filename, data, **fields)[:-50], token=house.tokens["ann"]),
    ]
    assert [reply.status for reply in refused] == [400] * 4
    assert all(b"\n" in reply.body and reply.reason for reply in refused)
    assert status(house, "/index/private/simple/gamma/") == 404
    assert house.blobs._blobs == blobs
    deeds = now(house.records.accounts.deeds(0.0, 100))
    assert [deed.done for deed in deeds if deed.action == "upload"] == [False] * 4


def test_S9_a_client_that_leaves_leaves_no_draft_behind(house: House) -> None:
    """What had come of its file is given up at once, not at the next start."""
    filename, data, fields = wheel("gamma", size=200_000)
    drafts: list[Any] = []
    making = house.blobs.draft

    async def watched() -> Any:
        drafts.append(await making())
        return drafts[-1]

    with mock.patch.object(type(house.blobs), "draft", side_effect=watched):
        ask = house.ask(
            "/legacy/", "POST", content_type=f"multipart/form-data; boundary={BOUNDARY}", authorization=basic(house.tokens["ann"])
        )
        taking = house.door.receive(ask)
        assert taking is not None
        receiver: Any = now(taking)  # type: ignore[arg-type]  # it is a coroutine
        now(receiver.write(form(filename, data, **fields)[:150_000]))
        assert len(drafts) == 1
        assert drafts[0].written > 0
        receiver.drop()
    assert drafts[0]._growth.aborted


def test_F98_who_leaves_at_the_end_stops_nothing(house: House) -> None:
    """The file is being put into the store by then; it is not given up beneath it."""
    filename, data, fields = wheel("gamma")
    inspecting: Deferred[None] = Deferred()
    private: Any = house.door.uploads.indexes["private"]
    settle = private.publisher._settle

    async def slow(*arguments: Any) -> Any:
        await inspecting
        return await settle(*arguments)

    with mock.patch.object(type(private.publisher), "_settle", lambda _, *arguments: slow(*arguments)):
        ask = house.ask(
            "/legacy/", "POST", content_type=f"multipart/form-data; boundary={BOUNDARY}", authorization=basic(house.tokens["ann"])
        )
        taking = house.door.receive(ask)
        assert taking is not None
        receiver: Any = now(taking)  # type: ignore[arg-type]  # it is a coroutine
        now(receiver.write(form(filename, data, **fields)))
        finishing = later(receiver.finish())
        finishing.addErrback(lambda failed: failed.trap(CancelledError))
        finishing.cancel()
        inspecting.callback(None)
    assert status(house, "/index/private/simple/gamma/") == 200
    assert hashlib.sha256(data).hexdigest() in house.blobs._blobs
    (deed,) = [deed for deed in now(house.records.accounts.deeds(0.0, 100)) if deed.action == "upload"]
    assert deed.done


def test_S78_uploads_are_in_the_audit_log(house: House) -> None:
    """Who, what, from where, which bytes."""
    upload(house, house.tokens["ann"], wheel())
    (deed,) = [deed for deed in now(house.records.accounts.deeds(0.0, 100)) if deed.action == "upload"]
    assert (deed.account, deed.address, deed.done) == ("ann", "127.0.0.1", True)
    assert deed.subject == f"private/alpha==1.0 {wheel()[0]}"
    assert hashlib.sha256(wheel()[1]).hexdigest() in deed.detail


def test_an_sdist_is_taken_too(house: House) -> None:
    """With what its PKG-INFO says."""
    filename, data = make_sdist("alpha", "2.0")
    made = (filename, data, {"name": "alpha", "version": "2.0", "filetype": "sdist", "pyversion": "source"})
    assert upload(house, house.tokens["ann"], made).status == 200
    assert filename.encode() in house.get("/simple/alpha/").body


def test_uploads_are_off_without_an_index_for_them() -> None:
    """A POST is then no upload at all."""
    house = House()
    ask = house.ask("/legacy/", "POST", content_type=f"multipart/form-data; boundary={BOUNDARY}")
    assert house.door.uploads.receive(ask) is None
    assert house.get("/legacy/", "POST").status == 405


def test_nothing_can_be_uploaded_to_a_proxy(house: House) -> None:
    """Whoever asks."""
    assert upload(house, house.tokens["ann"], wheel(), "/index/pypi/legacy/").status == 403


def test_wrong_credentials_are_refused_also_for_reading(house: House) -> None:
    """Even where nobody needs to log in."""
    with pytest.raises(NotAllowed):
        house.get("/simple/alpha/", authorization="Basic " + base64.b64encode(b"ann:wrong").decode())


def refused(house: House) -> list[tuple[str, str, str, str]]:
    """What the audit log has of refused uploads."""
    deeds = now(house.records.accounts.deeds(0.0, 1000))
    return [(deed.account, deed.address, deed.subject, deed.detail) for deed in deeds if deed.action == "upload" and not deed.done]


def test_S78_who_logged_in_and_has_no_right_at_all_is_in_the_audit_log(house: House) -> None:
    """Also with a token that may only read, and where nothing can be uploaded to. The head decides, so the project is not known."""
    assert upload(house, house.token("eve"), wheel()).status == 403
    assert upload(house, house.token("ann", scope="read"), wheel()).status == 403
    assert upload(house, house.tokens["ann"], wheel(), "/index/pypi/legacy/").status == 403
    assert refused(house) == [
        ("eve", "127.0.0.1", "private", "eve may not upload or create in private"),
        ("ann", "127.0.0.1", "private", "this token is of scope read: it may not upload or create in private"),
        ("ann", "127.0.0.1", "pypi", "nothing can be uploaded to pypi"),
    ]


def test_S78_who_did_not_log_in_is_not_in_the_audit_log(house: House) -> None:
    """Or anybody could fill the disk: neither by the head, nor where everybody may upload something else."""
    assert upload(house, None, wheel()).status == 401
    assert upload(house, "pypidaemon-wrong-token", wheel()).status == 401
    house.grant("anonymous", "upload", "private/gamma")
    assert upload(house, None, wheel()).status == 401
    assert upload(house, None, wheel("gamma")).status == 200
    assert refused(house) == []


def test_S78_the_same_refusal_is_noted_once_a_minute(house: House) -> None:
    """And no account's are noted without end."""
    eve = house.token("eve")
    for _ in range(3):
        assert upload(house, eve, wheel()).status == 403
    assert len(refused(house)) == 1
    house.clock.advance(61)
    assert upload(house, eve, wheel()).status == 403
    assert len(refused(house)) == 2
    for count in range(MOST + 10):  # each for a reason of its own
        assert upload(house, eve, wheel(), f"/index/{count}{'x' * 2000}/legacy/").status == 403
    assert len(refused(house)) == 1 + MOST
    assert max(len(subject + detail) for _, _, subject, detail in refused(house)) <= 2 * LONGEST
    assert upload(house, house.token("bob", scope="read"), wheel()).status == 403
    assert refused(house)[-1][0] == "bob"


def test_S78_a_form_that_breaks_on_its_way_is_in_the_audit_log(house: House) -> None:
    """Though nothing of it was understood."""
    with pytest.raises(InvalidUpload) as caught:
        post(house, f"--{BOUNDARY}\r\nnonsense\r\n\r\n".encode(), token=house.tokens["ann"])
    assert refused(house) == [("ann", "127.0.0.1", "private", str(caught.value))]


@pytest.mark.parametrize("end", ["rm", "disable", "revoke"])
def test_S73_who_is_gone_before_the_body_ends_uploads_nothing(house: House, end: str) -> None:
    """However long the body takes, the rights are those of its end; nothing is begun in the name of somebody who is no more."""
    filename, data, fields = wheel("gamma")
    ask = house.ask("/legacy/", "POST", content_type=f"multipart/form-data; boundary={BOUNDARY}", authorization=basic(house.tokens["bob"]))
    taking = house.door.receive(ask)
    assert taking is not None
    receiver: Any = now(taking)  # type: ignore[arg-type]  # it is a coroutine
    now(receiver.write(form(filename, data, **fields)))
    people = house.door.people
    if end == "rm":
        now(people.remove_user(OPERATOR, "bob"))
    elif end == "disable":
        now(people.disable_user(OPERATOR, "bob"))
    else:
        now(people.revoke_token(OPERATOR, house.tokens["bob"]))
    assert now(receiver.finish()).status == 401
    assert status(house, "/index/private/simple/gamma/") == 404
    assert now(house.records.files.owner("private", NormalizedName("gamma"))) is None


def test_a_full_disk_does_not_hide_why_an_upload_was_refused(house: House) -> None:
    """The row of the audit log is then missing, and the daemon's own log says so."""

    async def full(self: Any, deed: Any) -> None:
        raise StorageFull("there is no room")

    filename, data, fields = wheel("gamma")
    with mock.patch.object(type(house.records.accounts), "note", full):
        reply = post(house, form(filename, data, **{**fields, "sha256_digest": "0" * 64}), token=house.tokens["ann"])
    assert reply.status == 400
    assert b"sha256" in reply.body
