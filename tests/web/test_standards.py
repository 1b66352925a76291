"""What the standards demand of a whole daemon and no single module could prove; each test names the row of docs/reference/standards.rst."""

from __future__ import annotations

import hashlib
import json

import attrs
import pytest
from twisted.trial.unittest import TestCase

from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject
from pypidaemon.model import NormalizedName, ProjectStatus, Validators
from pypidaemon.testing import TestIndex
from pypidaemon.testing.archives import make_wheel
from pypidaemon.web.reply import Reply
from tests.fakes import file, page
from tests.gear import now
from tests.house import House, header
from tests.parts import Fixed
from tests.upstreams.parts import page as page_of
from tests.upstreams.parts import serve, started, whole

JSON = "application/vnd.pypi.simple.v1+json"
LIST = b'{"meta":{"api-version":"1.4","_last-serial":50},"projects":[{"name":"alpha","_last-serial":10},{"name":"zeta","_last-serial":50}]}'
WHEEL, WHEEL_BYTES = make_wheel("alpha", "2.0")
DOCUMENT = b"Metadata-Version: 2.1\r\nName: Alpha\nVersion: 2.0\nX-Odd:  kept as it is \n\nno line break at the end"


@pytest.fixture
def house() -> House:
    """Alpha with one sdist, beside zeta on the list."""
    house = House()
    house.upstream.names = LIST
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"))
    return house


def offer_wheel(house: House, **more: object) -> str:
    """Let upstream's alpha be one wheel, and give the path of it here."""
    entry = file(WHEEL, WHEEL_BYTES, **more)
    house.upstream.pages["alpha"] = page("alpha", entry, serial=20)
    house.upstream.bodies[entry.url] = WHEEL_BYTES
    return f"/packages/{entry.path}"


def offer_sidecar(house: House, document: bytes = DOCUMENT, promised: bytes = DOCUMENT) -> str:
    """The same with a sidecar, and give the path of that."""
    path = offer_wheel(house, core_metadata=hashlib.sha256(promised).hexdigest())
    house.upstream.bodies[file(WHEEL, WHEEL_BYTES).url + ".metadata"] = document
    return path + ".metadata"


def shown(house: House, name: str = "alpha") -> list[dict[str, object]]:
    """The files on that project's page."""
    files: list[dict[str, object]] = json.loads(house.get(f"/simple/{name}/", accept=JSON).body)["files"]
    return files


def index_answers(house: House) -> list[Reply]:
    """One of each kind of index answer: pages, the list, legacy JSON, and confirmations of them."""
    paths = ("/simple/alpha/", "/simple/", "/pypi/alpha/json")
    replies = [house.get(path, accept=JSON) for path in paths]
    replies += [house.get(path, accept=JSON, if_none_match=header(reply, "ETag") or "") for path, reply in zip(paths, replies, strict=True)]
    return replies


def test_R4_the_list_without_its_slash_is_one_redirect_away(house: House) -> None:
    """bandersnatch asks for exactly this; what it accepts holds for the second request as well."""
    reply = house.get("/simple", accept=JSON)
    assert (reply.status, header(reply, "Location")) == (301, "simple/")
    assert json.loads(house.body(house.get("/simple/", accept=JSON)))["projects"]


def test_R44_simple_json_is_never_called_plain_json(house: House) -> None:
    """Not even for who asks for that: pip and uv would find no versions."""
    for path in ("/simple/alpha/", "/simple/"):
        for accept in (JSON, "application/json", "application/*", "*/*"):
            assert "application/json" not in (header(house.get(path, accept=accept), "Content-Type") or "")


def test_R56_R63_upload_times_and_files_of_unknown_type_pass(house: House) -> None:
    """Upstream's moment to the digit, never our clock."""
    moment = "2026-01-02T03:04:05.678901Z"
    house.upstream.pages["alpha"] = page("alpha", file("alpha-1.0.tar.gz", b"1"), file("alpha-2.0-variants.json", b"{}"))
    assert [(entry["filename"], entry["upload-time"]) for entry in shown(house)] == [
        ("alpha-1.0.tar.gz", moment),
        ("alpha-2.0-variants.json", moment),
    ]


def test_R75_what_is_ours_is_asked_for_again_each_time(house: House) -> None:
    """A page that changes when we say so, and not when a time is over, may be kept by nobody without asking."""
    house.open({"ours": Fixed(label="ours", projects=("alpha",))}, "ours")
    assert header(house.get("/simple/alpha/"), "Cache-Control") == "no-cache"


