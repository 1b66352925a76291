"""The status with what can be done about it: fill an index now, probe an upstream, and pack; and what came of a pack (C11, M16)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import orjson

from pypidaemon.model import InThread
from pypidaemon.packing.orders import LARGEST
from pypidaemon.telling import enumerated, plural
from pypidaemon.web.ask import Ask
from pypidaemon.web.packs import PackDesk
from pypidaemon.web.probes import ProbeDesk
from pypidaemon.web.reply import Reply
from pypidaemon.web.syncs import SyncDesk
from pypidaemon.web.views.admin_page import Visit, choice, entry, form, hidden, page, root_of
from pypidaemon.web.views.frame import size, table
from pypidaemon.web.views.markup import Content, Markup, tag
from pypidaemon.web.views.status_facts import StatusFacts
from pypidaemon.web.views.status_html import sections

MOST = 200
"""Releases and missing things of a report that are shown; who wants all has the same as JSON."""
NAMES = ("requirements.txt", "uv.lock", "pylock.toml", "poetry.lock", "pdm.lock", "Pipfile.lock", "pyproject.toml")
"""What a text can be that is pasted."""
PLATFORMS = (
    ("linux", "Linux, x86_64"),
    ("linux-aarch64", "Linux, aarch64"),
    ("musl-x86_64", "Linux with musl, x86_64"),
    ("macos", "macOS, arm64"),
    ("macos-x86_64", "macOS, x86_64"),
    ("windows", "Windows, x86_64"),
)
"""The platforms that most are on, by the words of `pack --platform`."""


@attrs.define
class StatusAdmin:
    """Makes these pages."""

    facts: StatusFacts
    syncs: SyncDesk
    probes: ProbeDesk
    packs: PackDesk
    cpu: InThread

    async def page(self, ask: Ask, visit: Visit) -> Reply:
        """How everything is, and the forms that the account may send."""
        facts = await self.facts.now()
        parts = sections(facts, self.facts.sight(visit.account))
        probes = [
            form(ask, visit, "probe", hidden("upstream", label), button="Probe now", label=label, kind="quietly")
            for label in facts.upstreams
            if visit.everywhere and self.probes.can(label)
        ]
        return page(
            ask,
            visit,
            "Status and packing",
            parts["problems"],
            tag("section", tag("h2", "Upstreams"), parts["upstreams"], tag("div", probes, class_="orders") if probes else None),
            parts["services"],
            self._filling(ask, visit),
            self._packing(ask, visit) if visit.everywhere and self.packs.means is not None else None,
            section="status/",
        )

    async def pack(self, ask: Ask, visit: Visit, number: str) -> Reply:
        """
        How far a pack has come, or what came of it, for who may pack.

        :raises NoSuchFile: nothing is known of that pack.
        """
        told = await self.cpu(_plain, self.packs.told(number))
        return page(ask, visit, f"Pack {number}", _progress(told), _report(told.get("report")), _more(ask, number), section="status/")

    def _filling(self, ask: Ask, visit: Visit) -> Content:
        rows = [
            tag("div", tag("h3", label), self._fill(ask, visit, label), class_="card")
            for label, service in sorted(self.syncs.services.items())
            if visit.account.may("admin", service.index.label, None)
        ]
        return tag("section", tag("h2", "Fill an index now"), rows) if rows else None

    def _fill(self, ask: Ask, visit: Visit, label: str) -> Markup:
        project = entry("Project", "project", hint="Empty: all that it fills", autocomplete="off", maxlength=200)
        return form(ask, visit, "sync", hidden("service", label), project, button="Fill now", label=label)

    def _packing(self, ask: Ask, visit: Visit) -> Markup:
        assert self.packs.means is not None  # asked by who calls this
        boxes = [tag("label", tag("input", type="checkbox", name="platform", value=word), " ", said) for word, said in PLATFORMS]
        fields = (
            tag("label", tag("span", "A lock file or a requirements file"), tag("input", type="file", name="content")),
            tag(
                "label",
                tag("span", "Or its text"),
                tag("textarea", name="text", rows=6, spellcheck="false", autocomplete="off", class_="code"),
            ),
            choice("What the text is", "name", [(name, name) for name in NAMES]),
            entry("For Python", "python", hint="Such as 3.12 3.13; empty is the daemon's own", autocomplete="off", maxlength=200),
            tag("fieldset", tag("legend", "On"), boxes, tag("p", "None is the daemon's own platform.", class_="small quiet")),
            entry("Other platforms", "more", hint="Such as manylinux_2_28_x86_64 or win_arm64", autocomplete="off", maxlength=400),
            choice("From", "index", [(label, label) for label in sorted(self.packs.means.indexes)], self.packs.means.default),
            tag("label", tag("input", type="checkbox", name="rehearsal", value="yes"), " Only say what would be fetched"),
            tag("label", tag("input", type="checkbox", name="no-pin", value="yes"), " Let it be evicted when room is short"),
        )
        about = f"Have everything here that a project needs, before the line is cut: at most {size(LARGEST)}."
        return tag(
            "section",
            tag("h2", "Pack for a trip", id="pack"),
            tag("p", about),
            form(ask, visit, "pack", fields, button="Pack", file=True),
        )


def _plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """The same with its report read, which was written once; takes time by its length."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(told))
    return found


