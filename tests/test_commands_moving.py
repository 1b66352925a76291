"""`makeindex`: from a folder of distributions to an index of plain files (S1 of switching.md)."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from pypidaemon.commands import main
from pypidaemon.model import NormalizedName
from pypidaemon.simple.reading import read_page
from pypidaemon.testing.archives import core_metadata, make_sdist, make_wheel
from tests.needs import missing

WHEEL, WHEEL_BYTES = make_wheel("alpha", "1.0")
ALPHA = NormalizedName("alpha")


def trap(target: Path) -> bytes:
    """A source distribution whose setup.py would make that file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in (("PKG-INFO", core_metadata("trap", "1.0")), ("setup.py", f"open({str(target)!r}, 'w')".encode())):
            member = tarfile.TarInfo(f"trap-1.0/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def egg() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("EGG-INFO/PKG-INFO", core_metadata("delta", "1.0"))
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything that the old tool's users had, good and bad."""
    made = tmp_path / "dir"
    (made / "Beta").mkdir(parents=True)
    (made / WHEEL).write_bytes(WHEEL_BYTES)
    name, data = make_sdist("beta", "2.0+local")
    (made / "Beta" / name).write_bytes(data)
    (made / "delta-1.0-py3.8.egg").write_bytes(egg())
    (made / "trap-1.0.tar.gz").write_bytes(trap(tmp_path / "PWNED"))
    return made


def links(folder: Path, name: str) -> list[Path]:
    """Where the links of a page lead, each of which must be a file with the promised facts."""
    page = folder / "simple" / name / "index.html"
    base = page.parent.as_uri() + "/"
    read = read_page(page.read_bytes(), "text/html", base.replace("file:///", "https://files.example/"), NormalizedName(name))
    also = read_page(
        (page.parent / "index.json").read_bytes(),
        "application/vnd.pypi.simple.v1+json",
        base.replace("file:///", "https://files.example/"),
        NormalizedName(name),
    )
    assert [file.url for file in also.files] == [file.url for file in read.files]
    return [Path(file.url.removeprefix("https://files.example").replace("%2B", "+")) for file in read.files]


def test_S1_each_distribution_is_in_the_index(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["makeindex", str(folder)]) == 0
    for name, file in (
        ("alpha", folder / WHEEL),
        ("beta", folder / "Beta" / "beta-2.0+local.tar.gz"),
        ("delta", folder / "delta-1.0-py3.8.egg"),
        ("trap", folder / "trap-1.0.tar.gz"),
    ):
        assert links(folder, name) == [file]
        assert file.is_file()
    listing = (folder / "simple" / "index.html").read_text()
    assert [name for name in ("alpha", "beta", "delta", "trap") if f'<a href="{name}/">' not in listing] == []
    assert "4 files of 4 projects" in capsys.readouterr().out


def test_S1_hash_python_and_metadata_are_promised_and_kept(folder: Path) -> None:
    main(["makeindex", str(folder)])
    (entry,) = json.loads((folder / "simple" / "alpha" / "index.json").read_bytes())["files"]
    import hashlib

    assert entry["hashes"] == {"sha256": hashlib.sha256(WHEEL_BYTES).hexdigest()}
    assert entry["requires-python"] == ">=3.8"
    sidecar = (folder / f"{WHEEL}.metadata").read_bytes()
    assert entry["core-metadata"] == {"sha256": hashlib.sha256(sidecar).hexdigest()}
    assert "data-core-metadata" in (folder / "simple" / "alpha" / "index.html").read_text()


def test_S1_nothing_in_an_archive_is_run(folder: Path, tmp_path: Path) -> None:
    main(["makeindex", str(folder)])
    assert not (tmp_path / "PWNED").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dir"]


def test_S1_bad_files_are_named_and_the_others_are_indexed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "corrupt-1.0-py3-none-any.whl").write_bytes(b"PK\x03\x04 nothing more")
    (folder / "gamma-1.0.tar.gz").write_bytes(make_sdist("zeta", "1.0")[1])
    (folder / "has space-1.0.zip").write_bytes(b"")
    (folder / "Beta" / WHEEL).write_bytes(WHEEL_BYTES)
    (folder / "notes.txt").write_text("not asked for")
    assert main(["makeindex", "--json", str(folder)]) == 1
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert set(report["refused"]) == {"corrupt-1.0-py3-none-any.whl", "gamma-1.0.tar.gz", "has space-1.0.zip", WHEEL}
    assert (report["projects"], report["files"]) == (4, 4)
    assert len(said.err.splitlines()) == 4
    assert "gamma-1.0.tar.gz: the metadata in it is that of zeta" in said.err


def test_S1_projects_that_are_gone_are_removed(folder: Path) -> None:
    main(["makeindex", str(folder)])
    (folder / "trap-1.0.tar.gz").unlink()
    (folder / "delta-1.0-py3.8.egg").unlink()
    (folder / "simple" / "delta" / "kept.txt").write_text("somebody else's")
    assert main(["makeindex", str(folder)]) == 0
    assert sorted(path.name for path in (folder / "simple").iterdir()) == ["alpha", "beta", "delta", "index.html", "index.json"]
    assert [path.name for path in (folder / "simple" / "delta").iterdir()] == ["kept.txt"]


def test_what_has_not_changed_is_not_written(folder: Path) -> None:
    """So that copies of the folder take only what is new; and no draft stays."""
    main(["makeindex", str(folder)])
    places = [path for path in folder.rglob("*") if path.is_file()]
    for place in places:
        os.utime(place, (0, time.time() // 1) if place.suffix in {".html", ".json"} else None)
    before = {place: place.stat().st_ino for place in places}
    for place in places:
        if place.suffix in {".gz", ".whl", ".egg"}:
            os.utime(place, (0, 0))
    main(["makeindex", str(folder)])
    main(["makeindex", str(folder)])
    again = {path: path.stat().st_ino for path in folder.rglob("*") if path.is_file()}
    assert set(again) == set(before)
    assert again[folder / "simple" / "index.html"] == before[folder / "simple" / "index.html"]
    assert again[folder / f"{WHEEL}.metadata"] == before[folder / f"{WHEEL}.metadata"]


def test_a_folder_that_cannot_be_used_is_one_line(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["makeindex", str(tmp_path / "nowhere")]) == 1
    assert "No such file" in capsys.readouterr().err
    (tmp_path / "elsewhere").mkdir()
    (folder / "simple").symlink_to(tmp_path / "elsewhere")
    assert main(["makeindex", str(folder)]) == 1
    assert "is a link" in capsys.readouterr().err
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.clients
def test_pip_installs_from_it(folder: Path, tmp_path: Path) -> None:
    main(["makeindex", str(folder)])
    command = [sys.executable, "-m", "pip", "--isolated", "--no-cache-dir", "--disable-pip-version-check", "download", "--no-deps"]
    url = (folder / "simple").as_uri()
    done = subprocess.run([*command, "-i", url, "-d", str(tmp_path / "got"), "alpha"], capture_output=True, text=True, check=False)
    if "No module named pip" in done.stderr:
        missing("this environment has no pip")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got" / WHEEL).read_bytes() == WHEEL_BYTES
