"""Lock files, of four kinds and of no kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from pypidaemon.locks import LONGEST, MOST_FILES, Edge, Lock, Locked, is_lock, read_lock
from pypidaemon.model import Digest, Filename, NormalizedName

A, B, C = (letter * 64 for letter in "abc")

UV = f"""
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "demo"
version = "0.1"
source = {{ virtual = "." }}
dependencies = [{{ name = "zope-interface" }}]

[[package]]
name = "zope-interface"
version = "7.2"
source = {{ registry = "https://index.example/simple" }}
sdist = {{ url = "https://files.index.example/aa/zope_interface-7.2.tar.gz", hash = "sha256:{A}", size = 252960 }}
wheels = [
    {{ url = "https://files.index.example/bb/zope_interface-7.2%2Blocal-py3-none-any.whl#x", hash = "sha256:{B.upper()}" }},
    {{ path = "folder/zope_interface-7.2-cp311-cp311-win32.whl" }},
    {{ filename = "zope_interface-7.2-cp312-cp312-win32.whl", hash = "md5:{A[:32]}" }},
]

[[package]]
name = "dynamic"
source = {{ registry = "https://index.example/simple" }}

[[package]]
name = "forked"
version = "1.0"
source = {{ git = "https://code.index.example/forked?rev=main#{A[:40]}" }}

[[package]]
name = "nowhere"
version = "1.0"
"""

PYLOCK = f"""
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "attrs"
version = "25.1.0"
sdist = {{ url = "https://files.index.example/attrs-25.1.0.tar.gz", hashes = {{ sha256 = "{A}" }} }}
wheels = [{{ name = "attrs-25.1.0-py3-none-any.whl", path = "x/y.whl", hashes = {{ sha512 = "{B}{B}" }} }}]

[[packages]]
name = "only-sdist"
sdist = {{ path = "only_sdist-1.tar.gz", hashes = {{ sha256 = "{C}" }} }}

[[packages]]
name = "only-wheels"
version = "1"
wheels = [{{ path = "only_wheels-1-py3-none-any.whl", hashes = {{ sha256 = "{C}" }} }}]

[[packages]]
name = "folder"
directory = {{ path = "." }}

[[packages]]
name = "one-archive"
archive = {{ url = "https://elsewhere.index.example/a.zip", hashes = {{ sha256 = "{A}" }} }}

[[packages]]
name = "repository"
vcs = {{ type = "git", url = "https://code.index.example/x", commit-id = "{A[:40]}" }}
"""

POETRY = f"""
[[package]]
name = "Zope.Interface"
version = "7.2"
files = [{{ file = "zope_interface-7.2.tar.gz", hash = "sha256:{A}" }}]

[[package]]
name = "inhouse"
version = "1.0"
files = [{{ file = "inhouse-1.0.tar.gz", hash = "sha256:{B}" }}]

[package.source]
type = "legacy"
url = "https://index.example/simple"
reference = "inhouse"

[[package]]
name = "forked"
version = "1.0"
files = []

[package.source]
type = "git"
url = "https://code.index.example/forked"

[metadata]
lock-version = "2.1"
"""

OLD_POETRY = f"""
[[package]]
name = "Zope.Interface"
version = "5.0"

[[package]]
name = "unknown"
version = "5.0"

[metadata]
lock-version = "1.1"

[metadata.files]
"Zope.Interface" = [{{ file = "zope.interface-5.0.tar.gz", hash = "sha256:{A}" }}]
"""

PDM = f"""
[metadata]
lock_version = "4.5.0"

[[package]]
name = "idna"
version = "3.10"
files = [
    {{ file = "idna-3.10-py3-none-any.whl", hash = "sha256:{A}" }},
    {{ url = "https://files.index.example/idna-3.10.tar.gz", hash = "sha256:{B}" }},
]

