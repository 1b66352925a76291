"""Whether a page may promise the metadata that an archive holds, so that clients need not download the archive for it."""

from __future__ import annotations

from email.parser import BytesHeaderParser

from packaging.version import Version

from pypidaemon.filenames import package_type
from pypidaemon.model import Filename
from pypidaemon.versions import known

_DEPENDENCY_FIELDS = frozenset({"requires-dist", "requires-python", "provides-extra"})
_FIXED_FROM = Version("2.2")


def promises_metadata(filename: Filename, metadata: bytes) -> bool:
    """
    Whether METADATA may stand beside this file (R102, PEP 658).

    For every wheel; for a source distribution only where what is built from it cannot have other dependencies: its metadata is of version 2.2
    or later and has no dependency field in `Dynamic` (PEP 643).

    :param metadata: the exact bytes of the METADATA or PKG-INFO in it.
    """
    type_ = package_type(filename)
    if type_ != "sdist":
        return type_ == "bdist_wheel"
    headers = BytesHeaderParser().parsebytes(metadata)
    version = known(str(headers.get("Metadata-Version", "")).strip())
    dynamic = {str(value).strip().lower() for value in headers.get_all("Dynamic", [])}
    return version is not None and version >= _FIXED_FROM and not dynamic & _DEPENDENCY_FIELDS
