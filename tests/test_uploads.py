"""What an upload says of itself, and whether form, file name and archive agree (R127-R134, R156-R163, S1-S3, S9, S19)."""

from __future__ import annotations

import contextlib
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.archives.tags import unknown_platform
from pypidaemon.errors import InvalidUpload
from pypidaemon.filenames import filename as gate
from pypidaemon.filenames import project_name
from pypidaemon.model import Inspected, Upload
from pypidaemon.uploads import Rules, action, agree, check_digests, read_upload

WHEEL, SDIST = "foo_bar-1.0-py3-none-any.whl", "foo_bar-1.0.tar.gz"
STRICT = Rules(strict=True)
ORDINARY = Rules()
DATA = b"data"
SHA, MD5 = hashlib.sha256(DATA).hexdigest(), hashlib.md5(DATA).hexdigest()
BLAKE = hashlib.blake2b(DATA, digest_size=32).hexdigest()


def form(*more: tuple[str, str], without: str = "") -> list[tuple[str, str]]:
    """The fields of foo-bar 1.0, and more."""
    fields = [(":action", "file_upload"), ("protocol_version", "1"), ("name", "foo-bar"), ("version", "1.0"), *more]
    return [(name, value) for name, value in fields if name != without]


def refused(fields: list[tuple[str, str]], filename: str = WHEEL) -> str:
    """The line that refuses this form."""
    with pytest.raises(InvalidUpload) as caught:
        read_upload(fields, filename)
    line = str(caught.value)
    assert line.isprintable()
    assert len(line) < 500
    return line


def found(name: str = "foo-bar", version: str = "1.0", requires_python: str | None = None) -> Inspected:
    """What an archive says."""
    return Inspected(b"", project_name(name), version, requires_python)


def disagree(upload: Upload, inspected: Inspected, rules: Rules = ORDINARY) -> str:
    """The line that refuses this archive for this form."""
    with pytest.raises(InvalidUpload) as caught:
        agree(upload, inspected, rules)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_what_a_form_says() -> None:
    more = (
        ("Sha256_digest", "?"),
        ("sha256_digest", SHA.upper()),
        ("blake2_256_digest", BLAKE),
        ("md5_digest", MD5),
        ("classifiers", "A"),
        ("classifiers", "B"),
    )
    assert read_upload(form(("filetype", "bdist_wheel"), *more), WHEEL) == Upload(
        name=project_name("foo-bar"),
        version="1.0",
        filename=gate(WHEEL),
        filetype="bdist_wheel",
        digests=(("sha256", SHA), ("md5", MD5), ("blake2b_256", BLAKE)),
        metadata=(("name", "foo-bar"), ("version", "1.0"), ("filetype", "bdist_wheel"), *more),
    )


def test_P1_only_name_version_and_action_are_needed() -> None:
    upload = read_upload(form(without="protocol_version"), SDIST)
    assert (upload.filetype, upload.digests) == ("sdist", ())
    for needed in ("name", "version", ":action"):
        assert needed in refused(form(without=needed))


@pytest.mark.parametrize("field", ["protocol_version", "protcol_version"])
def test_R156_protocol_version_is_1_or_absent(field: str) -> None:
    assert read_upload(form((field, "1")), WHEEL).version == "1.0"
    assert "protocol_version" in refused(form((field, "2")))


def test_R156_the_action_in_a_field_or_in_the_query() -> None:
    assert action(form(), ()) == "file_upload"
    assert action([], [(":action", "submit")]) == "submit"
    assert action([("name", "a")], []) == ""
    assert read_upload(form(without=":action"), WHEEL, query=[(":action", "file_upload")]).version == "1.0"
    assert "'submit'" in refused([*form(without=":action"), (":action", "submit")])
    with pytest.raises(InvalidUpload, match="two different"):
        action(form(), [(":action", "submit")])


_REPEATED = [
    "classifiers", "requires_dist", "provides_dist", "obsoletes_dist", "requires_external", "project_urls", "provides_extra", "dynamic", "platform",
    "supported_platform", "license_file", "import_name", "import_names", "import_namespace", "import_namespaces", "requires", "provides", "obsoletes",
]  # fmt: skip


@pytest.mark.parametrize("field", _REPEATED)
def test_R162_fields_that_may_be_repeated_are_lists(field: str) -> None:
    assert read_upload(form((field, "a, b"), (field, "c")), WHEEL).metadata[-2:] == ((field, "a, b"), (field, "c"))


