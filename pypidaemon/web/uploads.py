"""Uploads: from a form that arrives in pieces to a file on the very next page (standards J)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import attrs
import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pypidaemon.clashes import Clashes
from pypidaemon.errors import InvalidUpload, NotAllowed, PypidaemonError
from pypidaemon.flights import Flights
from pypidaemon.forms import Event, Field, FileBegins, FileBytes, FormReader
from pypidaemon.interfaces import IAccount, IAccountRecords, IDraft, IHostedIndex, IIndex
from pypidaemon.model import Deed, NormalizedName, Published, Upload
from pypidaemon.packing.orders import LARGEST as LARGEST_ORDER
from pypidaemon.refusals import Refusals
from pypidaemon.uploads import ACTION, action, read_upload
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hosts import Hosts
from pypidaemon.web.intake import Receiver
from pypidaemon.web.reply import Reply, phrase, text

LARGEST = 16 << 30
"""Bytes of an upload at most; what the disk has room for is the bound that matters."""

SMALL = 1 << 20
"""Bytes of any other body."""

_ROOMY = frozenset({b"", b"simple", b"legacy", b"pypi"})
_ADDRESSES = (("",), ("simple", ""), ("legacy",), ("legacy", ""), ("pypi",), ("pypi", ""))
"""Where clients old and new send uploads to, below an index's root (P1, R157)."""

_RETIRED = {
    "submit": "there is nothing to register: upload the files",
    "submit_pkg_info": "there is nothing to register: upload the files",
    "doc_upload": "documentation is not hosted here",
    "verify": "the metadata is checked when a file is uploaded",
    "list_classifiers": "any classifier is accepted here",
    "remove_pkg": "use pypidaemon delete",
}

log = Logger()


def retired(ask: Ask) -> Reply | None:
    """
    The answer to what old clients ask an upload address by GET, such as `?:action=list_classifiers` of `setup.py register` (P2); else None.

    They send no credentials, and print the reason phrase.
    """
    asked = dict(ask.query).get(ACTION, "")
    if asked not in _RETIRED or ask.segments not in _ADDRESSES:
        return None
    return text(410, _RETIRED[asked], ask.id, reason=_RETIRED[asked])


def concerned(ask: Ask, default: str | None) -> str | None:
    """The label of the index that this request uploads to; None where it is no upload."""
    if ask.method != "POST" or not (ask.headers.first("content-type") or "").lower().startswith("multipart/form-data"):
        return None
    match ask.segments:
        case ("index", label, *below):
            return label if tuple(below) in (("legacy",), ("legacy", "")) else None
        case below if below in _ADDRESSES:
            return default
    return None


@attrs.frozen
class _Way:
    """Whether an account may only begin projects, and whether it may put other bytes under a name that is used."""

    founding: bool
    replacing: bool


@attrs.define
class Uploads:
    """
    Takes uploads into hosted indexes.

    :param default: the label of the index that uploads at the root go to; None where uploads are off.
    :param founded: told of every project that was begun here, with its owner.
    """

    default: str | None
    indexes: Mapping[str, IIndex]
    gate: Gate
    clashes: Clashes
    audit: IAccountRecords
    clock: IReactorTime
    founded: Callable[[str, str, NormalizedName], None]
    hosts: Hosts = Hosts()
    refusals: Refusals = attrs.field(init=False)
    flights: Flights[object, Published] = attrs.field(init=False, factory=lambda: Flights(quiet=(PypidaemonError,)))

    def __attrs_post_init__(self) -> None:
        self.refusals = Refusals(self.audit, self.clock)

    def room(self, method: bytes, target: bytes) -> int:
        """As `Room`: an upload may be large, and a lock file; whatever else is posted is small."""
        path = target.partition(b"?")[0].strip(b"/")
        if path in (b"+pack", b"+admin/pack"):
            return LARGEST_ORDER
        return LARGEST if method == b"POST" and (path in _ROOMY or path.endswith(b"/legacy")) else SMALL

    def receive(self, ask: Ask) -> Awaitable[Receiver | Reply] | None:
        """As `Receive`: who takes the body, once the head says that the account may upload at all (S20)."""
        label = concerned(ask, self.default)
        if label is None:
            return None
        return self._receiver(ask, label)

    async def _receiver(self, ask: Ask, label: str) -> Receiver | Reply:
        if self.hosts.from_elsewhere(ask):
            return told(ask, text(403, "pages of other sites may not upload here", ask.id))
        account: IAccount | None = None
        try:
            account = self.gate.known(ask) or await self.gate.admit(ask)
            index = self.indexes.get(label)
            if index is None or not IHostedIndex.providedBy(index):
                raise NotAllowed(f"nothing can be uploaded to {label}", would_help=False)
            self.gate.check_index(account, ("upload", "create"), label)
            form = FormReader(ask.headers.first("content-type") or "")
        except PypidaemonError as error:
            if account is not None:
                # Nothing of the form has been read, so of the project nothing is known yet.
                await self.refusals.note(ask, account, label, str(error))
            return told(ask, failures.answer(error, ask.id, of_file=True))
        return _Reception(self, ask, label, index, account, form)

    async def allowed(self, label: str, index: IHostedIndex, account: IAccount, upload: Upload) -> _Way:
        """
        How the account may upload that.

        :raises NotAllowed: in no way.
        :raises Conflict: the name is taken elsewhere, and the index is strict.
        """
        founding = False
        if not account.may("upload", label, upload.name):
            self.gate.check(account, "create", label, upload.name)
            founding = True
        await self.clashes.consider(label, index, upload.name)
        return _Way(founding, account.may("overwrite", label, upload.name))

    async def publish(
        self, ask: Ask, account: IAccount, label: str, index: IHostedIndex, upload: Upload, draft: IDraft, way: _Way
    ) -> Published:
        """
        Let the index take the file, which commits the draft or gives it up, and note it in the audit log.

        Cancelling this wait stops nothing: what the store takes has an owner and is in the log.
        """

        async def taken() -> Published:
            deed = Deed(self.clock.seconds(), account.name, ask.client, "upload", subject(label, upload))
            published = await index.publish(upload, draft, account.name, way.founding, way.replacing, deed)
            if way.founding:
                self.founded(account.name, label, upload.name)
            if not published.noted:
                detail = "the same again" if published.repeated else f"sha256:{published.file.digest or ''}"
                await self.audit.note(attrs.evolve(deed, time=self.clock.seconds(), detail=detail))
            return published

        return await self.flights.join(object(), taken)


