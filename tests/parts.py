"""Components for the tests of the frame: some good, some broken in one way each. Configurations name them as `tests.parts:Class`."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import IService, Service
from zope.interface import Interface, implementer

from pypidaemon.interfaces import IBlobStore, IFillable, IIndex, IPolicy
from pypidaemon.settings import Secret, count, duration, flag, given, path, reference, references, secret, setting, size, text, words

_where = Path(__file__).parent / "frame" / "thirdparty" / "pypidaemon_example.py"
_spec = importlib.util.spec_from_file_location("pypidaemon_example", _where)
assert _spec is not None
assert _spec.loader is not None
example = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(example)

Fixed = example.Fixed
Silent = example.Silent


@implementer(IService)
@attrs.define(eq=False, slots=False, kw_only=True)
class Diary(Service):
    """A service that wants one of each thing."""

    index: Any = reference(IIndex)
    words: tuple[str, ...] = setting(words, default=("a", "b"))
    wait: float = setting(duration, default=600.0)
    room: int = setting(size, default=2**30)
    bold: bool = setting(flag, default=True)
    times: int = setting(count, default=3)
    title: str | None = setting(text, default=None)
    place: Path | None = setting(path, default=None)
    password: Secret | None = setting(secret, default=None)
    label: str = given("label")
    reactor: Any = given("reactor")
    clock: Any = given("clock")
    data: Path = given("data")
    disk: Any = given("disk")
    cpu: Any = given("cpu")
    spool: Any = given("spool")
    reserved: tuple[str, ...] = given("reserved")
    announcements: Any = given("announcements")


@implementer(IPolicy)
class NotAttrs:
    """Has all methods and no schema."""

    label = "x"

    def refusal(self, name: Any, file: Any, now: float) -> str | None:
        return None


@implementer(IPolicy)
@attrs.frozen
class Short:
    """Takes fewer arguments than promised."""

    label: str = given("label")

    def refusal(self, name: Any) -> str | None:
        return None


@implementer(IPolicy)
@attrs.frozen
class Nameless:
    """Has no label, which only shows on the object."""

    def refusal(self, name: Any, file: Any, now: float) -> str | None:
        return None


@implementer(IPolicy)
@attrs.frozen
class Greedy:
    """Asks for what nobody gives."""

    label: str = given("label")
    wish: Any = given("the-moon")

    def refusal(self, name: Any, file: Any, now: float) -> str | None:
        return None


@implementer(IPolicy)
@attrs.frozen
class Unfillable:
    """Has a field that nobody could fill."""

    other: str
    label: str = given("label")

    def refusal(self, name: Any, file: Any, now: float) -> str | None:
        return None


@implementer(IPolicy)
@attrs.frozen
class Fussy:
    """Refuses its value only when it is made."""

    label: str = given("label")
    colour: str = setting(text, default="red")

    def __attrs_post_init__(self) -> None:
        raise ValueError("no such colour")

    def refusal(self, name: Any, file: Any, now: float) -> str | None:
        return None


class INarrow(IIndex):
    """An index that promises more."""

    def more() -> None:
        """More."""


@implementer(IService)
@attrs.define(eq=False, slots=False)
class Choosy(Service):
    """A service that wants a narrower index."""

    index: Any = reference(INarrow)


@implementer(IService)
@attrs.define(eq=False, slots=False)
class Filler(Service):
    """A service that fills indexes, and looks at one."""

    index: Any = reference(IFillable, default="pypi")
    others: Any = references(IFillable, default=())
    seen: Any = reference(IIndex, default="pypi")


@implementer(IService)
@attrs.define(eq=False, slots=False)
class Keeper(Service):
    """A service that keeps things among the blobs."""

    blobs: Any = reference(IBlobStore, default="blobs")


class IElse(Interface):
    """Something no section provides."""


A_FUNCTION = len


@implementer(IService)
@attrs.define(eq=False, slots=False)
class Late(Service):
    """A service that does not start where its section says so."""

    label: str = given("label")
    broken: bool = setting(flag, default=False)

    def startService(self) -> None:
        if self.broken:
            raise OSError(5, "Input/output error")
        Service.startService(self)
