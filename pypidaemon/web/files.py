"""Files and their sidecars under `/packages/`: only what a page lists, under the path it lists, whole or in part (standards F)."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pypidaemon import filenames, ranges, validators
from pypidaemon.errors import CorruptContent, NoSuchFile, NoSuchProject, Refused, UpstreamUnavailable
from pypidaemon.interfaces import IAccount, IContent, IIndex, IKnowing
from pypidaemon.leaves import leaves, locals_below
from pypidaemon.model import Companion, Digest, File, Filename, Listed, NormalizedName
from pypidaemon.opening import opened, promised
from pypidaemon.pace import Held
from pypidaemon.passing import Given, PassingContent
from pypidaemon.transfers import Reader
from pypidaemon.web.accel import Accel
from pypidaemon.web.ask import Ask
from pypidaemon.web.fetches import Fetches
from pypidaemon.web.gate import Gate
from pypidaemon.web.hearing import heard
from pypidaemon.web.integrity import CHANGES
from pypidaemon.web.reply import Reply, Stream, Term
from pypidaemon.web.shown import Shown
from pypidaemon.web.small_files import LARGEST, SmallFiles

FOR_EVER = "max-age=365000000, immutable"
"""PyPI's own words for files that never change (R86)."""


@attrs.frozen
class Asked:
    """A path below `packages/`, taken apart."""

    path: str
    filename: Filename
    companion: Companion
    projects: tuple[NormalizedName, ...]


@attrs.frozen
class Part:
    """What is to be sent of a file: status and headers, and the `length` bytes from `offset` on."""

    status: int
    headers: tuple[tuple[str, str], ...]
    offset: int = 0
    length: int = 0

    def reply(self, data: bytes) -> Reply:
        """With bytes that are all in memory."""
        body = data if self.length == len(data) else data[self.offset : self.offset + self.length]
        return Reply(self.status, self.headers, body)

    def stream(self, content: IContent) -> Reply:
        """With bytes that are read as they are sent; a content of which none are is closed."""
        if self.status in (304, 416):
            content.close()
            return Reply(self.status, self.headers)
        return Reply(self.status, self.headers, stream=Stream(content, self.offset, self.length))


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


def _unheard() -> None:
    """Nobody counts."""


