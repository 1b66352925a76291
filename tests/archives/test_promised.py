"""`pypidaemon.archives.promised`: what is promised is found in a wheel, and nothing else is ever taken for it."""

from __future__ import annotations

import io
import zipfile
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.archives.promised import promised_metadata
from pypidaemon.testing.archives import core_metadata, make_wheel

METADATA = core_metadata("seed", "1.0")
WHEEL = make_wheel("seed", "1.0", size=3000)[1]


def zipped(document: bytes, method: int) -> bytes:
    """A wheel with that METADATA between other things."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, data in (("seed.py", b"1" * 100), ("seed-1.0.dist-info/METADATA", document), ("seed-1.0.dist-info/RECORD", b"2")):
            archive.writestr(name, data)
    return made.getvalue()


def test_what_is_promised_is_found() -> None:
    assert promised_metadata(WHEEL, sha256(METADATA).hexdigest()) == METADATA


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@given(st.binary(max_size=300))
def test_any_document_is_found_as_it_was_put_there(method: int, document: bytes) -> None:
    wheel = zipped(document, method)
    assert promised_metadata(wheel, sha256(document).hexdigest()) == document
    assert promised_metadata(wheel, sha256(document + b"!").hexdigest()) is None


def test_what_is_compressed_otherwise_or_is_not_there_is_left_to_others() -> None:
    assert promised_metadata(zipped(METADATA, zipfile.ZIP_LZMA), sha256(METADATA).hexdigest()) is None
    without = WHEEL.replace(b".dist-info/METADATA", b".dist-info/metadata")
    assert promised_metadata(without, sha256(METADATA).hexdigest()) is None


@given(st.binary(max_size=200), st.integers(0, len(WHEEL)), st.integers(0, 60))
def test_bytes_of_strangers_are_no_trouble(noise: bytes, place: int, cut: int) -> None:
    """Whatever is changed, what is given has the hash."""
    digest = sha256(METADATA).hexdigest()
    for data in (noise, WHEEL[:place], WHEEL[:place] + noise + WHEEL[place + cut :], WHEEL[place:]):
        assert promised_metadata(data, digest) in (None, METADATA)


def test_a_document_that_grows_without_end_is_cut() -> None:
    document = bytes(30 << 20)
    assert promised_metadata(zipped(document, zipfile.ZIP_DEFLATED), sha256(document).hexdigest()) is None
