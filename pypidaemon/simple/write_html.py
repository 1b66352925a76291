"""A project page in HTML (PEP 503, frozen by PEP 833), plain enough for those who read it with regular expressions."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from pypidaemon.model import File, ProjectPage, ProjectStatus
from pypidaemon.simple.links import from_page
from pypidaemon.simple.write_json import Provenance, is_secure, of_upstream, shown_hash

REPOSITORY_VERSION = "1.4"
"""HTML stays at this version for ever (R19, PEP 833)."""


def render_html(page: ProjectPage, link: Callable[[str], str] = from_page, provenance: Provenance = of_upstream) -> bytes:
    """
    The page as `text/html` or `application/vnd.pypi.simple.v1+html`, in UTF-8: one anchor per file and line (R18-R34).

    :param link: from a file's path to its URL.
    :param provenance: where the provenance of a file of that project is.
    """
    extra = []
    if page.status != ProjectStatus():
        extra.append(_meta("pypi:project-status", page.status.marker))
        if page.status.reason:
            extra.append(_meta("pypi:project-status-reason", page.status.reason))
    anchors = "".join(_anchor(file, link, provenance(page.name, file)) for file in page.files)
    return (head(f"Links for {page.name}", extra) + anchors + foot(page.serial)).encode()


def head(title: str, extra: list[str]) -> str:
    """All that stands before the first anchor of an index page of any kind, among it what PEP 629 demands."""
    lines = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        _meta("pypi:repository-version", REPOSITORY_VERSION),
        *extra,
        f"<title>{escape(title)}</title>",
        "</head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
    ]
    return "\n".join(lines) + "\n"


def foot(serial: int) -> str:
    """All that stands behind the last anchor; PyPI's comment where a serial is known (R33)."""
    return "</body>\n</html>\n" + (f"<!--SERIAL {serial}-->\n" if serial else "")


def _meta(name: str, content: str) -> str:
    return f'<meta name="{name}" content="{escape(content)}">'


def _anchor(file: File, link: Callable[[str], str], provenance: str | None) -> str:
    shown = shown_hash(file)
    href = link(file.path) + (f"#{shown[0]}={shown[1]}" if shown else "")
    attributes = [("href", href)]
    if file.requires_python:
        attributes.append(("data-requires-python", file.requires_python))
    if file.core_metadata is not None:
        sidecar = f"sha256={file.core_metadata}" if file.core_metadata else "true"
        attributes += [("data-core-metadata", sidecar), ("data-dist-info-metadata", sidecar)]
    if file.yanked is not None:
        # Never bare: pip takes a bare attribute for "not yanked" (R26).
        attributes.append(("data-yanked", file.yanked))
    if is_secure(provenance):
        attributes.append(("data-provenance", provenance or ""))
    if file.gpg_sig is not None:
        attributes.append(("data-gpg-sig", "true" if file.gpg_sig else "false"))
    if file.size is not None:
        attributes.append(("data-size", str(file.size)))
    if file.upload_time is not None:
        attributes.append(("data-upload-time", file.upload_time))
    spelled = " ".join(f'{name}="{escape(value)}"' for name, value in attributes)
    return f"<a {spelled}>{escape(file.filename)}</a><br>\n"