@attrs.define(eq=False)
class _Reception:
    """One upload on its way in: fields kept, the file written to a draft as it comes."""

    uploads: Uploads
    ask: Ask
    label: str
    index: IHostedIndex
    account: IAccount
    form: FormReader
    fields: list[tuple[str, str]] = attrs.field(factory=list)
    filename: str | None = None
    draft: IDraft | None = None
    _in_content: bool = False

    async def write(self, data: bytes) -> None:
        try:
            for event in self.form.feed(data):
                if isinstance(event, Field):
                    self.fields.append((event.name, event.value))
                else:
                    await self._take(event)
        except PypidaemonError as error:
            await self.uploads.refusals.note(self.ask, self.account, self.label, str(error))
            raise

    async def finish(self) -> Reply:
        concerning = self.label
        try:
            for event in self.form.end():
                await self._take(event)
            retired = action(self.fields, self.ask.query)
            if retired in _RETIRED:
                return told(self.ask, text(410, _RETIRED[retired], self.ask.id, reason=_RETIRED[retired]))
            if self.draft is None or self.filename is None:
                raise InvalidUpload("the form has no file named content")
            upload = read_upload(self.fields, self.filename, query=self.ask.query)
            concerning = subject(self.label, upload)
            # The rights are those of now: the body may have taken its time, and the account may be gone meanwhile (S73).
            self.account = self.uploads.gate.known(self.ask) or await self.uploads.gate.admit(self.ask)
            way = await self.uploads.allowed(self.label, self.index, self.account, upload)
            # From here on the index ends the draft, whatever happens: who leaves now does not stop what goes into the store.
            draft, self.draft = self.draft, None
            await self.uploads.publish(self.ask, self.account, self.label, self.index, upload, draft, way)
        except PypidaemonError as error:
            await self._undo()
            await self.uploads.refusals.note(self.ask, self.account, concerning, str(error))
            return told(self.ask, failures.answer(error, self.ask.id, of_file=True))
        except BaseException:
            await self._undo()
            raise
        return told(self.ask, text(200, f"{upload.filename} is here", self.ask.id))

    def drop(self) -> None:
        Deferred.fromCoroutine(self._undo()).addErrback(lambda failed: log.failure("an unfinished draft could not be removed", failed))

    async def _undo(self) -> None:
        draft, self.draft = self.draft, None
        if draft is not None:
            await draft.abort()
            draft.close()

    async def _take(self, event: Event) -> None:
        match event:
            case Field(name, value):
                self.fields.append((name, value))
            case FileBegins(name, filename):
                self._in_content = name == "content"
                if self._in_content:
                    self.filename = filename
                    self.draft = await self.index.draft()
            case FileBytes(data) if self._in_content and self.draft is not None:
                await self.draft.write(data)


def subject(label: str, upload: Upload) -> str:
    """What the audit log says an upload was of."""
    return f"{label}/{upload.name}=={upload.version} {upload.filename}"


def told(ask: Ask, reply: Reply) -> Reply:
    """
    That answer as the uploader reads it: uv asks for JSON, whose type must stand without a parameter (R167); all others read text.

    Of the document uv shows its user `code` and nothing else, so the line stands there too, as PyPI has it.
    """
    if "application/json" not in ",".join(ask.headers.every("accept")).lower() or reply.status < 400:
        return reply
    line = reply.body.decode("utf-8", "replace").split("\n", 1)[0]
    body = orjson.dumps({"code": f"{reply.status} {line}", "message": line, "title": phrase(reply.status)})
    kept = tuple(pair for pair in reply.headers if pair[0] != "Content-Type")
    return attrs.evolve(reply, headers=(("Content-Type", "application/json"), *kept), body=body)
