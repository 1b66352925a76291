"""
Private files taken into a private index: with all that is told of them, and a copy of their bytes that nobody else has a hand in.

A file is offered in one step, when everything of it is durable (`IHostedIndex.adopt`), so whoever is killed leaves nothing half there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing

import attrs

from pypidaemon.adoption.checking import RULES, Measured, NotTaken, looked_into, measured
from pypidaemon.adoption.found import Found, Project
from pypidaemon.adoption.origins import ILinkable, IOrigin
from pypidaemon.adoption.outcomes import Fate, Outcome, Tally
from pypidaemon.archives.rules import Rules
from pypidaemon.clashes import Clashes
from pypidaemon.errors import Conflict, CorruptContent, InvalidUpload, Refused, TooLarge
from pypidaemon.filenames import candidates, package_type, python_tag, version_of
from pypidaemon.interfaces import IContent, IHostedIndex, IInspector
from pypidaemon.model import Earlier, InThread, NormalizedName, Upload
from pypidaemon.moments import written

PER_FILE = (NotTaken, InvalidUpload, Conflict, CorruptContent, Refused, TooLarge)
"""What is wrong with one file alone; whatever else is wrong ends everything."""

Tell = Callable[[Outcome], None]


@attrs.frozen
class Hosting:
    """
    Takes files into one private index.

    :param owner: the account that projects belong to that are begun, "" for nobody.
    :param rehearsal: whether it is only said what would become of them.
    """

    index: IHostedIndex
    origin: IOrigin
    inspector: IInspector
    cpu: InThread
    clashes: Clashes
    tally: Tally
    owner: str = ""
    rehearsal: bool = False
    rules: Rules = RULES

    async def take(self, project: Project | None, founds: Sequence[Found], tell: Tell) -> None:
        """
        Take these.

        :raises PypidaemonError: nothing more can be taken.
        """
        for found in founds:
            tell(await self._outcome(found))

    async def _outcome(self, found: Found) -> Outcome:
        told = Outcome(found.path, Fate.SKIPPED, found.project or "", found.file.filename)
        try:
            with closing(await self.origin.open(found)) as content:
                return await self._taken(found, content, told)
        except PER_FILE as error:
            return attrs.evolve(told, reason=str(error))
        except OSError as error:
            return attrs.evolve(told, reason=error.strerror or type(error).__name__)

    async def _taken(self, found: Found, content: IContent, told: Outcome) -> Outcome:
        about = await measured(content, [algorithm for algorithm, _ in found.file.hashes], self.cpu)
        about.check(found.file, "what is kept beside it")
        upload = await self._upload(found, content, about)
        label = await self._considered(upload.name)
        earlier = Earlier(_when(found, content), found.file.yanked)
        published = await self.index.adopt(upload, content, about.hashes, self.owner, bool(self.owner), earlier, self.rehearsal)
        if published.repeated:
            return attrs.evolve(told, fate=Fate.HERE, project=upload.name)
        if label is not None:
            self.tally.names[upload.name] = label
        return attrs.evolve(told, fate=Fate.TAKEN, project=upload.name, size=about.size)

    async def _upload(self, found: Found, content: IContent, about: Measured) -> Upload:
        """
        Whose file it is: by its name, where that can be read in one way; else by what is inside.

        What the name says is held against what is inside when it is taken.
        """
        filename, likely = found.file.filename, candidates(found.file.filename)
        name = found.project or (likely[0] if len(likely) == 1 else None)
        version = version_of(filename, name) if name is not None else None
        if found.project is not None and found.project not in likely:
            raise NotTaken(f"it lies among the files of {found.project}, and its name is that of another project")
        if name is None or not version:
            inspected = await looked_into(content, found.file, found.project, self.inspector)
            name, version = inspected.name, inspected.version
        digests = tuple((algorithm, about.hashes[algorithm]) for algorithm, _ in found.file.hashes if algorithm in ("sha256", "md5"))
        return Upload(name, version, filename, package_type(filename), digests, (("pyversion", python_tag(filename)),))

    async def _considered(self, name: NormalizedName) -> str | None:
        """
        Of a project that is not here yet, the label of the index whose upstream is known to have it too, "" for none; None of one that is here.

        :raises NotTaken: it is, and this index is strict.
        """
        if name in self.tally.names:
            return self.tally.names[name]
        if await self.index.has(name):
            return None
        known = await self.clashes.upstream_of(name)
        if known is not None and self.index.strict:
            raise NotTaken(f"the name {name} is taken: {known} has a project of that name, and {self.index.label} is strict")
        return known or ""


def _when(found: Found, content: IContent) -> str | None:
    """When it was published: what is told, else when the file was last changed, which is when it was put there."""
    if found.file.upload_time is not None:
        return found.file.upload_time
    return written(content.modified) if ILinkable.providedBy(content) else None
