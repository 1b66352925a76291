"""Lock files for another index: the addresses change and nothing else does."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import NormalizedName
from pypidaemon.packing.lacking import lacking
from pypidaemon.packing.relocking import Move, Relocked, relocked
from tests.fakes import FakeUpstream
from tests.gear import now

A = "a" * 64
OLD, NEW = "https://old.example/simple", "https://new.example/py/simple/"
PATH = "packages/aa/bb/cc/seeds-1.0-py3-none-any.whl"
UV = f"""# made by hand\r
version = 1
[[package]]
name = "seeds"
version = "1.0"
source = {{ registry = "{OLD}" }}   # the registry
sdist = {{ url = "https://files.example/{PATH.replace("-py3-none-any.whl", ".tar.gz")}", hash = "sha256:{A}" }}
wheels = [
    {{ url = 'https://files.example/{PATH}', hash = "sha256:{A}" }},\t
]
[[package]]
name = "forked"
version = "1.0"
source = {{ git = "https://old.example/simple?rev=main" }}
"""


def moved(name: str, text: str, to: str = NEW, source: str | None = None) -> Relocked:
    return relocked(name, text, Move(to, source))


def test_uv_s_registry_and_files_change_and_nothing_else() -> None:
    """Files may be on another host than the pages: the paths are what both have. A slash at the end stays or stays away."""
    found = moved("uv.lock", UV)
    assert found.text == UV.replace(f'"{OLD}"', '"https://new.example/py/simple"').replace(
        "https://files.example/", "https://new.example/py/"
    )
    assert found.changed == 3
    assert [(file.filename, file.digest, file.url) for file in found.files] == [
        ("seeds-1.0-py3-none-any.whl", A, f"https://new.example/py/{PATH}"),
        ("seeds-1.0.tar.gz", A, "https://new.example/py/packages/aa/bb/cc/seeds-1.0.tar.gz"),
    ]
    assert moved("uv.lock", found.text).changed == 0


def test_where_there_are_several_indexes_somebody_says_which() -> None:
    """The other stays with its files."""
    other = f'[[package]]\nname = "b"\nversion = "1"\nsource = {{ registry = "https://home.example/simple/" }}\nwheels = [{{ url = "https://home.example/{PATH}" }}]\n'
    with pytest.raises(ValueError, match=r"--from.*home\.example"):
        moved("uv.lock", UV + other)
    found = moved("uv.lock", UV + other, source=f"{OLD}/")
    assert found.text.endswith(other)
    assert found.changed == 3
    assert {file.name for file in found.files} == {"seeds"}
    found = moved("uv.lock", UV + other, source="https://home.example/simple")
    assert found.text.startswith(UV)
    assert "https://new.example/py/packages" in found.text


def test_poetry_names_indexes_alone() -> None:
    """Its files have no addresses; the index has to have them all the same."""
    text = f'[[package]]\nname = "seeds"\nversion = "1.0"\nfiles = [{{ file = "seeds-1.0.tar.gz", hash = "sha256:{A}" }}]\n[package.source]\ntype = "legacy"\nurl = "{OLD}"\nreference = "home"\n[metadata]\n'
    found = moved("poetry.lock", text)
    assert found.text == text.replace(OLD, "https://new.example/py/simple")
    assert [(file.filename, file.url) for file in found.files] == [("seeds-1.0.tar.gz", None)]


def test_pylock_pdm_and_pipenv() -> None:
    """Each in its own words."""
    pylock = f'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "seeds"\nversion = "1.0"\nindex = "{OLD}"\nwheels = [{{ url = "https://f.example/{PATH}", hashes = {{ sha256 = "{A}" }} }}]\n'
    assert moved("pylock.toml", pylock).text == pylock.replace(OLD, "https://new.example/py/simple").replace(
        "https://f.example/", "https://new.example/py/"
    )
    pdm = (
        f'[metadata]\n[[package]]\nname = "seeds"\nversion = "1.0"\nfiles = [{{ url = "https://f.example/{PATH}", hash = "sha256:{A}" }}]\n'
    )
    assert moved("pdm.lock", pdm).text == pdm.replace("https://f.example/", "https://new.example/py/")
    pipenv = json.dumps({"_meta": {"sources": [{"name": "x", "url": OLD}]}, "default": {}}, indent=4)
    assert moved("Pipfile.lock", pipenv).text == pipenv.replace(OLD, "https://new.example/py/simple")


def test_requirements_with_addresses() -> None:
    """Options and files; a comment stays as it is, and so does what is no file of an index."""
    text = f"--index-url {OLD}\nseeds @ https://f.example/{PATH}#sha256={A} ; python_version > '3'\n# see https://f.example/{PATH}x\nhttps://doc.example/page\n"
    found = moved("requirements.txt", text)
    assert found.text == text.replace(OLD, "https://new.example/py/simple").replace(
        f"https://f.example/{PATH}#", f"https://new.example/py/{PATH}#"
    )
    assert [(file.name, file.digest, file.url) for file in found.files] == [("seeds", A, f"https://new.example/py/{PATH}")]


def test_addresses_without_packages_follow_what_they_came_from() -> None:
    """Where both roots are known the rest of the path is what both have; else it is told that they stay."""
    text = f'[metadata]\n[[package]]\nname = "seeds"\nversion = "1.0"\nfiles = [{{ url = "https://d.example/root/pypi/+f/aa/seeds-1.0.tar.gz", hash = "sha256:{A}" }}]\n'
    found = moved("pdm.lock", text)
    assert (found.text, found.changed) == (text, 0)
    assert found.left == (
        "https://d.example/root/pypi/+f/aa/seeds-1.0.tar.gz stays: nothing in it says where the same file would be on another index",
    )
    found = moved("pdm.lock", text, "https://e.example/dev/x/+simple/", "https://d.example/root/pypi/+simple/")
    assert 'url = "https://e.example/dev/x/+f/aa/seeds-1.0.tar.gz"' in found.text


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("uv.lock", "[", "no lock file"),
        ("Pipfile.lock", "{}", "no Pipfile.lock"),
        ("poetry.lock", "x" * ((16 << 20) + 1), "longer"),
    ],
)
def test_what_cannot_be_is_one_line(name: str, text: str, words: str) -> None:
    """Nothing is half exchanged."""
    with pytest.raises(ValueError, match=words) as raised:
        moved(name, text)
    assert "\n" not in str(raised.value)


def test_what_is_spelt_with_escapes_is_not_exchanged_in_part() -> None:
    """It is said instead."""
    with pytest.raises(ValueError, match="cannot be exchanged"):
        moved("uv.lock", UV.replace(f'registry = "{OLD}"', f'registry = "{OLD[:-1]}\\u0065"'))
    with pytest.raises(ValueError, match="credentials"):
        Move("https://me:secret@new.example/simple/")


texts = st.text(st.characters(exclude_characters="\r", exclude_categories=["Cc", "Cs"]), max_size=20).map(
    lambda text: text.replace("\\", "").replace('"', "").replace("'", "")
)


@given(st.lists(st.tuples(texts, st.sampled_from(["seeds", "other"])), max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_every_other_byte_stays(packages: list[tuple[str, str]], end: str) -> None:
    """Put the new addresses back, and it is the file that it was; read, it differs in addresses alone."""
    text = "version = 1\n"
    for comment, name in packages:
        text += f'# {comment}\n[[package]]\nname = "{name}"\nversion = "1.0"\nsource = {{ registry = "{OLD}" }}\nwheels = [{{ url = "https://f.example/{PATH}" }}]\nnote = "{comment}"\n'
    text = text.replace("\n", end)
    found = moved("uv.lock", text)
    assert (
        found.text.replace("https://new.example/py/simple", OLD).replace("https://new.example/py/packages", "https://f.example/packages")
        == text
    )
    assert len(tomllib.loads(found.text).get("package", [])) == len(packages)


def test_what_the_other_index_lacks_is_told() -> None:
    """By its pages: each project is asked for once."""
    upstream = FakeUpstream()
    page = upstream.add("seeds", ("seeds-1.0.tar.gz", b"one"), ("seeds-2.0.tar.gz", b"two"), ("seeds-3.0.tar.gz", b"three"))
    digests = [file.digest for file in page.files]
    text = "[metadata]\n" + "".join(
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nfiles = [{{ url = "{url}", hash = "sha256:{digest}" }}]\n'
        for name, version, url, digest in (
            ("seeds", "1.0", page.files[0].url.replace("files.example", "old.example"), digests[0]),
            ("seeds", "2.0", page.files[1].url, A),
            ("seeds", "3.0", f"https://old.example/packages/{A}/seeds-3.0.tar.gz", digests[2]),
            ("seeds", "4.0", f"https://old.example/packages/{A}/seeds-4.0.tar.gz", A),
            ("gone", "1.0", f"https://old.example/packages/{A}/gone-1.0.tar.gz", A),
        )
    )
    found = moved("pdm.lock", text, "https://files.example/simple/")
    lacks = now(lacking(upstream, found.files))
    assert [one.line.partition(",")[0] for one in lacks] == [
        "seeds-2.0.tar.gz: it has other bytes",
        f"seeds-3.0.tar.gz: it has it at another address: {page.files[2].url}",
        "seeds-4.0.tar.gz: it does not list it",
        "gone-1.0.tar.gz: it has no such project",
    ]
    assert upstream.asked == ["page seeds", "page gone"]
    upstream.fails([NormalizedName("seeds")])
    with pytest.raises(UpstreamUnavailable):
        now(lacking(upstream, found.files))


def test_one_address_in_two_spellings_is_not_half_exchanged() -> None:
    """The second would go on naming the old index, and nobody would say so."""
    url = "https://old.example/packages/ab/cd/alpha-1.0-py3-none-any.whl"
    text = "version = 1\n" + "".join(
        f'[[package]]\nname = "alpha"\nversion = "{version}"\nsource = {{ registry = "https://old.example/simple" }}\nwheels = [{{ url = "{spelled}" }}]\n'
        for version, spelled in (("1.0", url), ("1.1", url.replace("/", "\\u002f", 1)))
    )
    with pytest.raises(ValueError, match="cannot be exchanged"):
        relocked("uv.lock", text, Move("https://new.example/simple/"))


@pytest.mark.parametrize("name", ["script.py.lock", "conda.json", "pyproject.toml", ".lock"])
def test_what_is_no_lock_that_is_known_is_not_read_as_requirements(name: str) -> None:
    """Of uv's lock of a script the files would be exchanged, and the index would not."""
    with pytest.raises(ValueError, match="is no lock file that is known here"):
        relocked(
            name, 'wheels = [{ url = "https://old.example/packages/ab/alpha-1.0-py3-none-any.whl" }]\n', Move("https://new.example/simple/")
        )
