"""Remote indexes, and what is known of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from zope.interface import Attribute, Interface

from pypidaemon.errors import UpstreamUnavailable
from pypidaemon.model import Change, File, NormalizedName, NotModified, Outage, T, UpstreamNames, UpstreamPage, Validators


class IBody(Interface):
    """
    The body of an upstream's answer while it arrives.

    Its transport is paused while nobody reads, so no more than a few hundred KiB wait in memory.
    """

    offset: int = Attribute("Where in the whole it begins: what was asked for, or 0 where upstream ignored the range.")
    total: int | None = Attribute("The size of the whole as upstream says, None where it does not say.")
    validator: str | None = Attribute("A strong ETag or a Last-Modified that names this state of the whole, or None.")

    async def read() -> bytes:
        """
        The next bytes, b"" at the end.

        :raises UpstreamUnavailable: it broke off, stalled or became too slow; what was read before is good.
        """

    def close() -> None:
        """Read no more; the connection is dropped unless all has arrived."""


class IHealth(Interface):
    """What is known of whether an upstream can be asked; one per upstream, shared by all requests."""

    state: str = Attribute(
        '"up", "suspect" (it was slow, or wrong several times, and is looked at), "down", "probing" (it was down, and is being asked whether it still '
        'is) or "offline" (it must not be asked).'
    )
    cause: str = Attribute("Why it is not up, in a few words; empty while it is.")
    since: float = Attribute("When it came up, or when it stopped being up, seconds since the epoch.")

    def may_ask() -> bool:
        """Whether a request is worth trying now: always while up, else once in a while, or never where somebody attends to it (`IAttended`)."""

    def retry_after() -> int:
        """Whole seconds until asking again is worth it, 1 to 60."""

    async def doubted() -> None:
        """Come back when the upstream stops being up; at once where it is not."""

    def listen(listener: Callable[[], None]) -> None:
        """Call `listener` at every change of the state from now on. It must be quick and must not raise."""


class IAttended(IHealth):
    """A health that somebody with time may attend to, so that no client's request has to find out whether the upstream is back (F40)."""

    def attend() -> None:
        """From now on whoever calls this probes, and `may_ask` says no to everybody else while the upstream is not up."""

    def patience(usual: float) -> float:
        """Seconds after which this upstream is taken for silent, where one is that usually answers in no time after so many."""

    def due() -> float | None:
        """Seconds until a probe is worth it, 0 or more; None where none is, since the upstream is up and nobody doubts it."""

    def begin() -> bool:
        """Begin a probe if one is due; answer whether it was. What comes of it is told to the health as of any request."""

    def end() -> None:
        """The probe is over; where nothing came of it that the health was told, the upstream is as it was before."""

    def moved() -> None:
        """This machine may stand in another network than before: what was heard vouches for nothing any more, and a probe is due where it is not up."""

    def outage() -> Outage | None:
        """What is to be remembered over a restart; None while it is up, or only suspect."""

    def resume(outage: Outage) -> None:
        """It was like that when the daemon was last running. That counts until something is heard, and not where something was heard already."""


class IVouched(Interface):
    """A capability of healths: to know that nobody has heard of an upstream for long, so that saying it is up means little."""

    def vouched() -> float:
        """
        Until when what it says may be believed, seconds since the epoch: after that it may be gone without anybody having noticed.

        For good where it is known not to be up, or where nobody attends to it who could look. Asked with every request, so it has to be quick.
        """

    async def confirmed() -> None:
        """
        Where nothing vouches for it any more, have whoever attends to it look, and come back when something is heard, good or bad.

        That may take as long as any request, so wait for moments only, and say `unheard` where they pass.
        """

    def unheard() -> None:
        """Whoever waited for a moment heard nothing: while that look lasts it is believed again, so that nobody waits for the same after him."""


class IUpstream(Interface):
    """
    One remote index. `NotModified` is a value, absence is `NoSuchProject`, anything else is `UpstreamUnavailable`.
    """

    label: str = Attribute("The label of its section.")
    health: IHealth = Attribute("An IHealth.")
    patience: float = Attribute("Seconds for which clients wait for it who can be given what is known.")

    def health_of(url: str) -> IHealth:
        """The health of who has the bytes behind a file's URL: page host and file hosts fail apart (N6)."""

    async def fetch_names(validators: Validators) -> UpstreamNames | NotModified:
        """
        Ask for the project list; its body is read by the caller, who closes it.

        :raises UpstreamUnavailable: no list could be had.
        """

    async def fetch_page(name: NormalizedName, validators: Validators) -> UpstreamPage | NotModified:
        """
        Ask for a project's page, whole, read and checked.

        :raises NoSuchProject: upstream says that there is none.
        :raises UpstreamUnavailable: no page could be had, or it is not that project's or no page at all.
        """

    async def fetch_body(url: str, offset: int) -> IBody:
        """
        Ask for the bytes behind a file's URL (or its sidecar's), from `offset` on, in no content coding.

        :raises NoSuchFile: upstream says that there is none.
        :raises UpstreamUnavailable: they could not be had, or the URL is one that must not be asked.
        """

    async def changes(since: int) -> list[Change] | None:
        """
        What changed after that serial, in the order of serials, or None where this upstream cannot tell, or its project list says it shorter.

        Where the last rows are missing, they are among the first after the highest serial that is there.

        :raises UpstreamUnavailable: it could not be had, or makes no sense.
        """