def test_R78_R79_index_answers_are_validated_and_never_forbidden_to_keep(house: House) -> None:
    """Fresh, confirmed and stale: `no-store` would end all 304, and Last-Modified alone starts none."""
    replies = index_answers(house)
    house.upstream.fails(["alpha"])
    house.clock.advance(100_000)
    replies += index_answers(house)
    assert {reply.status for reply in replies} == {200, 304}
    for reply in replies:
        assert "no-store" not in (header(reply, "Cache-Control") or "no-store")
        assert (header(reply, "ETag") or "").startswith('"')
        assert header(reply, "Last-Modified") is None


def test_R83_the_last_good_page_is_served_while_upstream_fails_and_no_absence_is_kept_from(house: House) -> None:
    """Of any age; but a true 404 is believed."""
    fresh = house.get("/simple/alpha/", accept=JSON).body
    house.upstream.fails(["alpha"])
    house.clock.advance(10_000_000)
    assert json.loads(house.get("/simple/alpha/", accept=JSON).body)["files"] == json.loads(fresh)["files"]
    del house.upstream.pages["alpha"]
    with pytest.raises(NoSuchProject):
        house.get("/simple/alpha/")


def test_R87_R89_a_sidecar_may_be_kept_for_ever_and_comes_uncoded(house: House) -> None:
    """pip hashes what it is sent, and asks for `identity`."""
    for coding in ("identity", "gzip, deflate", "zstd", "*"):
        reply = house.get(offer_sidecar(house), accept_encoding=coding)
        assert header(reply, "Cache-Control") == "public, max-age=365000000, immutable"
        assert header(reply, "ETag") == f'"{hashlib.sha256(DOCUMENT).hexdigest()}"'
        assert header(reply, "Content-Encoding") is None
        assert house.body(reply) == DOCUMENT


def test_R95_ranges_are_advertised_and_kept_on_files_and_sidecars(house: House) -> None:
    """Cold and warm: whoever is told `Accept-Ranges` gets a part, not the whole."""
    sidecar = offer_sidecar(house)
    for path, data in ((sidecar.removesuffix(".metadata"), WHEEL_BYTES), (sidecar, DOCUMENT)):
        for _ in ("cold", "warm"):
            reply = house.get(path, range="bytes=3-9")
            assert (reply.status, header(reply, "Accept-Ranges")) == (206, "bytes")
            assert house.body(reply) == data[3:10]
        whole = house.get(path)
        assert header(whole, "Accept-Ranges") == "bytes"
        whole.close()


def test_R99_R100_a_sidecar_that_is_not_as_promised_is_not_served_and_promised_no_more(house: House) -> None:
    """A missing one and a wrong one are both fatal in pip and uv, so the page stops to promise it."""
    path = offer_sidecar(house, document=DOCUMENT + b"!")
    assert shown(house)[0]["core-metadata"] == {"sha256": hashlib.sha256(DOCUMENT).hexdigest()}
    with pytest.raises(NoSuchFile):
        house.get(path)
    assert shown(house)[0]["core-metadata"] in (False, {"sha256": hashlib.sha256(metadata_inside()).hexdigest()})


def metadata_inside() -> bytes:
    """METADATA of the wheel, by the standard library."""
    import io
    import zipfile

    return zipfile.ZipFile(io.BytesIO(WHEEL_BYTES)).read("alpha-2.0.dist-info/METADATA")


def test_R98_R101_metadata_is_never_mended(house: House) -> None:
    """Upstream's byte for byte, however odd; and what is taken from a wheel is what stands in it."""
    assert house.body(house.get(offer_sidecar(house))) == DOCUMENT
    house = House()
    path = offer_wheel(house)
    house.body(house.get(path))
    assert house.body(house.get(path + ".metadata")) == metadata_inside()
    assert shown(house)[0]["core-metadata"] == {"sha256": hashlib.sha256(metadata_inside()).hexdigest()}


def test_R105_no_answer_names_another_file(house: House) -> None:
    """pip takes the name of a download from Content-Disposition where there is one."""
    sidecar = offer_sidecar(house)
    for path in (sidecar, sidecar.removesuffix(".metadata")):
        for asked in ({}, {"range": "bytes=0-1"}):
            reply = house.get(path, **asked)
            assert header(reply, "Content-Disposition") is None
            reply.close()


def test_R107_what_is_not_as_promised_is_neither_given_nor_kept(house: House) -> None:
    """Wrong bytes and a wrong size; the next request asks upstream again and gets the right ones."""
    entry = file("alpha-1.0.tar.gz", b"alpha one")
    for wrong in (b"alpha 0ne", b"alpha one and more", b"alpha"):
        house.upstream.bodies[entry.url] = wrong
        with pytest.raises(CorruptContent):
            house.get(f"/packages/{entry.path}")
        with pytest.raises(LookupError):
            stored(house, wrong)
    house.upstream.bodies[entry.url] = b"alpha one"
    assert house.body(house.get(f"/packages/{entry.path}")) == b"alpha one"


