"""
Policies put to a page: what they leave of it, what they hide and why, and when the clock will change that. Pure.

Files are judged one by one first, and what is left by the policies that look at whole pages; each of those is shown the same page. So it does not
matter in which order policies are named, and what is left is never more than what there was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from hashlib import blake2b
from types import MappingProxyType
from typing import TypeVar

import attrs

from pypidaemon.errors import PolicyFailed
from pypidaemon.filenames import version_of
from pypidaemon.interfaces import (
    IChangingPolicy,
    ICostlyPolicy,
    IFreezingPolicy,
    IInformedPolicy,
    IPagePolicy,
    IPolicy,
    IRemarkingPolicy,
    ISamplingPolicy,
    ITimedPolicy,
)
from pypidaemon.model import File, Filename, Knowledge, NormalizedName, ProjectPage
from pypidaemon.model import Refusal as Refusal
from pypidaemon.simple.revision import revise
from pypidaemon.versions import same_version

_MANY_FILES = 20
"""Files that are judged at once while everybody waits: a single one takes a millisecond where upstream makes it as hard as it can."""

T = TypeVar("T")
P = TypeVar("P", bound=IPolicy)
log = logging.getLogger(__name__)

NOTHING_KNOWN: Mapping[Filename, File] = MappingProxyType({})


@attrs.frozen
class Judgement:
    """What policies make of a page at one moment; `turns` is when the clock may change it, None where it will not."""

    shown: tuple[File, ...]
    hidden: Mapping[Filename, Refusal]
    turns: float | None = None


@attrs.frozen
class Rules:
    """
    Some policies, to be put to pages together.

    Whoever raises something besides an answer judges nothing: each method raises PolicyFailed then, and what was to be judged is not shown.
    """

    policies: tuple[IPolicy, ...]
    _timed: tuple[ITimedPolicy, ...] = attrs.field(init=False, repr=False)
    _paged: tuple[IPagePolicy, ...] = attrs.field(init=False, repr=False)
    _informed: tuple[IInformedPolicy, ...] = attrs.field(init=False, repr=False)
    _sampling: tuple[ISamplingPolicy, ...] = attrs.field(init=False, repr=False)
    _remarking: tuple[IRemarkingPolicy, ...] = attrs.field(init=False, repr=False)
    _costly: bool = attrs.field(init=False, repr=False)
    _steady: str = attrs.field(init=False, repr=False)
    _failed: set[tuple[str, type[Exception]]] = attrs.field(init=False, repr=False, eq=False, factory=set)
    """The failures that the log knows, since a page is judged again and again; copies of the rules share them."""

    def __attrs_post_init__(self) -> None:
        """Sort the policies by what they can, once."""
        for field, interface in (
            ("_timed", ITimedPolicy),
            ("_paged", IPagePolicy),
            ("_informed", IInformedPolicy),
            ("_sampling", ISamplingPolicy),
            ("_remarking", IRemarkingPolicy),
        ):
            object.__setattr__(self, field, tuple(policy for policy in self.policies if interface.providedBy(policy)))
        object.__setattr__(self, "_costly", any(ICostlyPolicy.providedBy(policy) for policy in self.policies))
        said = "\n".join(repr(policy) for policy in self.policies)
        object.__setattr__(self, "_steady", blake2b(said.encode(), digest_size=8).hexdigest())

    @property
    def by_page(self) -> bool:
        """Whether a file can only be judged with its page."""
        return bool(self._paged)

    @property
    def informed(self) -> bool:
        """Whether some policy may want to know more than a page says."""
        return bool(self._informed)

    def slow(self, files: int) -> bool:
        """Whether to judge so many files takes long enough for a thread."""
        return self._costly or files > _MANY_FILES

    @property
    def revision(self) -> str:
        """Changes whenever a rule does."""
        changing = [self._had(policy, lambda one: one.revision) for policy in self.policies if IChangingPolicy.providedBy(policy)]
        return "-".join([self._steady, *changing])

    @property
    def timed(self) -> bool:
        """Whether what they say may change with the clock alone."""
        return bool(self._timed)

    def frozen(self) -> Rules:
        """The same rules as they are at this moment, for work that goes on while they change and change back."""
        freezing = [policy for policy in self.policies if IFreezingPolicy.providedBy(policy)]
        still = {id(policy): self._had(policy, lambda one: one.frozen()) for policy in freezing}
        if not still:
            return self
        made = copy(self)
        for field in ("policies", "_timed", "_paged", "_informed", "_sampling", "_remarking"):
            object.__setattr__(made, field, tuple(still.get(id(policy), policy) for policy in getattr(self, field)))
        return made

    def on_project(self, name: NormalizedName, now: float) -> Refusal | None:
        """Why the whole project is hidden; None where it is not."""
        return self._first(name, None, now)

    def on_file(self, name: NormalizedName, file: File, now: float) -> Refusal | None:
        """Why that file is hidden, as far as it can be said without its page."""
        return self._first(name, file, now)

    def every(self, name: NormalizedName, file: File | None, now: float) -> list[Refusal]:
        """All refusals of that file, or with None of the whole project, that can be told without its page."""
        found = [self._said_by(policy, name, file, now) for policy in self.policies]
        return [refusal for refusal in found if refusal is not None]

    def wants(self, name: NormalizedName, file: File, now: float) -> frozenset[Knowledge]:
        """What the policies need to know of that file besides what the page says."""
        return frozenset(wanted for policy in self._informed for wanted in self._had(policy, lambda one: one.wants(name, file, now)))

    def wanted(self, page: ProjectPage, now: float) -> dict[Knowledge, list[File]]:
        """Of which files the policies need to know what, to judge that page. Slow for long pages, so call it on a thread."""
        left = self._unhindered(page, now) if self._sampling else page
        sampled = {id(policy): self._had(policy, lambda one: one.concerns(left, now)) for policy in self._sampling}
        found: dict[Knowledge, dict[Filename, File]] = {}
        for policy in self._informed:
            concerned = sampled.get(id(policy))
            for file in page.files:
                if concerned is None or file.filename in concerned:
                    for knowledge in self._wants(policy, page.name, file, now):
                        found.setdefault(knowledge, {})[file.filename] = file
        return {knowledge: list(files.values()) for knowledge, files in found.items()}

    def remarks(self, name: NormalizedName, files: Iterable[File], now: float) -> tuple[tuple[Filename, str], ...]:
        """What the policies have to say of these files, each with what was found out about it, to people."""
        found: list[tuple[Filename, str]] = []
        for file in files:
            for policy in self._remarking:
                try:
                    remark = policy.remark(name, file, now)
                except Exception as error:
                    raise self._failure(policy, error) from error
                if remark is not None:
                    found.append((file.filename, remark))
        return tuple(found)

    def turns(self, name: NormalizedName, file: File, now: float) -> float | None:
        """When the answer on that file may change by time alone; None where it will not."""
        ends: list[float] = []
        for policy in self._timed:
            try:
                end = policy.turns(name, file, now)
            except Exception as error:
                raise self._failure(policy, error) from error
            if end is not None:
                ends.append(end)
        return min(ends, default=None)

    def judge(self, page: ProjectPage, now: float, known: Mapping[Filename, File] = NOTHING_KNOWN) -> Judgement:
        """
        What is left of a page whose project is not refused as a whole. Slow for long pages, so call it on a thread.

        :param known: files with what was found out about them, by name; they stand for those of the page, which show none of it.
        """
        name = page.name
        hidden: dict[Filename, Refusal] = {}
        ends: list[float] = []
        left: list[File] = []
        for file in page.files:
            judged = known.get(file.filename, file)
            refusal = self._first(name, judged, now)
            if refusal is None:
                left.append(file)
            else:
                hidden[file.filename] = refusal
            if self._timed and (end := self.turns(name, judged, now)) is not None:
                ends.append(end)
        if self._paged:
            left = self._by_page(page, left, known, now, hidden)
        return Judgement(tuple(left), hidden, min(ends, default=None))

    def refusals(
        self, page: ProjectPage, now: float, known: Mapping[Filename, File] = NOTHING_KNOWN
    ) -> dict[Filename, tuple[Refusal, ...]]:
        """
        Every reason for each file that `judge` hides, for people. Slow for long pages, so call it on a thread.

        Policies that see pages are shown what those leave that judge files one by one, so of a file that these hide they say nothing.
        """
        found: dict[Filename, tuple[Refusal, ...]] = {}
        left: list[File] = []
        for file in page.files:
            judged = known.get(file.filename, file)
            refused = tuple(self.every(page.name, judged, now))
            if refused:
                found[file.filename] = refused
            else:
                left.append(judged)
        remaining = attrs.evolve(page, files=tuple(left))
        for policy in self._paged:
            for filename, reason in self._had(policy, lambda one: one.refusals(remaining, now)).items():
                found[filename] = (*found.get(filename, ()), Refusal(policy.label, reason))
        return found

    def _by_page(
        self, page: ProjectPage, left: Sequence[File], known: Mapping[Filename, File], now: float, hidden: dict[Filename, Refusal]
    ) -> list[File]:
        """What is left of those files by the policies that see a page; what they hide is added to `hidden`."""
        remaining = attrs.evolve(page, files=tuple(known.get(file.filename, file) for file in left))
        refused: dict[Filename, Refusal] = {}
        for policy in self._paged:
            for filename, reason in self._had(policy, lambda one: one.refusals(remaining, now)).items():
                refused.setdefault(filename, Refusal(policy.label, reason))
        hidden.update(refused)
        return [file for file in left if file.filename not in refused]

    def _unhindered(self, page: ProjectPage, now: float) -> ProjectPage:
        """What is left of the page by the policies that judge files one by one and need to know no more than the page says."""
        plain = [policy for policy in self.policies if not IInformedPolicy.providedBy(policy)]
        left = (file for file in page.files if all(self._said_by(policy, page.name, file, now) is None for policy in plain))
        return attrs.evolve(page, files=tuple(left))

    def _first(self, name: NormalizedName, file: File | None, now: float) -> Refusal | None:
        for policy in self.policies:
            try:
                reason = policy.refusal(name, file, now)
            except Exception as error:
                raise self._failure(policy, error) from error
            if reason is not None:
                return Refusal(policy.label, reason, self._end(policy, name, file, now))
        return None

    def _said_by(self, policy: IPolicy, name: NormalizedName, file: File | None, now: float) -> Refusal | None:
        reason = self._had(policy, lambda one: one.refusal(name, file, now))
        return None if reason is None else Refusal(policy.label, reason, self._end(policy, name, file, now))

    def _end(self, policy: IPolicy, name: NormalizedName, file: File | None, now: float) -> float | None:
        if file is None:
            return None
        ends = (self._had(timed, lambda one: one.turns(name, file, now)) for timed in self._timed if timed is policy)
        return next(ends, None)

    def _wants(self, policy: IInformedPolicy, name: NormalizedName, file: File, now: float) -> frozenset[Knowledge]:
        return self._had(policy, lambda one: one.wants(name, file, now))

    def _had(self, policy: P, question: Callable[[P], T]) -> T:
        """What that policy answers. What is asked for each file of a page does this where it asks, since a call costs more than some answers."""
        try:
            return question(policy)
        except Exception as error:
            raise self._failure(policy, error) from error

    def _failure(self, policy: IPolicy, error: Exception) -> PolicyFailed:
        """What is to be raised in place of that error."""
        known = (policy.label, type(error))
        if known not in self._failed:
            self._failed.add(known)
            log.error("the policy %s failed; what it judges is not shown", policy.label, exc_info=error)
        return PolicyFailed(policy.label, type(error))


def left_by(page: ProjectPage, judgement: Judgement) -> ProjectPage:
    """
    The page as it is to be seen: without what is hidden, and without the versions of which nothing is left; the same page where nothing is.

    A version without any file, which nobody hid, stays (PEP 700).
    """
    if not judgement.hidden:
        return page if judgement.turns is None else attrs.evolve(page, turns=sooner(page.turns, judgement.turns))
    gone = _versions(page.name, (file for file in page.files if file.filename in judgement.hidden)) - _versions(page.name, judgement.shown)
    versions = tuple(version for version in page.versions if same_version(version) not in gone)
    turns = sooner(page.turns, judgement.turns)
    return revise(attrs.evolve(page, files=judgement.shown, versions=versions, turns=turns))


def sooner(one: float | None, other: float | None) -> float | None:
    """The earlier of two moments; None, never, is later than any."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _versions(name: NormalizedName, files: Iterable[File]) -> set[str]:
    spelled = (version_of(file.filename, name) for file in files)
    return {same_version(version) for version in spelled if version is not None}
