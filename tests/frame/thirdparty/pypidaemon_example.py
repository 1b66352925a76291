"""An index, an upstream and a policy that do not belong to pypidaemon: what another distribution needs to write, and no more."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from packaging.utils import canonicalize_name
from zope.interface import implementer

from pypidaemon.errors import NoSuchFile, NoSuchProject, UpstreamUnavailable
from pypidaemon.interfaces import IHealth, IIndex, IPolicy, IUpstream
from pypidaemon.model import (
    Change,
    Companion,
    File,
    Filename,
    NormalizedName,
    ProjectList,
    ProjectPage,
    UpstreamNames,
    UpstreamPage,
    Validators,
)
from pypidaemon.settings import given, setting, size, words


@implementer(IIndex)
@attrs.frozen
class Fixed:
    """An index whose projects stand in the configuration; each has a page without files."""

    label: str = given("label")
    projects: tuple[str, ...] = setting(words, help="the names of the projects")

    async def project_names(self) -> ProjectList:
        """As `IIndex`."""
        names = sorted(canonicalize_name(name) for name in self.projects)
        return ProjectList(lambda: iter([(name, 1) for name in names]), " ".join(names), 1, source=self.label)

    async def project_page(self, name: NormalizedName) -> ProjectPage:
        """As `IIndex`."""
        if name not in {canonicalize_name(project) for project in self.projects}:
            raise NoSuchProject(name)
        return ProjectPage(name, serial=1, revision="1", source=self.label)

    async def find(self, name: NormalizedName, filename: Filename) -> object:
        """As `IIndex`: there are no files."""
        raise NoSuchFile(filename)

    async def open_file(self, name: NormalizedName, filename: Filename, companion: Companion) -> object:
        """As `IIndex`: there are no files."""
        raise NoSuchFile(filename)

    async def changes(self, since: int) -> list[Change]:
        """As `IIndex`: nothing ever changes."""
        return []

    async def refresh(self, name: NormalizedName | None) -> int:
        """As `IIndex`: nothing is remembered."""
        return 0


@implementer(IHealth)
@attrs.frozen
class Down:
    """The health of something that is never there."""

    state: str = "down"
    cause: str = "it is an example"
    since: float = 0.0

    def may_ask(self) -> bool:
        """As `IHealth`."""
        return False

    def retry_after(self) -> int:
        """As `IHealth`."""
        return 60

    async def doubted(self) -> None:
        """As `IHealth`."""

    def listen(self, listener: Callable[[], None]) -> None:
        """As `IHealth`."""


@implementer(IUpstream)
@attrs.frozen
class Silent:
    """An upstream that cannot be reached, whatever one asks."""

    label: str = given("label")
    health: Down = attrs.field(factory=Down)
    patience: float = 0.0

    def health_of(self, url: str) -> Down:
        """As `IUpstream`."""
        return self.health

    async def fetch_names(self, validators: Validators) -> UpstreamNames:
        """As `IUpstream`."""
        raise UpstreamUnavailable(self.label, self.health.cause)

    async def fetch_page(self, name: NormalizedName, validators: Validators) -> UpstreamPage:
        """As `IUpstream`."""
        raise UpstreamUnavailable(self.label, self.health.cause)

    async def fetch_body(self, url: str, offset: int) -> object:
        """As `IUpstream`."""
        raise UpstreamUnavailable(self.label, self.health.cause)

    async def changes(self, since: int) -> list[Change] | None:
        """As `IUpstream`."""
        return None


@implementer(IPolicy)
@attrs.frozen
class LargerThan:
    """Hides files above a size."""

    label: str = given("label")
    limit: int = setting(size, help="the largest size that is shown")

    def refusal(self, name: NormalizedName, file: File | None, now: float) -> str | None:
        """As `IPolicy`."""
        if file is None or file.size is None or file.size <= self.limit:
            return None
        return f"it has {file.size} bytes, which is more than {self.limit}"
