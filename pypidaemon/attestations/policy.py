"""A rule on who must have built what is shown here, by signatures (PEP 740, S31)."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator

import attrs
from zope.interface import implementer

from pypidaemon.filenames import version_of
from pypidaemon.globs import globs, matches_any
from pypidaemon.interfaces import IRemarkingPolicy, ISamplingPolicy, ITimedPolicy
from pypidaemon.model import File, Filename, Knowledge, NormalizedName, ProjectPage
from pypidaemon.patterns import Texts
from pypidaemon.settings import Lines, count, given, lines, setting
from pypidaemon.versions import known, same_version

if importlib.util.find_spec("pypi_attestations") is None:
    # Here and not where it is first needed, so that whoever checks a configuration is told.
    raise ModuleNotFoundError("signatures cannot be checked; pip install 'pypidaemon[attestations]'")

ALERT = "alert"
REFUSE = "refuse"
CHANGES = (ALERT, REFUSE, "ignore")
AGAIN = 30.0
"""Seconds after which a page is judged anew of which something could not be found out."""
_PUBLISHER = re.compile(r"(?:github|gitlab|google|circleci):[\x21-\x7e]+")


@attrs.frozen
class Trusted:
    """Projects, and who may attest them; `str()` is one line of the setting."""

    projects: str
    publishers: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.projects, *self.publishers))


def required(raw: str) -> tuple[str, ...]:
    """Patterns of project names; nothing at all is none."""
    return globs(raw) if raw.strip() else ()


def trusted(raw: str) -> Lines:
    """
    Lines of a pattern of project names and then patterns of publishers, such as `acme-* github:acme/*`.

    :raises ValueError: one of them is none of this.
    """
    return Lines(_trusted(line) for line in lines(raw))


def on_change(raw: str) -> str:
    """`alert`, `refuse` or `ignore`."""
    word = raw.strip().lower()
    if word not in CHANGES:
        raise ValueError(f"{raw.strip()[:80]!r} is none of {' '.join(CHANGES)}")
    return word


@implementer(ISamplingPolicy, ITimedPolicy, IRemarkingPolicy)
@attrs.frozen
class AttestedOnly:
    """
    Shows only files whose attestations hold, and where publishers are named, hold by one of them.

    A file without provenance is refused without a question to anybody. Of a page the files of the newest releases are checked before it is shown, and
    every file before a byte of it is given; what turns out not to hold then is refused, though its page lists it.
    """

    label: str = given("label")
    require: tuple[str, ...] = setting(
        required, default=("*",), help="Patterns of the projects whose files must be attested, by whomever; nothing written is none."
    )
    publishers: tuple[Trusted, ...] = setting(
        trusted,
        default=(),
        help="Lines of a pattern of projects and then patterns of publishers, as in `acme-* github:acme/*`: files of these projects must be attested"
        " by one of those. The first line that matches a project counts.",
    )
    change: str = setting(
        on_change,
        default=ALERT,
        help="What becomes of files attested by somebody new to the project: `alert` tells whoever asks why, `refuse` hides them unless `publishers`"
        " names him, `ignore` does nothing.",
    )
    look_ahead: int = setting(count, default=3, help="The files of how many of the newest releases are checked before a page is shown.")
    _texts: tuple[Texts, ...] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        """Compile the patterns of publishers, once."""
        object.__setattr__(self, "_texts", tuple(Texts(globs=line.publishers) for line in self.publishers))

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """Why that file is hidden; None shows it, as it does a file of which nobody has found out anything yet."""
        if file is None:
            return None
        place = self._place(name)
        needed = place is not None or matches_any(name, self.require) is not None
        if needed and file.provenance is None:
            return "nobody attests it: it has no provenance (PEP 740)"
        told = file.attested
        if told is None or file.provenance is None:
            return None
        if told.problem is not None:
            return told.problem if needed else None
        if place is not None:
            if self._texts[place].first_of(told.publishers) is None:
                return f"it is attested by {', '.join(told.publishers)}, and must be by {' or '.join(self.publishers[place].publishers)}"
            return None
        if told.newcomers and self.change == REFUSE:
            return f"it is attested by {', '.join(told.newcomers)}, who never attested this project before, while others did"
        return None

    def turns(self, name: NormalizedName, file: File, now: float) -> float | None:
        """Soon, where something could not be found out just now."""
        return now + AGAIN if file.attested is not None and not file.attested.lasting else None

    def wants(self, name: NormalizedName, file: File, now: float) -> frozenset[Knowledge]:
        """Who attests it, where there is a provenance to go by."""
        if file.provenance is None:
            return frozenset()
        concerned = self._place(name) is not None or matches_any(name, self.require) is not None or self.change in {ALERT, REFUSE}
        return frozenset({Knowledge.PROVENANCE}) if concerned else frozenset()

    def concerns(self, page: ProjectPage, now: float) -> frozenset[Filename]:
        """
        As `ISamplingPolicy`: the files of the newest releases that have provenance, final ones and pre-releases counted apart, since installers do.

        What is yanked counts for no release, since installers pass it over.
        """
        releases: dict[str, list[Filename]] = {}
        for file in page.files:
            version = version_of(file.filename, page.name)
            if version is not None and file.provenance is not None and file.yanked is None:
                releases.setdefault(same_version(version), []).append(file.filename)
        return frozenset(filename for version in self._newest(releases) for filename in releases[version])

    def remark(self, name: NormalizedName, file: File, now: float) -> str | None:
        """As `IRemarkingPolicy`: that somebody new attests it."""
        told = file.attested
        if self.change != ALERT or told is None or not told.newcomers:
            return None
        return f"attested by {', '.join(told.newcomers)}, who never attested this project before, while others did"

    def _place(self, name: NormalizedName) -> int | None:
        """The first line that says who may attest that project; None where none does."""
        return next((place for place, line in enumerate(self.publishers) if matches_any(name, (line.projects,)) is not None), None)

    def _newest(self, versions: dict[str, list[Filename]]) -> Iterator[str]:
        read = [(found, version) for version in versions if (found := known(version)) is not None]
        for early in (False, True):
            newest = sorted(((found, version) for found, version in read if found.is_prerelease == early), reverse=True)
            yield from (version for _, version in newest[: self.look_ahead])


def _trusted(line: str) -> Trusted:
    projects, *publishers = line.lower().split()
    if not publishers:
        raise ValueError(f"{line[:80]!r} names no publisher")
    for publisher in publishers:
        if not _PUBLISHER.fullmatch(publisher):
            raise ValueError(f"{publisher[:80]!r} is no publisher such as github:owner/repository, gitlab:, google: or circleci:")
    Texts(globs=tuple(publishers))
    [pattern] = globs(projects)
    return Trusted(pattern, tuple(publishers))
