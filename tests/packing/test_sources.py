"""What source distributions say without being built."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pypidaemon.archives import BadArchive
from pypidaemon.model import Filename
from pypidaemon.packing.sources import Source, source, wheel_needs
from pypidaemon.testing.archives import make_wheel

TAR, ZIP = Filename("seeds-1.0.tar.gz"), Filename("seeds-1.0.zip")


def packed(files: dict[str, str], kind: str = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=kind) as archive:  # type: ignore[call-overload]  # it is one of these modes
        for path, text in files.items():
            member = tarfile.TarInfo(f"seeds-1.0/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def read(project: str | None = None, info: str = "Metadata-Version: 2.1\nName: seeds\nVersion: 1.0\nRequires-Dist: alpha\n") -> Source:
    return source(packed({"other.py": "", "PKG-INFO": info} | ({"pyproject.toml": project} if project is not None else {})), TAR)


def needs(said: Source) -> list[str]:
    return [one.name for one in said.needs.requires]


def test_new_metadata_holds_for_whatever_is_built() -> None:
    """PEP 643: unless it says that this is dynamic."""
    said = read(info="Metadata-Version: 2.2\nName: seeds\nVersion: 1.0\nRequires-Dist: alpha\n")
    assert (needs(said), said.sure) == (["alpha"], True)
    assert not read(info="Metadata-Version: 2.2\nName: seeds\nVersion: 1.0\nDynamic: Requires-Dist\n").sure
    assert not read(info="Metadata-Version: odd\nName: seeds\nVersion: 1.0\n").sure


def test_old_metadata_is_believed_for_want_of_better() -> None:
    """PEP 621 is better, unless it leaves dependencies to the build."""
    assert (needs(read()), read().sure) == (["alpha"], False)
    said = read(
        "[project]\nname = 'seeds'\ndependencies = ['beta']\n[project.optional-dependencies]\nx = ['gamma; python_version > \"3\"', 'delta']\n"
    )
    assert (needs(said), said.sure) == (["beta", "gamma", "delta"], True)
    assert "extra ==" in said.needs.requires[1].marker
    assert needs(read("[project]\nname = 'seeds'\ndynamic = ['dependencies']\n")) == ["alpha"]
    assert needs(read("[project]\ndependencies = 3\noptional-dependencies = 3\n")) == []


def test_what_makes_no_sense_is_not_believed() -> None:
    """Whoever wrote it may have written anything, and one odd file must not end a pack of a thousand."""
    for odd in ("2.\N{SUPERSCRIPT TWO}", "2." + "1" * 5000, "2.2.2.x"):
        assert not read(info=f"Metadata-Version: {odd}\nName: seeds\nVersion: 1.0\n").sure
    for odd in ("5", "true", "'dependencies'", "[5]"):
        assert needs(read(f"[project]\nname = 'seeds'\ndynamic = {odd}\n")) == ([] if odd == "[5]" else ["alpha"])


def test_what_builds_it() -> None:
    """PEP 518, and setuptools where it does not say."""
    assert read().builds == ("setuptools>=40.8.0", "wheel")
    assert read("[build-system]\nrequires = ['flit_core']\nbuild-backend = 'flit_core.buildapi'\n").builds == ("flit_core",)


def test_every_kind_of_archive(tmp_path: Path) -> None:
    """In a file or not."""
    files = {"PKG-INFO": "Metadata-Version: 2.2\nName: seeds\nVersion: 1.0\nRequires-Dist: beta\n"}
    for kind, name in (("w:bz2", "seeds-1.0.tar.bz2"), ("w:xz", "seeds-1.0.tar.xz")):
        (tmp_path / name).write_bytes(packed(files, kind))
        assert needs(source(str(tmp_path / name), Filename(name))) == ["beta"]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("seeds-1.0/PKG-INFO", files["PKG-INFO"])
        archive.writestr("seeds-1.0/deep/PKG-INFO", "not this one")
    assert needs(source(buffer.getvalue(), ZIP)) == ["beta"]
    name, wheel = make_wheel("seeds", "1.0", ["gamma"])
    assert [one.name for one in wheel_needs(wheel, Filename(name)).requires] == ["gamma"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        (TAR, b"nothing"),
        (ZIP, b"nothing"),
        (Filename("seeds-1.0.tar.Z"), b"nothing"),
        (TAR, packed({"pyproject.toml": "["})),
        (TAR, packed({"pyproject.toml": "[build-system]\nrequires = 3\n"})),
        (TAR, packed({"pyproject.toml": "#" * (2 << 20)})),
    ],
)
def test_what_cannot_be_read_is_one_line(name: Filename, data: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(BadArchive) as raised:
        source(data, name)
    assert "\n" not in str(raised.value)
