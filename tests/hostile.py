"""
Bad archives and bad forms, made on the spot: one for each rule, with the words that its refusal must have.

`archives()` and `forms()` give the whole set; the rows are those of reliability.md.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import hashlib
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs

from pypidaemon.testing.archives import make_sdist, make_wheel

WHEEL, SDIST = "foo_bar-1.0-py3-none-any.whl", "foo_bar-1.0.tar.gz"
INFO = "foo_bar-1.0.dist-info"
METADATA = b"Metadata-Version: 2.1\nName: foo-bar\nVersion: 1.0\n\n"
SOUND = "sound"


@attrs.frozen
class Bad:
    """A bad archive: the rule it breaks, what it is called, its bytes, and words of the line that refuses it."""

    rule: str
    filename: str
    data: bytes
    words: str
    kinds: frozenset[str] = frozenset({".whl", ".tar.gz"})


@attrs.frozen
class BadForm:
    """A bad form: Content-Type and body."""

    rule: str
    content_type: str
    body: bytes
    words: str


@attrs.define
class Member:
    """A member of a zip archive; what is None is as it should be."""

    name: bytes
    data: bytes = b"x"
    deflated: bool = True
    flags: int = 0
    local_flags: int | None = None
    method: int | None = None
    local_name: bytes | None = None
    local_extra: bytes = b""
    extra: bytes = b""
    mode: int = 0o100644
    crc: int | None = None
    size: int | None = None
    packed_size: int | None = None
    local_size: int | None = None
    offset: int | None = None
    listed: bool = True
    descriptor: bytes = b""

    def packed(self) -> bytes:
        """The data as it is stored."""
        if not self.deflated:
            return self.data
        machine = zlib.compressobj(9, zlib.DEFLATED, -15)
        return machine.compress(self.data) + machine.flush()


def zipped(
    members: Sequence[Member],
    *,
    before: bytes = b"",
    gap: bytes = b"",
    behind: bytes = b"",
    comment: bytes = b"",
    entries: int | None = None,
    shift: int = 0,
    wide: Callable[[int, int, int], bytes] | None = None,
    full: bool = False,
    listed_gap: bytes = b"",
    disk: int = 0,
) -> bytes:
    """A zip archive of these members, exactly as told."""
    out, directory, count = io.BytesIO(), b"", 0
    out.write(before)
    for member in members:
        packed, offset = member.packed(), out.tell()
        method = member.method if member.method is not None else (8 if member.deflated else 0)
        crc = zlib.crc32(member.data) if member.crc is None else member.crc
        size = len(member.data) if member.size is None else member.size
        length = len(packed) if member.packed_size is None else member.packed_size
        local = member.name if member.local_name is None else member.local_name
        flags = member.flags if member.local_flags is None else member.local_flags
        shown = (0, 0, 0) if member.descriptor else (crc, length, size if member.local_size is None else member.local_size)
        out.write(struct.pack("<4s5H3L2H", b"PK\3\4", 20, flags, method, 0, 33, *shown, len(local), len(member.local_extra)))
        out.write(local + member.local_extra + packed + member.descriptor)
        if member.listed:
            where = offset if member.offset is None else member.offset
            fields = (0x314, 20, member.flags, method, 0, 33, crc, length, size, len(member.name), len(member.extra), 0, 0, 0)
            directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields, member.mode << 16, where) + member.name + member.extra
            count += 1
    out.write(gap)
    begin = out.tell() + shift
    directory += listed_gap
    out.write(directory)
    count = count if entries is None else entries
    if wide:
        out.write(wide(count, len(directory), begin))
    told = (0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF) if full else (count, len(directory), begin)
    out.write(struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, told[0], told[0], told[1], told[2], len(comment)) + comment + behind)
    return out.getvalue()


def record_line(name: str, data: bytes) -> str:
    """A line of RECORD."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(data)}\n"


