"""Remote indexes, and what is known of them."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from pypidaemon.model import Change, NormalizedName, NotModified, UpstreamNames, UpstreamPage, Validators


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

    state: str = Attribute('"up", "suspect" or "down".')
    cause: str = Attribute("Why it is not up, in a few words; empty while it is.")
    since: float = Attribute("When it entered that state, seconds since the epoch.")

    def may_ask() -> bool:
        """Whether a request is worth trying now: always while up, else once in a while."""

    def retry_after() -> int:
        """Whole seconds until asking again is worth it, 1 to 60."""

    async def doubted() -> None:
        """Come back when the upstream stops being up; at once where it is not."""


class IUpstream(Interface):
    """
    One remote index. `NotModified` is a value, absence is `NoSuchProject`, anything else is `UpstreamUnavailable`.
    """

    label: str = Attribute("The label of its section.")
    health: IHealth = Attribute("An IHealth.")

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


class IDating(Interface):
    """A capability of upstreams: to say when a file was last changed, without sending it."""

    async def last_modified(url: str) -> float | None:
        """
        When the bytes behind a file's URL were last changed, seconds since the epoch; None where it does not say so in a way that makes sense.

        :raises NoSuchFile: upstream says that there is none.
        :raises UpstreamUnavailable: it could not be asked, or the URL is one that must not be.
        """
