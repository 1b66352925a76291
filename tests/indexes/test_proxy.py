"""The proxy: what it asks, what it remembers, and what it answers when it cannot ask."""

from __future__ import annotations

import hashlib

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.filenames import filename
from pypidaemon.model import Companion, NormalizedName, ProjectStatus
from pypidaemon.testing.archives import make_wheel
from pypidaemon.waits import Bell
from tests.fakes import file, page
from tests.gear import later, now, waiting
from tests.house import House

ALPHA = NormalizedName("alpha")


@pytest.fixture
def house() -> House:
    """A house whose upstream has one project with a sdist."""
    house = House()
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"), etag='"a1"')
    return house


def read(house: House, name: str, companion: Companion = Companion.FILE, project: NormalizedName = ALPHA) -> bytes:
    """The bytes that the proxy gives."""
    content = now(house.proxy.open_file(project, filename(name), companion))
    try:
        return now(content.read(0, 1 << 20))
    finally:
        content.close()


def test_a_page_is_asked_for_once_while_it_is_fresh(house: House) -> None:
    """C1: the first request goes upstream, the second does not."""
    first = now(house.proxy.project_page(ALPHA))
    second = now(house.proxy.project_page(ALPHA))
    assert first == second
    assert [entry.filename for entry in first.files] == ["alpha-1.0.tar.gz"]
    assert house.upstream.asked == ["page alpha"]


def test_a_page_survives_a_restart(house: House) -> None:
    """What was remembered is in the records, not in the process."""
    before = now(house.proxy.project_page(ALPHA))
    house.restart()
    assert now(house.proxy.project_page(ALPHA)) == before
    assert house.upstream.asked == ["page alpha"]


def test_a_page_just_past_its_time_is_given_at_once_and_asked_for_again(house: House) -> None:
    """Refresh behind: nobody waits within the grace."""
    now(house.proxy.project_page(ALPHA))
    house.clock.advance(620)
    house.upstream.gate = Bell()
    assert now(house.proxy.project_page(ALPHA)).files
    assert house.upstream.asked == ["page alpha", "page alpha"]


def test_C2_an_old_page_is_asked_for_before_it_is_given(house: House) -> None:
    """A new release upstream is seen by the first request after the page's time."""
    now(house.proxy.project_page(ALPHA))
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"alpha one"), ("alpha-1.1.tar.gz", b"alpha two"), serial=11)
    house.clock.advance(10_000)
    assert len(now(house.proxy.project_page(ALPHA)).files) == 2


def test_an_unchanged_page_is_confirmed_by_its_validator(house: House) -> None:
    """A 304 keeps the revision and makes the page fresh again."""
    first = now(house.proxy.project_page(ALPHA))
    house.clock.advance(10_000)
    again = now(house.proxy.project_page(ALPHA))
    assert again.revision == first.revision
    assert again.fresh_until is not None
    assert again.fresh_until > house.clock.seconds()


def test_law_10_an_old_page_is_given_when_upstream_fails(house: House) -> None:
    """The last known answer, of any age, and marked as such (F1)."""
    now(house.proxy.project_page(ALPHA))
    house.upstream.fails(["alpha"])
    house.clock.advance(10_000_000)
    page = now(house.proxy.project_page(ALPHA))
    assert page.files
    assert page.stale


def test_law_10_a_project_never_seen_is_unavailable_and_not_absent_when_upstream_fails(house: House) -> None:
    """An outage never makes an absence."""
    house.upstream.fails(["beta"])
    with pytest.raises(UpstreamUnavailable):
        now(house.proxy.project_page(NormalizedName("beta")))
    house.upstream.add("beta", ("beta-1.0.tar.gz", b"beta"))
    assert now(house.proxy.project_page(NormalizedName("beta"))).files