def stored(house: House, data: bytes) -> None:
    """
    Look into the store for those bytes.

    :raises LookupError: it does not hold them.
    """
    held: list[str] = []

    async def look() -> None:
        held.extend([str(digest) async for digest in house.blobs.digests()])

    now(look())
    if hashlib.sha256(data).hexdigest() not in held:
        raise LookupError


def test_R110_a_yank_passes_with_its_reason_and_so_does_its_end(house: House) -> None:
    """The file never goes without its flag, in either representation."""
    house.upstream.pages["alpha"] = page("alpha", file("alpha-1.0.tar.gz", b"alpha one", yanked="breaks <things>"), serial=11)
    assert shown(house)[0]["yanked"] == "breaks <things>"
    assert b'data-yanked="breaks &lt;things&gt;"' in house.get("/simple/alpha/").body
    house.upstream.pages["alpha"] = page("alpha", file("alpha-1.0.tar.gz", b"alpha one"), serial=12)
    house.clock.advance(10_000)
    assert shown(house)[0]["yanked"] is False
    assert b"data-yanked" not in house.get("/simple/alpha/").body


@pytest.mark.parametrize("marker", ["archived", "deprecated"])
def test_R112_an_archived_or_deprecated_project_is_still_had(house: House, marker: str) -> None:
    """Only its status is told."""
    entry = file("alpha-1.0.tar.gz", b"alpha one")
    house.upstream.pages["alpha"] = page("alpha", entry, status=ProjectStatus(marker, "old"))
    document = json.loads(house.get("/simple/alpha/", accept=JSON).body)
    assert document["project-status"] == {"status": marker, "reason": "old"}
    assert house.body(house.get(f"/packages/{entry.path}")) == b"alpha one"


def test_R114_a_quarantine_reaches_page_files_list_and_legacy_document(house: House) -> None:
    """At the next refresh, also where the bytes are held; upstream's list leaves the project out, and so does ours."""
    entry = file("alpha-1.0.tar.gz", b"alpha one")
    house.body(house.get(f"/packages/{entry.path}"))
    assert b"alpha" in house.body(house.get("/simple/", accept=JSON))
    known = house.upstream.pages["alpha"]
    assert not isinstance(known, Exception)
    house.upstream.pages["alpha"] = attrs.evolve(known, status=ProjectStatus("quarantined"), serial=12)
    house.upstream.names = LIST.replace(b'{"name":"alpha","_last-serial":10},', b"")
    now(house.proxy.refresh(NormalizedName("alpha")))
    house.clock.advance(1000)
    assert shown(house) == []
    with pytest.raises(NoSuchFile):
        house.get(f"/packages/{entry.path}")
    with pytest.raises(NoSuchProject):
        house.get("/pypi/alpha/json")
    assert b"alpha" not in house.body(house.get("/simple/", accept=JSON))


def test_R115_a_file_that_upstream_withdrew_is_offered_no_longer(house: House) -> None:
    """Neither on the page nor by its address, though the bytes stay in the store."""
    gone = file("alpha-1.0.tar.gz", b"alpha one")
    house.body(house.get(f"/packages/{gone.path}"))
    house.upstream.pages["alpha"] = page("alpha", file("alpha-0.9.tar.gz", b"0.9"), serial=12)
    house.clock.advance(10_000)
    assert [entry["filename"] for entry in shown(house)] == ["alpha-0.9.tar.gz"]
    with pytest.raises(NoSuchFile):
        house.get(f"/packages/{gone.path}")
    stored(house, b"alpha one")


def test_R122_the_address_of_namespaces_leads_to_no_project(house: House) -> None:
    """PEP 752 has plans for it, and pip would remember a redirect for ever."""
    with pytest.raises(NoSuchFile):
        house.get("/simple/namespaces")


class Asking(TestCase):
    """The one row about what we ask that nothing else proves, against a real index on loopback."""

    async def test_R109_files_are_asked_for_without_conditions(self) -> None:
        """File hosts leave them out of account, so a 304 would be no answer to rely on."""
        index = TestIndex()
        index.add("alpha", "1.0")
        upstream = started(self, serve(self, index).simple)
        said = page_of(await upstream.fetch_page(NormalizedName("alpha"), Validators()))
        for offset in (0, 5):
            await whole(await upstream.fetch_body(said.files[0].url, offset))
            # The one condition of a part, which is left out of account harmlessly: then all comes, or the part, and the hash is of the whole.
            assert [name for name in index.requests[-1].headers if name.startswith("if-")] == (["if-range"] if offset else [])
