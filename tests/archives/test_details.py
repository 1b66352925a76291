"""The rules for archives one by one, where the hostile set does not reach: limits, strict rules, metadata, and any bytes at all."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import struct
import zipfile
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.archives import BadArchive, record, sdists, zipped
from pypidaemon.archives.inspecting import inspect
from pypidaemon.archives.names import inside, insist_on_clean
from pypidaemon.archives.rules import KINDS, Rules
from pypidaemon.archives.tarfields import header
from pypidaemon.archives.zipfields import UPLOADED, Bounds
from pypidaemon.model import Inspected
from pypidaemon.testing.archives import make_sdist, make_wheel
from pypidaemon.uploads import read_upload
from tests import hostile
from tests.hostile import INFO, INFO_MEMBER, METADATA, SDIST, WHEEL, Member, lines, pax, tar_member, tarred, wheel, wheel_members

ANY = Rules(kinds=frozenset(KINDS))
STRICT = Rules(strict=True)
DEFAULT = Rules()


def passed(filename: str, data: bytes, rules: Rules = DEFAULT, *more: tuple[str, str]) -> Inspected:
    """What is found in that archive of foo-bar 1.0."""
    upload = read_upload([(":action", "file_upload"), ("name", "foo-bar"), ("version", "1.0"), *more], filename)
    return inspect(io.BytesIO(data), upload, rules)


def refused(filename: str, data: bytes, rules: Rules = DEFAULT, *more: tuple[str, str]) -> str:
    """The line that refuses that archive."""
    with pytest.raises(BadArchive) as caught:
        passed(filename, data, rules, *more)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_R132_what_is_found() -> None:
    filename, data = make_wheel("foo-bar", "1.0", ["twisted"], ">=3.9")
    found = passed(filename, data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert found == Inspected(archive.read(f"{INFO}/METADATA"), found.name, "1.0", ">=3.9")
    assert found.name == "foo-bar"
    assert passed(*make_sdist("foo-bar", "1.0")).version == "1.0"
    assert passed(*make_sdist("foo-bar", "1.0", size=600_000)).version == "1.0"


NINES = b"9" * 5000


@pytest.mark.parametrize("rules", [DEFAULT, STRICT])
@pytest.mark.parametrize(
    "field", [b"Version: 1." + NINES, b"Version: " + b"1." * 300 + b"0", b"Version: 1.0\nRequires-Python: >=3." + NINES]
)
def test_R132_versions_of_absurd_length_are_refused(field: bytes, rules: Rules) -> None:
    """Python turns at most 4,300 digits into a number, and longer ones are an error of their own to who reads every field."""
    line = refused(WHEEL, wheel(metadata=METADATA.replace(b"Version: 1.0", field)), rules)
    assert "too long" in line or rules.strict


@pytest.mark.parametrize("told", [b"six; python_version > '3." + NINES + b"'", b"six ==1.*,>=" + NINES, b"six; " + b"(" * 9000])
def test_S19_requirements_that_cannot_be_read_are_compared_as_they_stand(told: bytes) -> None:
    data = wheel(metadata=METADATA.replace(b"\n\n", b"\nRequires-Dist: " + told + b"\n\n"))
    assert passed(WHEEL, data, DEFAULT, ("requires_dist", told.decode())).version == "1.0"
    assert "differ" in refused(WHEEL, data, DEFAULT, ("requires_dist", "six"))
    with contextlib.suppress(BadArchive):
        passed(WHEEL, data, STRICT)


def test_S13_old_kinds_pass_where_they_are_allowed() -> None:
    tar = INFO_MEMBER + hostile.END
    passed("foo_bar-1.0.tar.bz2", bz2.compress(tar), ANY)
    passed("foo_bar-1.0.tar.xz", lzma.compress(tar), ANY)
    passed("foo_bar-1.0.tgz", tarred(INFO_MEMBER), ANY)
    members = [Member(b"foo_bar-1.0/", b"", mode=0o040755), Member(b"foo_bar-1.0/PKG-INFO", METADATA)]
    assert passed("foo_bar-1.0.zip", hostile.zipped(members), ANY).name == "foo-bar"
    assert passed("foo_bar-1.0-py3.11.egg", hostile.zipped([Member(b"EGG-INFO/PKG-INFO", METADATA)]), ANY).name == "foo-bar"
    assert "damaged" in refused("foo_bar-1.0.tar.xz", b"\xfd7zXZ\0" + b"x" * 99, ANY)
    assert "damaged" in refused("foo_bar-1.0.tar.bz2", b"BZh9" + b"x" * 99, ANY)


def test_S13_what_is_not_opened_is_believed() -> None:
    found = passed("foo_bar-1.0.win32.exe", b"MZ" + bytes(99), ANY, ("requires_python", ">=2"))
    assert found == Inspected(b"", found.name, "1.0", ">=2")
    assert passed("foo_bar-1.0.dmg", b"koly" + bytes(508), ANY).metadata == b""


@pytest.mark.parametrize("name", ["a", "a/b", "a/../b"[:1], "a..b", "..a", "a/.b", "C", "ab:c", "\xe9", "x" * 4096])
def test_S17_clean_names_pass(name: str) -> None:
    insist_on_clean(name)


@pytest.mark.parametrize("name", ["", "/a", "\\a", "..", "a/..", "../a", "a\\..\\b", "c:a", "a\0", "a\x7f", "x" * 4097])
def test_S17_other_names_are_refused(name: str) -> None:
    with pytest.raises(BadArchive):
        insist_on_clean(name)


@pytest.mark.parametrize(
    ("target", "symbolic", "safe"),
    [
        ("c", True, True),
        ("../c", True, True),
        ("./../../t/c", True, False),
        ("../..", True, False),
        ("../../t", True, False),
        ("", True, False),
        ("/t/c", True, False),
        ("c:\\x", True, False),
        ("a\0b", True, False),
        ("t/c", False, True),
        ("./t//c", False, True),
        ("c", False, False),
        ("t/../c", False, False),
    ],
)
def test_S17_links_stay_inside(target: str, symbolic: bool, safe: bool) -> None:
    assert inside("t/a/b", target, symbolic=symbolic) is safe


def test_S14_smaller_faults_of_zip_records() -> None:
    sound = wheel()
    assert "promises a comment" in refused(WHEEL, sound[:-2] + b"\1\0")
    assert "behind the extra fields" in refused(WHEEL, wheel(Member(b"a", extra=b"\0\0x")))
    assert "than its descriptor" in refused(WHEEL, wheel(Member(b"a", flags=8, descriptor=b"PK\7\7" + bytes(12))))
    assert "duplicate member" in refused(WHEEL, wheel(Member(b"a"), Member(b"./a")))
    assert "duplicate member" in refused(WHEEL, wheel(Member(b"a"), Member(b"a/", b"")))
    assert "not where the zip directory says" in refused(WHEEL, b"XX" + sound[2:])
    volumes = bytearray(sound)
    volumes[sound.index(b"PK\1\2") + 34] = 7
    assert "several volumes" in refused(WHEEL, bytes(volumes))
    long_name = bytearray(sound)
    struct.pack_into("<H", long_name, sound.rindex(b"PK\1\2") + 28, 0x7000)
    assert "directory is malformed" in refused(WHEEL, bytes(long_name))
    assert refused(WHEEL, sound[-22:]) == "the zip directory is not where the end record says: data was put before or behind it"
    assert "no dist-info" in refused(WHEEL, hostile.zipped([]))
    assert "the wheel is" not in refused(WHEEL, b"PK\5\6" + bytes(18))


def test_S14_a_member_that_says_its_sizes_in_ZIP64_fields() -> None:
    data = b"x" * 50
    wide = struct.pack("<HHQQ", 1, 16, 50, 50)
    member = Member(b"a", data, deflated=False, local_extra=wide, local_size=0xFFFFFFFF)
    assert passed(WHEEL, wheel(member)).name == "foo-bar"


def test_S14_a_member_that_lies_about_its_size() -> None:
    short = Member(b"a", b"x" * 300_000, size=299_999)
    assert "not what the zip headers say" in refused(WHEEL, wheel(short, record="".join([*lines(), "a,sha256=AAAA,\n"])))
    # A stream that ends before it is finished, and one that is finished before its end.
    for packed in (Member(b"a", b"x" * 3000).packed()[:-1], Member(b"a", b"x" * 3000).packed() + b"junk"):
        crc = zlib.crc32(b"x" * 3000)
        member = Member(b"a", packed, deflated=False, method=8, crc=crc, size=3000)
        assert "not what the zip headers say" in refused(WHEEL, wheel(member, record="".join([*lines(), "a,sha256=AAAA,\n"])))


def test_S15_the_directory_is_limited_by_who_asks() -> None:
    source = io.BytesIO(wheel())
    for bounds, said in ((Bounds(directory=100), "directory is larger than 100 bytes"), (Bounds(entries=2), "more than 2 entries")):
        with pytest.raises(BadArchive, match=said):
            zipped.members(source, bounds)
    assert (UPLOADED.entries, UPLOADED.directory) == (100_000, 32 * 2**20)


def test_S18_RECORD_in_all_its_faults() -> None:
    def with_record(text: str | bytes) -> bytes:
        members = wheel_members()
        members[-1].data = text.encode() if isinstance(text, str) else text
        return hostile.zipped(members)

    base = "".join(lines())
    assert "UTF-8" in refused(WHEEL, with_record(b"\xff,,\n"))
    assert "malformed size" in refused(WHEEL, with_record(base + "x,,-1\n"))
    assert "malformed hash" in refused(WHEEL, with_record(base + "x,sha256=a,\n"))
    assert "RECORD is malformed" in refused(WHEEL, with_record(base + '"' + "x" * 200_000 + '",,\n'))
    passed(WHEEL, with_record(base + "\n\n"))
    passed(WHEEL, with_record(base.replace("foo_bar/__init__.py,", '"foo_bar/__init__.py",')))
    passed(WHEEL, with_record("".join(line.partition(",")[0] + ",,\n" for line in lines())))
    passed(WHEEL, with_record(""), Rules(record=False))


def test_S18_of_a_huge_wheel_only_names_and_sizes_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    data = wheel(record="".join([hostile.record_line("foo_bar/__init__.py", b"y = 1\n"), *lines()[1:]]))
    assert "another hash" in refused(WHEEL, data)
    monkeypatch.setattr(record, "MOST_HASHED", 10)
    passed(WHEEL, data)


def test_R131_a_wheel_says_its_version() -> None:
    members = wheel_members()
    members[1].data = b"Tag: py3-none-any\n"
    assert "Wheel-Version" in refused(WHEEL, hostile.zipped(members))


def test_S16_smaller_faults_of_tar_headers() -> None:
    member = tar_member
    assert "malformed" in refused(SDIST, tarred(member(b"x", b"x=y\n", flag=b"x"), INFO_MEMBER))
    assert "malformed" in refused(SDIST, tarred(member(b"x", b"6 ab=c", flag=b"x"), INFO_MEMBER))
    assert "malformed" in refused(SDIST, tarred(member(b"x", b"0 a=b\n", flag=b"x"), INFO_MEMBER))
    assert "twice" in refused(SDIST, tarred(member(b"x", pax(a=b"1") + pax(a=b"2"), flag=b"x"), INFO_MEMBER))
    assert "negative" in refused(SDIST, tarred(member(b"foo_bar-1.0/a", size=b"-1         \0")))
    assert "is no file but has data" in refused(SDIST, tarred(INFO_MEMBER, member(b"foo_bar-1.0/a", b"x", flag=b"5")))
    assert "cut short" in refused(SDIST, tarred(INFO_MEMBER, b"x" * 100, end=b""))
    assert "cut short" in refused(SDIST, tarred(member(b"foo_bar-1.0/PKG-INFO", METADATA)[:530], end=b""))
    assert "not a file" in refused(SDIST, tarred(member(b"foo_bar-1.0/PKG-INFO/", flag=b"0")))
    assert "damaged" in refused(SDIST, tarred(b"x" * 512))
    passed(SDIST, tarred(member(b"foo_bar-1.0/", flag=b"0"), INFO_MEMBER))
    passed(SDIST, tarred(member(b"x", pax(size=b"0%d" % len(METADATA)), flag=b"x"), INFO_MEMBER))
    passed(SDIST, tarred(INFO_MEMBER, member(b"foo_bar-1.0/a", b"x", size=b"\x80" + b"\0" * 10 + b"\1")))


def test_tar_names_longer_than_a_header_has_room_for() -> None:
    block = bytearray(tar_member(b"name")[:512])
    block[345:351] = b"prefix"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert header(bytes(block)).name == b"prefix/name"
    block[257:265] = b"ustar  \0"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert header(bytes(block)).name == b"name"


def test_S13_an_end_record_by_chance_is_no_zip_archive() -> None:
    # Compressed data may hold these four bytes; only where a comment reaches to the very end would an unpacker be misled.
    noise = tar_member(b"foo_bar-1.0/a", b"PK\5\6" + bytes(30) + b"PK\5\6")
    passed("foo_bar-1.0.tgz", io.BytesIO(_stored(INFO_MEMBER + noise + hostile.END)).getvalue(), ANY)


def _stored(data: bytes) -> bytes:
    """A gzip file whose data is not compressed, so that it can be seen."""
    return gzip.compress(data, 0, mtime=0)


def test_R135_strict_rules_want_the_licences() -> None:
    metadata = b"Metadata-Version: 2.4\nName: foo-bar\nVersion: 1.0\nLicense-File: LICENSE\n\n"
    licence = Member(f"{INFO}/licenses/LICENSE".encode())
    assert "License-File 'LICENSE'" in refused(WHEEL, wheel(metadata=metadata), STRICT)
    passed(WHEEL, wheel(licence, metadata=metadata), STRICT)
    passed(WHEEL, wheel(metadata=metadata))
    passed(WHEEL, wheel(metadata=metadata.replace(b"2.4", b"2.1")), STRICT)
    info = tar_member(b"foo_bar-1.0/PKG-INFO", metadata)
    assert "License-File" in refused(SDIST, tarred(info), STRICT)
    passed(SDIST, tarred(info, tar_member(b"foo_bar-1.0/LICENSE")), STRICT)
    assert "not called 'foo_bar-1.0'" in refused(SDIST, tarred(tar_member(b"x/PKG-INFO", METADATA)), STRICT)
    passed(SDIST, tarred(tar_member(b"x/PKG-INFO", METADATA)))


def test_S16_strict_rules_keep_no_more_names_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdists, "_MOST_TEXT", 10)
    assert "names in the archive" in refused(SDIST, tarred(INFO_MEMBER), STRICT)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (b"Requires-Dist: ???\n", "requires-dist"),
        (b"Description-Content-Type: text/evil\n", "description-content-type"),
        (b"Foo: bar\n", "foo"),
    ],
)
def test_R134_strict_rules_want_valid_metadata(more: bytes, words: str) -> None:
    data = wheel(metadata=METADATA[:-1] + more + b"\n")
    assert words in refused(WHEEL, data, STRICT).lower()
    passed(WHEEL, data)


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"])
def test_R133_metadata_versions(version: str) -> None:
    passed(WHEEL, wheel(metadata=METADATA.replace(b"2.1", version.encode())))


def test_S19_the_requirements_of_form_and_metadata_agree() -> None:
    data = wheel(metadata=METADATA[:-1] + b"Requires-Dist: A.b[y,X] >=1,<2 ; python_version<'4'\nRequires-Dist: odd one (>\n\n")
    told = (("requires_dist", "a-b[x,y]<2,>=1; python_version < '4'"), ("requires_dist", "odd  one(>"))
    passed(WHEEL, data, DEFAULT, *told)
    passed(WHEEL, data)
    assert "requires_dist" in refused(WHEEL, data, DEFAULT, told[0])
    assert "requires_dist" in refused(WHEEL, wheel(), DEFAULT, told[0])


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"\xff\xfe\0",
        b"Metadata-Version: 2.1\nVersion: 1.0\nName: -foo-\n\n",
        b"Metadata-Version: 2.1\nName: foo-bar\n\n",
        b"Metadata-Version: 2.1\nName: foo-bar\nVersion: 1.0\n 2\n\n",
        b"Metadata-Version: 2.1\nName: foo\xff\nVersion: 1.0\n\n",
    ],
)
def test_S19_metadata_without_name_and_version_is_refused(metadata: bytes) -> None:
    assert "metadata" in refused(WHEEL, wheel(metadata=metadata))


def test_metadata_that_its_reader_stumbles_over_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(_: bytes) -> Any:
        raise AttributeError("in the depths of the mail parser")

    monkeypatch.setattr("pypidaemon.archives.metadata.plainly", lambda _: None)
    monkeypatch.setattr("pypidaemon.archives.metadata.parse_email", stumble)
    assert refused(WHEEL, wheel()) == "the metadata cannot be read"


SOUND = [data for data in hostile.good() if len(data[1]) < 20_000]


@given(
    st.sampled_from(SOUND),
    st.lists(
        st.tuples(st.integers(min_value=0), st.sampled_from([b"", b"\0", b"\xff", b"PK\1\2", b"PK\5\6", b"\xff" * 8])),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_S14_S16_no_damage_leads_to_anything_but_a_verdict(sound: tuple[str, bytes], damage: list[tuple[int, bytes]], strict: bool) -> None:
    filename, data = sound
    for place, piece in damage:
        place %= len(data) + 1  # noqa: PLW2901  # any place in what is left
        data = data[:place] + piece + data[place + max(1, len(piece)) :]
    with contextlib.suppress(BadArchive):
        passed(filename, data, Rules(strict=strict))


@given(st.binary(max_size=2000), st.sampled_from(KINDS))
def test_any_bytes_are_no_archive(data: bytes, kind: str) -> None:
    names = {".whl": WHEEL, ".egg": "foo_bar-1.0-py3.11.egg", ".rpm": "foo_bar-1.0-1.noarch.rpm", ".deb": "foo-bar_1.0.deb"}
    filename = names.get(kind, f"foo_bar-1.0{kind}")
    with contextlib.suppress(BadArchive):
        assert passed(filename, data, ANY).metadata == b""


def test_S15_an_archive_of_as_many_members_as_are_allowed() -> None:
    """It costs what it costs, but it is an archive."""
    members = [Member(b"%d" % number, b"", deflated=False) for number in range(3000)]
    assert len(zipped.members(io.BytesIO(hostile.zipped(members)))) == 3000
