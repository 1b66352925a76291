"""`pypidaemon adopt` of what has several parts: which goes where, what is noted, and what is asked of a server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pypidaemon.commands import main
from tests.adopting import put, releases
from tests.orders import ordered

FILES = {"ann/dev": releases("alpha", "1.0"), "ann/prod": releases("beta", "1.0")}


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Two private indexes, and nothing beside the file."""
    file = tmp_path / "c.ini"
    file.write_text(
        "[daemon]\ndata = var\nindex = root\nuploads = private\n[index:root]\nuse = first-match\nindexes = private stable\n"
        "[index:private]\nuse = private\n[index:stable]\nuse = private\n"
    )
    return str(file)


def export(folder: Path) -> str:
    """What devpi-export writes of two indexes."""
    said = {}
    for index, files in FILES.items():
        put(folder / index, files)
        entries = [
            {
                "type": "releasefile",
                "projectname": name.partition("-")[0],
                "relpath": f"{index}/{name}",
                "entrymapping": {"hash_spec": f"sha256={hashlib.sha256(data).hexdigest()}"},
            }
            for name, data in files.items()
        ]
        said[index] = {"indexconfig": {"type": "stage", "acl_upload": ["ann"]}, "files": entries}
    put(folder, {"dataindex.json": json.dumps({"users": {"ann": {}}, "indexes": said}).encode()})
    return str(folder)


def test_each_part_goes_where_it_is_told(config: str, tmp_path: Path) -> None:
    command = ("adopt", "-c", config, "--layout", "devpi-export", export(tmp_path / "old"))
    done = ordered(*command)
    assert (done.returncode, done.stderr) == (1, "pypidaemon: say which index: --map USER/INDEX=LABEL (known: ann/dev ann/prod)\n")
    both = ("--map", "ann/dev=private", "--map", "ann/prod=stable")
    done = ordered(*command, *both)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith("note ")] == [
        "note ann",
        "note ann/dev",
        "note ann",
        "note ann/prod",
    ]
    assert [line.partition(";")[0].partition("taken ")[2] for line in lines if line.startswith("2 files")] == [
        "into private",
        "into stable",
    ]
    said = json.loads(ordered(*command, *both, "--json").stdout)
    assert ((said["taken"], said["here"]), [(part["index"], part["here"]) for part in said["parts"]]) == (
        (0, 4),
        [("private", 2), ("stable", 2)],
    )


@pytest.mark.parametrize(
    "arguments",
    [
        "--map ann/dev",
        "--map =private",
        "--map ann/dev= --layout devpi",
        "--map ann/dev=private --index stable",
        "--ca-file x.pem",
        "--password-stdin",
    ],
)
def test_wrong_usage_is_status_2(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", "DIR", "--layout", "devpi-export", *arguments.split()]) == 2
    assert "--help\n" in capsys.readouterr().err


def test_a_url_that_cannot_be_used_is_one_line_without_what_stands_in_it(config: str) -> None:
    done = ordered("adopt", "-c", config, "--layout", "simple", "https://ann:secret@index.example/simple/")
    assert (done.returncode, done.stderr) == (2, "pypidaemon: the URL must not hold credentials: say --user and --password-stdin\n")
