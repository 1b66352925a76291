"""
Which components there are and how a name becomes a class.

`use` is looked for in three places: the literal table of built-ins; the entry points of the group `pypidaemon.<kind>` that other
distributions declare; and, for one-offs, `package.module:Class`. A built-in name cannot be taken over by an installed package.
Nothing is imported before it is asked for, so that `twistd --help` stays quick.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from twisted.application.service import IService
from twisted.cred.checkers import ICredentialsChecker
from zope.interface.exceptions import Invalid
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyClass, verifyObject

from pypidaemon.interfaces import IBlobStore, IIndex, IPolicy, IRecords, IUpstream

INTERFACES: Mapping[str, InterfaceClass] = MappingProxyType(
    {
        "index": IIndex,
        "upstream": IUpstream,
        "policy": IPolicy,
        "blobs": IBlobStore,
        "records": IRecords,
        "accounts": ICredentialsChecker,
        "service": IService,
    }
)
"""What a component of each kind promises."""

STRCRED = "strcred"
"""Those accounts that are another distribution's, whatever that is."""

BUILT_IN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "index": {
            "proxy": "pypidaemon.indexes.proxy:Proxy",
            "mirror": "pypidaemon.indexes.mirror:Mirror",
            "first-match": "pypidaemon.indexes.first_match:FirstMatch",
            "home-first": "pypidaemon.indexes.home_first:HomeFirst",
            "policed": "pypidaemon.indexes.policed:Policed",
            "private": "pypidaemon.indexes.private:Private",
            "merged": "pypidaemon.indexes.merged:Merged",
            "pinned": "pypidaemon.indexes.pinned:Pinned",
            "directory": "pypidaemon.indexes.directory:Directory",
        },
        "upstream": {
            "http": "pypidaemon.upstreams.http:HttpUpstream",
            "pypi": "pypidaemon.upstreams.pypi:PypiUpstream",
        },
        "policy": {
            "names": "pypidaemon.policies.names:Names",
            "filenames": "pypidaemon.policies.filenames:Filenames",
            "versions": "pypidaemon.policies.versions:Versions",
            "pre-releases": "pypidaemon.policies.pre_releases:PreReleases",
            "newest": "pypidaemon.policies.newest:Newest",
            "kinds": "pypidaemon.policies.kinds:Kinds",
            "platforms": "pypidaemon.policies.platforms:Platforms",
            "pythons": "pypidaemon.policies.pythons:Pythons",
            "sizes": "pypidaemon.policies.sizes:Sizes",
            "maximum-age": "pypidaemon.policies.maximum_age:MaximumAge",
            "yanked": "pypidaemon.policies.yanked:Yanked",
            "statuses": "pypidaemon.policies.statuses:Statuses",
            "licences": "pypidaemon.policies.licences:Licences",
            "classifiers": "pypidaemon.policies.classifiers:Classifiers",
            "requirements": "pypidaemon.policies.requirements:Requirements",
            "blocked": "pypidaemon.policies.blocked:Blocked",
            "attested": "pypidaemon.attestations.policy:AttestedOnly",
            "minimum-age": "pypidaemon.policies.minimum_age:MinimumAge",
            "freeze": "pypidaemon.policies.freeze:Freeze",
            "malware": "pypidaemon.advisories.policy:Malware",
            "vulnerable": "pypidaemon.advisories.policy:Vulnerable",
        },
        "blobs": {
            "directory": "pypidaemon.blobs.directory:DirectoryBlobs",
            "memory": "pypidaemon.blobs.memory:MemoryBlobs",
        },
        "records": {
            "sqlite": "pypidaemon.records.sqlite:SqliteRecords",
            "memory": "pypidaemon.records.memory:MemoryRecords",
        },
        "accounts": {
            "local": "pypidaemon.accounts.checker:LocalAccounts",
            STRCRED: "pypidaemon.accounts.plugin:PluginAccounts",
        },
        "service": {
            "mirroring": "pypidaemon.services.mirroring:Mirroring",
            "janitor": "pypidaemon.services.janitor:Janitor",
            "push": "pypidaemon.services.pushing:PushService",
        },
    }
)
"""What ships with the daemon: kind, then `use`, then where the class stands."""


class Unloadable(ValueError):
    """A component that cannot be had; `str()` says why in one line, `known` is what could be named instead."""

    def __init__(self, reason: str, known: Iterable[str] = ()) -> None:
        super().__init__(" ".join(reason.split()))
        self.known = tuple(known)


def offered(kind: str) -> dict[str, str]:
    """
    Every `use` that a section of this kind can name, with where it stands (`module:Class`).

    :raises Unloadable: two distributions offer the same name.
    """
    # Only who names something else than a built-in gets here, and that module takes more memory than ten of ours.
    from importlib.metadata import entry_points

    found: dict[str, str] = {}
    for point in entry_points(group=f"pypidaemon.{kind}"):
        if found.setdefault(point.name, point.value) != point.value:
            raise Unloadable(f"two installed packages offer {kind} {point.name!r}: {found[point.name]} and {point.value}")
    return found | dict(BUILT_IN[kind])


def is_ours(kind: str, use: str) -> bool:
    """Whether a section of that kind with that `use` runs no code of other distributions; without `use` there is nothing that could."""
    return not use or (use in BUILT_IN[kind] and use != STRCRED)


def load(kind: str, use: str) -> type:
    """
    The class that `use` names, once it is known to promise what a component of this kind must.

    Every method of the interface has to be there with a signature that takes what the interface says; attributes can only be looked
    for on the object (`vouch`).

    :raises Unloadable: there is no such component, its module does not import, or it is not what it should be.
    """
    # Nobody else can offer a built-in name; so the installed packages, each of which would be opened, need not be asked for one.
    place = BUILT_IN[kind].get(use)
    if place is None:
        known = offered(kind)
        place = known.get(use) or (use if ":" in use else "")
        if not place:
            raise Unloadable(f"there is no {kind} {use!r}", [*known, "package.module:Class"])
    found = _imported(place)
    if not inspect.isclass(found):
        raise Unloadable(f"{place} is not a class")
    interface = INTERFACES[kind]
    try:
        verifyClass(interface, found)
    except Invalid as error:
        raise Unloadable(f"{place} is no {interface.__name__}: {_reason(error)}") from None
    return found


def vouch(interface: InterfaceClass, candidate: object) -> None:
    """
    Check that an object provides an interface: methods, their signatures and attributes.

    :raises Unloadable: it does not.
    """
    try:
        verifyObject(interface, candidate)
    except Invalid as error:
        raise Unloadable(f"{type(candidate).__name__} is no {interface.__name__}: {_reason(error)}") from None


def _imported(place: str) -> Any:
    module_name, _, attribute = place.partition(":")
    if not module_name or not attribute or module_name.startswith("."):
        raise Unloadable(f"{place!r} is not package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # noqa: BLE001  # the module is anybody's code, and whatever it raises must become one line
        raise Unloadable(f"cannot import {module_name}: {type(error).__name__}: {error}") from None
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise Unloadable(f"module {module_name} has no {attribute}") from None
    return found


def _reason(error: Invalid) -> str:
    # The library's own text begins with the object and the interface, which our line has already named.
    # Where several things are wrong it holds them as `exceptions`; one is enough to begin with.
    first = getattr(error, "exceptions", (error,))[0]
    text = " ".join(str(first).split())
    return text.partition(": ")[2] or text
