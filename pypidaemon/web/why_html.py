"""An explanation as a page for people: plain HTML without scripts, in which every word from outside is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from pypidaemon.telling import hidden_by, plural

_STYLE = (
    "body{max-width:72rem;margin:2rem auto;padding:0 1rem;font:1rem/1.5 system-ui,sans-serif;color:#1c1c1c;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc}"
    "td,dd,li{overflow-wrap:anywhere}dl{display:grid;grid-template-columns:max-content 1fr;gap:0 1rem;margin:.2rem 0 .6rem 1rem}"
    "dt{color:#555}dd{margin:0}code{font-size:.95em}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#181818}dt{color:#aaa}th,td{border-color:#444}}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
)
"""What a browser may do with the page: show it, in this one style."""


def html(said: Mapping[str, Any]) -> bytes:
    """The page, in UTF-8."""
    return "\n".join(_page(said)).encode() + b"\n"


def _page(said: Mapping[str, Any]) -> Iterator[str]:
    what = escape(said["project"] if said["version"] is None else f"{said['project']} {said['version']}")
    yield "<!DOCTYPE html>"
    yield '<html lang="en">'
    yield f'<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Why: {what}</title>'
    yield f"<style>{_STYLE}</style></head>"
    yield f"<body><main><h1>{what} in {escape(said['index'])}</h1>"
    yield "<ul>"
    yield from (f"<li>{escape(sentence)}</li>" for sentence in said["summary"])
    yield "</ul>"
    yield "<h2>The indexes that were asked</h2><ul>"
    yield from _index(said["indexes"])
    yield "</ul>"
    if said["releases"]:
        yield "<h2>Files</h2><table><thead><tr>"
        yield "".join(f'<th scope="col">{title}</th>' for title in ("Release", "File", "Bytes", "Uploaded", "Shown"))
        yield "</tr></thead><tbody>"
        for release in said["releases"]:
            yield from _release(release)
        yield "</tbody></table>"
    yield "</main></body></html>"


def _index(node: Mapping[str, Any]) -> Iterator[str]:
    counts = [plural(node["files"], "file")] if node["files"] is not None else []
    counts += [f"{node['hidden']} hidden"] if node["hidden"] else []
    yield f"<li><strong>{escape(node['index'])}</strong> ({escape(node['kind'])}): {escape(', '.join([node['answers'], *counts]))}"
    if node["facts"]:
        yield "<dl>"
        yield from (f"<dt>{escape(key)}</dt><dd>{escape(value)}</dd>" for key, value in node["facts"].items())
        yield "</dl>"
    if node["below"]:
        yield "<ul>"
        for one in node["below"]:
            yield from _index(one)
        yield "</ul>"
    yield "</li>"


def _release(release: Mapping[str, Any]) -> Iterator[str]:
    for place, file in enumerate(release["files"]):
        yield "<tr>"
        if place == 0:
            yield f'<th scope="rowgroup" rowspan="{len(release["files"])}">{escape(release["version"] or "-")}</th>'
        yield f"<td><code>{escape(file['filename'])}</code></td>"
        yield f"<td>{'-' if file['size'] is None else file['size']}</td><td>{escape(file['upload_time'] or '-')}</td>"
        fate = "yes" if file["shown"] else f"hidden {hidden_by(file['refusals'])}"
        yield f"<td>{'<br>'.join(escape(line) for line in (fate, *file['remarks']))}</td></tr>"
