"""Project pages: releases in order, files with where they are, what is hidden and why, and never more than a page's worth (P9, S79)."""

from __future__ import annotations

import gzip

import attrs
import pytest

from pypidaemon.accounts.people import OPERATOR
from pypidaemon.callers import THE_OPERATOR
from pypidaemon.errors import NotAllowed, Refused, UpstreamUnavailable
from pypidaemon.indexes.first_match import FirstMatch
from pypidaemon.indexes.policed import Policed
from pypidaemon.inspection.readmes import NOT_YET, Readme
from pypidaemon.model import NormalizedName, Standing, Validators
from pypidaemon.policies.minimum_age import MinimumAge
from pypidaemon.rulings import Rulings
from tests.fakes import file, page
from tests.gear import inline, now
from tests.house import House, header
from tests.readmes import InlineReadmes, described, rendering
from tests.web.test_views import Reader, browse, html_of, put, shown

METADATA = """Metadata-Version: 2.4
Name: Al.Pha
Version: 2.0
Summary: Trees of records
Author: Ada
License-Expression: MIT
Requires-Python: >=3.11
Project-URL: Source, https://git.example/alpha
Project-URL: Evil, javascript:alert(1)
Requires-Dist: Bee_Keeper>=2 ; python_version < "3.14"
Requires-Dist: fast; extra == "speed"
Classifier: Topic :: Trees
Description-Content-Type: text/markdown

# Al.Pha

It *works*.
"""


@pytest.fixture
def house() -> House:
    """Al-pha with six releases, of which the newest final one has METADATA."""
    house = rendering(House())
    wheel = described(house, "al_pha-2.0-cp313-cp313-manylinux_2_17_x86_64.whl", METADATA, requires_python=">=3.11")
    house.upstream.pages["al-pha"] = page(
        "al-pha",
        file("al_pha-0.9.tar.gz", b"0"),
        file("al_pha-2.0.tar.gz", b"1"),
        wheel,
        file("al_pha-10.0rc1.tar.gz", b"2"),
        file("al_pha-3.0.tar.gz", b"3", yanked="it <b>breaks</b>"),
        versions=("0.9", "2.0", "10.0rc1", "3.0", "1.0"),
    )
    return house


def test_the_newest_release_speaks_for_the_project(house: House) -> None:
    """Not a pre-release, and none that is yanked."""
    seen = shown(house, "/project/al-pha/")
    assert "Al.Pha 2.0" in seen.text
    for words in (
        "Trees of records",
        "Ada",
        "MIT",
        ">=3.11",
        "It works .",
        "Topic :: Trees",
        "pip install --index-url http://127.0.0.1:3141/simple/ al-pha",
    ):
        assert words in seen.text
    assert seen.links["Bee_Keeper"] == "../../project/bee-keeper/"
    assert seen.links["Source"] == "https://git.example/alpha"
    assert "Evil" not in seen.links
    assert seen.links["Why does it look like this?"] == "../../+why/al-pha/2.0"
    assert seen.text.index("With extras") < seen.text.index("speed")


def test_releases_are_in_the_order_of_PEP_440(house: House) -> None:
    """Newest first, each marked for what it is, also one without files; and a page for each."""
    seen = shown(house, "/project/al-pha/")
    releases = [words for words, link in seen.links.items() if link == f"{words}/"]
    assert releases == ["10.0rc1", "3.0", "2.0", "1.0", "0.9"]
    for words in ("10.0rc1 pre-release", "3.0 yanked it <b>breaks</b>", "1.0 0 files"):
        assert words in seen.text
    one = shown(house, "/project/al-pha/3.0/")
    assert "This release is yanked: it <b>breaks</b>" in one.text
    assert "al-pha==3.0" in one.text
    assert one.links["2.0"] == "../2.0/"
    assert "Al.Pha 2.0" in shown(house, "/project/al-pha/2/").text


def test_a_yanked_release_is_installed_by_its_version_alone(house: House) -> None:
    """Where there is no other, installers find nothing under the name."""
    house.upstream.pages["al-pha"] = page("al-pha", file("al_pha-3.0.tar.gz", b"3", yanked="it breaks"))
    seen = shown(house, "/project/al-pha/")
    assert "This release is yanked: it breaks" in seen.text
    assert "simple/ al-pha==3.0" in seen.text