@attrs.define
class Files:
    """Answers `/packages/...` of every exposed index."""

    gate: Gate
    small: SmallFiles
    fetches: Fetches | None = None
    """Notes who takes what; None where that is not kept."""
    accel: Accel | None = None
    """Where trusted proxies send stored files by themselves."""
    waited: Callable[[], None] = _unheard
    """Called for each that has to come from elsewhere before it can be given out."""

    def quick(self, ask: Ask, account: IAccount, index: str, below: tuple[str, ...]) -> Reply | None:
        """A small file that was taken just now, if the account may have it, without asking anybody; `index` is the label of a `Shown`."""
        key = (index, below)
        small = self.small.get(key)
        if small is None or not account.may("read", small.listed.source, small.listed.name):
            return None
        wanted = asked(below)
        assert wanted is not None  # or it would not be there
        headers = self._headers(wanted, small.listed)
        lasting = next(value for name, value in headers if name == "Cache-Control")
        part = self._part(ask, headers, small.digest, len(small.data))
        reply = part.reply(small.data)
        again = self._note(ask, account, small.listed, wanted.companion, reply, part.offset) or _nothing
        if reply.status in (206, 416):
            # A part is a copy, and there are as many as anybody cares to ask for.
            return reply
        now, until = self.small.clock.seconds(), min(small.until, self.gate.until(ask))
        return attrs.evolve(
            reply,
            term=lambda: Term(small.listed.name, now, until, lambda _: lasting, None, lambda: self.small.keeps(key, small), again),
        )

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
        with self.small.readings.of(wanted.projects[0]) as reading:
            # By rights on an entry, so by that entry's bytes: another index may have a file of that name by then (S42).
            listed, content = await opened(shown.index, wanted.companion, allowed, allowed)
            ask.notes.ready = not isinstance(content, Given | PassingContent | Reader)
            if not ask.notes.ready:
                self.waited()
            try:
                part = self._part(ask, self._headers(wanted, listed), content.digest, content.size)
                if not shown.view and self._is_small(wanted, listed, content):
                    data = await _whole(content)
                    self.small.put((shown.label, below), listed, promised(listed.file, wanted.companion) or "", data, reading)
                    content.close()
                    reply = part.reply(data)
                else:
                    reply = self._handed_over(ask, part, content) or part.stream(content)
                self._note(ask, account, listed, wanted.companion, reply, part.offset, part.status)
                return reply
            except BaseException:
                content.close()
                raise

    def _handed_over(self, ask: Ask, part: Part, content: IContent) -> Reply | None:
        """The answer by which the proxy that passed the request on sends it all, or the part that its client asks for; None where it is sent from here."""
        if self.accel is None or not ask.passed or ask.method != "GET" or part.status not in (200, 206):
            return None
        place = self.accel.place(content)
        if place is None:
            return None
        content.close()
        headers = tuple(header for header in part.headers if header[0] != "Content-Range")
        return Reply(200, (*headers, ("X-Accel-Redirect", place)))

    def _is_small(self, wanted: Asked, listed: Listed, content: IContent) -> bool:
        """
        Whether it is worth keeping in memory, and can be: it is stored here, the path is of one project alone, and its page promises these very bytes.
        """
        if isinstance(content, Given | PassingContent | Held):
            return False
        size, promise = content.size, promised(listed.file, wanted.companion)
        return size is not None and size <= LARGEST and len(wanted.projects) == 1 and promise is not None and promise == content.digest

    def _note(
        self, ask: Ask, account: IAccount, listed: Listed, companion: Companion, reply: Reply, offset: int, status: int = 0
    ) -> Callable[[str, float], None] | None:
        """Note that a file is taken; as `Fetches.note`."""
        if self.fetches is None or companion is not Companion.FILE:
            return None
        return self.fetches.note(ask, account, listed, reply, offset, whole=(status or reply.status) == 200)

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

    def _part(self, ask: Ask, headers: list[tuple[str, str]], digest: str | None, size: int | None) -> Part:
        """What of so many bytes with that digest is to be sent."""
        assert size is not None  # the spool knows the size before it gives a reader, and a stored blob has one
        etag = f'"{digest}"' if digest is not None else None
        if etag is not None:
            headers.append(("ETag", etag))
            tested = ask.headers.every("if-none-match")
            if tested and validators.matches(tested, etag):
                return Part(304, tuple(headers))
        try:
            part = ranges.wanted(ask.headers.first("range"), size) if ask.method == "GET" and self._range_holds(ask, etag) else None
        except ranges.Unsatisfiable:
            return Part(416, (("Content-Range", ranges.unsatisfied(size)), ("Accept-Ranges", "bytes"), ("Cache-Control", "no-store")))
        if part is None:
            return Part(200, tuple(headers), 0, size)
        offset, length = part
        headers.append(("Content-Range", ranges.content_range(offset, length, size)))
        return Part(206, tuple(headers), offset, length)

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


def _nothing(address: str, now: float) -> None:
    """What is noted of a file where nothing is."""


async def _whole(content: IContent) -> bytes:
    """
    All of a small content.

    :raises CorruptContent: it is shorter than it says.
    """
    pieces: list[bytes] = []
    size, have = content.size or 0, 0
    while have < size:
        piece = await content.read(have, size - have)
        if not piece:
            raise CorruptContent(f"the content ended at {have} bytes instead of {size}")
        pieces.append(piece)
        have += len(piece)
    return b"".join(pieces)


def _cache_control(file: File, companion: Companion, audience: str) -> str:
    if filenames.changes(file.filename):
        return "no-cache"
    return f"{audience}, {CHANGES if companion is Companion.PROVENANCE else FOR_EVER}"
