"""Files and their sidecars under `/packages/`: only what a page lists, under the path it lists, whole or in part (standards F)."""

from __future__ import annotations

import attrs

from pypidaemon import filenames, ranges, validators
from pypidaemon.errors import NoSuchFile, NoSuchProject, Refused, UpstreamUnavailable
from pypidaemon.interfaces import IAccount, IContent, IIndex, IKnowing
from pypidaemon.leaves import leaves, locals_below
from pypidaemon.model import Companion, Digest, File, Filename, Listed, NormalizedName
from pypidaemon.opening import opened
from pypidaemon.web.ask import Ask
from pypidaemon.web.fetches import Fetches
from pypidaemon.web.gate import Gate
from pypidaemon.web.hearing import heard
from pypidaemon.web.integrity import CHANGES
from pypidaemon.web.reply import Reply, Stream
from pypidaemon.web.shown import Shown

FOR_EVER = "max-age=365000000, immutable"
"""PyPI's own words for files that never change (R86)."""


@attrs.frozen
class Asked:
    """A path below `packages/`, taken apart."""

    path: str
    filename: Filename
    companion: Companion
    projects: tuple[NormalizedName, ...]


def asked(segments: tuple[str, ...]) -> Asked | None:
    """
    Read the segments below `packages`; None where no file can have that path.

    :raises InvalidName: a segment is no clean name.
    """
    match segments:
        case ("by-name", label, project, last):
            bare, companion = filenames.split_companion(last)
            name = filenames.project_name(project)
            filename = filenames.filename(bare)
            return Asked(f"by-name/{label}/{name}/{filename}", filename, companion, (name,))
        case (first, second, rest, last) if (len(first), len(second), len(rest)) == (2, 2, 60):
            bare, companion = filenames.split_companion(last)
            filename = filenames.filename(bare)
            return Asked(f"{first}/{second}/{rest}/{filename}", filename, companion, filenames.candidates(filename))
    return None