def test_law_10_an_absence_is_remembered_for_a_minute_and_no_longer(house: House) -> None:
    """R216: and once it has expired while upstream is down, it is no answer any more (F3)."""
    beta = NormalizedName("beta")
    for _ in range(3):
        with pytest.raises(NoSuchProject):
            now(house.proxy.project_page(beta))
    assert house.upstream.asked == ["page beta"]
    house.clock.advance(61)
    house.upstream.fails(["beta"])
    with pytest.raises(UpstreamUnavailable):
        now(house.proxy.project_page(beta))


def test_a_silent_upstream_keeps_nobody_with_a_page_waiting(house: House) -> None:
    """Whoever waits for a refresh gets the old page as soon as upstream is doubted; the request goes on and its answer counts."""
    now(house.proxy.project_page(ALPHA))
    house.clock.advance(10_000)
    house.upstream.gate = Bell()
    answer = later(house.proxy.project_page(ALPHA))
    assert waiting(answer)
    house.upstream.health.doubt()
    assert now(answer).stale
    assert now(house.proxy.project_page(ALPHA)).stale
    gate, house.upstream.gate = house.upstream.gate, None
    gate.ring()
    assert not now(house.proxy.project_page(ALPHA)).stale
    assert house.upstream.asked == ["page alpha", "page alpha"]


def test_F30_a_slow_upstream_keeps_nobody_with_a_page_waiting_longer_than_its_patience(house: House) -> None:
    """Though it is doubted by nobody, since bytes do come; whoever has nothing to fall back to waits for them."""
    now(house.proxy.project_page(ALPHA))
    house.clock.advance(10_000)
    house.upstream.gate = Bell()
    known, unknown = later(house.proxy.project_page(ALPHA)), later(house.proxy.project_page(NormalizedName("beta")))
    house.clock.advance(1.9)
    assert waiting(known)
    house.clock.advance(0.2)
    assert now(known).stale
    house.clock.advance(9)
    assert waiting(unknown)
    house.upstream.gate.ring()
    with pytest.raises(NoSuchProject):
        now(unknown)
    assert not now(house.proxy.project_page(ALPHA)).stale
    assert house.upstream.asked == ["page alpha", "page alpha", "page beta"]


def test_F30_a_page_never_seen_that_comes_slowly_is_had_by_who_comes_again(house: House) -> None:
    """Clients give up in the end, so they are told before, and what is on its way goes on."""
    house.upstream.gate = Bell()
    asking = later(house.proxy.project_page(ALPHA))
    house.clock.advance(11)
    assert waiting(asking)
    house.clock.advance(1)
    with pytest.raises(UpstreamUnavailable, match="still on its way") as told:
        now(asking)
    assert 1 <= (told.value.retry_after or 0) <= 60
    house.upstream.gate.ring()
    assert now(house.proxy.project_page(ALPHA)).files
    assert house.upstream.asked == ["page alpha"]


def test_nobody_asks_an_upstream_that_is_down(house: House) -> None:
    """Unknown projects are unavailable at once, with the time after which to ask again."""
    house.upstream.health.doubt()
    with pytest.raises(UpstreamUnavailable) as caught:
        now(house.proxy.project_page(NormalizedName("beta")))
    assert caught.value.retry_after == 7
    assert house.upstream.asked == []


def test_law_9_many_who_want_a_page_cause_one_request(house: House) -> None:
    """One flight per name."""
    house.upstream.gate = Bell()
    answers = [later(house.proxy.project_page(ALPHA)) for _ in range(20)]
    house.upstream.gate.ring()
    assert len({now(answer).revision for answer in answers}) == 1
    assert house.upstream.asked == ["page alpha"]


def test_a_reader_who_leaves_does_not_stop_the_request(house: House) -> None:
    """The flight belongs to nobody."""
    house.upstream.gate = Bell()
    first, second = later(house.proxy.project_page(ALPHA)), later(house.proxy.project_page(ALPHA))
    first.addErrback(lambda _: None)
    first.cancel()
    house.upstream.gate.ring()
    assert now(second).files