def test_where_there_is_no_description_the_page_says_why(house: House) -> None:
    assert "None is known yet" in shown(house, "/project/al-pha/3.0/").text
    bare = described(house, "be_ta-1.0-py3-none-any.whl", "Metadata-Version: 2.1\nName: be-ta\nVersion: 1.0\n")
    house.upstream.pages["be-ta"] = page("be-ta", bare)
    assert "This release has none." in shown(house, "/project/be-ta/").text


def test_files_say_where_they_are(house: House) -> None:
    """What is here is told from what is upstream's, and that again when it has come."""
    first = shown(house, "/project/al-pha/2.0/")
    assert "cp313 · manylinux_2_17_x86_64" in first.text
    assert f"sha256 {file('al_pha-2.0.tar.gz', b'1').digest}" in first.text
    assert first.text.count("pypi upstream") == 2
    entry = file("al_pha-2.0.tar.gz", b"1")
    assert first.links["al_pha-2.0.tar.gz"] == f"../../../packages/{entry.path}"
    house.upstream.bodies[entry.url] = b"1"
    house.body(house.get(f"/packages/{entry.path}"))
    house.clock.advance(61)
    assert shown(house, "/project/al-pha/2.0/").text.count("pypi here") == 1
    assert "../../../../../index/pypi/packages/" in html_of(browse(house, "/index/pypi/project/al-pha/2.0/"))


def test_what_is_hidden_is_told_with_its_reason(house: House) -> None:
    """To who may read it; `why` says the same."""
    young = Policed("root", house.proxy, (MinimumAge("cooldown", Rulings(), 3 * 86400.0),), house.records, house.clock, inline)
    found = house.upstream.pages["al-pha"]
    house.upstream.pages["al-pha"] = attrs.evolve(
        found, files=(*found.files, file("al_pha-4.0.tar.gz", b"4", upload_time="2026-05-28T19:26:40Z"))
    )  # type: ignore[type-var, union-attr]  # it is a page
    house.open({"root": young}, "root")
    seen = shown(house, "/project/al-pha/")
    assert "hidden by cooldown until 2026-05-31T19:26:40Z" in seen.text
    assert "al-pha 4.0" not in seen.text
    one = shown(house, "/project/al-pha/4.0/")
    assert "This release is hidden by cooldown" in one.text
    assert "What is hidden is not described." in one.text
    assert "al_pha-4.0.tar.gz" in one.words
    assert "al_pha-4.0.tar.gz" not in one.links
    assert "Install" not in one.words


def test_S42_a_private_project_is_for_who_may_read_it(house: House) -> None:
    """And what was hidden of it."""
    private = house.with_private()
    rendering(house)
    put(house, private, "beta", "1.0")
    put(house, private, "beta", "2.0")
    now(private.place(NormalizedName("beta"), "2.0", Standing.HIDDEN))
    assert "it was hidden" in shown(house, "/project/beta/").text
    token = house.token("ann")
    for right in ("list", "read"):
        now(house.door.people.ungrant(OPERATOR, "anonymous", right, "*"))
        house.grant("anonymous", right, "pypi")
        house.grant("ann", right, "private")
    assert "it was hidden" in shown(house, "/project/beta/", token).text
    assert header(browse(house, "/project/beta/", token), "Cache-Control") == "private, no-cache"
    refused = browse(house, "/project/beta/")
    assert refused.status == 401
    assert "1.0" not in html_of(refused).replace("0.1.0", "")
    with pytest.raises(NotAllowed):
        house.get("/project/beta/")


def test_a_project_that_is_refused_is_a_page_that_says_by_what(house: House) -> None:
    barred = house.barred(house.proxy)
    house.open({"root": FirstMatch("root", (barred,), house.records)}, "root")
    now(house.door.routes.rulings.rulemaking.perform("block", {"target": "al-pha", "reason": "a <b>ticket</b>"}, THE_OPERATOR))
    with pytest.raises(Refused):
        house.get("/project/al-pha/")
    reply = browse(house, "/project/al-pha/")
    assert reply.status == 404
    assert "a &lt;b&gt;ticket&lt;/b&gt;" in html_of(reply)
    assert 'href="../../+why/al-pha"' in html_of(reply)