def wheel_members(*more: Member, metadata: bytes | None = METADATA, record: str | None = None, info: str = INFO) -> list[Member]:
    """The members of a sound wheel, and more."""
    members = [Member(b"foo_bar/__init__.py", b"x = 1\n"), Member(f"{info}/WHEEL".encode(), b"Wheel-Version: 1.0\n")]
    if metadata is not None:
        members.append(Member(f"{info}/METADATA".encode(), metadata))
    members += more
    if record is None:
        record = "".join(
            record_line(member.name.decode("utf-8", "replace"), member.data) for member in members if not member.name.endswith(b"/")
        )
        record += f"{info}/RECORD,,\n"
    return [*members, Member(f"{info}/RECORD".encode(), record.encode())]


def wheel(*more: Member, **options: Any) -> bytes:
    """A wheel that is sound but for what is told."""
    mine = {key: options.pop(key) for key in ("metadata", "record", "info") if key in options}
    return zipped(wheel_members(*more, **mine), **options)


def locator(count: int, length: int, begin: int, *, skew: int = 0, signature: bytes = b"PK\6\6") -> bytes:
    """The ZIP64 end record and its locator, which may point elsewhere."""
    return struct.pack("<4sQ2H2L4Q", signature, 44, 45, 45, 0, 0, count, count, length, begin) + struct.pack(
        "<4sLQL", b"PK\6\7", 0, begin + length + skew, 1
    )


def tar_member(
    name: bytes,
    data: bytes = b"",
    *,
    flag: bytes = b"0",
    link: bytes = b"",
    size: bytes | None = None,
    damaged: bool = False,
    magic: bytes = b"ustar\x0000",
) -> bytes:
    """A tar member, exactly as told."""
    told = b"%011o\0" % len(data) if size is None else size
    block = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + told + b"00000000000\0" + b" " * 8 + flag + link.ljust(100, b"\0")
    block = (block + magic).ljust(512, b"\0")
    total = sum(block) + (1 if damaged else 0)
    block = block[:148] + b"%06o\0 " % total + block[156:]
    return block + data + b"\0" * (-len(data) % 512)


def pax(**records: bytes) -> bytes:
    """The data of a pax header; `_` in a key stands for a dot."""
    out = b""
    for key, value in records.items():
        rest = b" " + key.replace("_", ".").encode() + b"=" + value + b"\n"
        length = len(rest) + 1
        while len(b"%d" % length) + len(rest) != length:
            length += 1
        out += b"%d" % length + rest
    return out


END = b"\0" * 1024
INFO_MEMBER = tar_member(b"foo_bar-1.0/PKG-INFO", METADATA)


def tarred(*members: bytes, end: bytes = END) -> bytes:
    """A .tar.gz of these members."""
    return gzip.compress(b"".join(members) + end, 6, mtime=0)