def test_S33_an_older_page_does_not_replace_a_newer_one(house: House) -> None:
    """A lagging cache between us and upstream."""
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"1"), ("alpha-1.1.tar.gz", b"2"), serial=20)
    assert len(now(house.proxy.project_page(ALPHA)).files) == 2
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"1"), serial=19)
    house.clock.advance(700)
    page = now(house.proxy.project_page(ALPHA))
    assert len(page.files) == 2
    assert page.serial == 20


def test_F22_a_lower_serial_is_believed_in_the_end(house: House) -> None:
    """An upstream that was replaced by another must not wedge us for ever."""
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"1"), ("alpha-1.1.tar.gz", b"2"), serial=20)
    now(house.proxy.project_page(ALPHA))
    house.upstream.add("alpha", ("alpha-1.0.tar.gz", b"1"), serial=3)
    house.clock.advance(4000)
    page = now(house.proxy.project_page(ALPHA))
    assert len(page.files) == 1
    assert page.serial > 20


def test_R71_every_visible_change_raises_the_serial(house: House) -> None:
    """Also where upstream forgot to raise its own."""
    first = now(house.proxy.project_page(ALPHA))
    house.upstream.pages["alpha"] = page("alpha", file("alpha-1.0.tar.gz", b"alpha one", yanked="bad"), serial=10)
    house.clock.advance(10_000)
    second = now(house.proxy.project_page(ALPHA))
    assert second.serial > first.serial
    assert second.revision != first.revision


def test_R67_an_upstream_without_serials_gets_ours(house: House) -> None:
    """The header never disappears and never falls."""
    house.upstream.add("beta", ("beta-1.0.tar.gz", b"beta"), serial=None)
    assert now(house.proxy.project_page(NormalizedName("beta"))).serial > 0


def test_R113_a_quarantined_project_offers_no_files(house: House) -> None:
    """Neither on its page nor by the URL of a file that is held."""
    assert read(house, "alpha-1.0.tar.gz") == b"alpha one"
    known = house.upstream.pages["alpha"]
    assert not isinstance(known, Exception)
    house.upstream.pages["alpha"] = attrs.evolve(known, status=ProjectStatus("quarantined", "malware"), validators=page("x").validators)
    house.clock.advance(10_000)
    shown = now(house.proxy.project_page(ALPHA))
    assert shown.files == ()
    assert shown.status.marker == "quarantined"
    with pytest.raises(NoSuchFile):
        read(house, "alpha-1.0.tar.gz")


def test_a_file_is_fetched_once_and_kept(house: House) -> None:
    """C1, and law 8: with the blobs gone the answer is the same."""
    assert read(house, "alpha-1.0.tar.gz") == read(house, "alpha-1.0.tar.gz") == b"alpha one"
    assert house.upstream.asked.count("body alpha-1.0.tar.gz") == 1
    digest = now(house.proxy.project_page(ALPHA)).files[0].digest
    assert digest is not None
    now(house.blobs.remove(digest))
    assert read(house, "alpha-1.0.tar.gz") == b"alpha one"


def test_a_held_file_needs_no_upstream(house: House) -> None:
    """The train."""
    read(house, "alpha-1.0.tar.gz")
    house.upstream.fails(["alpha"])
    house.upstream.bodies.clear()
    house.clock.advance(10_000_000)
    house.restart()
    assert read(house, "alpha-1.0.tar.gz") == b"alpha one"


def test_law_2_a_file_that_the_page_does_not_list_cannot_be_opened(house: House) -> None:
    """Whatever the store holds."""
    with pytest.raises(NoSuchFile):
        read(house, "alpha-9.9.tar.gz")


def test_law_6_wrong_bytes_are_never_given_nor_kept(house: House) -> None:
    """S26 (S26, F15)."""
    known = house.upstream.pages["alpha"]
    assert not isinstance(known, Exception)
    house.upstream.bodies[known.files[0].url] = b"alpha 0ne"
    with pytest.raises(CorruptContent):
        read(house, "alpha-1.0.tar.gz")
    house.upstream.bodies[known.files[0].url] = b"alpha one"
    assert read(house, "alpha-1.0.tar.gz") == b"alpha one"


