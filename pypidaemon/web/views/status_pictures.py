"""The pictures of the status page: what lies on the disk, and what was given out over time. Drawn here, as SVG in the page, with the same in words and figures."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from pypidaemon.moments import written
from pypidaemon.telling import plural
from pypidaemon.traffic import Traffic
from pypidaemon.web.views.frame import number, size, table
from pypidaemon.web.views.markup import Content, Markup, joined, tag
from pypidaemon.web.views.status_facts import Disk

WIDTH, HEIGHT = 1000, 100
"""Of a picture, in its own units; the style sheet says how large it is on the screen."""
_THIN = 3
"""Units that something is wide at least, if it is there at all."""

_ROLES = (
    ("private", "Uploaded here", "never evicted"),
    ("mirrored", "Mirrored, or fetched ahead", "never evicted; as far as upstream says how large it is"),
    ("proxied", "Fetched on demand", "what was used longest ago goes first"),
    ("pages", "Pages of upstreams", "can be had again"),
)


@attrs.frozen
class Span:
    """
    A time to be looked back on.

    :param width: of a bar, in seconds. `count`: how many bars.
    """

    word: str
    title: str
    width: int
    count: int


SPANS = (Span("day", "Last day", 1800, 48), Span("week", "Last week", 3 * 3600, 56), Span("month", "Last 30 days", 12 * 3600, 60))


def disk_picture(disk: Disk) -> Markup:
    """What takes how much room, as one bar and in words."""
    parts, unknown = _parts(disk)
    whole = disk.volume.total if disk.volume is not None else sum(held for _, _, held, _ in parts)
    said = ", ".join(f"{title.lower()} {size(held)}" for _, title, held, _ in parts)
    bar = tag(
        "svg",
        _bars(parts, max(whole, 1)),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"On the disk: {said or 'nothing'}",
        class_="plot bar-of-disk",
    )
    rows = [
        tag(
            "li",
            tag("span", class_=f"swatch {role}"),
            tag("span", title),
            tag("span", remark, class_="quiet small"),
            _held(disk, role, held),
        )
        for role, title, held, remark in parts
    ]
    weighed = f"What is never evicted was weighed at {_short(disk.weighed)} UTC."
    waits = tag("p", f"Being weighed: {' and '.join(unknown)}." if unknown else weighed, class_="quiet small")
    return tag("figure", bar, tag("ul", rows, class_="plain rows"), waits)


def traffic_pictures(spans: Sequence[Traffic], span: Span, until: float) -> Markup:
    """
    What was given out and what of it was fetched for that, and the hit rate, as bars over time and as a table.

    :param spans: as `TrafficRing.spans` gives them for that span and moment.
    """
    total = sum(spans, Traffic())
    if total == Traffic():
        return tag("p", "Nothing was given out or fetched in this time.", class_="quiet")
    first = (int(until) // span.width - span.count + 1) * span.width
    begins = [first + place * span.width for place in range(span.count)]
    most = max(max(one.served, one.fetched) for one in spans)
    bytes_said = f"{size(total.served)} given out, {size(total.fetched)} fetched from upstreams; the highest bar is {size(most)}"
    figures: list[Content] = [
        _figure(
            "Bytes given out",
            f"{span.title}: {bytes_said}",
            [_volume(one, begin, most, place, span) for place, (one, begin) in enumerate(zip(spans, begins, strict=True))],
            size(most),
            begins[0],
            until,
        ),
        tag(
            "p",
            tag("span", class_="swatch saved"),
            " served from here ",
            tag("span", class_="swatch fetched"),
            " fetched from upstreams",
            class_="small quiet",
        ),
    ]
    if total.rate is not None:
        rate_said = f"{span.title}: {total.rate:.0%} of {number(total.files)} files were here when somebody asked for them"
        bars = [_rate(one, begin, place, span) for place, (one, begin) in enumerate(zip(spans, begins, strict=True))]
        figures.append(_figure("Hit rate", rate_said, bars, "100 %", begins[0], until))
    return joined(figures, _as_table(spans, begins))


def _parts(disk: Disk) -> tuple[list[tuple[str, str, int, str]], list[str]]:
    """Each role with its title, its bytes and a remark; and those whose bytes are not known yet."""
    parts: list[tuple[str, str, int, str]] = []
    unknown: list[str] = []
    for role, title, remark in _ROLES:
        held = disk.roles.get(role)
        if held is None:
            unknown.append(title.lower())
        else:
            parts.append((role, title, held, remark))
    if disk.volume is not None:
        others = disk.volume.total - disk.volume.free - sum(held for _, _, held, _ in parts)
        parts.append(("others", "Everything else on the volume", max(others, 0), ""))
        parts.append(("free", "Free", disk.volume.free, f"{size(disk.volume.floor)} are to stay so"))
    return parts, unknown


def _bars(parts: Sequence[tuple[str, str, int, str]], whole: int) -> list[Markup]:
    found: list[Markup] = []
    at = 0.0
    for role, title, held, _ in parts:
        if held > 0:
            width = min(max(held / whole * WIDTH, _THIN), WIDTH - at)
            found.append(tag("rect", tag("title", f"{title}: {size(held)}"), x=_n(at), y=0, width=_n(width), height=HEIGHT, class_=role))
            at += width
    return found


def _held(disk: Disk, role: str, held: int) -> Markup:
    limit = disk.limits.get(role)
    return tag("span", size(held), f" of at most {size(limit)}" if limit else None, class_="end num")


def _figure(title: str, said: str, bars: Sequence[Content], top: str, first: float, until: float) -> Markup:
    picture = tag(
        "svg", bars, viewBox=f"0 0 {WIDTH} {HEIGHT}", preserveAspectRatio="none", role="img", aria_label=f"{title}. {said}", class_="plot"
    )
    scale = tag("span", top, class_="top small quiet num", aria_hidden="true")
    below = tag("p", _time(first), _time(until), class_="below small quiet num")
    return tag(
        "figure", tag("figcaption", tag("h3", title), tag("p", said, ".", class_="small quiet")), scale, picture, below, class_="over-time"
    )


def _volume(one: Traffic, begin: int, most: int, place: int, span: Span) -> Content:
    if not one.served and not one.fetched:
        return None
    fetched, saved = one.fetched / most * HEIGHT, one.saved / most * HEIGHT
    said = f"{_short(begin)}: {size(one.served)} given out, {size(one.fetched)} fetched"
    x, width = _bar(place, span)
    low = tag("rect", x=x, y=_n(HEIGHT - fetched), width=width, height=_n(fetched), class_="fetched") if fetched else None
    high = tag("rect", x=x, y=_n(HEIGHT - fetched - saved), width=width, height=_n(saved), class_="saved") if saved else None
    return tag("g", tag("title", said), low, high)


def _rate(one: Traffic, begin: int, place: int, span: Span) -> Content:
    if one.rate is None:
        return None
    height = max(one.rate * HEIGHT, 1.0)
    x, width = _bar(place, span)
    said = f"{_short(begin)}: {one.hits} of {plural(one.files, 'file')} were here"
    return tag("rect", tag("title", said), x=x, y=_n(HEIGHT - height), width=width, height=_n(height), class_="rate")


def _bar(place: int, span: Span) -> tuple[str, str]:
    each = WIDTH / span.count
    return _n(place * each + each * 0.1), _n(each * 0.8)


def _as_table(spans: Sequence[Traffic], begins: Sequence[int]) -> Content:
    rows = [
        (_short(begin), number(one.files), f"{one.rate:.0%}" if one.rate is not None else "", size(one.served), size(one.fetched))
        for one, begin in zip(spans, begins, strict=True)
        if one != Traffic()
    ]
    headings = ("From (UTC)", "Files", "Hit rate", "Given out", "Fetched")
    return tag("details", tag("summary", "As a table"), table(headings, rows, "What was given out and fetched"))


def _time(moment: float) -> Markup:
    said = written(moment)
    return tag("time", f"{_short(moment)} UTC", datetime=said)


def _short(moment: float) -> str:
    """To the minute: `2026-03-01 12:30`."""
    return written(moment)[:16].replace("T", " ")


def _n(value: float) -> str:
    """A length of a picture, as short as it need be."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
