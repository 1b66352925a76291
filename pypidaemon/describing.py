"""A plan for people and for programs: every section that there is or that is implied, with every key's effective value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pypidaemon.blueprints import Entry, Part, Plan
from pypidaemon.schema import HIDDEN


def describe(plan: Plan) -> str:
    """
    The resolved graph in the configuration's own grammar: what the file says, then what holds by default.

    Read as a configuration it gives the same daemon, but for what cannot be shown: secrets stand in comments.
    """
    lines = [f"# {plan.file}", "", "[daemon]", *_keys(plan.entries)]
    for part in plan.parts.values():
        lines += ["", *_remarks(plan, part), f"[{part.name}]", f"use = {_escaped(part.section.use)}", *_keys(part.entries)]
        if part.section.kind == "index":
            lines.append(f"exposed = {_text(part.exposed)}")
    return "\n".join(lines) + "\n"


def describe_json(plan: Plan) -> dict[str, Any]:
    """The same as a JSON object: `file`, `data`, and `sections` by name with `use`, `implied`, `needed`, `exposed` and their `keys`."""
    sections: dict[str, Any] = {"daemon": {"keys": _values(plan.entries)}}
    for part in plan.parts.values():
        sections[part.name] = {
            "use": part.section.use,
            "implied": part.implied,
            "needed": part.needed,
            "exposed": part.exposed,
            "keys": _values(part.entries),
        }
    return {"file": plan.file, "data": str(plan.data), "sections": sections}


def _remarks(plan: Plan, part: Part) -> Iterator[str]:
    if part.implied:
        yield "# Not in the file: implied, because something refers to it."
    if not part.needed:
        yield "# Nothing leads here, so this is checked but not used."
    if part.name == plan.index:
        yield "# Shown at /simple/."
    elif part.exposed:
        yield f"# Shown at /index/{part.section.label}/simple/."


def _keys(entries: Iterable[Entry]) -> Iterator[str]:
    entries = tuple(entries)
    for entry in entries:
        if entry.written:
            yield _line(entry)
    defaults = [_line(entry) for entry in entries if not entry.written]
    if defaults:
        yield "# by default:"
        yield from defaults


def _line(entry: Entry) -> str:
    text = _text(entry.value)
    comment = "# " if not text or HIDDEN in text else ""
    first, *others = _escaped(text).split("\n")
    if others:
        return "\n".join([f"{comment}{entry.key} =", *(f"{comment}    {line}" for line in (first, *others))])
    return f"{comment}{entry.key} = {first}".rstrip()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "\n".join(" ".join(line.split()) for line in str(value).splitlines() if line.strip())


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _values(entries: Iterable[Entry]) -> dict[str, Any]:
    return {entry.key: {"value": entry.value, "default": not entry.written} for entry in entries}