def test_law_10_what_is_known_is_shown_while_upstream_is_down(house: House) -> None:
    """And it says so; made anew when the line is back."""
    shown(house, "/project/al-pha/")
    found = house.upstream.pages["al-pha"]
    house.upstream.pages["al-pha"] = UpstreamUnavailable("pypi", "no answer")
    house.clock.advance(3600)
    assert "This is upstream's last known word" in shown(house, "/project/al-pha/").text
    house.upstream.pages["al-pha"] = found
    house.clock.advance(60)
    assert "This is upstream's last known word" not in shown(house, "/project/al-pha/").text


def test_what_cannot_be_had_while_an_upstream_is_away_is_not_offered(house: House) -> None:
    """Also while the page is fresh: who is told to install what is not here would wait in vain."""
    line = "pip install --index-url http://127.0.0.1:3141/simple/ al-pha"
    assert line in shown(house, "/project/al-pha/").text
    house.upstream.health.state = "down"
    seen = shown(house, "/project/al-pha/").text
    assert "pypi does not answer. Nothing of this release is here, so it cannot be installed now." in seen
    assert line not in seen
    old = file("al_pha-0.9.tar.gz", b"0")
    house.upstream.bodies[old.url] = b"0"
    house.upstream.health.state = "up"
    house.body(house.get(f"/packages/{old.path}"))
    house.clock.advance(120)
    house.upstream.health.state = "offline"
    reader = shown(house, "/project/al-pha/")
    assert "pypi is not asked: this daemon is told to stay off line." in reader.text
    assert "The newest of which something is here: 0.9 ." in reader.text
    assert reader.links["0.9"] == "0.9/"
    reader = shown(house, "/project/al-pha/2.0/")
    assert reader.links["0.9"] == "../0.9/"
    seen = shown(house, "/project/al-pha/0.9/").text
    assert "All that is shown of this release is here." in seen
    assert f"{line}==0.9" in seen
    tar = file("al_pha-2.0.tar.gz", b"1")
    house.upstream.bodies[tar.url] = b"1"
    house.upstream.health.state = "up"
    house.body(house.get(f"/packages/{tar.path}"))
    house.clock.advance(120)
    house.upstream.health.state = "down"
    seen = shown(house, "/project/al-pha/2.0/").text
    assert "Of the 2 files of this release 1 can be had; the others are not here." in seen
    assert f"{line}==2.0" in seen


def test_what_was_made_while_an_upstream_went_away_is_not_shown_when_it_is_back(house: House) -> None:
    """Whoever asks first is the one by whom it is found out."""
    shown(house, "/project/al-pha/")
    house.clock.advance(3600)
    known = house.upstream.pages

    class Failing(dict[str, object]):
        def get(self, *_: object) -> UpstreamUnavailable:
            house.upstream.health.state = "down"
            return UpstreamUnavailable("pypi", "no answer")

    house.upstream.pages = Failing()  # type: ignore[assignment]  # it knows nothing
    assert "pypi does not answer" in shown(house, "/project/al-pha/").text
    house.upstream.pages = known
    house.upstream.health.state = "up"
    assert "pypi does not answer" not in shown(house, "/project/al-pha/").text


def test_a_version_is_one_segment_of_the_way_to_why(house: House) -> None:
    """Whatever an upstream calls it."""
    house.upstream.pages["al-pha"] = page("al-pha", versions=("../../+admin?x#y",))
    seen = shown(house, "/project/al-pha/")
    assert seen.links["Why does it look like this?"] == "../../+why/al-pha/..%2F..%2F%2Badmin%3Fx%23y"


@pytest.mark.parametrize(
    ("version", "what"), [("1!2.0", "'al-pha==1!2.0'"), ("2.0+local.1", "al-pha==2.0+local.1"), ("9(x)", "'al-pha==9(x)'")]
)
def test_a_line_to_copy_means_nothing_else_to_a_shell(house: House, version: str, what: str) -> None:
    """Such as a command of its history."""
    house.upstream.pages["al-pha"] = page("al-pha", file(f"al_pha-{version}.tar.gz", b"0"))
    assert f"pip install --index-url http://127.0.0.1:3141/simple/ {what} " in shown(house, f"/project/al-pha/{version}/").text