def test_R161_empty_and_UNKNOWN_count_as_absent_and_NUL_is_refused() -> None:
    upload = read_upload(form(("platform", "UNKNOWN"), ("requires_python", ""), ("sha256_digest", ""), ("novelty", "x")), WHEEL)
    assert upload.metadata == (("name", "foo-bar"), ("version", "1.0"), ("novelty", "x"))
    assert "name" in refused([*form(without="name"), ("name", "UNKNOWN")])
    assert "NUL" in refused(form(("summary", "a\0b")))
    assert "NUL" in refused(form(("a\0b", "x")))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256_digest", "ab"),
        ("sha256_digest", "z" * 64),
        ("md5_digest", "rS/8yQ4XvKcT+LpGzx0yMQ=="),
        ("blake2_256_digest", "a" * 63),
        ("md5_digest", "\u0661" * 32),
    ],
)
def test_R163_digests_are_hexadecimal_and_of_their_length(field: str, value: str) -> None:
    assert field in refused(form((field, value)))


def test_P1_S9_the_wide_blake2_of_distutils_is_taken_for_what_it_is() -> None:
    """Python 3.9 to 3.11 put BLAKE2b of 64 bytes into the field for 32; it is checked as well."""
    wide = hashlib.blake2b(DATA).hexdigest()
    upload = read_upload(form(("blake2_256_digest", wide)), WHEEL)
    assert upload.digests == (("blake2b", wide),)
    with pytest.raises(InvalidUpload, match="blake2b"):
        check_digests(upload, {"blake2b": "0" * 128})


def test_a_field_that_stands_once_must_not_stand_there_twice() -> None:
    assert "several values for name" in refused(form(("name", "other")))
    assert read_upload(form(("name", "foo-bar")), WHEEL).name == "foo-bar"


@pytest.mark.parametrize(
    "filename",
    [
        "../foo_bar-1.0.tar.gz",
        "a/foo_bar-1.0.tar.gz",
        "a\\foo_bar-1.0.tar.gz",
        "..",
        "",
        "foo_bar-1.0\0.tar.gz",
        "foo_bar-1.0\n.tar.gz",
        "foo_bar-1.0\x7f.tar.gz",
        ".foo_bar-1.0.tar.gz",
        "-foo_bar-1.0.tar.gz",
        "C:foo_bar-1.0.tar.gz",
        "foo_bar-1.0.tar.gz ",
        "foo_bar-1.0.tar.gz.",
        "foo_bar-1.0" + "0" * 250 + ".tar.gz",
        "f\xf6o_bar-1.0.tar.gz",
        "\uff46oo_bar-1.0.tar.gz",
        "\u202efoo_bar-1.0.tar.gz",
    ],
)
def test_S1_S3_a_file_name_passes_the_gate_or_is_refused(filename: str) -> None:
    assert "file name" in refused(form(), filename)


@pytest.mark.parametrize(
    ("filename", "words"),
    [
        ("other-1.0.tar.gz", "not one of the project foo-bar"),
        ("foo_bar-1.1.tar.gz", "not one of version '1.0'"),
        ("foo_bar-1.0.txt", "not that of a distribution"),
        ("foo_bar-1.0.whl", "PEP 427"),
        ("foo_bar-1.0-x-py3-none-any.whl", "PEP 427"),
        ("foo_bar-1.0-py3--any.whl", "PEP 427"),
        ("foo_bar-1.1-py3-none-any.whl", "not one of version"),
        ("evil-1.0-py3-none-any.whl", "not one of the project"),
    ],
)
def test_S2_R128_a_file_name_is_one_of_the_release(filename: str, words: str) -> None:
    assert words in refused(form(), filename)


@pytest.mark.parametrize(
    "filename", ["Foo.Bar-1.0.0.tar.gz", "foo-bar-1.0.tar.gz", "foo_bar-1-7-py3-none-any.whl", "foo_bar-1.0.zip", "foo_bar-1.0.win32.exe"]
)
def test_R136_other_spellings_of_the_same_release_pass(filename: str) -> None:
    assert read_upload(form(), filename).filename == filename


@pytest.mark.parametrize("version", ["2004d", "1.0+local.1", "1.0-final-beta"])
def test_R134_versions_that_are_not_public_ones_pass(version: str) -> None:
    assert read_upload([(":action", "file_upload"), ("name", "foo"), ("version", version)], f"foo-{version}.tar.gz").version == version


