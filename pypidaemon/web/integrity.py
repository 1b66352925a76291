"""`/integrity/<project>/<version>/<filename>/provenance`: who attests a file (PEP 740), at the address that PyPI has for it (R117)."""

from __future__ import annotations

from urllib.parse import quote

import attrs
import orjson

from pypidaemon import validators
from pypidaemon.errors import NoSuchFile, PypidaemonError
from pypidaemon.filenames import filename, project_name, version_of
from pypidaemon.interfaces import IAccount
from pypidaemon.model import Companion, Digest, File, Listed, NormalizedName
from pypidaemon.opening import opened
from pypidaemon.simple.negotiation import choose_type
from pypidaemon.versions import same_version
from pypidaemon.web import failures
from pypidaemon.web.ask import Ask
from pypidaemon.web.gate import Gate
from pypidaemon.web.hearing import heard
from pypidaemon.web.reply import Reply, Stream, text
from pypidaemon.web.shown import Shown

INTEGRITY_TYPE = "application/vnd.pypi.integrity.v1+json"
MEDIA_TYPES = (INTEGRITY_TYPE, "application/json")
"""What a provenance can be had as; both are the same bytes."""
CHANGES = "max-age=600"
"""A provenance is no part of the file: attestations are added later (R118)."""


@attrs.frozen
class Addresses:
    """
    Where our own copies of provenance are, for the pages that name them.

    They must be absolute https URLs (R29, R116), so there are some only where the configuration gives us such an address.

    :param public: the address of the default index's root, ending in "/"; None where it is not https, or not known.
    """

    public: str | None
    default: str

    def of(self, shown: Shown, name: NormalizedName, file: File) -> str | None:
        """The URL to name for that file; upstream's own where we have no address of ours, or the file's name says no version."""
        if self.public is None or file.provenance is None or (version := version_of(file.filename, name)) is None:
            return file.provenance
        root = self.public
        if shown.view:
            root += f"at/{shown.view}/"
        elif shown.label != self.default:
            root += f"index/{shown.label}/"
        return f"{root}integrity/{name}/{quote(version, safe='')}/{quote(file.filename, safe='')}/provenance"


def addresses(public_url: str | None, default: str) -> Addresses:
    """Those of a daemon whose public address is that one, and whose default index has that label."""
    secure = public_url is not None and public_url.startswith("https://")
    return Addresses(f"{public_url.rstrip('/')}/" if public_url is not None and secure else None, default)


@attrs.define
class Integrity:
    """Answers `/integrity/...` of every exposed index. Its errors are JSON too, as PyPI's are."""

    gate: Gate

    async def document(self, ask: Ask, account: IAccount, shown: Shown, project: str, version: str, spelled: str) -> Reply:
        """GET and HEAD of the provenance of one file."""
        try:
            return await self._document(ask, account, shown, project, version, spelled)
        except PypidaemonError as error:
            return in_json(failures.answer(error, ask.id, of_file=True))

    async def _document(self, ask: Ask, account: IAccount, shown: Shown, project: str, version: str, spelled: str) -> Reply:
        name, wanted = project_name(project), filename(spelled)
        said = version_of(wanted, name)
        if said is None or same_version(said) != same_version(version):
            raise NoSuchFile(f"{wanted} of {version}"[:200])
        media = choose_type(ask.headers.every("accept"), MEDIA_TYPES)
        if media is None:
            return in_json(text(406, f"it can be had as {' or '.join(MEDIA_TYPES)}", ask.id, (("Vary", "Accept"),)))

        async def allowed(_: Digest | None = None) -> Listed:
            listed = await heard(self.gate, account, shown.index, (name,), shown.index.find(name, wanted))
            self.gate.check(account, "read", listed.source, listed.name)
            return listed

        listed, content = await opened(shown.index, Companion.PROVENANCE, allowed, allowed)
        try:
            audience = "public" if self.gate.is_public((listed.source,), listed.name) else "private"
            headers = [
                ("Cache-Control", f"{audience}, {CHANGES}"),
                ("Vary", "Accept"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Pypidaemon-Index", listed.source),
            ]
            if content.digest is not None:
                # One tag for each representation (R72), though both are the same bytes.
                etag = f'"{content.digest[:30]}{"-v1" if media == INTEGRITY_TYPE else ""}"'
                headers.append(("ETag", etag))
                asked = ask.headers.every("if-none-match")
                if asked and validators.matches(asked, etag):
                    content.close()
                    return Reply(304, tuple(headers))
            headers.append(("Content-Type", media))
            return Reply(200, tuple(headers), stream=Stream(content, 0, content.size))
        except BaseException:
            content.close()
            raise


def in_json(reply: Reply) -> Reply:
    """That plain answer as `{"message": ...}`."""
    others = (header for header in reply.headers if header[0] != "Content-Type")
    return attrs.evolve(reply, headers=(("Content-Type", "application/json"), *others), body=orjson.dumps({"message": reply.line}))
