"""The header of a tar member, field by field (POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar's own additions)."""

from __future__ import annotations

import attrs

from pypidaemon.archives.sidecars import BadArchive

BLOCK = 512
REGULAR, HARD, SYMBOLIC, FOLDER = "file", "hard", "symbolic", "folder"
KINDS = {b"0": REGULAR, b"\0": REGULAR, b"7": REGULAR, b"1": HARD, b"2": SYMBOLIC, b"5": FOLDER}
PAX, PAX_GLOBAL, LONG_NAME, LONG_LINK, SPARSE = b"x", b"g", b"L", b"K", b"S"


@attrs.frozen
class TarHeader:
    """One header block: `flag` is the type of member, names are bytes as they stand there."""

    name: bytes
    size: int
    flag: bytes
    link: bytes


def is_header(block: bytes) -> bool:
    """Whether 512 bytes are a tar header: whether its checksum is right."""
    if len(block) < BLOCK or not block.strip(b"\0"):
        return False
    try:
        promised = int(block[148:156].strip(b" \0"), 8)
    except ValueError:
        return False
    rest = block[:148] + block[156:]
    # Some old tars summed signed characters.
    return promised in {sum(rest) + 256, sum(byte - 256 if byte > 127 else byte for byte in rest) + 256}


def header(block: bytes) -> TarHeader:
    """
    Read a header block.

    :raises BadArchive: its checksum is wrong, or its size is no number.
    """
    if not is_header(block):
        raise BadArchive("a tar header is damaged")
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0]
    # GNU tar keeps times where ustar has the beginning of the name.
    if block[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return TarHeader(name, _number(block[124:136]), block[156:157], block[157:257].partition(b"\0")[0])


def records(data: bytes) -> dict[str, bytes]:
    """
    The records of a pax header.

    :raises BadArchive: they are malformed, or one stands there twice.
    """
    found: dict[str, bytes] = {}
    while data:
        digits, _, _ = data[:20].partition(b" ")
        if not digits.isdigit():
            raise BadArchive("a pax header is malformed")
        length = int(digits)
        record, data = data[:length], data[length:]
        key, sign, value = record[len(digits) + 1 :].partition(b"=")
        if len(record) < length or not sign or not value.endswith(b"\n"):
            raise BadArchive("a pax header is malformed")
        keyword = key.decode("utf-8", "replace")
        if keyword in found:
            raise BadArchive("a pax header says the same thing twice")
        found[keyword] = value[:-1]
    return found


def _number(field: bytes) -> int:
    if field[0] & 0x80:
        # GNU's base 256 for what has no room in octal digits.
        value = int.from_bytes(field, "big", signed=False) & ~(0x80 << 8 * (len(field) - 1))
        if field[0] != 0x80:
            raise BadArchive("the size of a tar member is negative or absurd")
        return value
    digits = field.strip(b" \0")
    try:
        value = int(digits, 8) if digits else 0
    except ValueError as error:
        raise BadArchive("the size of a tar member is no number") from error
    if value < 0:
        raise BadArchive("the size of a tar member is negative or absurd")
    return value
