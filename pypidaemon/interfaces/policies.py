"""Rules on what an index shows, and what some of them can or need besides."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from zope.interface import Attribute, Interface

from pypidaemon.interfaces.indexes import IIndex
from pypidaemon.model import File, Filename, Knowledge, NormalizedName, ProjectPage


class IPolicy(Interface):
    """A rule on what an index shows. Pure and quick: it sees facts and never bytes."""

    label: str = Attribute("The label of its section.")

    def refusal(name: NormalizedName, file: File | None, now: float) -> str | None:
        """
        Why this file must not be shown, for a person; None lets it pass.

        With `file` None the question is whether the project as a whole is refused, whatever its files.

        :param now: seconds since the epoch.
        """


class ITimedPolicy(IPolicy):
    """A policy whose answer on a file changes as time goes by."""

    def turns(name: NormalizedName, file: File, now: float) -> float | None:
        """When its answer on that file changes next, seconds since the epoch and after `now`; None where time alone changes nothing."""


class IPagePolicy(IPolicy):
    """
    A policy that judges a file by what else is on its page, or by the project's status.

    It comes after all policies that judge files one by one, and is shown what they leave; what several such policies refuse is put together. So
    the order in which policies are named means nothing.
    """

    def refusals(page: ProjectPage, now: float) -> Mapping[Filename, str]:
        """The files of that page that must not be shown, each with its reason."""


class IInformedPolicy(IPolicy):
    """A policy that goes by more than a page says. It judges the file as it stands where that could not be found out."""

    def wants(name: NormalizedName, file: File, now: float) -> frozenset[Knowledge]:
        """What it needs to know of that file, which is then in the `File` that it judges."""


class ISamplingPolicy(IInformedPolicy):
    """
    An informed policy that shows some files of a page unseen, since to find out about all of them would take too long.

    It judges those when they are asked for one by one, which everything that is opened is: then it is told what it wants.
    """

    def concerns(page: ProjectPage, now: float) -> frozenset[Filename]:
        """
        The files of that page of which it needs to know before the page is shown.

        :param page: as far as policies leave it that need to know nothing.
        """


class IRemarkingPolicy(IPolicy):
    """A policy that has something to say to people about files that it lets pass too."""

    def remark(name: NormalizedName, file: File, now: float) -> str | None:
        """What somebody should know of that file; None where there is nothing."""


class ICostlyPolicy(IPolicy):
    """A policy whose answer on a single file may take milliseconds, by what others wrote, so that it is asked on a thread. On projects it is quick."""


class IChangingPolicy(IPolicy):
    """A policy whose rules change while the daemon runs. Whoever changes them announces it."""

    revision: str = Attribute("Changes whenever its rules do.")


class IFreezingPolicy(IChangingPolicy):
    """A changing policy that can be held still, for work that goes on while its rules change and change back."""

    def frozen() -> IPolicy:
        """The same policy with the rules of this moment; its `revision` stays what it is now."""


class IReadying(Interface):
    """A capability of policies that have to read something before they know what to refuse."""

    async def ready() -> None:
        """Come back when it has been read; call this while it runs."""


class IReading(Interface):
    """A capability of policies that go by documents of others: to say how reading them went."""

    label: str = Attribute("The label of its section.")

    def read() -> Mapping[str, Any]:
        """
        As JSON: `trouble`, why the last copy could not be used, empty where it could; and numbers of what is in force and of what was passed over.
        """


class IInformant(Interface):
    """Finds out one kind of `Knowledge`. Never raises on what a file, an upstream or a document turns out to be."""

    async def inform(index: IIndex, name: NormalizedName, files: Sequence[File]) -> Mapping[Filename, File]:
        """
        Those of the files of which something could be found out, each with what was found in it.

        :param index: where they are from, which gives their companions.
        """


class IAgeing(IInformant):
    """A capability of informants: to say when asking again may tell more, so that whoever asked them may go by what they said until then."""

    def age(name: NormalizedName) -> Hashable:
        """Changes whenever more, or something else, may be known of that project's files. Ask for it before asking `inform`; it costs next to nothing."""