def test_S29_a_file_without_a_hash_is_pinned_at_first_sight(house: House) -> None:
    """And other bytes under its name are refused from then on, even with the cache lost."""
    url = "https://files.example/old/gamma-1.0.tar.gz"
    gamma = NormalizedName("gamma")
    house.upstream.pages["gamma"] = page("gamma", file("gamma-1.0.tar.gz", hashes=(), size=None, path="", url=url))
    house.upstream.bodies[url] = b"\x1f\x8bfirst"
    before = now(house.proxy.project_page(gamma))
    assert before.files[0].digest is None
    assert before.files[0].path == "by-name/pypi/gamma/gamma-1.0.tar.gz"
    assert read(house, "gamma-1.0.tar.gz", project=gamma) == b"\x1f\x8bfirst"
    after = now(house.proxy.project_page(gamma))
    assert after.files[0].digest == hashlib.sha256(b"\x1f\x8bfirst").hexdigest()
    assert after.files[0].size == 7
    assert after.files[0].path == before.files[0].path
    assert after.serial > before.serial
    assert after.files[0].digest is not None
    now(house.blobs.remove(after.files[0].digest))
    house.upstream.bodies[url] = b"other"
    with pytest.raises(CorruptContent):
        read(house, "gamma-1.0.tar.gz", project=gamma)


def test_F26_a_page_that_wants_a_login_is_not_pinned_as_a_file_without_a_hash(house: House) -> None:
    """Nor given to anybody; once upstream is to be reached again, the file is had."""
    url = "https://files.example/old/gamma-1.0.tar.gz"
    gamma = NormalizedName("gamma")
    house.upstream.pages["gamma"] = page("gamma", file("gamma-1.0.tar.gz", hashes=(), size=None, path="", url=url))
    for portal in (b"<html>log in to the wireless network</html>", b""):
        house.upstream.bodies[url] = portal
        with pytest.raises(CorruptContent, match="no archive"):
            read(house, "gamma-1.0.tar.gz", project=gamma)
        assert now(house.proxy.project_page(gamma)).files[0].digest is None
    house.upstream.bodies[url] = b"\x1f\x8bfirst"
    assert read(house, "gamma-1.0.tar.gz", project=gamma) == b"\x1f\x8bfirst"


def wheel(house: House, **more: object) -> tuple[str, bytes]:
    """Let upstream offer a real wheel."""
    name, data = make_wheel("alpha", "2.0")
    entry = file(name, data, **more)
    house.upstream.pages["alpha"] = page("alpha", entry, serial=30)
    house.upstream.bodies[entry.url] = data
    return name, data


METADATA_OF = "alpha-2.0.dist-info/METADATA"


def metadata_of(data: bytes) -> bytes:
    """METADATA inside a wheel, by the standard library."""
    import io
    import zipfile

    return zipfile.ZipFile(io.BytesIO(data)).read(METADATA_OF)


def test_R103_a_sidecar_is_to_be_had_before_its_wheel(house: House) -> None:
    """Fetched from upstream, verified, and kept."""
    name, data = wheel(house)
    document = metadata_of(data)
    name, data = wheel(house, core_metadata=hashlib.sha256(document).hexdigest())
    known = house.upstream.pages["alpha"]
    assert not isinstance(known, Exception)
    house.upstream.bodies[known.files[0].url + ".metadata"] = document
    assert read(house, name, Companion.METADATA) == document
    assert read(house, name, Companion.METADATA) == document
    assert house.upstream.asked.count(f"body {name}.metadata") == 1
    assert f"body {name}" not in house.upstream.asked


BROKEN = pytest.mark.parametrize("served", [None, b"not the one promised"])