class IProbed(Interface):
    """A capability of upstreams: to be asked for something small, to see whether they answer."""

    async def probe(name: NormalizedName) -> None:
        """
        Ask for something small; what comes of it is told to the `health`, and nothing is raised.

        :param name: a project to ask for where nothing better is known; whether there is one does not matter.
        """

    def moved() -> None:
        """
        This machine may stand in another network than before: nothing that was heard vouches for anybody any more, connections that are kept may be dead, and
        whoever was down may be back, which is looked at now, save where somebody asked to be left alone.
        """


class IPlaces(Interface):
    """The places that one file may be had from, in the order in which they are asked; shared by all who want it at the same time."""

    async def fetch(offset: int) -> IBody:
        """
        Ask one after the other for the bytes from `offset` on.

        :raises NoSuchFile: the first says that there is none, and nobody has it.
        :raises UpstreamUnavailable: they could not be had anywhere.
        """

    several: bool = Attribute("Whether there is more than one.")

    async def doubted() -> UpstreamUnavailable:
        """Come back when the last of them is asked and shows no sign of life, with what to tell those who wait."""

    def blame() -> bool:
        """What came from the place that was asked last was not what is promised, so leave it alone for a while; answer whether there is another."""


class IStandIns(Interface):
    """
    A capability of upstreams: to have others stand in while they cannot be asked (M18).

    The upstream itself alone says what there is not, what is gone, and what the bytes of a file are; those others are only asked for what it would have
    said, and for bytes of which it has told the sha256.
    """

    line: IHealth = Attribute("An IHealth that is up while the upstream or any that can stand in for its pages is.")
    lost: tuple[str, ...] = Attribute("As of `IDependent`.")
    hosts: Mapping[str, IHealth] = Attribute("The health of every host that was asked, by its name, also of those that hold files alone.")

    def reaches(file: File) -> bool:
        """As `IDependent`."""

    def listen(listener: Callable[[], None]) -> None:
        """As `IDependent`."""

    async def stand_in(name: NormalizedName) -> UpstreamPage:
        """
        The page of a project as the first of the others has it that can be asked and has one.

        :raises NoSuchProject: those that could be asked have none. That is no absence: they may have a part of what the upstream has (law 10).
        :raises UpstreamUnavailable: none of them could be asked, or there are none.
        """

    async def stand_in_names(validators: Validators, take: Callable[[UpstreamNames | NotModified], Awaitable[T]]) -> T:
        """
        What `take` makes of the project list of the first of the others that can be asked, and whose list it can read to its end.

        :param validators: of the list of one of them that is held; only that one may confirm it.
        :param take: raises `UpstreamUnavailable` where the list breaks off or is none, and then the next is asked; it closes the body.
        :raises UpstreamUnavailable: none of them has given one, or there are none.
        """

    def places(name: NormalizedName, file: File, suffix: str) -> IPlaces:
        """
        Where to have a file from, of which the sha256 is known.

        :param suffix: "" for the file itself, or what its URL ends in for a companion, of which the sha256 is known too.
        """


class ISourced(Interface):
    """A capability of upstreams: to say whose numbers theirs are."""

    source: str = Attribute("Tells one index from another, also over restarts: its URL without credentials. Empty where that is not known.")


class IWhole(Interface):
    """A capability of upstreams: to give a small file all at once, for less than a body costs that is read while it arrives."""

    async def fetch_whole(url: str, size: int) -> bytes | IBody:
        """
        Ask for the bytes behind a file's URL, of which there are to be so many. Where they do not come in the usual way, what came of asking is what
        `IUpstream.fetch_body` answers: a body from its beginning on, which need not be of that size.

        Bytes that come at once are as many as they are to be; nothing else is known of them.

        :raises NoSuchFile: as `IUpstream.fetch_body`.
        :raises UpstreamUnavailable: as `IUpstream.fetch_body`.
        """


class IDating(Interface):
    """A capability of upstreams: to say when a file was last changed, without sending it."""

    async def last_modified(url: str) -> float | None:
        """
        When the bytes behind a file's URL were last changed, seconds since the epoch; None where it does not say so in a way that makes sense.

        :raises NoSuchFile: upstream says that there is none.
        :raises UpstreamUnavailable: it could not be asked, or the URL is one that must not be.
        """