[[package]]
name = "forked"
version = "1.0"
git = "https://code.index.example/forked"
revision = "{A[:40]}"
"""


def _locked(name: str, version: str | None, *files: tuple[str, str | None]) -> Locked:
    found = tuple((Filename(file), None if digest is None else Digest(digest)) for file, digest in files)
    return Locked(NormalizedName(name), None if version is None else Version(version), found)


def test_M21_uv_lock_names_what_comes_from_an_index() -> None:
    """Its files are named by their URLs, and have digests where it says them."""
    assert read_lock("uv.lock", UV) == Lock(
        (
            _locked(
                "zope-interface",
                "7.2",
                ("zope_interface-7.2+local-py3-none-any.whl", B),
                ("zope_interface-7.2-cp311-cp311-win32.whl", None),
                ("zope_interface-7.2-cp312-cp312-win32.whl", None),
                ("zope_interface-7.2.tar.gz", A),
            ),
            _locked("dynamic", None),
        ),
        ("forked, which is from 'git'", "nowhere, which is from 'nowhere'"),
    )


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.dev.toml"])
def test_M21_pylock_toml_names_what_comes_from_an_index(name: str) -> None:
    """PEP 751."""
    assert read_lock(name, PYLOCK) == Lock(
        (
            _locked("attrs", "25.1.0", ("attrs-25.1.0-py3-none-any.whl", None), ("attrs-25.1.0.tar.gz", A)),
            _locked("only-sdist", None, ("only_sdist-1.tar.gz", C)),
            _locked("only-wheels", "1", ("only_wheels-1-py3-none-any.whl", C)),
        ),
        ("one-archive, which is from an archive", "repository, which is from version control"),
    )


def test_M21_poetry_lock_names_what_comes_from_an_index() -> None:
    """Other indexes than the usual one too."""
    assert read_lock("poetry.lock", POETRY) == Lock(
        (_locked("zope-interface", "7.2", ("zope_interface-7.2.tar.gz", A)), _locked("inhouse", "1.0", ("inhouse-1.0.tar.gz", B))),
        ("forked, which is from 'git'",),
    )


def test_M21_old_poetry_locks_have_their_files_at_the_end() -> None:
    assert read_lock("poetry.lock", OLD_POETRY).packages == (
        _locked("zope-interface", "5.0", ("zope.interface-5.0.tar.gz", A)),
        _locked("unknown", "5.0"),
    )


def test_M21_pdm_lock_names_what_comes_from_an_index() -> None:
    found = (_locked("idna", "3.10", ("idna-3.10-py3-none-any.whl", A), ("idna-3.10.tar.gz", B)),)
    assert read_lock("pdm.lock", PDM) == Lock(found, ("forked, which is from git",))


def test_dots_in_texts_and_remarks_make_no_key() -> None:
    """However many."""
    dots = "a." * 100 + "a"
    text = f'version = 1 # {dots}\nx = ["{dots}", \'{dots}\', "\\"{dots}"]\ny = """\n{dots}"{dots}""""\nz = \'\'\'{dots}\'{dots}\'\'\'\'\n'
    assert read_lock("uv.lock", text) == Lock(())
    assert read_lock("uv.lock", f"version = 1\n{'a.' * 15}a = 1\n") == Lock(())


def test_lock_files_are_known_by_their_names() -> None:
    names = ["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "pylock.dev.toml", "pylock.a.b.toml", "requirements.txt", "Pipfile.lock"]
    assert [is_lock(name) for name in names] == [True, True, True, True, True, False, False, False]


def _package(rest: str) -> str:
    return f'version = 1\n[[package]]\nname = "a"\n{rest}\nsource = {{ registry = "x" }}'


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("requirements.txt", "a==1", "is none of pdm.lock poetry.lock uv.lock pylock.toml"),
        ("uv.lock", "", "it has neither packages nor a version"),
        ("uv.lock", "a==1\n", "uv.lock is no lock file that can be read"),
        ("uv.lock", "package = 1", "'package' is no list of tables"),
        ("uv.lock", "package = [1]", "'package' is no list of tables"),
        ("uv.lock", "[[package]]", "'name' is missing or no text"),
        ("uv.lock", "[[package]]\nname = 1", "'name' is missing or no text"),
        ("uv.lock", '[[package]]\nname = "../a"', "not a project name"),
        ("uv.lock", '[[package]]\nname = "a"\nsource = "index"', "'source' is no table"),
        ("uv.lock", _package("version = 1"), "'version' is missing or no text"),
        ("uv.lock", _package('version = "one"'), "not a version: 'one'"),
        ("uv.lock", _package(f'version = "{"9" * 5000}"'), "not a version"),
        ("uv.lock", _package("wheels = {}"), "'wheels' is no list of tables"),
        ("uv.lock", _package("wheels = [{}]"), "'path' is missing or no text"),
        ("uv.lock", _package('wheels = [{ path = "a/.." }]'), "not a file name"),
        ("uv.lock", _package('wheels = [{ url = "https://[/a-1.whl" }]'), "Invalid IPv6 URL"),
        ("uv.lock", _package('wheels = [{ url = "https://index.example/..%2Fa-1.whl" }]'), "not a file name"),
        ("uv.lock", _package('wheels = [{ file = "a\\nb" }]'), "not a file name|without an extension"),
        ("uv.lock", "x = " + "[" * 100_000, "nested too deeply|is no lock file"),
        ("poetry.lock", "[metadata]\nfiles = []\n", "'files' is no table"),
        ("poetry.lock", '[[package]]\nname = "a"\nversion = "1"\nsource = { type = [] }\n', None),
        ("pylock.toml", "", "Missing required value in 'lock-version'"),
        ("pylock.toml", 'lock-version = "2.0"\ncreated-by = "x"\npackages = []', "pylock version 2.0 is not supported"),
        ("pylock.toml", 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "A"', "not normalized"),
        ("uv.lock", "#" * (LONGEST + 1), "longer than 16 Mi characters"),
        ("uv.lock", "a." * 200_000 + "b = 1", "a key of more than 16 parts"),
        ("uv.lock", "[" + "a." * 200_000 + "b]", "a key of more than 16 parts"),
        ("uv.lock", "x = { \"=\" . '#'" + ' ."\\"" ' * 200_000 + "= 1 }", "a key of more than 16 parts"),
        ("uv.lock", 'x = """\\"""" ""\n""""' + "\n" + "a." * 200_000 + "b = 1", "a key of more than 16 parts|is no lock file"),
        (
            "uv.lock",
            _package("wheels = [" + ",".join(f'{{ path = "a-{n}.zip" }}' for n in range(MOST_FILES + 1)) + "]"),
            "more than 10000 files",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_lock_is_refused_in_one_line(name: str, text: str, reason: str | None) -> None:
    if reason is None:
        assert read_lock(name, text).packages == ()
        return
    with pytest.raises(ValueError, match=reason) as caught:
        read_lock(name, text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def _refused(name: str, text: str) -> str:
    """Why that is no lock, or nothing where it is one."""
    try:
        read_lock(name, text)
    except ValueError as error:
        return str(error)
    return ""


TOML = st.recursive(
    st.sampled_from(["a", "1.0", "sha256:" + A, "https://index.example/a-1.zip", "git", "legacy"]).map(lambda text: f'"{text}"')
    | st.sampled_from(["1", "true", "1979-05-27", "nan"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from(["name", "version", "source", "url", "hash", "file", "files", "wheels", "type", "registry"]), inner, max_size=4
        ).map(lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}")
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(["uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"]),
    st.dictionaries(st.sampled_from(["package", "packages", "metadata", "version", "lock-version", "created-by"]), TOML)
    | st.lists(TOML, max_size=2).map(lambda tables: {"package": f"[{', '.join(tables)}]", "packages": f"[{', '.join(tables)}]"}),
)
def test_a_document_is_a_lock_or_a_ValueError(name: str, document: dict[str, str]) -> None:
    """Whatever stands in it."""
    assert "\n" not in _refused(name, "".join(f"{key} = {value}\n" for key, value in document.items()))


@given(st.sampled_from(["uv.lock", "pylock.toml"]), st.text())
def test_a_text_is_a_lock_or_a_ValueError(name: str, text: str) -> None:
    assert "\n" not in _refused(name, text)


RECORDED = Path(__file__).parent / "recorded"
WRITTEN = {
    "click-8.1.8-py3-none-any.whl": "63c132bbbed01578a06712a2d1f497bb62d9c1c0d329b7903a866228027263b2",
    "click-8.1.8.tar.gz": "ed53c9d8990d83c2a27deae68e4ee337473f6330c040a31d4225c9574d16096a",
    "colorama-0.4.6-py2.py3-none-any.whl": "4f1d9991f5acc0ca119f9d443620b77f9d6b33703e51011c16baf57afb285fc6",
    "colorama-0.4.6.tar.gz": "08695f5cb7ed6e0531a20572697297273c47b8cae5a63ffc6d6ed5c201be6e44",
    "idna-3.10-py3-none-any.whl": "946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3",
    "idna-3.10.tar.gz": "12f65c9b470abda6dc35cf8e63cc574b1c52b11df2c86030af0ac09b01b13ea9",
    "iniconfig-2.0.0-py3-none-any.whl": "b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374",
    "iniconfig-2.0.0.tar.gz": "2d91e135bf72d31a410b17c16da610a82cb55f6b0477d1a902134b24a455b8b3",
}
"""What those locks name, by file name, with the sha256."""


@pytest.mark.parametrize("recorded", ["poetry-2.5.lock", "pdm-2.20.lock", "pdm-2.20-static-urls.lock"])
def test_M21_locks_that_poetry_and_pdm_wrote_are_read_to_the_last_file(recorded: str) -> None:
    """Each of three small projects and of what one of them needs on Windows, which this daemon had served; only its address was changed since."""
    text = (RECORDED / recorded).read_text("utf-8")
    lock = read_lock(f"{recorded.partition('-')[0]}.lock", text)
    assert [(one.name, str(one.version)) for one in lock.packages] == [
        ("click", "8.1.8"),
        ("colorama", "0.4.6"),
        ("idna", "3.10"),
        ("iniconfig", "2.0.0"),
    ]
    assert {filename: digest for one in lock.packages for filename, digest in one.files} == WRITTEN
    assert lock.passed_over == ()


def test_who_needs_what_is_read_where_the_lock_says_it() -> None:
    """uv: also what the project itself needs; Poetry: of old by what needs it, of late of the package, as pdm and PEP 751 have it."""
    text = f"""
[[package]]
name = "trip"
version = "0"
source = {{ virtual = "." }}
dependencies = [{{ name = "alpha", extra = ["Fast_One", 3] }}]
dev-dependencies = {{ dev = [{{ name = "beta", version = "1.0", marker = "sys_platform == 'win32'" }}] }}
[[package]]
name = "alpha"
version = "1.0"
source = {{ registry = "https://index.example/simple" }}
dependencies = [{{ name = "gamma", extra = "odd", marker = "{"x" * 5000}" }}]
optional-dependencies = {{ fast-one = [{{ name = "delta" }}] }}
"""
    lock = read_lock("uv.lock", text)
    beta = Edge(NormalizedName("beta"), Version("1.0"), "sys_platform == 'win32'")
    assert lock.roots == (Edge(NormalizedName("alpha"), None, "", frozenset({"fast-one"})), beta)
    assert lock.packages[0].edges == {"": (Edge(NormalizedName("gamma")),), "fast-one": (Edge(NormalizedName("delta")),)}
    poetry = """
[[package]]
name = "alpha"
version = "1.0"
markers = "sys_platform == \\"linux\\""
[package.dependencies]
beta = ">=1"
gamma = [{version = "1", markers = "os_name == \\"nt\\"", extras = ["x"]}, "2"]
[metadata]
"""
    lock = read_lock("poetry.lock", poetry)
    assert lock.roots is None
    assert lock.packages[0].marker == 'sys_platform == "linux"'
    assert lock.packages[0].edges[""] == (
        Edge(NormalizedName("beta")),
        Edge(NormalizedName("gamma"), None, 'os_name == "nt"', frozenset({"x"})),
        Edge(NormalizedName("gamma")),
    )
    assert read_lock("pdm.lock", '[[package]]\nname = "a"\nmarker = "os_name == 1"\n').packages[0].marker == "os_name == 1"