def zeros(count: int, *, head: bytes = b"") -> bytes:
    """A gzip stream of `count` zeros behind `head`, made without having them."""
    machine, out = zlib.compressobj(9, zlib.DEFLATED, 31), []
    out.append(machine.compress(head))
    piece = bytes(2**20)
    out.extend(machine.compress(piece) for _ in range(count // len(piece)))
    out.append(machine.flush())
    return b"".join(out)


def bad_zips() -> Iterator[Bad]:
    """S13, S14, S15, S17 on wheels."""

    def bad(rule: str, data: bytes, words: str) -> Bad:
        return Bad(rule, WHEEL, data, words)

    sound = wheel()
    unicode_path = struct.pack("<HHBL", 0x7075, 6, 1, 0) + b"y"
    wide = struct.pack("<HHQ", 1, 8, 1)
    yield bad("S13 no zip archive", b"not a zip archive " * 10, "not a zip archive")
    yield bad("S13 empty file", b"", "not a zip archive")
    yield bad("S13 a tar archive under a wheel's name", tar_member(b"a", b"b") + END, "tar archive as well")
    yield bad("S14 duplicate names", wheel(Member(b"a"), Member(b"a")), "duplicate member")
    yield bad("S14 another local name", wheel(Member(b"a", local_name=b"b")), "differ in the name")
    yield bad("S14 another local size", wheel(Member(b"a", local_size=7)), "differ in size")
    yield bad("S14 another local flag", wheel(Member(b"a", local_flags=0x800)), "differ")
    yield bad(
        "S14 missing in the directory", zipped([*wheel_members(), Member(b"hidden.py", listed=False)]), "missing in the zip directory"
    )
    first = zipped([Member(b"hidden.py", listed=False), *wheel_members()])
    yield bad("S14 the first is missing in the directory", first, "missing in the zip directory")
    yield bad("S14 two end records", sound + sound[-22:], "two end records")
    yield bad("S14 stacked archives", wheel(Member(b"b")) + sound, "not where the end record says")
    yield bad("S14 ZIP64 locator that points elsewhere", wheel(full=True, wide=lambda n, s, b: locator(n, s, b, skew=-1)), "locator")
    odd64 = wheel(full=True, wide=lambda n, s, b: locator(n, s, b, signature=b"PK\6\5"))
    yield bad("S14 malformed ZIP64 end record", odd64, "ZIP64 end record is malformed")
    yield bad("S14 end records that differ", wheel(wide=lambda n, s, b: locator(n + 1, s, b)), "differ")
    yield bad("S14 trailing data", sound + b"MZ" + bytes(40), "data after the end")
    yield bad("S14 prepended data", b"#!/bin/sh\n" + sound, "not where the end record says")
    yield bad("S14 prepended data, offsets mended", wheel(before=b"#!/bin/sh\n"), "before the first member")
    yield bad("S14 comment", wheel(comment=b"hello"), "comment")
    yield bad("S14 data between members", zipped([Member(b"a", descriptor=b"junk"), *wheel_members()]), "differ in size or checksum")
    yield bad("S14 data before the directory", wheel(gap=b"junk"), "belongs to none")
    yield bad("S14 wrong descriptor", wheel(Member(b"a", flags=8, descriptor=bytes(12))), "than its descriptor")
    yield bad("S14 more in the directory than entries", wheel(listed_gap=b"junk"), "more in it than its entries")
    yield bad("S14 fewer entries than promised", wheel(entries=9), "directory is malformed")
    yield bad("S14 several volumes", wheel(disk=1), "several volumes")
    yield bad("S14 NUL in a name", wheel(Member(b"a\0b")), "NUL")
    yield bad("S14 control character in a name", wheel(Member(b"a\nb")), "control character")
    yield bad("S14 name that is not UTF-8", wheel(Member(b"\xff", flags=0x800)), "not UTF-8")
    yield bad("S14 duplicate ZIP64 fields", wheel(Member(b"a", extra=wide + wide)), "duplicate ZIP64")
    yield bad("S14 duplicate Unicode path fields", wheel(Member(b"y", extra=unicode_path * 2)), "duplicate Unicode path")
    yield bad("S14 another name in the Unicode path", wheel(Member(b"a", extra=unicode_path)), "another name")
    yield bad("S14 another name in the local Unicode path", wheel(Member(b"a", local_extra=unicode_path)), "differ in the name")
    yield bad("S14 extra field beyond its place", wheel(Member(b"a", extra=b"\1\0\xff\0")), "longer than its place")
    yield bad("S14 ZIP64 field missing", wheel(Member(b"a", size=0xFFFFFFFF)), "ZIP64 field of the zip archive is missing")
    yield bad("S14 member outside the archive", wheel(Member(b"a", offset=0x7FFFFFFF)), "outside the archive")
    yield bad("S14 directory at a negative place", wheel(shift=-5), "not where the end record says")
    yield bad("S14 encrypted", wheel(Member(b"a", flags=1)), "encrypted")
    yield bad("S14 bzip2 within zip", wheel(Member(b"a", method=12)), "neither stored nor deflated")
    yield bad("S14 stored with two sizes", wheel(Member(b"a", b"abc", deflated=False, packed_size=2)), "sizes differ")
    yield bad("S14 deflated data longer than promised", wheel(Member(b"a", b"abc" * 90, size=3)), "RECORD says")
    yield bad("S14 wrong checksum", wheel(Member(b"a", b"abc", crc=1)), "not what the zip headers say")
    yield bad("S14 folder with data", wheel(Member(b"a/", b"abc")), "has data")
    yield bad("S15 overlapping members", overlapping(), "overlaps")
    yield bad("S15 too many entries", wheel(full=True, wide=lambda _, s, b: locator(100_001, s, b)), "more than 100000 entries")
    yield bad("S17 absolute name", wheel(Member(b"/etc/passwd")), "absolute")
    yield bad("S17 drive", wheel(Member(b"C:/x")), "absolute")
    yield bad("S17 dots", wheel(Member(b"a/../../b")), "leaves its folder")
    yield bad("S17 backslash", wheel(Member(b"a\\b")), "backslash")
    yield bad("S17 symbolic link", wheel(Member(b"a", b"/etc/passwd", mode=0o120777)), "link or a device")
    yield bad("S17 device", wheel(Member(b"a", mode=0o020666)), "link or a device")


def overlapping() -> bytes:
    """A wheel with a member whose data reaches into the next one's header."""
    members = wheel_members()
    inner = members[1]
    quoted = zipped([inner])[: 30 + len(inner.name) + len(inner.packed())]
    outer = Member(b"outer", quoted, deflated=False)
    inside = attrs.evolve(inner, name=b"foo_bar-1.0.dist-info/WHEEL", offset=30 + len(b"outer"))
    raw = zipped([outer, members[0], *members[2:]])
    spare = zipped([inside])
    entry = spare[spare.index(b"PK\1\2") : -22]
    end = raw.rindex(b"PK\5\6")
    _, _, _, count, _, length, offset, _ = struct.unpack("<4s4H2LH", raw[end:])
    return raw[:end] + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count + 1, count + 1, length + len(entry), offset, 0)


def bad_wheels() -> Iterator[Bad]:
    """S2, S18, S19, R131, R133 on wheels that are sound zip archives."""

    def bad(rule: str, data: bytes, words: str) -> Bad:
        return Bad(rule, WHEEL, data, words)

    yield bad("R131 no dist-info", wheel(info="other-1.0.dist-info"), "no dist-info folder")
    two = wheel(Member(b"foo.bar-1.0.dist-info/METADATA"))
    yield bad("R131 two dist-info", two, "several dist-info folders")
    yield bad("R131 no METADATA", wheel(metadata=None), "METADATA is missing")
    yield bad("R131 no WHEEL", zipped([member for member in wheel_members() if b"WHEEL" not in member.name]), "WHEEL is missing")
    yield bad("R131 no RECORD", zipped(wheel_members()[:-1]), "RECORD is missing")
    yield bad("S17 METADATA too large", wheel(metadata=METADATA + b"x" * 2**22), "larger than")
    yield bad("S18 a member that RECORD does not list", wheel(record="".join(lines()[1:])), "does not list")
    yield bad("S18 a line without a member", wheel(record="".join([*lines(), "gone.py,,\n"])), "not in the wheel")
    yield bad("S18 another hash", wheel(record="".join([record_line("foo_bar/__init__.py", b"y = 1\n"), *lines()[1:]])), "another hash")
    yield bad("S18 another size", wheel(record="".join([lines()[0].replace(",6\n", ",7\n"), *lines()[1:]])), "another size")
    yield bad("S18 weak hash", wheel(record="".join(["foo_bar/__init__.py,md5=aaaa,6\n", *lines()[1:]])), "a hash by")
    yield bad("S18 malformed RECORD", wheel(record="a,b\n"), "three parts")
    yield bad("S18 two lines that differ", wheel(record="".join([*lines(), "foo_bar/__init__.py,,\n"])), "twice")
    yield bad("S19 another name", wheel(metadata=METADATA.replace(b"foo-bar", b"evil")), "names evil")
    yield bad("S19 another version", wheel(metadata=METADATA.replace(b"1.0\n\n", b"2.0\n\n")), "2.0")
    yield bad("S19 two names", wheel(metadata=METADATA.replace(b"Name", b"Name: evil\nName")), "Name")
    yield bad("R133 unknown metadata version", wheel(metadata=METADATA.replace(b"2.1", b"9.0")), "metadata version")
    many = METADATA[:-1] + b"".join(b"X-%d: a\n" % number for number in range(201))
    yield bad("S16 metadata with very many fields", wheel(metadata=many), "too many fields")
    yield bad("R133 no metadata version", wheel(metadata=METADATA.split(b"\n", 1)[1]), "Metadata-Version")


def lines() -> list[str]:
    """The lines of a sound RECORD."""
    return wheel_members()[-1].data.decode().splitlines(keepends=True)


def bad_tars() -> Iterator[Bad]:
    """S13, S16, S17, R131 on source distributions."""

    def bad(rule: str, data: bytes, words: str) -> Bad:
        return Bad(rule, SDIST, data, words)

    member = tar_member
    yield bad("S13 no gzip", b"not gzip", "not a .tar.gz archive")
    yield bad("S13 empty file for a source distribution", b"", "not a .tar.gz archive")
    yield bad("S13 bzip2 under the wrong name", bz2.compress(INFO_MEMBER + END), "not a .tar.gz archive")
    yield bad("S13 zip under the wrong name", wheel(), "zip archive as well")
    yield bad("S13 zip at the end of gzip", tarred(INFO_MEMBER) + zipped([Member(b"a")]), "zip archive as well")
    yield bad("S16 many gzip streams", gzip.compress(b"", mtime=0) * 1001 + tarred(INFO_MEMBER), "streams one after the other")
    yield bad("S16 cut short", tarred(INFO_MEMBER)[:-20], "cut short")
    yield bad("S16 damaged data", tarred(INFO_MEMBER)[:30] + b"\xff" * 20 + tarred(INFO_MEMBER)[50:], "damaged")
    yield bad("S16 wrong gzip checksum", tarred(INFO_MEMBER)[:-8] + b"abcd" + tarred(INFO_MEMBER)[-4:], "damaged")
    yield bad("S16 data behind gzip", tarred(INFO_MEMBER) + b"junk", "data after the end of the compressed data")
    yield bad("S16 data behind tar", tarred(INFO_MEMBER, end=END + member(b"foo_bar-1.0/hidden")), "data after the end of the tar")
    yield bad("S16 sparse member", tarred(INFO_MEMBER, member(b"foo_bar-1.0/a", flag=b"S")), "sparse")
    yield bad("S16 sparse by pax", tarred(INFO_MEMBER, member(b"x", pax(GNU_sparse_major=b"1"), flag=b"x")), "sparse")
    yield bad("S16 long record", tarred(member(b"x", bytes(2**20 + 1), flag=b"L"), INFO_MEMBER), "a tar record is longer")
    yield bad("S16 malformed pax", tarred(member(b"x", b"9999 a=b\n", flag=b"x"), INFO_MEMBER), "pax header is malformed")
    yield bad("S16 pax size that differs", tarred(member(b"x", pax(size=b"9"), flag=b"x"), INFO_MEMBER), "differ in size")
    yield bad("S16 pax for all that names", tarred(member(b"x", pax(path=b"a"), flag=b"g"), INFO_MEMBER), "global pax header")
    twice = member(b"x", pax(path=b"foo_bar-1.0/a"), flag=b"x") + member(b"x", pax(path=b"foo_bar-1.0/b"), flag=b"x")
    yield bad("S16 two names", tarred(twice, INFO_MEMBER), "differ")
    yield bad("S16 header without a member", tarred(INFO_MEMBER, member(b"x", b"foo_bar-1.0/a\0", flag=b"L")), "belongs to no member")
    yield bad("S16 negative size", tarred(member(b"foo_bar-1.0/a", size=b"\xff" * 12)), "negative")
    yield bad("S16 size that is no number", tarred(member(b"foo_bar-1.0/a", size=b"hello      \0")), "no number")
    yield bad("S16 damaged header", tarred(member(b"foo_bar-1.0/a", damaged=True)), "header is damaged")
    yield bad("S16 member cut short", tarred(member(b"foo_bar-1.0/a", size=b"00000777777\0")), "cut short")
    yield bad("S17 absolute name in tar", tarred(INFO_MEMBER, member(b"/etc/passwd", b"x")), "absolute")
    yield bad("S17 dots in tar", tarred(INFO_MEMBER, member(b"foo_bar-1.0/../../x", b"x")), "leaves its folder")
    yield bad("S17 dots in a long name", tarred(member(b"x", b"../x\0", flag=b"L"), INFO_MEMBER), "leaves its folder")
    yield bad("S17 link outwards", tarred(INFO_MEMBER, member(b"foo_bar-1.0/a", flag=b"2", link=b"../../x")), "leaves the folder")
    yield bad("S17 absolute link", tarred(INFO_MEMBER, member(b"foo_bar-1.0/a", flag=b"2", link=b"/etc/passwd")), "leaves the folder")
    yield bad("S17 hard link outwards", tarred(INFO_MEMBER, member(b"foo_bar-1.0/a", flag=b"1", link=b"etc/passwd")), "leaves the folder")
    for flag, what in ((b"3", "character device"), (b"4", "block device"), (b"6", "pipe")):
        yield bad(f"S17 {what}", tarred(INFO_MEMBER, member(b"foo_bar-1.0/a", flag=flag)), "device")
    yield bad("S17 control character in tar", tarred(INFO_MEMBER, member(b"foo_bar-1.0/a\x1b[0m")), "control character")
    yield bad("R131 two folders", tarred(INFO_MEMBER, member(b"other/a", b"x")), "more than one folder")
    yield bad("R131 a file at the top", tarred(INFO_MEMBER, member(b"a", b"x")), "more than one folder")
    yield bad("R131 no PKG-INFO", tarred(member(b"foo_bar-1.0/a", b"x")), "no PKG-INFO")
    yield bad("R131 two PKG-INFO", tarred(INFO_MEMBER, INFO_MEMBER), "several PKG-INFO")
    yield bad("R131 PKG-INFO is a link", tarred(member(b"foo_bar-1.0/PKG-INFO", flag=b"2", link=b"a")), "not a file")
    yield bad("S17 PKG-INFO too large", tarred(member(b"foo_bar-1.0/PKG-INFO", METADATA + b"x" * 2**22)), "larger than")
    yield bad("S19 another name in PKG-INFO", tarred(member(b"foo_bar-1.0/PKG-INFO", METADATA.replace(b"foo-bar", b"evil"))), "names evil")


def bad_kinds() -> Iterator[Bad]:
    """S13: what is not taken unless it is allowed, and what is not what its name says even then."""
    for filename in (
        "foo_bar-1.0.zip",
        "foo_bar-1.0-py3.11.egg",
        "foo_bar-1.0.win32.exe",
        "foo_bar-1.0-1.noarch.rpm",
        "foo_bar-1.0.tar.bz2",
    ):
        yield Bad(f"S13 not allowed {filename}", filename, wheel(), "not accepted here")
    for filename in ("foo_bar-1.0.win32.exe", "foo_bar-1.0-1.noarch.rpm", "foo_bar-1.0.win32.msi"):
        kind = "." + filename.rpartition(".")[2]
        yield Bad(f"S13 not what it says {filename}", filename, wheel(), f"not a {kind} file", frozenset({kind}))
    yield Bad("S13 dumb archive", "foo_bar-1.0.linux-x86_64.tar.gz", tarred(INFO_MEMBER), "dumb archives")
    yield Bad("R131 zip without PKG-INFO", "foo_bar-1.0.zip", zipped([Member(b"foo_bar-1.0/a")]), "no PKG-INFO", frozenset({".zip"}))
    yield Bad("R131 egg without PKG-INFO", "foo_bar-1.0-py3.11.egg", zipped([Member(b"a")]), "PKG-INFO is missing", frozenset({".egg"}))


def bombs() -> Iterator[Bad]:
    """S15 and S16: what is small here and much once it is unpacked; to make one takes half a second."""
    in_gzip, nobody_reads = zeros(120 * 2**20, head=INFO_MEMBER), tar_member(b"foo_bar-1.0/a", size=b"00600000000\0")
    yield Bad("S16 gzip bomb", SDIST, in_gzip, "expands to more than")
    yield Bad("S15 bomb", WHEEL, wheel(Member(b"bomb", bytes(80 * 2**20))), "expands to more than")
    yield Bad("S16 bomb in a member that nobody reads", SDIST, zeros(99 * 2**20, head=nobody_reads), "expands to")


def plain() -> list[Bad]:
    """The set of bad archives without the bombs, all of foo-bar 1.0."""
    return [*bad_zips(), *bad_wheels(), *bad_tars(), *bad_kinds()]


def part(name: str, value: bytes = b"x", more: str = "") -> bytes:
    """A part of a form."""
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


CLOSE = b"--b--\r\n"
CONTENT = part("content", b"data", '; filename="a-1.tar.gz"')
MULTIPART = "multipart/form-data; boundary=b"


def forms() -> list[BadForm]:
    """The whole set of bad forms (S23)."""

    def bad(rule: str, body: bytes, words: str, content_type: str = MULTIPART) -> BadForm:
        return BadForm(f"S23 {rule}", content_type, body, words)

    return [
        bad("too many parts", part("classifiers") * 2001 + CLOSE, "segment count"),
        bad("large field", part("summary", b"x" * (2**20 + 1)) + CLOSE, "longer than 1048576"),
        bad("large description", part("description", b"x" * (2**23 + 1)) + CLOSE, "longer than 8388608"),
        bad("large fields together", part("summary", b"x" * 2**20) * 17 + CLOSE, "bytes together"),
        bad("large file beside content", part("gpg_signature", b"x" * (2**20 + 1), '; filename="a.asc"') + CLOSE, "longer than"),
        bad("long header", part("summary", more=f'; filename="{"x" * 9000}"') + CLOSE, "header"),
        bad("long header without an end", b"--b\r\n" + b"x" * 10_000, "header"),
        bad("many headers", b"--b\r\n" + b"A: b\r\n" * 20 + b"\r\n", "header"),
        bad("long header with bare line feeds", b"--b\n" + b"x" * 10_000, "header"),
        bad("1 MB boundary", b"", "boundary", "multipart/form-data; boundary=" + "b" * 2**20),
        bad("71 character boundary", b"", "boundary", "multipart/form-data; boundary=" + "b" * 71),
        bad("no boundary", b"", "boundary", "multipart/form-data"),
        bad("another type", b"", "multipart/form-data", "application/x-www-form-urlencoded"),
        bad("missing end", CONTENT, "too early"),
        bad("missing end within content", CONTENT[:-4], "too early"),
        bad("nothing at all", b"", "too early"),
        bad("missing end with bare line feeds", b'--b\nContent-Disposition: form-data; name="a"\n\nx', "too early"),
        bad("two content parts", CONTENT + CONTENT + CLOSE, "two parts called content"),
        bad("content that is no file", part("content") + CLOSE, "no file name"),
        bad("part without a name", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + CLOSE, "no name"),
        bad("part without a disposition", b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" + CLOSE, "disposition"),
        bad("header without a colon", b"--b\r\nhello\r\n\r\nx\r\n" + CLOSE, "header"),
        bad("header that is not UTF-8", b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n' + CLOSE, "decode"),
        bad("control character in a header", part("a\x01b") + CLOSE, "control character"),
        bad("something before the boundary", b"hello\r\n" + CONTENT + CLOSE, "does not begin"),
        bad("something behind a boundary", CONTENT + b"--bogus\r\n", "boundary"),
        bad("something behind a boundary, bare line feeds", b'--b\nContent-Disposition: form-data; name="a"\n\nx\n--bogus', "boundary"),
        bad("another boundary", CONTENT.replace(b"--b", b"--c") + CLOSE, "does not begin"),
        bad(
            "length that lies",
            b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Length: 9\r\n\r\nx\r\n' + CLOSE,
            "content-length",
        ),
    ]


def good() -> Iterator[tuple[str, bytes]]:
    """Sound wheels and source distributions of many shapes; all are foo-bar 1.0."""
    yield make_wheel("foo-bar", "1.0", ["twisted>=20", "attrs ; extra == 'x'"], size=5000)
    yield make_sdist("foo-bar", "1.0", size=5000)
    yield WHEEL, wheel()
    yield WHEEL, wheel(Member(b"empty", b""), Member(b"empty-stored", b"", deflated=False), Member(b"folder/", b"", mode=0o040755))
    yield WHEEL, wheel(Member("naïve.py".encode(), flags=0x800))
    descriptor = struct.pack("<4s3L", b"PK\7\x08", zlib.crc32(b"x"), len(Member(b"a").packed()), 1)
    yield WHEEL, wheel(Member(b"a", flags=8, descriptor=descriptor), Member(b"b", flags=8, descriptor=descriptor[4:]))
    yield WHEEL, wheel(full=True, wide=locator)
    yield WHEEL, wheel(wide=locator)
    yield WHEEL, wheel(Member(b"a", extra=b"UT\5\0" + bytes(5) + bytes(2), mode=0))
    yield WHEEL, wheel(info="Foo.Bar-1.0.0.dist-info")
    yield WHEEL, wheel(Member(b"big", bytes(3 * 2**20)), Member(b"vendored/other-2.0.dist-info/METADATA"))
    yield WHEEL, wheel(metadata=METADATA.replace(b"\n", b"\r\n"))
    yield WHEEL, wheel(metadata=b"Metadata-Version: 2.0\nName: Foo.Bar\nVersion: 1.0.0\nUnknown: x\n\nd\xe9j\xe0")
    yield WHEEL, wheel(record="".join([*lines(), f"{INFO}/RECORD.jws,,\n"]))
    yield WHEEL, wheel(record="".join("./" + line for line in lines()))
    yield SDIST, tarred(INFO_MEMBER)
    yield SDIST, tarred(tar_member(b"foo_bar-1.0/", flag=b"5"), INFO_MEMBER, end=b"")
    yield SDIST, tarred(tar_member(b"pax_global_header", pax(comment=b"0123"), flag=b"g"), INFO_MEMBER)
    yield SDIST, tarred(INFO_MEMBER, tar_member(b"foo_bar-1.0/docs/a", flag=b"2", link=b"../PKG-INFO"))
    yield SDIST, tarred(INFO_MEMBER, tar_member(b"foo_bar-1.0/a", flag=b"1", link=b"foo_bar-1.0/PKG-INFO"))
    yield SDIST, tarred(tar_member(b"./foo_bar-1.0", flag=b"5"), tar_member(b"./foo_bar-1.0/PKG-INFO", METADATA))
    yield SDIST, tarred(tar_member(b".", flag=b"5"), tar_member(b"./foo_bar-1.0/PKG-INFO", METADATA))
    yield SDIST, tarred(INFO_MEMBER, tar_member(b"foo_bar-1.0/caf\xe9.txt", b"latin-1", magic=b"ustar  \0"))
    yield SDIST, tarred(INFO_MEMBER, tar_member(b"foo_bar-1.0/src/foo_bar.egg-info/PKG-INFO", METADATA, magic=b""))
    yield SDIST, tarred(INFO_MEMBER, tar_member(b"x", pax(mtime=b"1.5"), flag=b"x"), tar_member(b"foo_bar-1.0/a", b"x"))
    yield SDIST, gzip.compress(INFO_MEMBER, mtime=0) + gzip.compress(END, mtime=0) + bytes(100)
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz", format=form) as archive:
            for name in ("PKG-INFO", "folder/" + "deep/" * 25 + "file", "x" * 90):
                member = tarfile.TarInfo(f"foo_bar-1.0/{name}")
                member.size, member.mtime = len(METADATA), 1.5 if form == tarfile.PAX_FORMAT else 1
                archive.addfile(member, io.BytesIO(METADATA))
        yield SDIST, buffer.getvalue()
