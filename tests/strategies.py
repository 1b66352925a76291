"""What hypothesis makes up for the tests: names, file names good and hostile, files and pages."""

from __future__ import annotations

import string
from datetime import datetime

from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from pypidaemon.filenames import filename
from pypidaemon.model import File, Filename, NormalizedName, ProjectPage, ProjectStatus, UpstreamPage, Validators
from pypidaemon.simple.reading import covering, in_order

_LETTERS = string.ascii_letters + string.digits

_ends = st.sampled_from(_LETTERS)
spelled_names = _ends | st.tuples(_ends, st.text(_LETTERS + "._-", max_size=20), _ends).map("".join)
"""Project names as people spell them."""

names = spelled_names.map(canonicalize_name)
"""Project names in their one spelling."""


def _at_times(*parts: str) -> st.SearchStrategy[str]:
    """Nothing, or one of these, each as often as the other."""
    return st.sampled_from([*([""] * len(parts)), *parts])


# A regular expression would be the shorter way to say it, and takes twice as long to draw from.
versions = st.tuples(
    _at_times(*(f"{number}!" for number in range(1, 10))),
    st.lists(st.integers(0, 99).map(str), min_size=1, max_size=4).map(".".join),
    _at_times(*(f"{kind}{number}" for kind in ("a", "b", "rc") for number in range(10))),
    _at_times(*(f".post{number}" for number in range(1, 10))),
    _at_times(*(f".dev{number}" for number in range(10))),
    st.just("") | st.builds("+{}.{}".format, st.text(string.ascii_lowercase, min_size=1, max_size=4), st.integers(1, 9)),
).map("".join)
"""Versions in PEP 440's normal form."""

texts = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")) | st.sampled_from("<>&\"'"),
    min_size=1,
    max_size=30,
).filter(str.strip)
"""One line of any text that means something."""

hostile_filenames = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "..%2fx",
            "a/../b-1.0.tar.gz",
            "a\x00-1.0-py3-none-any.whl",
            "a%00.whl",
            "C:\\x-1.0.zip",
            "C:x-1.0.zip",
            "/a-1.0.tar.gz",
            "a-1.0.tar.gz\n",
            "-rf-1.0.tar.gz",
            ".a-1.0.tar.gz",
            "a-1.0.tar.gz" + "z" * 300,
            "a-1.0-py3-none-any.whl.metadata",
            "\u202ea-1.0.tar.gz",
        ]
    ),
)
"""File names that an upstream or a client may send to break out, and any other text."""


def digests(length: int) -> st.SearchStrategy[str]:
    """Hexadecimal digits."""
    return st.binary(min_size=length // 2, max_size=length // 2).map(bytes.hex)


hashes = st.fixed_dictionaries(
    {},
    optional={"sha256": digests(64), "md5": digests(32), "sha512": digests(128), "sha1": digests(40), "blake2b_256": digests(64)},
).map(lambda known: tuple(sorted(known.items(), key=lambda item: (item[0] != "sha256", item[0]))))
"""The hashes of a file, in the order in which a `File` has them."""

upload_times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.isoformat() + "Z")  # noqa: DTZ001  # the zone is the Z
"""Moments in PEP 700's form."""

provenances = st.builds(
    "https://{}.example/{}".format,
    st.text(string.ascii_lowercase, min_size=1, max_size=9),
    st.text(string.ascii_lowercase + string.digits + "/._-", max_size=30),
)
"""URLs of provenance documents."""


@st.composite
def filenames(draw: st.DrawFn, name: NormalizedName) -> Filename:
    """File names of a project, of the types that packages have had."""
    spelled = name.replace("-", draw(st.sampled_from("-_.")))
    version = draw(versions)
    wheel = f"{name.replace('-', '_')}-{version}"
    form = draw(
        st.sampled_from(
            [
                f"{spelled}-{version}.tar.gz",
                f"{spelled}-{version}.zip",
                f"{wheel}-py3-none-any.whl",
                f"{wheel}-1-cp311-cp311-manylinux_2_17_x86_64.whl",
                f"{wheel}-py2.7.egg",
                f"{wheel}-variants.json",
                f"{wheel}.win32-py2.7.exe",
                f"{wheel}-py3-none-any.whlx",
            ]
        )
    )
    return filename(form)


@st.composite
def files(draw: st.DrawFn, name: NormalizedName, plain: bool = False) -> File:
    """
    Files of a project, as an index shows them.

    :param plain: only what every representation carries: at most one hash, and that one known to all.
    """
    named = draw(filenames(name))
    hashed = draw(digests(64))
    path = f"{hashed[:2]}/{hashed[2:4]}/{hashed[4:]}/{named}"
    known = draw(hashes)
    if plain:
        known = tuple(pair for pair in known if pair[0] in {"sha256", "sha512"})[:1]
    return File(
        filename=named,
        url="https://files.example/packages/" + path,
        path=path,
        hashes=known,
        size=draw(st.none() | st.integers(0, 2**53 - 1)),
        upload_time=draw(st.none() | upload_times),
        requires_python=draw(st.none() | texts),
        yanked=draw(st.none() | st.just("") | texts),
        core_metadata=draw(st.none() | st.just("") | digests(64)),
        provenance=draw(st.none() | provenances),
        gpg_sig=draw(st.none() | st.booleans()),
    )


statuses = st.builds(
    ProjectStatus,
    st.sampled_from(["active", "archived", "deprecated", "quarantined", "something-new"]),
    st.none() | texts,
)
"""Project statuses, one of them unknown."""


@st.composite
def pages(draw: st.DrawFn, plain: bool = False) -> ProjectPage:
    """
    Pages of a project, in order and with versions that cover the files.

    :param plain: as in `files`.
    """
    name = draw(names)
    listed = in_order(name, draw(st.lists(files(name, plain), max_size=5, unique_by=lambda file: file.filename)))
    stated = draw(st.lists(versions, max_size=3))
    return ProjectPage(name, listed, covering(name, stated, listed), draw(statuses), draw(st.integers(0, 2**31)))


@st.composite
def upstream_pages(draw: st.DrawFn) -> UpstreamPage:
    """Pages as an upstream said them."""
    page = draw(pages())
    return UpstreamPage(
        name=page.name,
        files=page.files,
        versions=page.versions,
        status=page.status,
        serial=draw(st.none() | st.integers(0, 2**53 - 1)),
        validators=Validators(draw(st.none() | texts), draw(st.none() | texts), draw(texts)),
        max_age=draw(st.none() | st.floats(0, 1e9)),
        refused=draw(st.integers(0, 99)),
    )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63 - 1), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
"""Anything that JSON can say."""