def _progress(told: Mapping[str, Any]) -> Markup:
    said = f"{told['looked']} of {plural(told['found'], 'release')} looked at, {plural(told['files'], 'file')} and {size(told['bytes'])} fetched."
    if told["running"]:
        again = tag("p", tag("a", "Load again", href="./"), " to see how far it is; it goes on without you.")
        return tag("div", tag("p", tag("span", "running", class_="tag good"), f" {told['phase']}: {said}", class_="lead"), again)
    if told["error"]:
        return tag("p", f"It ended: {told['error']}", class_="notice bad", role="note")
    return tag("p", tag("span", "done", class_="tag good"), " ", said, class_="lead")


def _report(report: Mapping[str, Any] | None) -> Content:
    if report is None:
        return None
    missing, releases = report["missing"], report["releases"]
    lacking = len(missing) + report["more_missing"]
    summary = (
        tag("p", "Everything is here.", class_="notice good", role="note")
        if report["complete"]
        else tag("p", f"{plural(lacking, 'thing')} {'is' if lacking == 1 else 'are'} missing.", class_="notice warn", role="note")
    )
    lost = [
        (
            one["file"] or " ".join(filter(None, (one["project"], one["version"]))),
            tag("span", one["cause"], class_="tag warn"),
            one["reason"],
        )
        for one in missing[:MOST]
    ]
    had = [
        (
            f"{one['project']} {one['version']}",
            f"{plural(len(one['files']), 'file')}",
            f"{one['here']} here before, {one['fetched']} fetched",
        )
        for one in releases[:MOST]
    ]
    whom = f"For Python {enumerated(report['targets'])}, from {report['index']}."
    return (
        summary,
        tag("p", whom, " Nothing was fetched: it was a rehearsal." if report["rehearsal"] else None, class_="small quiet"),
        tag("section", tag("h2", "Missing"), table(("What", "Why", "In words"), lost, plural(lacking, "thing"), class_="stack"), _rest(lacking)) if lost else None,
        tag("ul", [tag("li", one) for one in report["notes"][:MOST]], class_="small") if report["notes"] else None,
        tag("section", tag("h2", "Releases"), table(("Release", "Files", "How"), had, plural(len(releases), "release"), class_="stack"), _rest(len(releases)))
        if had
        else None,
    )  # fmt: skip


def _rest(count: int) -> Content:
    return tag("p", f"And {count - MOST} more.", class_="small quiet") if count > MOST else None


def _more(ask: Ask, number: str) -> Markup:
    return tag("p", tag("a", "Pack something else", href=f"{root_of(ask)}status/#pack"), class_="small")