@pytest.mark.parametrize("version", ["1.0/2", "1.0 2", "<b>", "1" * 201, "1.0\n", "\u0661.0", "a&b"])
def test_versions_with_signs_that_mean_something_elsewhere_are_refused(version: str) -> None:
    if version == "1.0\n":
        assert read_upload([*form(without="version"), ("version", version)], WHEEL).version == "1.0"
    else:
        assert "version" in refused([*form(without="version"), ("version", version)])


@pytest.mark.parametrize("name", ["", "foo bar", "-foo", "f\xf6o", "a" * 201])
def test_R2_a_project_name_is_one_or_is_refused(name: str) -> None:
    assert "name" in refused([*form(without="name"), ("name", name)])


def test_R130_the_filetype_agrees_with_the_extension() -> None:
    assert read_upload(form(("filetype", "sdist")), SDIST).filetype == "sdist"
    assert "filetype 'sdist'" in refused(form(("filetype", "sdist")), WHEEL)
    assert "filetype 'bdist_wheel'" in refused(form(("filetype", "bdist_wheel")), SDIST)


def test_S9_digests_that_differ_are_named() -> None:
    upload = read_upload(form(("sha256_digest", SHA), ("md5_digest", MD5), ("blake2_256_digest", BLAKE)), WHEEL)
    check_digests(upload, {"sha256": SHA, "md5": MD5, "blake2b_256": BLAKE, "sha1": "x"})
    check_digests(upload, {"sha256": SHA})
    check_digests(read_upload(form(), WHEEL), {"sha256": SHA})
    for algorithm in ("sha256", "md5", "blake2b_256"):
        with pytest.raises(InvalidUpload, match=algorithm):
            check_digests(upload, {"sha256": SHA, "md5": MD5, "blake2b_256": BLAKE} | {algorithm: "0"})


def test_S19_name_and_version_of_the_archive_are_those_of_the_form() -> None:
    upload = read_upload(form(), WHEEL)
    agree(upload, found(), Rules())
    agree(upload, found(version="1.0.0"), Rules())
    assert "names evil" in disagree(upload, found("evil"))
    assert "'1.1'" in disagree(upload, found(version="1.1"))


def test_S19_requires_python_of_the_archive_is_that_of_the_form() -> None:
    upload = read_upload(form(("requires_python", ">=3.8, <4")), WHEEL)
    agree(upload, found(requires_python="<4,>=3.8"), Rules())
    agree(read_upload(form(), WHEEL), found(requires_python=">=3.8"), Rules())
    agree(read_upload(form(("requires_python", "banana  1")), WHEEL), found(requires_python="banana 1"), Rules())
    assert "requires_python" in disagree(upload, found(requires_python=">=3.9"))
    assert "'nothing'" in disagree(upload, found())


def test_S19_specifiers_that_cannot_be_read_are_compared_as_they_stand() -> None:
    """Among them numbers of more digits than Python turns into one."""
    long = ">=3." + "8" * 900
    agree(read_upload(form(("requires_python", long)), WHEEL), found(requires_python=long), Rules())
    for absurd in ("8" * 5000, "1." + "8" * 5000, "1.*,>=1." + "8" * 5000):
        assert "requires_python" in disagree(read_upload(form(("requires_python", long)), WHEEL), found(requires_python=f"=={absurd}"))
        assert "archive is version" in disagree(read_upload(form(), WHEEL), found(version=absurd))


@pytest.mark.parametrize("value", [">=3." + "8" * 5000, ",".join(f"!=3.{number}" for number in range(120_000))[: 2**20 - 8]])
def test_S23_a_requires_python_of_absurd_length_is_refused_unread(value: str) -> None:
    assert refused(form(("requires_python", value))) == "the form's requires_python is longer than 1000 characters"


@pytest.mark.parametrize("field", ["name", "version", "filetype", "sha256_digest", "protocol_version", ":action"])
def test_S23_fields_of_a_mebibyte_are_refused_at_once(field: str) -> None:
    began = time.process_time()
    for value in ("9" * 2**20, "1." * 2**19, "a" + "-" * (2**20 - 2) + "a"):
        refused([*form(without=field), (field, value)])
    assert time.process_time() - began < 1


