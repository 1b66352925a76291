"""What every upstream promises (`IUpstream`, `IBody`, `IHealth`), asked over a scriptable index."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IBody, IHealth, IProbed, IUpstream
from pypidaemon.model import NormalizedName, NotModified, UpstreamNames, Validators
from pypidaemon.testing import Fault, TestIndex
from tests.upstreams.parts import broken, page, whole

NAME = NormalizedName("some-thing")


class UpstreamContract:
    """Mix with trial's `TestCase` and give it a `make` that answers an upstream of the given index."""

    def make(self, index: TestIndex) -> Any:
        """Answer an upstream of that index, which is served where the upstream looks for it."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.index = TestIndex()
        self.wheel = self.index.add("Some.Thing", "1.0", requires=["other>=1"], sdist=True, size=100_000)
        self.upstream = self.make(self.index)

    async def test_it_provides_what_it_promises(self) -> None:
        verifyObject(IUpstream, self.upstream)
        verifyObject(IHealth, self.upstream.health)
        body = await self.upstream.fetch_body((await self.file()).url, 0)
        verifyObject(IBody, body)
        body.close()

    async def test_F40_a_probe_asks_for_little_and_its_outcome_is_told(self) -> None:
        """Where a page is known, for that page if it has changed; and nothing is raised, whatever comes of it."""
        verifyObject(IProbed, self.upstream)
        await self.upstream.probe(NormalizedName("pypidaemon"))
        assert (self.index.requests[-1].path, self.upstream.health.state) == ("/simple/pypidaemon/", "up")
        await self.upstream.fetch_page(NAME, Validators())
        await self.upstream.probe(NormalizedName("pypidaemon"))
        assert (self.index.requests[-1].path, self.index.requests[-1].status) == (f"/simple/{NAME}/", 304)
        self.index.break_("*", Fault(status=500))
        for _ in range(3):
            await self.upstream.probe(NormalizedName("pypidaemon"))
        assert self.upstream.health.state != "up"
        self.index.heal()
        await self.upstream.probe(NormalizedName("pypidaemon"))
        assert self.upstream.health.state == "up"
        assert self.upstream.health_of((await self.file()).url).state == "up"

    async def file(self) -> Any:
        """The page's entry for the wheel."""
        said = page(await self.upstream.fetch_page(NAME, Validators()))
        return next(file for file in said.files if file.filename == self.wheel)

    async def test_a_page_says_all_that_upstream_says(self) -> None:
        said = page(await self.upstream.fetch_page(NAME, Validators()))
        file = next(file for file in said.files if file.filename == self.wheel)
        assert said.name == NAME
        assert len(said.files) == 2
        assert said.serial == self.index.projects["some-thing"].serial
        assert said.max_age == 600
        assert said.refused == 0
        assert file.size == len(self.index.data(NAME, self.wheel))
        assert file.url.endswith(self.index.path(NAME, self.wheel))
        assert "/packages/" + file.path == self.index.path(NAME, self.wheel)
        assert self.upstream.health.state == "up"

    async def test_html_says_the_same(self) -> None:
        json_page = page(await self.upstream.fetch_page(NAME, Validators()))
        self.index.html_only = True
        html_page = page(await self.upstream.fetch_page(NAME, Validators()))
        assert [(file.filename, file.url, file.hashes, file.core_metadata) for file in html_page.files] == [
            (file.filename, file.url, file.hashes, file.core_metadata) for file in json_page.files
        ]

    async def test_the_same_page_is_not_sent_twice(self) -> None:
        first = page(await self.upstream.fetch_page(NAME, Validators()))
        assert first.validators.etag
        again = await self.upstream.fetch_page(NAME, first.validators)
        assert isinstance(again, NotModified)
        assert again.max_age == 600
        self.index.yank(NAME, self.wheel, "broken")
        changed = page(await self.upstream.fetch_page(NAME, first.validators))
        assert {file.yanked for file in changed.files} == {None, "broken"}

    async def test_a_page_is_asked_for_again_by_its_date(self) -> None:
        self.index.etags, self.index.last_modified = False, True
        first = page(await self.upstream.fetch_page(NAME, Validators()))
        assert first.validators.etag is None
        assert isinstance(await self.upstream.fetch_page(NAME, first.validators), NotModified)

    async def test_F16_an_unasked_confirmation_is_a_failure(self) -> None:
        self.index.break_("*", Fault(status=304))
        with pytest.raises(UpstreamUnavailable):
            await self.upstream.fetch_page(NAME, Validators())

    async def test_absence_is_its_own_error(self) -> None:
        for status in (404, 410):
            self.index.break_("/simple/none/", Fault(status=status))
            with pytest.raises(NoSuchProject):
                await self.upstream.fetch_page(NormalizedName("none"), Validators())
        assert self.upstream.health.state == "up"

    async def test_F1_F4_no_other_status_is_absence(self) -> None:
        for status in (204, 300, 400, 401, 403, 405, 406, 408, 418, 429, 451, 500, 502, 503, 504, 599):
            self.index.break_("*", Fault(status=status))
            with pytest.raises(UpstreamUnavailable) as caught:
                await self.upstream.fetch_page(NAME, Validators())
            assert 1 <= caught.value.retry_after <= 60

    async def test_a_body_comes_from_any_offset(self) -> None:
        data = self.index.data(NAME, self.wheel)
        url = (await self.file()).url
        for offset in (0, 1, 70_000, len(data) - 1):
            body = await self.upstream.fetch_body(url, offset)
            assert (body.offset, body.total) == (offset, len(data))
            assert body.validator
            assert await whole(body) == data[offset:]
            assert await body.read() == b""

    async def test_a_sidecar_comes_as_it_is(self) -> None:
        body = await self.upstream.fetch_body((await self.file()).url + ".metadata", 0)
        assert await whole(body) == self.index.metadata(NAME, self.wheel)

    async def test_F13_a_range_may_be_ignored(self) -> None:
        url = (await self.file()).url
        self.index.break_("*", Fault(ignore_range=True))
        body = await self.upstream.fetch_body(url, 10)
        assert body.offset == 0
        assert await whole(body) == self.index.data(NAME, self.wheel)

    async def test_F13_F23_a_part_that_was_not_asked_for_is_refused(self) -> None:
        url = (await self.file()).url
        for fault, offset in ((Fault(bad_range=True), 5), (Fault(unasked_range=True), 0), (Fault(status=416), 5)):
            self.index.break_("*", fault)
            with pytest.raises(UpstreamUnavailable):
                await self.upstream.fetch_body(url, offset)
        self.index.heal()
        with pytest.raises(NoSuchFile):
            await self.upstream.fetch_body(url.replace(".whl", ".zip"), 0)

    async def test_R215_files_are_asked_for_without_a_coding(self) -> None:
        url = (await self.file()).url
        await whole(await self.upstream.fetch_body(url, 0))
        assert self.index.requests[-1].headers["accept-encoding"] == "identity"
        self.index.break_("*", Fault(gzip=True))
        with pytest.raises(UpstreamUnavailable):
            await self.upstream.fetch_body(url, 0)

    async def test_F8_F9_a_body_that_breaks_off_is_not_a_short_body(self) -> None:
        url = (await self.file()).url
        data = self.index.data(NAME, self.wheel)
        for fault in (Fault(truncate=5000), Fault(reset=5000), Fault(cut_chunked=True, truncate=5000)):
            self.index.break_("*", fault)
            body = await self.upstream.fetch_body(url, 0)
            received, _ = await broken(body)
            assert data.startswith(received)
            assert len(received) < len(data)
            body.close()
            body.close()

    async def test_a_reader_may_leave_early(self) -> None:
        body = await self.upstream.fetch_body((await self.file()).url, 0)
        body.close()
        with pytest.raises(UpstreamUnavailable):
            await body.read()
        assert self.upstream.health.state == "up"

    async def test_R61_the_project_list_comes_raw(self) -> None:
        said = await self.upstream.fetch_names(Validators())
        assert isinstance(said, UpstreamNames)
        assert said.content_type == "application/vnd.pypi.simple.v1+json"
        assert said.coding == "gzip"
        assert said.serial == self.index.serial
        document = json.loads(zlib.decompress(await whole(said.body), 31))
        assert [project["name"] for project in document["projects"]] == ["some-thing"]
        assert isinstance(await self.upstream.fetch_names(said.validators), NotModified)

    async def test_the_project_list_may_be_plain_html(self) -> None:
        self.index.gzip, self.index.html_only = False, True
        said = await self.upstream.fetch_names(Validators())
        assert (said.content_type, said.coding) == ("text/html", "")
        assert b"some-thing" in await whole(said.body)

    async def test_a_list_that_cannot_be_had_is_an_outage(self) -> None:
        for status in (401, 404, 500):
            self.index.break_("*", Fault(status=status))
            with pytest.raises(UpstreamUnavailable):
                await self.upstream.fetch_names(Validators())

    async def test_it_knows_no_changes(self) -> None:
        assert await self.upstream.changes(0) is None
