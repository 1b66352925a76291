"""
False refusals over real archives: how many of them would be turned away as uploads. The target is none.

Give it the simple index of a local pypidaemon in front of a public index, and it takes a few files of each project below, old and new, at
most 200 in all, inspects each as if it were uploaded, and prints what is refused and why::

    python benchmarks/real_archives.py http://127.0.0.1:3141/simple/ [--into FOLDER] [--strict]

Files stay in the folder, so that a second run asks for nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pypidaemon import filenames
from pypidaemon.archives import BadArchive
from pypidaemon.archives.inspecting import inspect
from pypidaemon.archives.rules import ORDINARY, Rules, extension
from pypidaemon.errors import InvalidName, InvalidUpload
from pypidaemon.uploads import agree, read_upload

PROJECTS = (
    "attrs", "babel", "boto3", "certifi", "cffi", "click", "cryptography", "django", "docutils", "flask",
    "idna", "jinja2", "lxml", "mako", "markupsafe", "matplotlib", "mypy", "numpy", "packaging", "pandas",
    "pillow", "pip", "psutil", "pydantic-core", "pygments", "pytest", "pyyaml", "requests", "ruff", "setuptools",
    "six", "sqlalchemy", "sqlparse", "tornado", "treq", "twisted", "urllib3", "wheel", "zope-interface", "zstandard",
)  # fmt: skip
MOST_FILES, PER_PROJECT, LARGEST = 200, 5, 40 * 2**20
SIMPLE = "application/vnd.pypi.simple.v1+json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index")
    parser.add_argument("--into", type=Path, default=Path(tempfile.gettempdir()) / "real-archives")
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    options.into.mkdir(exist_ok=True)
    rules = Rules(strict=options.strict)
    seen, refused, spent = 0, 0, 0.0
    for project in PROJECTS:
        for name, data in files(options.index, project, options.into):
            if seen == MOST_FILES:
                break
            seen += 1
            begin = time.perf_counter()
            line = verdict(project, name, data, rules)
            spent += time.perf_counter() - begin
            if line:
                refused += 1
                print(f"REFUSED {name}: {line}", flush=True)
    print(f"{seen} files, {refused} refused, {spent / max(seen, 1) * 1000:.1f} ms each")


def verdict(project: str, name: str, data: bytes, rules: Rules) -> str:
    """The line that would refuse this upload, or ""."""
    try:
        version = filenames.version_of(filenames.filename(name), filenames.project_name(project)) or ""
        kind = "source" if extension(name) == ".tar.gz" else "py3"
        sent = [(":action", "file_upload"), ("name", project), ("version", version), ("pyversion", kind)]
        upload = read_upload([*sent, ("sha256_digest", hashlib.sha256(data).hexdigest())], name)
        agree(upload, inspect(io.BytesIO(data), upload, rules), rules)
    except (InvalidName, InvalidUpload, BadArchive) as error:
        return str(error)
    return ""


def files(index: str, project: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    """A few files of a project: kept ones, or fetched ones of several ages."""
    note = folder / f"{project}.json"
    if not note.exists():
        page = json.loads(get(urllib.parse.urljoin(index, f"{project}/"), SIMPLE))
        note.write_text(json.dumps([[file["filename"], file["url"]] for file in chosen(page["files"])]))
    for name, url in json.loads(note.read_text()):
        place = folder / name
        if not place.exists():
            place.write_bytes(get(urllib.parse.urljoin(urllib.parse.urljoin(index, f"{project}/"), url), "*/*"))
        yield name, place.read_bytes()


def chosen(listed: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest wheels, the newest source distribution, and one of each from half the way back."""
    fit = [file for file in listed if extension(file["filename"]) in ORDINARY and (file.get("size") or 0) <= LARGEST]
    wheels = [file for file in fit if file["filename"].endswith(".whl")]
    sources = [file for file in fit if file["filename"].endswith(".tar.gz")]
    picked = [*wheels[-1:], *wheels[-9:-8], *wheels[len(wheels) // 2 :][:1], *sources[-1:], *sources[len(sources) // 2 :][:1]]
    return list({file["filename"]: file for file in picked}.values())[:PER_PROJECT]


def get(url: str, accept: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=120) as answer:
        return answer.read()  # type: ignore[no-any-return]  # the stub says Any


if __name__ == "__main__":
    main()