def break_sidecar(house: House, served: bytes | None) -> None:
    """Let upstream give these bytes, or nothing, for the sidecar that it promises."""
    known = house.upstream.pages["alpha"]
    assert not isinstance(known, Exception)
    if served is not None:
        house.upstream.bodies[known.files[0].url + ".metadata"] = served


@BROKEN
def test_R99_a_promised_sidecar_is_made_from_the_wheel_where_upstream_fails(house: House, served: bytes | None) -> None:
    """A client that is promised one and does not get it fails, so the first one asked for is already there."""
    document = metadata_of(wheel(house)[1])
    name, _ = wheel(house, core_metadata=hashlib.sha256(document).hexdigest())
    break_sidecar(house, served)
    assert read(house, name, Companion.METADATA) == document
    assert read(house, name, Companion.METADATA) == document
    assert house.upstream.asked.count(f"body {name}") == 1


@BROKEN
def test_S30_a_sidecar_other_than_promised_is_not_given(house: House, served: bytes | None) -> None:
    """The page promises the true one from then on."""
    name, data = wheel(house, core_metadata="ab" * 32)
    break_sidecar(house, served)
    with pytest.raises(NoSuchFile):
        read(house, name, Companion.METADATA)
    assert now(house.proxy.project_page(ALPHA)).files[0].core_metadata == hashlib.sha256(metadata_of(data)).hexdigest()
    assert read(house, name, Companion.METADATA) == metadata_of(data)


@BROKEN
def test_S30_a_sidecar_that_cannot_be_had_is_promised_no_more(house: House, served: bytes | None) -> None:
    """A source archive has none to be made from."""
    entry = file("alpha-2.0.tar.gz", b"sdist", core_metadata="ab" * 32)
    house.upstream.pages["alpha"] = page("alpha", entry, serial=30)
    break_sidecar(house, served)
    with pytest.raises(NoSuchFile):
        read(house, "alpha-2.0.tar.gz", Companion.METADATA)
    assert now(house.proxy.project_page(ALPHA)).files[0].core_metadata is None


def test_R102_a_wheel_without_a_sidecar_gets_one_when_it_is_here(house: House) -> None:
    """Made from the wheel, promised from then on, and made again when the cache is lost (law 8)."""
    name, data = wheel(house)
    before = now(house.proxy.project_page(ALPHA))
    assert before.files[0].core_metadata is None
    with pytest.raises(NoSuchFile):
        read(house, name, Companion.METADATA)
    read(house, name)
    after = now(house.proxy.project_page(ALPHA))
    assert after.files[0].core_metadata == hashlib.sha256(metadata_of(data)).hexdigest()
    assert after.serial > before.serial
    assert read(house, name, Companion.METADATA) == metadata_of(data)
    for digest in [after.files[0].digest, after.files[0].core_metadata]:
        now(house.blobs.remove(digest))  # type: ignore[arg-type]  # both are there
    assert read(house, name, Companion.METADATA) == metadata_of(data)


def test_refresh_lets_the_next_request_ask_again(house: House) -> None:
    """C2: `pypidaemon refresh`."""
    now(house.proxy.project_page(ALPHA))
    house.upstream.add("alpha", ("alpha-1.1.tar.gz", b"new"), serial=12)
    assert now(house.proxy.refresh(ALPHA)) == 1
    assert [entry.filename for entry in now(house.proxy.project_page(ALPHA)).files] == ["alpha-1.1.tar.gz"]


def names(house: House) -> list[tuple[str, int]]:
    """The list as the proxy gives it."""
    return [(str(name), serial) for name, serial in now(house.proxy.project_names()).entries()]


LIST = b'{"meta":{"api-version":"1.4","_last-serial":50},"projects":[{"name":"Zeta","_last-serial":50},{"name":"alpha","_last-serial":10},{"name":"secret-x","_last-serial":9}]}'


