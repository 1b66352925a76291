"""A project page in HTML (PEP 503, frozen by PEP 833), plain enough for those who read it with regular expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape

from pypidaemon.model import Digest, File, Filename, ProjectPage, ProjectStatus
from pypidaemon.simple.links import from_page
from pypidaemon.simple.pieces import Frame
from pypidaemon.simple.write_json import Provenance, is_secure, of_upstream, shown_hash

REPOSITORY_VERSION = "1.4"
"""HTML stays at this version for ever (R19, PEP 833)."""


def render_html(page: ProjectPage, link: Callable[[str], str] = from_page, provenance: Provenance = of_upstream) -> bytes:
    """
    The page as `text/html` or `application/vnd.pypi.simple.v1+html`, in UTF-8: one anchor per file and line (R18-R34).

    :param link: from a file's path to its URL.
    :param provenance: where the provenance of a file of that project is.
    """
    framed = frame_html(page, link, provenance)
    return framed.head + framed.spelled(page.files) + framed.tail


def frame_html(page: ProjectPage, link: Callable[[str], str] = from_page, provenance: Provenance = of_upstream) -> Frame:
    """What `render_html` renders, taken apart."""
    extra = []
    if page.status != ProjectStatus():
        extra.append(_meta("pypi:project-status", page.status.marker))
        if page.status.reason:
            extra.append(_meta("pypi:project-status-reason", page.status.reason))

    def spelled(files: Sequence[File]) -> bytes:
        return "".join(_anchor(file, link, provenance(page.name, file)) for file in files).encode()

    return Frame(head(f"Links for {page.name}", extra).encode(), foot(page.serial).encode(), spelled)


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
    filename, sidecar, upload_time = file.filename, file.core_metadata, file.upload_time
    said = f"{href}{filename}{sidecar}{upload_time}"
    if "&" in said or "<" in said or ">" in said or '"' in said or "'" in said:
        # To look at all of them at once takes a tenth of the time, and there seldom is anything to escape.
        href, filename = escape(href), Filename(escape(filename))
        sidecar, upload_time = sidecar and Digest(escape(sidecar)), upload_time and escape(upload_time)
    spelled = f'<a href="{href}"'
    if file.requires_python:
        spelled += f' data-requires-python="{_escaped(file.requires_python)}"'
    if sidecar is not None:
        promised = f"sha256={sidecar}" if sidecar else "true"
        spelled += f' data-core-metadata="{promised}" data-dist-info-metadata="{promised}"'
    if file.yanked is not None:
        # Never bare: pip takes a bare attribute for "not yanked" (R26).
        spelled += f' data-yanked="{_escaped(file.yanked)}"'
    if is_secure(provenance):
        spelled += f' data-provenance="{escape(provenance or "")}"'
    if file.gpg_sig is not None:
        spelled += ' data-gpg-sig="true"' if file.gpg_sig else ' data-gpg-sig="false"'
    if file.size is not None:
        spelled += f' data-size="{file.size}"'
    if upload_time is not None:
        spelled += f' data-upload-time="{upload_time}"'
    return f"{spelled}>{filename}</a><br>\n"


@lru_cache(maxsize=1 << 10)
def _escaped(text: str) -> str:
    # There are few different ones of these on all pages together.
    return escape(text)
