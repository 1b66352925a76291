"""What every `IFillable` promises. A subclass makes an index over the upstream of `house`."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import attrs
import pytest
from zope.interface.verify import verifyObject

from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IFillable
from pypidaemon.model import Companion, Digest, NormalizedName, ProjectStatus
from pypidaemon.testing.archives import core_metadata, make_wheel
from tests.fakes import file, page
from tests.filling import bring, read, shown
from tests.gear import now
from tests.house import House

ALPHA = NormalizedName("alpha")
WHEEL, WHEEL_BYTES = make_wheel("alpha", "1.0")
SIDECAR = core_metadata("alpha", "1.0")
SDIST, SDIST_BYTES = "alpha-1.0.tar.gz", b"\x1f\x8ban sdist"
DOCUMENT = b'{"version":1,"attestation_bundles":[]}'
PROVENANCE = "https://files.example/integrity/alpha-1.0-py3-none-any.whl/provenance"
A_WHEEL = file(WHEEL, WHEEL_BYTES, core_metadata=hashlib.sha256(SIDECAR).hexdigest(), provenance=PROVENANCE, yanked="broken")
AN_SDIST = file(SDIST, SDIST_BYTES)


class FillableContract:
    """Run by every index that can be filled."""

    @pytest.fixture
    def house(self) -> House:
        house = House(reserved=("ours-*",))
        house.upstream.pages["alpha"] = page("alpha", A_WHEEL, AN_SDIST, serial=9, etag='"a9"')
        house.upstream.bodies = {
            A_WHEEL.url: WHEEL_BYTES,
            A_WHEEL.url + ".metadata": SIDECAR,
            PROVENANCE: DOCUMENT,
            AN_SDIST.url: SDIST_BYTES,
        }
        return house

    @pytest.fixture
    def index(self, house: House) -> IFillable:
        raise NotImplementedError

    def test_keeps_the_interface(self, index: IFillable) -> None:
        verifyObject(IFillable, index)

    def test_what_is_offered_is_all_that_upstream_has_now(self, house: House, index: IFillable) -> None:
        first = now(index.offered(ALPHA, 0))
        assert first.files == (A_WHEEL, AN_SDIST)
        assert (first.name, first.versions, first.source) == (ALPHA, ("1.0",), index.label)
        assert first.serial >= 9
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=10, status=ProjectStatus("archived", "enough"))
        second = now(index.offered(ALPHA, 10))
        assert (second.files, second.status.marker) == ((AN_SDIST,), "archived")

    def test_a_page_that_has_not_changed_is_offered_by_a_confirmation(self, house: House, index: IFillable) -> None:
        first = now(index.offered(ALPHA, 9))
        assert now(index.offered(ALPHA, 9)).files == first.files
        assert house.upstream.asked == ["page alpha"] * 2

    def test_M8_R209_a_page_older_than_announced_is_refused_and_one_that_is_not_is_taken(self, house: House, index: IFillable) -> None:
        bring(index, ALPHA, 9)
        for stale in (house.upstream.pages["alpha"], page("alpha", AN_SDIST, serial=29)):
            house.upstream.pages["alpha"] = stale
            with pytest.raises(UpstreamUnavailable, match="older than announced"):
                now(index.offered(ALPHA, 30))
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=30)
        assert now(index.offered(ALPHA, 30)).files == (AN_SDIST,)

    def test_a_page_without_a_serial_is_taken_whatever_was_announced(self, house: House, index: IFillable) -> None:
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=None)
        assert now(index.offered(ALPHA, 30)).files == (AN_SDIST,)

    def test_a_page_that_steps_back_is_not_what_upstream_has(self, house: House, index: IFillable) -> None:
        """S33, F22: a proxy goes on with the newer one, a mirror tries again later (F20)."""
        bring(index, ALPHA, 9)
        house.upstream.pages["alpha"] = page("alpha", AN_SDIST, serial=8)
        with suppress(UpstreamUnavailable):
            assert now(index.offered(ALPHA, 0)).files == (A_WHEEL, AN_SDIST)
        house.clock.advance(4000)
        assert now(index.offered(ALPHA, 0)).files == (AN_SDIST,)

    def test_absence_and_outage_are_told_apart(self, house: House, index: IFillable) -> None:
        bring(index, ALPHA)
        house.upstream.fails(["alpha"])
        with pytest.raises(UpstreamUnavailable):
            now(index.offered(ALPHA, 0))
        del house.upstream.pages["alpha"]
        with pytest.raises(NoSuchProject):
            now(index.offered(ALPHA, 0))
        with pytest.raises(NoSuchProject):
            now(index.offered(NormalizedName("absent"), 0))

    def test_law_3_nobody_is_asked_about_a_reserved_name(self, house: House, index: IFillable) -> None:
        house.upstream.pages["ours-a"] = page("ours-a")
        for question in (index.offered(NormalizedName("ours-a"), 0), index.project_page(NormalizedName("ours-a"))):
            with pytest.raises(NoSuchProject):
                now(question)
        assert house.upstream.asked == []

    def test_a_file_is_taken_with_its_companions_once(self, house: House, index: IFillable) -> None:
        assert now(index.taken(ALPHA)) is None
        assert bring(index, ALPHA, 9) == len(WHEEL_BYTES) + len(DOCUMENT) + len(SDIST_BYTES)
        assert now(index.taken(ALPHA)) == {WHEEL: A_WHEEL.digest, SDIST: AN_SDIST.digest}
        assert sorted(house.upstream.asked) == [
            f"body {WHEEL}", f"body {SDIST}", "body provenance", "page alpha",
        ]  # fmt: skip
        house.upstream.asked.clear()
        assert bring(index, ALPHA, 9) == 0
        assert house.upstream.asked == ["page alpha"]

    def test_what_was_taken_is_given_while_upstream_is_down(self, house: House, index: IFillable) -> None:
        bring(index, ALPHA, 9)
        house.upstream.fails(["alpha"])
        house.upstream.bodies.clear()
        house.upstream.health.doubt()
        assert now(index.project_page(ALPHA)).files == (A_WHEEL, AN_SDIST)
        for spelled, companion, data in (
            (WHEEL, Companion.FILE, WHEEL_BYTES),
            (WHEEL, Companion.METADATA, SIDECAR),
            (WHEEL, Companion.PROVENANCE, DOCUMENT),
            (SDIST, Companion.FILE, SDIST_BYTES),
        ):
            assert read(index, ALPHA, spelled, companion) == data

    def test_bytes_that_are_not_the_promised_ones_are_not_taken(self, house: House, index: IFillable) -> None:
        house.upstream.bodies[AN_SDIST.url] = b"XX sdist"
        with pytest.raises(CorruptContent):
            now(index.take(ALPHA, now(index.offered(ALPHA, 0)).files[1]))
        assert now(house.blobs.holding([AN_SDIST.digest])) == frozenset()
        assert now(index.taken(ALPHA)) is None

    def test_every_hash_that_is_promised_is_checked(self, house: House, index: IFillable) -> None:
        wrong = attrs.evolve(AN_SDIST, hashes=(*AN_SDIST.hashes, ("md5", "0" * 32)))
        house.upstream.pages["alpha"] = page("alpha", wrong, serial=9)
        with pytest.raises(CorruptContent):
            now(index.take(ALPHA, now(index.offered(ALPHA, 0)).files[0]))

    def test_a_file_that_upstream_does_not_have_cannot_be_taken(self, house: House, index: IFillable) -> None:
        offered = now(index.offered(ALPHA, 0))
        del house.upstream.bodies[AN_SDIST.url]
        with pytest.raises(NoSuchFile):
            now(index.take(ALPHA, offered.files[1]))
        house.upstream.bodies[AN_SDIST.url] = UpstreamUnavailable("pypi", "it is down")
        with pytest.raises(UpstreamUnavailable):
            now(index.take(ALPHA, offered.files[1]))

    def test_S29_a_file_without_any_hash_is_pinned_at_first_sight(self, house: House, index: IFillable) -> None:
        bare = attrs.evolve(AN_SDIST, hashes=(), size=None)
        house.upstream.pages["alpha"] = page("alpha", bare, serial=9)
        assert bring(index, ALPHA, 9) == len(SDIST_BYTES)
        house.upstream.bodies[AN_SDIST.url] = b"something else"
        assert bring(index, ALPHA, 9) == 0
        found = now(index.project_page(ALPHA)).files[0]
        assert (found.digest, found.size) == (AN_SDIST.digest, len(SDIST_BYTES))
        assert now(index.taken(ALPHA)) == {SDIST: AN_SDIST.digest}
        assert read(index, ALPHA, SDIST) == SDIST_BYTES

    @pytest.mark.parametrize("said", ["other", "no"])
    @pytest.mark.parametrize("size", [len(SDIST_BYTES), 3, None])
    def test_S28_F26_bytes_that_upstream_replaced_stay_the_first_ones_and_the_others_are_never_taken(
        self, house: House, index: IFillable, said: str, size: int | None
    ) -> None:
        bring(index, ALPHA, 9)
        replaced = attrs.evolve(file(SDIST, b"XX sdist"), size=size)
        if said == "no":
            replaced = attrs.evolve(replaced, hashes=())
        for serial in (20, 21):
            house.upstream.pages["alpha"] = page("alpha", A_WHEEL, attrs.evolve(replaced, yanked="odd"), serial=serial)
            house.upstream.bodies[replaced.url] = b"XX sdist"
            house.upstream.asked.clear()
            assert bring(index, ALPHA, serial) == 0
            assert house.upstream.asked == ["page alpha"]
            found = now(index.project_page(ALPHA)).files[1]
            assert (found.digest, found.yanked) == (AN_SDIST.digest, "odd")
            assert now(index.taken(ALPHA)) == {WHEEL: A_WHEEL.digest, SDIST: AN_SDIST.digest}
            assert read(index, ALPHA, SDIST) == SDIST_BYTES
            house.restart()
        assert now(house.records.mirrors.references(Digest(AN_SDIST.digest or ""))) == 1

    def test_S28_a_wheel_that_upstream_replaced_keeps_its_sidecar(self, house: House, index: IFillable) -> None:
        bring(index, ALPHA, 9)
        house.upstream.add("alpha", (WHEEL, b"another wheel"), serial=20)
        assert bring(index, ALPHA, 20) == 0
        assert read(index, ALPHA, WHEEL) == WHEEL_BYTES
        assert read(index, ALPHA, WHEEL, Companion.METADATA) == SIDECAR

    def test_R102_a_wheel_without_a_sidecar_is_given_one(self, house: House, index: IFillable) -> None:
        house.upstream.pages["alpha"] = page("alpha", attrs.evolve(A_WHEEL, core_metadata=None, provenance=None), serial=9)
        assert bring(index, ALPHA, 9) == len(WHEEL_BYTES)
        assert now(index.project_page(ALPHA)).files[0].core_metadata == A_WHEEL.core_metadata
        assert read(index, ALPHA, WHEEL, Companion.METADATA) == SIDECAR

    def test_a_wheel_without_metadata_stays_without_a_sidecar(self, house: House, index: IFillable) -> None:
        odd = file(WHEEL, b"no wheel")
        house.upstream.pages["alpha"], house.upstream.bodies[odd.url] = page("alpha", odd, serial=9), b"no wheel"
        assert bring(index, ALPHA, 9) == len(b"no wheel")
        assert now(index.project_page(ALPHA)).files == (odd,)

    @pytest.mark.parametrize("promise", [A_WHEEL.core_metadata, "", "0" * 64])
    @pytest.mark.parametrize("has", [b"other", None])
    def test_S30_R99_a_sidecar_that_cannot_be_had_is_taken_out_of_the_wheel(
        self, house: House, index: IFillable, promise: str, has: bytes | None
    ) -> None:
        house.upstream.pages["alpha"] = page("alpha", attrs.evolve(A_WHEEL, core_metadata=promise, provenance=None), serial=9)
        del house.upstream.bodies[A_WHEEL.url + ".metadata"]
        if has is not None and promise:
            house.upstream.bodies[A_WHEEL.url + ".metadata"] = has
        bring(index, ALPHA, 9)
        assert now(index.project_page(ALPHA)).files[0].core_metadata == A_WHEEL.core_metadata
        assert read(index, ALPHA, WHEEL, Companion.METADATA) == SIDECAR

    def test_a_sidecar_of_unknown_digest_is_known_when_it_was_taken(self, house: House, index: IFillable) -> None:
        house.upstream.pages["alpha"] = page("alpha", attrs.evolve(A_WHEEL, core_metadata="", provenance=None), serial=9)
        assert bring(index, ALPHA, 9) == len(WHEEL_BYTES) + len(SIDECAR)
        assert now(index.project_page(ALPHA)).files[0].core_metadata == A_WHEEL.core_metadata
        assert bring(index, ALPHA, 9) == 0

    def test_a_sidecar_of_an_sdist_that_cannot_be_had_is_promised_no_longer(self, house: House, index: IFillable) -> None:
        house.upstream.pages["alpha"] = page("alpha", attrs.evolve(AN_SDIST, core_metadata="0" * 64), serial=9)
        bring(index, ALPHA, 9)
        assert now(index.project_page(ALPHA)).files == (AN_SDIST,)

    def test_a_sidecar_that_cannot_be_had_just_now_keeps_the_file_from_being_taken(self, house: House, index: IFillable) -> None:
        promising = attrs.evolve(AN_SDIST, core_metadata="0" * 64)
        house.upstream.pages["alpha"] = page("alpha", promising, serial=9)
        house.upstream.bodies[AN_SDIST.url + ".metadata"] = UpstreamUnavailable("pypi", "it is down")
        with pytest.raises(UpstreamUnavailable):
            now(index.take(ALPHA, now(index.offered(ALPHA, 9)).files[0]))

    def test_a_sidecar_that_cannot_be_had_just_now_is_taken_out_of_the_wheel_where_it_is_the_promised_one(
        self, house: House, index: IFillable
    ) -> None:
        house.upstream.bodies[A_WHEEL.url + ".metadata"] = UpstreamUnavailable("pypi", "it is down")
        bring(index, ALPHA, 9, [WHEEL])
        assert read(index, ALPHA, WHEEL, Companion.METADATA) == SIDECAR

    @pytest.mark.parametrize("document", [None, b"<html>", b"{" + b"x" * (2 << 20)])
    def test_a_file_whose_provenance_cannot_be_used_is_good_without(self, house: House, index: IFillable, document: bytes | None) -> None:
        del house.upstream.bodies[PROVENANCE]
        if document is not None:
            house.upstream.bodies[PROVENANCE] = document
        bring(index, ALPHA, 9, [WHEEL])
        assert WHEEL in shown(index, ALPHA)
        with pytest.raises(NoSuchFile):
            read(index, ALPHA, WHEEL, Companion.PROVENANCE)
        house.upstream.asked.clear()
        now(index.take(ALPHA, A_WHEEL))
        assert house.upstream.asked == []

    def test_a_provenance_that_cannot_be_had_just_now_is_tried_again(self, house: House, index: IFillable) -> None:
        house.upstream.bodies[PROVENANCE] = UpstreamUnavailable("pypi", "it is down")
        offered = now(index.offered(ALPHA, 9))
        with pytest.raises(UpstreamUnavailable):
            now(index.take(ALPHA, offered.files[0]))
        house.upstream.bodies[PROVENANCE] = DOCUMENT
        assert now(index.take(ALPHA, offered.files[0])) == len(DOCUMENT)

    def test_law_7_what_is_found_here_when_it_is_taken_is_young_again(self, house: House, index: IFillable) -> None:
        house.blobs.clock = house.clock
        bring(index, ALPHA, 9, [])
        for one in now(index.offered(ALPHA, 9)).files:
            now(index.take(ALPHA, one))
        came = dict(house.blobs._came)
        house.clock.advance(1000)
        for one in now(index.offered(ALPHA, 9)).files:
            now(index.take(ALPHA, one))
        renewed = {digest for digest, when in house.blobs._came.items() if when > came[digest]}
        assert {A_WHEEL.digest, A_WHEEL.core_metadata, AN_SDIST.digest} <= renewed

    def test_nothing_is_fetched_that_another_index_had_fetched(self, house: House, index: IFillable) -> None:
        """N9: the store knows bytes, and not for whom they came."""
        other = house.new_proxy("other")
        read(other, ALPHA, SDIST)
        read(other, ALPHA, WHEEL)
        read(other, ALPHA, WHEEL, Companion.METADATA)
        house.upstream.asked.clear()
        assert bring(index, ALPHA, 9) == len(DOCUMENT)
        assert house.upstream.asked == ["page alpha", "body provenance"]
