"""Which of the files that a lock names an index lacks, by what its simple pages say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import attrs

from pypidaemon.errors import NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IUpstream
from pypidaemon.model import File, NormalizedName, NotModified, UpstreamPage, Validators
from pypidaemon.packing.relocking import Held
from pypidaemon.packing.run import abreast


@attrs.frozen
class Lack:
    """A file that is not there as the lock has it, and in what way."""

    project: str
    file: str
    reason: str

    @property
    def line(self) -> str:
        """As people read it."""
        return f"{self.file}: {self.reason}"


async def lacking(upstream: IUpstream, files: Iterable[Held]) -> list[Lack]:
    """
    Ask for the page of each project once, and compare.

    :raises UpstreamUnavailable: it does not answer, so nobody knows.
    """
    by_name: dict[NormalizedName, list[Held]] = {}
    for file in files:
        by_name.setdefault(file.name, []).append(file)
    found: dict[NormalizedName, list[Lack]] = {}
    troubles: list[UpstreamUnavailable] = []

    async def one(name: NormalizedName) -> None:
        if troubles:
            return
        try:
            page = await upstream.fetch_page(name, Validators())
        except NoSuchProject:
            found[name] = [Lack(name, file.filename, "it has no such project") for file in by_name[name]]
        except UpstreamUnavailable as error:
            troubles.append(error)
        else:
            found[name] = [] if isinstance(page, NotModified) else list(_compared(page, by_name[name]))

    await abreast(partial(one, name) for name in by_name)
    if troubles:
        raise troubles[0]
    return [lack for name in by_name for lack in found[name]]


def _compared(page: UpstreamPage, files: Sequence[Held]) -> Iterator[Lack]:
    there: Mapping[str, File] = {file.filename: file for file in page.files}
    for file in files:
        other = there.get(file.filename)
        if other is None:
            yield Lack(page.name, file.filename, "it does not list it")
        elif None not in (file.digest, other.digest) and file.digest != other.digest:
            yield Lack(page.name, file.filename, f"it has other bytes, sha256 {other.digest}")
        elif file.url is not None and other.url != file.url:
            yield Lack(page.name, file.filename, f"it has it at another address: {other.url}")