def test_a_project_of_3000_files_is_a_page_like_any_other() -> None:
    """60 KB at most, whatever is asked for, and every file and release is on one page or the other; rendered once."""
    house = rendering(House())
    long = METADATA + "\n\n".join(f"## Part {number}\n\n{'word ' * 60}" for number in range(400))
    half = 1500
    wheels = [
        file(f"al_pha-2.0-cp313-cp313-manylinux_2_{number}_x86_64.whl", b"%d" % number, requires_python=">=3.11") for number in range(half)
    ]
    entry = described(house, "al_pha-2.0-py3-none-any.whl", long)
    olds = [file(f"al_pha-1.{number}.tar.gz", b"o%d" % number) for number in range(half)]
    house.upstream.pages["al-pha"] = page("al-pha", entry, *wheels, *olds, versions=("2.0", *(f"1.{number}" for number in range(half))))
    seen = shown(house, "/project/al-pha/")
    assert f"{half + 1} files" in seen.words
    names: set[str] = set(seen.links)
    last = {"files": -(-(half + 1) // 60), "versions": -(-(half + 1) // 150)}
    for query in ("?show=description", "?show=files&page=1", *(f"?show={part}&page={number}" for part, number in last.items())):
        reply = browse(house, f"/project/al-pha/{query}", accept_encoding="gzip")
        assert len(gzip.decompress(reply.body)) <= (60_000 if "description" not in query else 300_000), query
        assert len(reply.body) <= 60_000
        names |= set(Reader(html_of(reply)).links)
    assert len(html_of(browse(house, "/project/al-pha/"))) <= 60_000
    assert {"1.1499", "1.0", "al_pha-2.0-py3-none-any.whl"} <= names
    assert shown(house, "/project/al-pha/?show=description").text.count("Part ") == 400
    misses = house.door.routes.pages.answers.misses
    browse(house, "/project/al-pha/")
    assert house.door.routes.pages.answers.misses == misses


@pytest.mark.parametrize(
    "query", ["?show=evil", "?page=x", "?show=files&page=-1", "?show=files&page=99999999999", "?show=versions&page=\u0663"]
)
def test_odd_questions_are_answered_all_the_same(house: House, query: str) -> None:
    assert browse(house, f"/project/al-pha/{query}").status == 200


def test_S80_what_is_not_rendered_yet_is_shown_as_it_is(house: House) -> None:
    """And asked for again the next time."""

    class Slow(InlineReadmes):
        asked = 0

        async def render(self, text: str, content_type: str) -> Readme:
            self.asked += 1
            return NOT_YET if self.asked == 1 else await super().render(text, content_type)

    house.door.routes.views.desk.project.readmes = Slow(house.clock)
    assert "# Al.Pha It *works*." in shown(house, "/project/al-pha/").text
    assert "It works ." in shown(house, "/project/al-pha/").text


def test_law_11_an_upstream_that_is_asked_each_time_is_not_asked_by_readers(house: House) -> None:
    """A page is made at most every few seconds, whatever upstream says of how long its own holds."""
    found = house.upstream.pages["al-pha"]
    house.upstream.pages["al-pha"] = attrs.evolve(found, max_age=0.0, validators=Validators('"one"'))  # type: ignore[type-var]  # it is a page
    # METADATA that comes is news of the project, so the first page is not kept, and what was forgotten for that is asked for anew.
    for _ in range(2):
        shown(house, "/project/al-pha/")
    asked = list(house.upstream.asked)
    for _ in range(3):
        shown(house, "/project/al-pha/")
    assert house.upstream.asked == asked
    house.clock.advance(6)
    shown(house, "/project/al-pha/")
    assert house.upstream.asked != asked


def test_a_name_without_releases_is_a_page(house: House) -> None:
    """Law 3."""
    house.upstream.pages["empty"] = page("empty")
    assert "there are no releases" in shown(house, "/project/empty/").text


def test_files_without_a_version_in_their_names_are_shown(house: House) -> None:
    house.upstream.pages["odd"] = page("odd", file("odd.zip", b"1"), file("odd-1.0.tar.gz", b"2"), versions=("1.0",))
    assert "without a version" in shown(house, "/project/odd/").text
