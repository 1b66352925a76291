"""Real wheels and sdists, made on the spot; the same arguments always give the same bytes."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import random
import re
import tarfile
import zipfile
from collections.abc import Sequence

_MOMENT = (2020, 1, 1, 0, 0, 0)
_SECONDS = 1577836800

_BACKEND = '''\
"""A build backend that needs nothing: the wheel lies ready."""
import os, shutil

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ready")

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    [name] = os.listdir(HERE)
    shutil.copy(os.path.join(HERE, name), wheel_directory)
    return name
'''
_PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def make_wheel(
    name: str,
    version: str,
    requires: Sequence[str] = (),
    python: str = ">=3.8",
    *,
    size: int = 0,
    tag: str = "py3-none-any",
    fields: Sequence[str] = (),
    summary: str = "",
) -> tuple[str, bytes]:
    """
    A wheel that installs a package of that name with a `__version__`; answer its file name and its bytes.

    :param requires: requirements, as `Requires-Dist` has them.
    :param size: about how many bytes it should have at least; it is filled up with noise.
    :param fields: more lines of its METADATA, such as `License-Expression: MIT`.
    :param summary: what it says of itself, where that matters.
    """
    stem = _stem(name)
    info = f"{stem}-{version}.dist-info"
    files = {
        f"{stem}/__init__.py": f"__version__ = {version!r}\n".encode(),
        f"{info}/METADATA": core_metadata(name, version, requires, python, fields, summary),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: pypidaemon.testing\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    if size:
        files[f"{stem}/noise.bin"] = random.Random(f"{name}-{version}").randbytes(size)  # noqa: S311  # noise, not secrets
    record = [f"{path},sha256={_record_hash(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in files.items():
            member = zipfile.ZipInfo(path, _MOMENT)
            member.compress_type = zipfile.ZIP_STORED if path.endswith(".bin") else zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    return f"{stem}-{version}-{tag}.whl", buffer.getvalue()


def make_sdist(name: str, version: str, requires: Sequence[str] = (), python: str = ">=3.8", *, size: int = 0) -> tuple[str, bytes]:
    """A source distribution that builds without any other package; answer its file name and its bytes. Arguments as `make_wheel`."""
    root = f"{_stem(name)}-{version}"
    wheel_name, wheel = make_wheel(name, version, requires, python, size=size)
    files = {
        "PKG-INFO": core_metadata(name, version, requires, python),
        "pyproject.toml": _PYPROJECT.encode(),
        "backend.py": _BACKEND.encode(),
        f"ready/{wheel_name}": wheel,
    }
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as stream, tarfile.open(fileobj=stream, mode="w") as archive:
        for path, data in files.items():
            member = tarfile.TarInfo(f"{root}/{path}")
            member.size, member.mtime, member.mode = len(data), _SECONDS, 0o644
            archive.addfile(member, io.BytesIO(data))
    return f"{root}.tar.gz", buffer.getvalue()


def core_metadata(
    name: str, version: str, requires: Sequence[str] = (), python: str = ">=3.8", fields: Sequence[str] = (), summary: str = ""
) -> bytes:
    """The METADATA document of such a release."""
    lines = [
        # Licences as expressions came with 2.4 (PEP 639).
        f"Metadata-Version: {'2.4' if fields else '2.1'}",
        f"Name: {name}",
        f"Version: {version}",
        f"Summary: {summary or f'{name}, made for a test'}",
        f"Requires-Python: {python}",
        *(f"Requires-Dist: {requirement}" for requirement in requires),
        *fields,
        "",
        f"{name} {version}.",
        "",
    ]
    return "\n".join(lines).encode()


def _stem(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
