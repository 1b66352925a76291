"""A running daemon's account of itself, in lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pypidaemon.telling import plural

COUNTS = {
    "downloads": {
        "started": "begun at an upstream, since the start",
        "landed": "arrived whole and kept",
        "failed": "given up; the next request tries again",
        "corrupt": "not the bytes that were promised; never handed on whole, never kept",
        "resumed": "taken up again where they had broken off",
        "not_resumed": "not taken up again, since too many broke off of late",
        "bytes_in": "received",
        "passed": "passed through without being kept, for want of room",
    },
    "disk": {
        "files": "fetched on demand and held",
        "bytes": "of those",
        "limit": "that they may have",
        "free": "free on the volume",
        "floor": "that are to stay free",
        "evicted": "files evicted for want of room, since the start",
        "evicted_bytes": "of those",
        "failed": "attempts to make room",
        "pages": "kept of what upstreams said of projects",
        "pages_limit": "that it may have",
        "forgotten": "pages forgotten for want of room, since the start",
        "private": "uploaded here, as far as it was weighed for its budget",
        "private_limit": "that it may have",
        "private_refused": "uploads refused for want of room, since the start",
        "mirrored": "mirrored or fetched ahead, as far as it was weighed for its budget",
        "mirrored_limit": "that it may have",
        "mirrored_refused": "files not taken for want of room, since the start",
    },
    "answers": {
        "ready": "given as they lay ready, since the start",
        "rendered": "made first, since the start",
        "recalled": "not made again, since they were kept from before the last start",
        "held": "ready now",
        "bytes": "of memory for those",
    },
}
"""What the counts of a status mean; one that is not here is shown by its own name."""

_SIZES = ("limit", "free", "floor", "evicted_bytes", "pages", "pages_limit", "private", "private_limit", "mirrored", "mirrored_limit")
_UNITS = ("KiB", "MiB", "GiB", "TiB")
_SPANS = (("d", 86400), ("h", 3600), ("m", 60))


def span(seconds: float) -> str:
    """A time that has passed: `1d 2h 3m`, and in seconds below a minute."""
    if seconds < 60:
        return f"{int(seconds)}s"
    words = []
    for unit, each in _SPANS:
        count, seconds = divmod(seconds, each)
        if count:
            words.append(f"{count:.0f}{unit}")
    return " ".join(words)


def amount(count: float) -> str:
    """A number of bytes: `12 B`, `3.4 MiB`."""
    if count < 1024:
        return f"{count:.0f} B"
    size, unit = count, ""
    for unit in _UNITS:  # noqa: B007  # the one it stops at is used below
        size /= 1024
        if size < 1024:
            break
    return f"{size:.1f} {unit}"


def report(status: Mapping[str, Any]) -> Iterator[str]:
    """The lines for what `GET /status` answered. A daemon of another version may say less, or more, which is left out."""
    head = f"pypidaemon {status.get('version', '')}".rstrip()
    if "pid" in status:
        head += f", process {status['pid']}"
    if "uptime_seconds" in status:
        head += f", up for {span(status['uptime_seconds'])}"
    if status.get("started"):
        head += f", since {status['started']}"
    yield head
    yield from _table(_place(status))
    upstreams = status.get("upstreams")
    if upstreams:
        yield "upstreams"
        yield from _table((label, _upstream(state)) for label, state in upstreams.items())
    if status.get("services"):
        yield "services"
        yield from _table((label, _service(state)) for label, state in status["services"].items())
        yield from (f"    {line}" for state in status["services"].values() for line in _waiting(state))
    if status.get("pushes"):
        yield "pushes"
        yield from _table((label, _push(state)) for label, state in status["pushes"].items())
        yield from (f"    {line}" for state in status["pushes"].values() for line in _unsettled(state))
    if status.get("policies"):
        yield "policies"
        yield from _table((label, _policy(state)) for label, state in status["policies"].items())
    for title, meanings in COUNTS.items():
        if status.get(title):
            yield title
            yield from _table(_counts(status[title], meanings))


def _place(status: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    listen = " ".join(status.get("listen", ()))
    if status.get("address"):
        yield "address", f"{status['address']} ({listen})" if listen else status["address"]
    for title, key in (("configuration", "configuration"), ("data folder", "data"), ("default index", "index")):
        if status.get(key):
            yield title, status[key]
    if status.get("unusable"):
        yield "not usable", f"a daemon could not be started by it now: {status['unusable']}"
    if status.get("indexes"):
        yield "indexes", " ".join(status["indexes"])


def _upstream(state: Mapping[str, Any]) -> str:
    words = str(state.get("state", ""))
    if state.get("since"):
        words += f" since {state['since']}"
    if state.get("cause"):
        words += f": {state['cause']}"
    if state.get("requests"):
        words += f"; requests {state['requests']:.0f}, failed {state.get('failures', 0):.0f}, received {amount(state.get('bytes_in', 0))}"
    return words


def _service(state: Mapping[str, Any]) -> str:
    words = f"fills {state.get('index', '')} ({plural(state.get('projects', 0), 'project')}, serial {state.get('serial', 0)})"
    if state.get("outcome"):
        words += f": {state['outcome']}"
    if state.get("tried"):
        words += f", at {state['tried']}"
    for tally in state.get("running", {}).values():
        words += f"; now {tally.get('phase')}: {tally.get('looked', 0)} of {plural(tally.get('found', 0), 'project')}"
    return words + (f"; next at {state['next']}" if state.get("next") else "")


def _push(state: Mapping[str, Any]) -> str:
    words = f"{state.get('index', '')} to {state.get('to', '')}: {plural(state.get('pushed_in_all', 0), 'file')} pushed since the start"
    if state.get("ended"):
        words += f", {state.get('there', 0)} there already, last looked at {state['ended']}"
    if state.get("trouble"):
        words += f"; it cannot go on: {state['trouble']}"
    return words + (f"; next at {state['next']}" if state.get("next") else "")


def _unsettled(state: Mapping[str, Any]) -> Iterator[str]:
    lines = [line for word in ("conflicts", "refused", "differs") for line in state.get(word, ())]
    yield from lines[:20]
    if len(lines) > 20:
        yield f"and {len(lines) - 20} more; --json lists them"


def _policy(state: Mapping[str, Any]) -> str:
    words = f"{plural(state.get('advisories', 0), 'advisory', 'advisories')} about {plural(state.get('projects', 0), 'project')}"
    if state.get("misread"):
        words += f"; {plural(state['misread'], 'document')} could not be read"
    if state.get("trouble"):
        words += f"; what there is now cannot be used: {state['trouble']}"
    return words


def _waiting(state: Mapping[str, Any]) -> Iterator[str]:
    for one in state.get("waits", ()):
        tries = f", tried {plural(one['tries'], 'time')}" if one.get("tries") else ""
        yield f"{one.get('name')} waits until {one.get('due')}{tries}: {one.get('reason')}"
    more = state.get("waiting", 0) - len(state.get("waits", ()))
    if more > 0:
        yield f"and {more} more {'waits' if more == 1 else 'wait'}"


def _counts(counts: Mapping[str, float], meanings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for key, count in counts.items():
        if key.endswith("limit") and not count:
            yield key, "none"
            continue
        shown = amount(count) if key.startswith("bytes") or key in _SIZES else f"{count:.0f}"
        yield key.replace("bytes_in", "bytes"), f"{shown}  {meanings[key]}" if key in meanings else shown


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    found = list(rows)
    width = max((len(title) for title, _ in found), default=0)
    for title, words in found:
        yield f"  {title.ljust(width)}  {words}"
