"""The pages on a project and on a release of it: where it is, how it stands, and what can be done to it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import attrs

from pypidaemon.errors import NoSuchFile, NoSuchProject
from pypidaemon.filenames import project_name
from pypidaemon.interfaces import IHostedIndex
from pypidaemon.model import FileRecord, InThread, NormalizedName, Standing
from pypidaemon.releases import Releases
from pypidaemon.rulemaking import Rulemaking
from pypidaemon.telling import plural
from pypidaemon.versions import LONGEST_VERSION, known, same_version
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.readers import up
from pypidaemon.web.reply import Reply
from pypidaemon.web.views.admin_page import Visit, choice, entry, form, hidden, numbered, page, pages, root_of, sheet
from pypidaemon.web.views.admin_people import RULING_HEADS, ruling_forms, ruling_row
from pypidaemon.web.views.frame import size, table
from pypidaemon.web.views.markup import Content, Markup, joined, tag

EACH = 150
"""Releases of an index on one page, and what is blocked of them."""


@attrs.frozen
class _Release:
    """A release in one index, with its files of every standing that the account may know of."""

    version: str
    records: tuple[FileRecord, ...]

    @property
    def standings(self) -> tuple[Standing, ...]:
        return tuple(one for one in Standing if any(record.standing is one for record in self.records))

    @property
    def yanked(self) -> str | None:
        """The reason where each of its files that are not deleted is yanked; None where one is not."""
        reasons = [record.file.yanked for record in self.records if record.standing is not Standing.DELETED]
        return next((reason for reason in reasons if reason), "") if reasons and None not in reasons else None


@attrs.define
class ProjectAdmin:
    """Makes them. What an account is shown is what the orders would let it do: `gate` and `Releases` decide, and nothing here."""

    releases: Releases
    rulemaking: Rulemaking
    gate: Gate
    cpu: InThread

    async def page(self, ask: Ask, visit: Visit, spelled: str) -> Reply:
        """
        The page of a project.

        :raises InvalidName: that is no project's name.
        :raises NotAllowed: there is nothing that the account may do to it.
        """
        name = project_name(spelled)
        found = await self._found(visit, name)
        number, blocked = numbered(ask), await self._blocked(name)
        sections = [
            await self.cpu(self._listed, ask, visit, name, index, await self._releases(visit, index, name), number, blocked)
            for index in found
        ]
        return page(ask, visit, name, self._where(ask, visit, name, found), sections, await self._rulings(ask, visit, name, name))

    async def release(self, ask: Ask, visit: Visit, spelled: str, version: str) -> Reply:
        """
        The page of a release, in each index that has it.

        :raises InvalidName: as `page`. :raises NotAllowed: as `page`.
        :raises NoSuchFile: no index that the account may know of has it.
        """
        name = project_name(spelled)
        wanted = same_version(version) if len(version) <= LONGEST_VERSION else ""
        sections = []
        blocked = await self._blocked(name)
        for index in await self._found(visit, name):
            of = [one for one in await self._releases(visit, index, name) if wanted and same_version(one.version) == wanted]
            sections += [await self.cpu(self._forms, ask, visit, name, index, one, blocked) for one in of]
        if not sections:
            raise NoSuchFile(f"{name} {version[:LONGEST_VERSION]}")
        about = tag("p", tag("a", f"All releases of {name}", href=f"{root_of(ask)}project/{name}/"), class_="eyebrow")
        rulings = await self._rulings(ask, visit, name, f"{name}=={version}")
        return page(ask, visit, f"{name} {version}", about, sections, rulings)

    async def _found(self, visit: Visit, name: NormalizedName) -> list[IHostedIndex]:
        """The indexes that have it and in which the account may do something to it; who may do nothing anywhere learns nothing."""
        account, indexes = visit.account, self.releases.indexes
        concerned = [
            label
            for label in sorted(indexes)
            if account.may("delete", label, name) or (account.may("read", label, name) and self._targets(visit, label, name))
        ]
        if not concerned and not visit.everywhere:
            for label in sorted(indexes):
                self.gate.check(account, "delete", label, name)
            raise NoSuchProject(name)
        return [indexes[label] for label in concerned if await indexes[label].has(name)]

    async def _releases(self, visit: Visit, index: IHostedIndex, name: NormalizedName) -> list[_Release]:
        """Those of an index, newest first. What is hidden or deleted there is known to who may do that alone."""
        every = visit.account.may("delete", index.label, name)
        return await self.cpu(_together, await index.release(name, None), every)

    def _listed(
        self,
        ask: Ask,
        visit: Visit,
        name: NormalizedName,
        index: IHostedIndex,
        releases: Sequence[_Release],
        number: int,
        blocked: Container[str],
    ) -> Markup:
        about = joined(hidden("project", name), hidden("index", index.label))
        rows = [_row(name, release, f"{root_of(ask)}project/{name}/", blocked) for release in sheet(releases, number, EACH)]
        whole = ways = None
        if visit.account.may("delete", index.label, name):
            ways = tag("p", "To yank, hide, delete or promote a release, open it.", class_="small quiet") if rows else None
            label = f"{name} in {index.label}"
            whole = tag(
                "details",
                tag("summary", "The whole project"),
                form(ask, visit, "releases/delete", about, button="Delete all releases", label=label, kind="dangerous"),
                form(ask, visit, "releases/undelete", about, button="Bring back all that was deleted", label=label, kind="quietly"),
            )
        return tag(
            "section",
            tag("h2", "In ", index.label),
            ways,
            tag("ul", rows, class_="plain rows") if rows else tag("p", "It has no releases there.", class_="quiet"),
            pages(number, len(releases), EACH),
            whole,
        )

    def _forms(
        self, ask: Ask, visit: Visit, name: NormalizedName, index: IHostedIndex, release: _Release, blocked: Container[str]
    ) -> Markup:
        account, about = visit.account, (hidden("project", name), hidden("version", release.version), hidden("index", index.label))
        rows = [
            (record.file.filename, size(record.file.size), record.standing.value, record.uploader or None) for record in release.records
        ]
        said = f"{name} {release.version} in {index.label}"

        def order(verb: str, button: str, *fields: Content, kind: str = "quietly") -> Markup:
            return form(ask, visit, f"releases/{verb}", about, fields, button=button, label=said, kind=kind)

        orders: list[Content] = []
        if account.may("delete", index.label, name):
            if release.standings != (Standing.DELETED,):
                if release.yanked is None:
                    orders.append(order("yank", "Yank", entry("Why", "reason", hint="Installers show it", maxlength=1000)))
                else:
                    orders.append(order("unyank", "Yank no more"))
            if Standing.SHOWN in release.standings:
                orders.append(order("hide", "Hide"))
            if Standing.HIDDEN in release.standings:
                orders.append(order("unhide", "Show again"))
            if release.standings != (Standing.DELETED,):
                orders.append(order("delete", "Delete", kind="dangerous"))
            if Standing.DELETED in release.standings:
                orders.append(order("undelete", "Bring back"))
        targets = self._targets(visit, index.label, name)
        if targets and Standing.SHOWN in release.standings and account.may("read", index.label, name):
            orders.append(order("promote", "Promote", choice("To", "to", [(label, label) for label in targets])))
        return tag(
            "section",
            tag("h2", "In ", index.label),
            tag("p", [_state(name, release, blocked)], class_="small"),
            table(("File", "Size", "Standing", "By"), rows, plural(len(rows), "file"), class_="stack"),
            tag("div", orders, class_="orders") if orders else tag("p", "There is nothing that you may do to it.", class_="quiet"),
        )

    def _targets(self, visit: Visit, source: str, name: NormalizedName) -> list[str]:
        """The indexes that it may be promoted to from there."""
        may = visit.account.may
        return [one for one in sorted(self.releases.indexes) if one != source and (may("upload", one, name) or may("create", one, name))]

    async def _blocked(self, name: NormalizedName) -> frozenset[str]:
        """What of the project is blocked in every index: its name where that is all of it, and releases as a ruling spells them."""
        return frozenset(ruling["target"] for ruling in await self.rulemaking.about(name) if ruling["kind"] == "block")

    async def _rulings(self, ask: Ask, visit: Visit, name: NormalizedName, target: str) -> Content:
        if not visit.everywhere:
            return None
        found: Sequence[Mapping[str, Any]] = await self.rulemaking.about(name)
        rows = [ruling_row(ask, visit, ruling, back=name) for ruling in found[:EACH]]
        rest = tag("p", f"And {len(found) - EACH} more, which are under Blocked.", class_="small quiet") if len(found) > EACH else None
        return joined(
            tag("section", tag("h2", "Blocked or exempt"), table(RULING_HEADS, rows, f"On {name}", class_="stack"), rest) if rows else None,
            ruling_forms(ask, visit, target, back=name),
        )

    def _where(self, ask: Ask, visit: Visit, name: NormalizedName, found: Sequence[IHostedIndex]) -> Markup:
        links = tag("a", "As everybody sees it", href=f"{up(ask)}project/{name}/")
        nowhere = f"No index of packages of your own has it{', so it can be blocked and nothing else' if visit.everywhere else ''}. "
        return tag("p", None if found else nowhere, links, class_="small")


def _together(records: Sequence[FileRecord], every: bool) -> list[_Release]:
    """These files by release, newest first; takes time by their number."""
    found: dict[str, tuple[str, list[FileRecord]]] = {}
    for record in records:
        if every or record.standing is Standing.SHOWN:
            found.setdefault(same_version(record.version), (record.version, []))[1].append(record)
    ordered = sorted(found.values(), key=lambda one: _age(one[0]), reverse=True)
    return [_Release(version, tuple(of)) for version, of in ordered]


def _row(name: NormalizedName, release: _Release, where: str, blocked: Container[str]) -> Markup:
    link = tag("a", release.version, href=f"{where}{quote(release.version, safe='')}/")
    end = tag("span", plural(len(release.records), "file"), class_="end num")
    return tag("li", link, _state(name, release, blocked), end)


def _state(name: NormalizedName, release: _Release, blocked: Container[str]) -> Content:
    kinds = {Standing.SHOWN: "good", Standing.HIDDEN: "warn", Standing.DELETED: "bad"}
    said: list[Content] = [tag("span", one.value, class_=f"tag {kinds[one]}") for one in release.standings]
    if name in blocked or f"{name}=={same_version(release.version)}" in blocked:
        said.append(tag("span", "blocked", class_="tag bad"))
    if release.yanked is not None:
        said += [tag("span", "yanked", class_="tag warn"), tag("span", release.yanked[:200], class_="small quiet")]
    return [(one, " ") for one in said]


def _age(version: str) -> tuple[Any, ...]:
    read = known(version)
    return (0, version) if read is None else (1, read)