def test_the_project_list_is_sorted_normalised_and_numbered() -> None:
    """R48; and a reserved name is not on it, whatever upstream says (law 3)."""
    house = House(reserved=("secret-*",))
    house.upstream.names = LIST
    assert names(house) == [("alpha", 10), ("zeta", 50)]
    assert now(house.proxy.project_names()).serial == 50
    assert house.upstream.asked == ["names"]


def test_C8_the_last_known_list_is_given_when_upstream_fails(house: House) -> None:
    """Also after a restart; never an empty one."""
    house.upstream.names = LIST
    before = names(house)
    house.upstream.names = UpstreamUnavailable("pypi", "it is down")
    house.clock.advance(10_000)
    house.restart()
    assert names(house) == before
    assert now(house.proxy.project_names()).stale


def test_a_list_that_was_never_had_is_unavailable(house: House) -> None:
    """Not empty."""
    house.upstream.names = UpstreamUnavailable("pypi", "it is down")
    with pytest.raises(UpstreamUnavailable):
        now(house.proxy.project_names())


def test_a_list_that_cannot_be_read_is_no_list(house: House) -> None:
    """F19: and it does not replace the one before."""
    house.upstream.names = LIST
    before = names(house)
    house.upstream.names = b"{"
    house.clock.advance(10_000)
    assert names(house) == before


def test_R70_a_page_is_asked_for_again_when_the_list_shows_a_higher_serial(house: House) -> None:
    """bandersnatch gives up on a project whose page is behind the list."""
    house.upstream.names = LIST
    names(house)
    assert now(house.proxy.project_page(ALPHA)).serial == 10
    house.upstream.names = LIST.replace(b'"alpha","_last-serial":10', b'"alpha","_last-serial":55')
    house.upstream.add("alpha", ("alpha-1.1.tar.gz", b"new"), serial=55)
    now(house.proxy.refresh(None))
    names(house)
    assert now(house.proxy.project_page(ALPHA)).serial == 55


def test_the_changes_of_a_proxy_are_those_of_the_projects_asked_for(house: House) -> None:
    """R146: rising, the latest of each project."""
    now(house.proxy.project_page(ALPHA))
    rows = now(house.proxy.changes(0))
    assert [(row.name, row.serial) for row in rows] == [("alpha", 10)]
    assert now(house.proxy.changes(10)) == []


@given(st.lists(st.sampled_from(["page", "file", "restart", "forget", "wait"]), max_size=8))
def test_an_entry_is_the_one_of_the_page_whatever_was_asked_before(steps: list[str]) -> None:
    """`find` is a shorter way to the same answer."""
    house = House()
    name, data = wheel(house)
    house.upstream.pages["alpha"] = attrs.evolve(house.upstream.pages["alpha"], status=ProjectStatus("archived"))  # type: ignore[type-var]
    for step in steps:
        match step:
            case "page":
                now(house.proxy.project_page(ALPHA))
            case "file":
                assert read(house, name) == data
            case "restart":
                house.restart()
            case "forget":
                now(house.proxy.refresh(ALPHA))
            case "wait":
                house.clock.advance(700)
        found = now(house.proxy.find(ALPHA, filename(name)))
        page = now(house.proxy.project_page(ALPHA))
        assert (found.file, found.source, found.name) == (page.file(name), page.source, page.name)
        with pytest.raises(NoSuchFile):
            now(house.proxy.find(ALPHA, filename("alpha-9.tar.gz")))


def test_a_file_is_found_without_asking_an_upstream_that_is_down(house: House) -> None:
    """Whatever its page's age; and once in a while somebody asks, so that recovery is noticed."""
    read(house, "alpha-1.0.tar.gz")
    house.restart()
    house.clock.advance(10_000_000)
    house.upstream.health.doubt()
    assert read(house, "alpha-1.0.tar.gz") == b"alpha one"
    assert house.upstream.asked.count("page alpha") == 1
    house.upstream.health.asks = True
    assert read(house, "alpha-1.0.tar.gz") == b"alpha one"
    assert house.upstream.asked.count("page alpha") == 2