def test_R125_other_kinds_are_taken_where_the_rules_say_so() -> None:
    upload = read_upload(form(), "foo_bar-1.0.zip")
    assert "not accepted here" in disagree(upload, found())
    agree(upload, found(), Rules(kinds=frozenset({".zip"})))


def strict(filename: str, *more: tuple[str, str], name: str = "foo-bar", version: str = "1.0") -> Upload:
    """An upload with all that strict rules ask for."""
    kind = "py3" if filename.endswith(".whl") else "source"
    fields = [(":action", "file_upload"), ("name", name), ("version", version), ("sha256_digest", SHA)]
    if not any(field == "pyversion" for field, _ in more):
        fields.append(("pyversion", kind))
    return read_upload([*fields, *more], filename)


def test_strict_rules_take_what_pypi_takes() -> None:
    agree(strict(WHEEL, ("classifiers", "Programming Language :: Python")), found(), STRICT)
    agree(strict(SDIST), found(), STRICT)


def test_R127_R128_strict_rules_want_exact_file_names() -> None:
    for filename in ("Foo_Bar-1.0.tar.gz", "foo-bar-1.0.tar.gz", "foo_bar-1.0.0.tar.gz"):
        upload = strict(filename)
        agree(upload, found(), Rules())
        assert "foo_bar-1.0.tar.gz" in disagree(upload, found(), STRICT)
    upload = strict("Foo.Bar-1.0-py3-none-any.whl")
    agree(upload, found(), Rules())
    assert "begin with foo_bar-" in disagree(upload, found(), STRICT)


def test_R134_strict_rules_refuse_what_pypi_refuses() -> None:
    for name, version, words in (("foo", "1.0+x", "local"), ("foo", "2004d", "PEP 440")):
        upload = strict(f"foo-{version}.tar.gz", name=name, version=version)
        agree(upload, found(name, version), Rules())
        assert words in disagree(upload, found(name, version), STRICT)
    upload = strict(WHEEL, ("classifiers", "Private :: Do Not Upload"))
    agree(upload, found(), Rules())
    assert "Private" in disagree(upload, found(), STRICT)


def test_R130_R163_strict_rules_want_pyversion_and_a_digest() -> None:
    assert "pyversion" in disagree(strict(WHEEL, ("pyversion", "")), found(), STRICT)
    assert "pyversion" in disagree(strict(SDIST, ("pyversion", "py3")), found(), STRICT)
    assert "digest" in disagree(read_upload(form(("pyversion", "source")), SDIST), found(), STRICT)


@pytest.mark.parametrize(
    "tag",
    [
        "any",
        "win_amd64",
        "manylinux1_x86_64",
        "manylinux_2_17_aarch64.manylinux2014_aarch64",
        "musllinux_1_2_riscv64",
        "macosx_10_9_x86_64",
        "macosx_11_0_arm64",
        "macosx_26_0_arm64",
        "ios_13_0_arm64_iphoneos",
        "android_21_arm64_v8a",
        "pyodide_2024_0_wasm32",
    ],
)
def test_R129_platform_tags_that_pypi_takes(tag: str) -> None:
    upload = read_upload(form(), f"foo_bar-1.0-cp311-cp311-{tag}.whl")
    agree(upload, found(), Rules(platforms=True))
    assert unknown_platform(upload.filename) is None


@pytest.mark.parametrize(
    "tag", ["linux_x86_64", "win_riscv", "macosx_9_0_x86_64", "manylinux_2_17_aarch64.linux_aarch64", "freebsd_14_0_release_amd64"]
)
def test_R129_other_platform_tags_pass_unless_the_rules_say_so(tag: str) -> None:
    upload = read_upload(form(), f"foo_bar-1.0-cp311-cp311-{tag}.whl")
    agree(upload, found(), Rules())
    assert "platform tag" in disagree(upload, found(), Rules(platforms=True))


@given(
    st.lists(st.tuples(st.sampled_from([":action", "name", "version", "filetype", "md5_digest", "x"]), st.text(max_size=12)), max_size=5),
    st.one_of(st.text(max_size=30), st.sampled_from([WHEEL, SDIST])),
)
def test_any_form_is_an_upload_or_refused(fields: list[tuple[str, str]], filename: str) -> None:
    for told in (fields, form(*fields)):
        with contextlib.suppress(InvalidUpload):
            assert read_upload(told, filename).filename == filename
