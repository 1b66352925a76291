"""
How older tools lay out what they keep: a table by name, in which each reads one layout and knows nothing of what becomes of it.

A layout looks at names and at the small files that a tool keeps beside the archives; it opens no archive.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from zope.interface import Attribute, Interface

from pypidaemon.adoption.folder import Folder
from pypidaemon.adoption.found import Finding


class ILayout(Interface):
    """The layout of one tool."""

    role = Attribute("A `Role`: what the files are.")
    in_place: bool = Attribute(
        "Whether its tool writes over a file that it has, so that bytes must not be shared with a tool that may still run."
    )

    def describe() -> str:
        """What it is and how it is recognised, in one line."""

    def recognised(folder: Folder) -> str | None:
        """
        Why this folder cannot be of this layout, in a few words; None where it may be. It runs on a thread, and reads little.

        :raises OSError: the folder cannot be read.
        """

    def find(folder: Folder) -> Iterator[Finding]:
        """
        All that is there, in the same order each time. It runs on a thread and holds no more in memory than what is in one folder.

        :raises OSError: the folder itself cannot be read; what is wrong with one thing in it is `Passed`.
        """


class IParted(ILayout):
    """A layout that keeps several indexes apart, of which one is taken at a time."""

    def of(part: str) -> ILayout:
        """The layout of that part alone; that there is none is found out by `find`."""


LAYOUTS: Mapping[str, str] = MappingProxyType(
    {
        "pypiserver": "pypidaemon.adoption.layouts.flat:Pypiserver",
        "z3c": "pypidaemon.adoption.layouts.z3c:PypiMirror",
        "pep381client": "pypidaemon.adoption.layouts.pep381client:Pep381Client",
        "bandersnatch": "pypidaemon.adoption.layouts.bandersnatch:Bandersnatch",
        "eggproxy": "pypidaemon.adoption.layouts.eggs:Eggproxy",
        "haufe": "pypidaemon.adoption.layouts.eggs:Haufe",
        "eggbasket": "pypidaemon.adoption.layouts.eggs:EggBasket",
        "basketweaver": "pypidaemon.adoption.layouts.basketweaver:Basketweaver",
        "pip-wheels": "pypidaemon.adoption.layouts.pip_wheels:PipWheels",
        "devpi-export": "pypidaemon.adoption.layouts.devpi_export:DevpiExport",
    }
)
"""Where each is; a name that is not here is no layout."""


def layout(name: str) -> ILayout:
    """
    The layout of that name.

    :raises KeyError: there is none.
    """
    module, _, attribute = LAYOUTS[name].partition(":")
    made: ILayout = getattr(importlib.import_module(module), attribute)()
    return made
