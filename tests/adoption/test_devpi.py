"""What devpi says, in its export and over real connections: only a stage index's own files are taken, and nothing that is said can break out."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource
from zope.interface.verify import verifyObject

from pypidaemon.adoption import devpi
from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding, Found, Passed
from pypidaemon.adoption.layouts import IParted, layout
from pypidaemon.adoption.layouts.devpi_export import DevpiExport
from pypidaemon.adoption.origins import IOrigin
from pypidaemon.adoption.remote_devpi import Devpi, DevpiOrigin, reached
from pypidaemon.errors import PypidaemonError, UpstreamUnavailable
from pypidaemon.model import NormalizedName
from pypidaemon.settings import Secret
from pypidaemon.testing import TestIndex
from pypidaemon.testing.archives import make_wheel
from pypidaemon.upstreams.documents import Documents
from pypidaemon.upstreams.limits import Limits
from pypidaemon.upstreams.origins import target
from tests.adoption.remotes import Hurried, all_of, fetching, files, passed, read
from tests.gear import inline
from tests.upstreams.parts import QUICK, serve, started

WHEEL = make_wheel("seeds-priv", "1.0")
HEX = "0123456789abcdef" * 4
UPLOAD = {"what": "upload", "who": "ann", "when": [2020, 1, 2, 3, 4, 5], "dst": "ann/dev"}
PUSH = {"what": "push", "who": "bob", "when": [2021, 1, 2, 3, 4, 5], "src": "ann/dev", "dst": "ann/prod"}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["what", "who", "when", "a"]), inner, max_size=4),
    max_leaves=12,
)
CONFIG = st.fixed_dictionaries({}, optional=dict.fromkeys(["acl_upload", "acl_read", "bases", "volatile", "mirror_url"], JUNK))


@given(JUNK, JUNK, JUNK, JUNK, CONFIG)
def test_nothing_that_is_said_raises(log: object, hashes: object, spec: object, date: object, config: dict[str, Any]) -> None:
    told = {"log": log, "hashes": hashes, "hash_spec": spec, "last_modified": date, "md5": spec}
    assert isinstance(devpi.found("x", "https://d.example/seeds-priv-1.0.zip", told, NormalizedName("seeds-priv")), Found)
    for one in (*devpi.rights("ann/dev", config), devpi.mirror("ann/dev", config)):
        assert not one.wrong
        assert len(one.reason) < 10_000


@pytest.mark.parametrize(
    ("told", "hashes", "time", "who"),
    [
        ({"hashes": {"sha256": HEX}, "log": [UPLOAD, PUSH]}, (("sha256", HEX),), "2020-01-02T03:04:05Z", "ann"),
        ({"hash_spec": f"sha256={HEX}", "log": [PUSH]}, (("sha256", HEX),), None, ""),
        ({"md5": HEX[:32], "last_modified": "Thu, 02 Jan 2020 03:04:05 GMT"}, (("md5", HEX[:32]),), "2020-01-02T03:04:05Z", ""),
        ({"hash_spec": "sha256=zz", "log": [{"what": "upload", "who": 7, "when": [2020, 13, 1, 0, 0, 0]}]}, (), None, ""),
        ({"log": [{"what": "upload", "when": [True, None]}], "last_modified": "yesterday"}, (), None, ""),
    ],
)
def test_what_is_told_of_a_file(told: dict[str, Any], hashes: object, time: str | None, who: str) -> None:
    found = devpi.found("p", "https://d.example/+f/seeds_priv-1.0%2Blocal.zip", told, NormalizedName("seeds-priv"))
    assert isinstance(found, Found)
    assert (found.file.filename, found.file.hashes, found.file.upload_time, found.uploader) == (
        "seeds_priv-1.0+local.zip",
        hashes,
        time,
        who,
    )


def test_a_file_of_another_project_is_passed() -> None:
    assert isinstance(devpi.found("p", "https://d.example/other-1.0.zip", {}, NormalizedName("seeds-priv")), Passed)


def test_long_lists_are_cut() -> None:
    [said] = devpi.rights("ann/dev", {"acl_upload": [":ANONYMOUS:", *(f"u{number}" for number in range(40))]})
    assert said.reason.startswith("acl_upload is anonymous u0 ")
    assert "and 21 more" in said.reason


def written(folder: Path, indexes: dict[str, Any], users: object = None) -> Folder:
    """An export that says this."""
    people = {"ann": {"pwhash": "$argon2id$secret", "username": "ann"}, "eve": {}} if users is None else users
    (folder / "dataindex.json").write_text(json.dumps({"users": people, "indexes": indexes, "dumpversion": "2"}))
    return Folder(str(folder))


def entry(path: str, **said: Any) -> dict[str, Any]:
    """What an export says of a file."""
    mapping = {"hashes": {"sha256": HEX}, "project": "seeds-priv"}
    return {"type": "releasefile", "projectname": "seeds-priv", "relpath": path, "log": [UPLOAD], "entrymapping": mapping} | said


def export(folder: Path) -> Folder:
    """An export with two stages and a mirror."""
    stage = {"type": "stage", "acl_upload": ["ann"], "bases": ["root/pypi"], "volatile": True}
    return written(
        folder,
        {
            "ann/dev": {
                "indexconfig": stage,
                "projects": {"seeds-priv": {"1.0": {"description": "long" * 1000, "files": [{}], "indexconfig": {}}}},
                "files": [
                    entry("ann/dev/seeds-priv/1.0/seeds_priv-1.0.zip"),
                    entry("ann/dev/seeds-priv-1.0.doc.zip", type="doczip"),
                    entry("ann/dev/seeds-priv/toxresult0", type=["x"]),
                    entry("ann/dev/x/other-1.0.zip"),
                    entry("ann/dev/x/seeds_priv-2.0.zip", projectname="no project!"),
                    entry("/etc/passwd"),
                    {"type": "releasefile"},
                    entry("ann/dev/y/seeds_priv-3.0.zip", entrymapping=None),
                ],
            },
            "ann/prod": {"indexconfig": {"type": "stage"}, "projects": {}, "files": [entry("ann/prod/seeds_priv-9.zip")]},
            "root/pypi": {"indexconfig": {"type": "mirror", "mirror_url": "https://index.example/simple/"}},
        },
    )


def test_an_export_says_everything_but_passwords(tmp_path: Path) -> None:
    folder = export(tmp_path)
    one = layout("devpi-export")
    assert one.recognised(folder) is None
    assert IParted.providedBy(one)
    findings: list[Finding] = list(one.of("ann/dev").find(folder))
    assert {name: (found.path, found.file.url, found.uploader) for name, found in files(findings).items()} == {
        "seeds_priv-1.0.zip": ("ann/dev/seeds-priv/1.0/seeds_priv-1.0.zip", "", "ann"),
        "seeds_priv-3.0.zip": ("ann/dev/y/seeds_priv-3.0.zip", "", "ann"),
    }
    assert set(passed(findings)) == {"ann/dev/x/other-1.0.zip", "ann/dev/x/seeds_priv-2.0.zip", "dataindex.json"}
    notes = passed(findings, note=True)
    assert "passwords cannot be taken" in notes["ann"]
    assert "eve" not in notes
    assert "https://index.example/simple/" in notes["root/pypi"]
    assert "secret" not in repr(findings)


@pytest.mark.parametrize(("part", "words"), [(None, "say which index"), ("ann/none", "no files of an index ann/none")])
def test_an_index_has_to_be_chosen_where_there_are_several(part: str | None, words: str, tmp_path: Path) -> None:
    with pytest.raises(PypidaemonError, match=rf"{words}.*known: ann/dev ann/prod"):
        list(DevpiExport(part).find(export(tmp_path)))


def test_the_only_index_need_not_be_named(tmp_path: Path) -> None:
    folder = written(tmp_path, {"ann/dev": {"indexconfig": {}, "files": [entry("ann/dev/seeds_priv-1.0.zip")]}})
    assert list(files(list(DevpiExport().find(folder)))) == ["seeds_priv-1.0.zip"]


def test_what_is_no_export_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "dataindex.json").write_text('{"users": {')
    with pytest.raises(PypidaemonError, match=r"dataindex\.json cannot be read"):
        list(DevpiExport().find(Folder(str(tmp_path))))


@attrs.define(eq=False, slots=False)
class Server(Resource):
    """As much of a devpi-server as is asked: its documents, and the pages and files of one index."""

    index: TestIndex
    documents: dict[str, bytes] = attrs.field(factory=dict)
    asked: list[tuple[str, str | None]] = attrs.field(factory=list)
    isLeaf = True

    def __attrs_post_init__(self) -> None:
        Resource.__init__(self)

    def say(self, path: str, result: object) -> None:
        """Have that document."""
        self.documents[path] = json.dumps({"result": result, "type": "x"}).encode()

    def render(self, request: Any) -> Any:
        """Answer as it does: documents for whoever accepts JSON alone."""
        path = request.uri.decode()
        self.asked.append((path, request.getHeader("authorization")))
        if path in self.documents and request.getHeader("accept") == "application/json":
            return self.documents[path]
        before, found, rest = path.partition("/ann/dev/+simple/")
        if found and not before:
            request.uri = request.path = b"/simple/" + rest.encode()
            return self.index.render(request)
        if path.startswith("/ann/dev/+f/"):
            return WHEEL[1]
        request.setResponseCode(404)
        return b""


class Running(TestCase):
    """A devpi with a stage index, which is asked over real connections."""

    def setUp(self) -> None:
        self.server = Server(TestIndex())
        self.served = serve(self, self.server)  # type: ignore[arg-type]  # any resource can be served
        self.root = f"{self.served.url}/"
        self.server.say("/+api", {"login": "http://outside.example/+login"})
        self.server.say("/ann/dev/+api", {"index": "http://outside.example/ann/dev"})
        self.server.say("/ann/dev", {"type": "stage", "acl_upload": ["ann"], "projects": ["Seeds_Priv", "no project!", "gone"]})
        self.link = {
            "rel": "releasefile",
            "href": f"http://outside.example/ann/dev/+f/ab/{WHEEL[0]}",
            "hashes": {"sha256": HEX},
            "log": [UPLOAD],
        }
        self.say_links(self.link)
        held = tempfile.TemporaryDirectory()
        self.addCleanup(held.cleanup)
        self.folder = Path(held.name)

    def say_links(self, *links: object) -> None:
        self.server.say("/ann/dev/seeds-priv?ignore_bases=", {"1.0": {"requires_python": "", "+links": links}})

    def documents(self, **settings: Any) -> Documents:
        made = Documents("up", target(self.root), {}, reactor, reactor, inline, **{"limits": QUICK, **settings})
        self.addCleanup(made.close)
        return made

    async def reached(self, url: str, documents: Documents | None = None) -> Devpi:
        clock: Any = Hurried()
        return await reached(documents or self.documents(), url, clock)

    async def origin(self, **settings: Any) -> DevpiOrigin:
        upstream = started(self, f"{self.root}ann/dev/+simple/", limits=QUICK, patience=0.1)
        server = await self.reached(f"{self.root}ann/dev", self.documents(**settings))
        assert server.part == "ann/dev"
        return DevpiOrigin(server, server.part, fetching(upstream, self.folder))

    async def test_its_own_files_with_all_that_is_told(self) -> None:
        origin = await self.origin()
        verifyObject(IOrigin, origin)
        findings = await all_of(origin)
        found = files(findings)[WHEEL[0]]
        # By the URL that it is reached by, not by the one that it was told to have.
        assert found.path == f"{self.root}ann/dev/+f/ab/{WHEEL[0]}"
        assert (found.file.upload_time, found.uploader, found.project) == ("2020-01-02T03:04:05Z", "ann", "seeds-priv")
        assert passed(findings) == {"no project!": "not a project name: 'no project!'"}
        assert "grant" in passed(findings, note=True)["ann/dev"]
        assert await read(origin, found) == WHEEL[1]

    async def test_what_is_not_its_own_or_no_release_is_not_taken(self) -> None:
        self.say_links(
            self.link | {"href": f"http://outside.example/root/pypi/+f/ab/{WHEEL[0]}"},
            self.link | {"href": f"http://outside.example/ann/dev/{WHEEL[0]}"},
            self.link | {"href": "http://[/ann/dev/+f/x"},
            self.link | {"href": 7},
            self.link | {"rel": "doczip", "href": "http://outside.example/ann/dev/+f/ab/seeds-priv-1.0.doc.zip"},
            self.link | {"rel": None},
            self.link | {"href": "http://outside.example/ann/dev/+f/../../../other-1.0.zip"},
        )
        findings = await all_of(await self.origin())
        assert files(findings) == {}
        assert [reason for path, reason in passed(findings).items() if "other" in path] == ["its name is not that of a file of seeds-priv"]

    async def test_where_the_document_is_too_large_the_page_says_as_much(self) -> None:
        """A project with ten thousand releases, each with its description."""
        self.server.documents["/ann/dev/seeds-priv?ignore_bases="] = b" " * 5000
        origin = await self.origin(limits=Limits(page_size=4000))
        assert "too large" in passed(await all_of(origin))["seeds-priv"]
        self.server.index.add_file("seeds-priv", *WHEEL)
        # The files of a scriptable index are elsewhere, so they look like those of a base.
        assert files(await all_of(origin)) == {}
        self.server.index.absolute = f"{self.root}ann/dev/+f"
        assert list(files(await all_of(origin))) == [WHEEL[0]]

    async def test_an_index_that_is_none_and_a_mirror_are_said(self) -> None:
        origin = await self.origin()
        with pytest.raises(PypidaemonError, match="no index ann/none"):
            await all_of(attrs.evolve(origin, part="ann/none"))
        self.server.say("/root/pypi", {"type": "mirror", "mirror_url": "https://index.example/simple/"})
        with pytest.raises(PypidaemonError, match=r"root/pypi is a mirror of https://index\.example/simple/"):
            await all_of(attrs.evolve(origin, part="root/pypi"))
        for projects in ({}, {"projects": [7]}, {"projects": "seeds-priv"}):
            self.server.say("/ann/odd", {"type": "stage", **projects})
            with pytest.raises(PypidaemonError, match="does not say which projects ann/odd has"):
                await all_of(attrs.evolve(origin, part="ann/odd"))

    async def test_the_stages_of_a_whole_server(self) -> None:
        self.server.say(
            "/?no_projects=", {"ann": {"indexes": {"dev": {"type": "stage"}, "old": {}}}, "root": {"indexes": {"pypi": {"type": "mirror"}}}}
        )
        server = await self.reached(self.root)
        assert (server.root, server.part) == (self.root, None)
        assert await server.stages() == ["ann/dev", "ann/old"]

    async def test_pages_name_their_index(self) -> None:
        assert (await self.reached(f"{self.root}ann/dev/+simple/")).part == "ann/dev"

    async def test_what_is_no_devpi_is_said(self) -> None:
        with pytest.raises(PypidaemonError, match="no devpi answers"):
            await self.reached(f"{self.root}elsewhere")
        for body, words in (
            (b"[]", "no devpi answers"),
            (b"<html>", "its document cannot be read"),
            (b'{"result": ' + b"[" * 50, "cannot be read"),
        ):
            self.server.documents["/+api"] = body
            with pytest.raises(PypidaemonError, match=words):
                await self.reached(self.root)

    async def test_a_server_that_is_gone_ends_it(self) -> None:
        origin = await self.origin()
        await self.served.stop()
        with pytest.raises(UpstreamUnavailable):
            await all_of(origin)

    async def test_only_the_server_is_told_who_we_are(self) -> None:
        documents = self.documents(username="ann", password=Secret("secret"))
        await self.reached(self.root, documents)
        assert self.server.asked[-1] == ("/+api", "Basic YW5uOnNlY3JldA==")
        with pytest.raises(UpstreamUnavailable, match="another host"):
            await documents.fetch("http://outside.example/+api", bool)
        with pytest.raises(UpstreamUnavailable, match="neither http nor https"):
            await documents.fetch("file:///etc/passwd", bool)