@attrs.define
class Files:
    """Answers `/packages/...` of every exposed index."""

    gate: Gate
    fetches: Fetches | None = None
    """Notes who takes what; None where that is not kept."""

    async def file(self, ask: Ask, account: IAccount, shown: Shown, below: tuple[str, ...]) -> Reply:
        """GET and HEAD of a file or sidecar."""
        wanted = asked(below)
        if wanted is None:
            raise NoSuchFile("/".join(("packages", *below))[:200])

        async def allowed(_: Digest | None = None) -> Listed:
            try:
                listed = await heard(self.gate, account, shown.index, wanted.projects, self._listed(shown.index, wanted))
                self.gate.check(account, "read", listed.source, listed.name)
            except NoSuchProject:
                # Of one that is concealed the answer is that of one that is not there (R191).
                raise NoSuchFile(wanted.filename) from None
            return listed

        if ask.method == "HEAD" and wanted.companion is Companion.FILE:
            listed = await allowed()
            digest, size = listed.file.digest, listed.file.size
            if digest is not None and size is not None:
                return self._without_bytes(ask, self._headers(wanted, listed), digest, size)
        # By rights on an entry, so by that entry's bytes: another index may have a file of that name by then (S42).
        listed, content = await opened(shown.index, wanted.companion, allowed, allowed)
        try:
            reply = self._with_bytes(ask, self._headers(wanted, listed), content.digest, content)
            if self.fetches is not None and wanted.companion is Companion.FILE:
                self.fetches.note(ask, account, listed, reply)
            return reply
        except BaseException:
            content.close()
            raise

    def _headers(self, wanted: Asked, listed: Listed) -> list[tuple[str, str]]:
        audience = "public" if self.gate.is_public((listed.source,), listed.name) else "private"
        return [
            ("Content-Type", "application/json" if wanted.companion is Companion.PROVENANCE else "application/octet-stream"),
            ("Accept-Ranges", "bytes"),
            ("Cache-Control", _cache_control(listed.file, wanted.companion, audience)),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Pypidaemon-Index", listed.source),
        ]

    async def _listed(self, index: IIndex, wanted: Asked) -> Listed:
        """
        The entry that has this path (law 2); it is found also where no page was asked for before.

        A refusal is about one of the projects that the name can be read as, so it is the answer only where no other of them lists the path; and so
        is that one of them is not known and cannot be asked for now.
        """
        refusal: Refused | None = None
        trouble: UpstreamUnavailable | None = None
        for name in await _likely(index, wanted):
            try:
                listed = await index.find(name, wanted.filename)
            except (NoSuchProject, NoSuchFile):
                continue
            except Refused as refused:
                refusal = refusal or refused
                continue
            except UpstreamUnavailable as unavailable:
                # Of a guess. The page that lists this very path says what it is, whatever others would say.
                trouble = trouble or unavailable
                continue
            if listed.file.path == wanted.path:
                return listed
        raise refusal or trouble or NoSuchFile(wanted.filename)

    def _without_bytes(self, ask: Ask, headers: list[tuple[str, str]], digest: str, size: int) -> Reply:
        """HEAD answered from what the page says, without fetching the file (S65)."""
        etag = f'"{digest}"'
        headers.append(("ETag", etag))
        tested = ask.headers.every("if-none-match")
        if tested and validators.matches(tested, etag):
            return Reply(304, tuple(headers))
        return Reply(200, tuple(headers), length=size)

    def _with_bytes(self, ask: Ask, headers: list[tuple[str, str]], digest: str | None, content: IContent) -> Reply:
        etag = f'"{digest}"' if digest is not None else None
        if etag is not None:
            headers.append(("ETag", etag))
            tested = ask.headers.every("if-none-match")
            if tested and validators.matches(tested, etag):
                content.close()
                return Reply(304, tuple(headers))
        size = content.size
        assert size is not None  # the spool knows the size before it gives a reader, and a stored blob has one
        try:
            part = ranges.wanted(ask.headers.first("range"), size) if ask.method == "GET" and self._range_holds(ask, etag) else None
        except ranges.Unsatisfiable:
            content.close()
            return Reply(416, (("Content-Range", ranges.unsatisfied(size)), ("Accept-Ranges", "bytes"), ("Cache-Control", "no-store")))
        if part is None:
            return Reply(200, tuple(headers), stream=Stream(content, 0, size))
        offset, length = part
        headers.append(("Content-Range", ranges.content_range(offset, length, size)))
        return Reply(206, tuple(headers), stream=Stream(content, offset, length))

    def _range_holds(self, ask: Ask, etag: str | None) -> bool:
        """`If-Range` with anything but our ETag asks for the whole (R93)."""
        condition = ask.headers.first("if-range")
        return condition is None or (etag is not None and validators.if_range_holds(condition, etag))


async def _likely(index: IIndex, wanted: Asked) -> tuple[NormalizedName, ...]:
    """
    The projects to look for the file in.

    A file's name may read as one of several projects, and upstreams would be asked for those that are not there, which tells them of ours and
    makes ours wait for them. So where an index of ours below has that file, its project alone counts; and where it has another of that name, the
    guesses that no upstream is known to have stay here. The leaves are asked themselves: what is seen of them, and in which order, is for the
    index to say.

    :raises PypidaemonError: one of them cannot be read, which is no absence (L3).
    """
    if len(wanted.projects) == 1:
        return wanted.projects
    ours: set[NormalizedName] = set()
    for leaf in locals_below(index):
        for name in wanted.projects:
            try:
                listed = await leaf.index.find(name, wanted.filename)
            except (NoSuchProject, NoSuchFile):
                continue
            if listed.file.path == wanted.path:
                return (name,)
            ours.add(name)
    if not ours:
        return wanted.projects
    # Whoever may upload a file of that name must not take upstream's away, nor may its absence tell that ours is there.
    return tuple([name for name in wanted.projects if name in ours or await _known(index, name)])


async def _known(index: IIndex, name: NormalizedName) -> bool:
    """Whether an upstream below is known to have that project; no request is made for it."""
    for leaf in leaves(index):
        if IKnowing.providedBy(leaf.index) and await leaf.index.knows(name):
            return True
    return False


def _cache_control(file: File, companion: Companion, audience: str) -> str:
    if filenames.changes(file.filename):
        return "no-cache"
    return f"{audience}, {CHANGES if companion is Companion.PROVENANCE else FOR_EVER}"
