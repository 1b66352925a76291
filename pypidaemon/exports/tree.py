"""
A folder of plain files that any web server can deliver as an index, brought up to date while it is read (S2 of switching.md).

What a page names is there before the page and goes after it, and until `publish` no page changes; so whoever ends an export halfway leaves the
index as it was. The folder itself stays the same, since it may be a volume, or the working folder of the server that delivers it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import attrs
import orjson

from pypidaemon.errors import PypidaemonError
from pypidaemon.exports.items import Item, Named, Source
from pypidaemon.exports.staging import Altered, Place, Staging, one_line
from pypidaemon.model import Companion, Digest, File, Filename, NormalizedName

SIMPLE, PACKAGES, STAMP, FLAT = "simple", "packages", "last-modified", "files"
HTML, JSON = "index.html", "index.v1_json"
"""What pages are called; the second as bandersnatch calls it (R206)."""
MARKER = ".pypidaemon-export"
"""Says that a folder is ours to change, and is locked by whoever changes it."""

_SAID = b"pypidaemon export writes this folder: whatever is put into simple/, packages/ or files/ is removed by the next one.\n"


@attrs.define(eq=False)
class Tree:
    """
    One such folder while it is brought up to date; whoever opens it closes it. Its methods block, and of one tree one is called at a time.

    All of them raise a PypidaemonError where the folder cannot be read or written.
    """

    path: Path
    staging: Staging
    flat: bool = attrs.field(default=False, kw_only=True)
    """Whether all files have a name in one folder besides, `files/`, where those look who are given a folder and no index (`--find-links`)."""
    added: int = attrs.field(default=0, init=False)
    """Files below `packages/` that are new or have other bytes."""
    removed: int = attrs.field(default=0, init=False)
    """Files that were taken out there."""
    _lock: int
    _turn: threading.RLock = attrs.field(factory=threading.RLock, init=False, repr=False)
    _closed: bool = attrs.field(default=False, init=False)
    _expected: set[str] = attrs.field(factory=set, init=False, repr=False)
    """What is to be below `packages/`."""
    _moves: list[tuple[str, Place]] = attrs.field(factory=list, init=False, repr=False)
    """What was made, in the order in which it goes to its place."""
    _gone: list[Place] = attrs.field(factory=list, init=False, repr=False)

    @classmethod
    def open(cls, path: Path, *, flat: bool = False) -> Tree:
        """
        Open that folder, which is made where it is missing.

        :param flat: as the tree has it; one that has that folder keeps it, so that nothing stays there which is in the tree no more.
        :raises PypidaemonError: it holds something else, somebody else is at work on it, or it cannot be used.
        """
        descriptors: list[int] = []
        try:
            with one_line(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileExistsError):
                    path.mkdir()
                    path.chmod(0o755)
                descriptors.append(root := os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                # At the top of a volume there may be the last one.
                if MARKER not in (found := set(os.listdir(root))) and found - {"lost+found"}:
                    raise PypidaemonError(f"{path}: is neither empty nor an export of ours, so nothing was changed")
                descriptors.append(lock := os.open(MARKER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644, dir_fd=root))
                with suppress(PermissionError):
                    # Whatever the umask of who exports is; a marker of another user stays as he made it.
                    os.fchmod(lock, 0o644)
                _take(path, lock)
                return cls(path, Staging.begin(root), lock)._laid_out(flat)
        except BaseException:
            for descriptor in descriptors:
                os.close(descriptor)
            raise

    def close(self) -> None:
        """
        Let go of the folder; what was made and not published is removed.

        Whoever is interrupted may still have a thread at work on it, whose call is waited for, and is the last one.
        """
        with self._turn:
            self._closed = True
            self.staging.close()
            os.close(self._lock)
            os.close(self.staging.root)

    def names(self) -> list[str]:
        """The projects that stand in it."""
        with self._at_work():
            return [name for name, is_folder in self.staging.entries((SIMPLE,)).items() if is_folder]

    def is_empty(self) -> bool:
        """Whether no project stands in it."""
        with self._at_work():
            return not any(self.staging.entries((SIMPLE,)).values())

    def hold(self, name: NormalizedName, items: Iterable[Item]) -> frozenset[Filename]:
        """
        Put the files of a project where its page is going to name them, and beside that page, where who is given the folder itself as an index
        looks for them. Answers those whose bytes are gone or have changed, which are not there.
        """
        with self._at_work():
            listed = self._listed(name)
            return frozenset(item.filename for item in items if not self._hold(name, item, listed.get(item.path)))

    def show(self, name: NormalizedName, pages: Mapping[str, bytes], files: Collection[str]) -> None:
        """Have these pages of a project published, and beside them these files and nothing else."""
        with self._at_work():
            for page, data in pages.items():
                self.write((SIMPLE, name, page), (data,))
            present = self.staging.entries((SIMPLE, name))
            self._gone += [(SIMPLE, name, entry) for entry in present if entry not in pages and entry not in files]

    def retain(self, name: NormalizedName, files: Iterable[File]) -> dict[Filename, Named]:
        """
        Leave those of these files of a project that an export before this one put there, whole, and that its page still names; answer them.

        Their bytes are not to be had elsewhere just now.
        """
        with self._at_work():
            named = self._named(name) or {}
            found: dict[Filename, Named] = {}
            for file in files:
                place = (PACKAGES, *file.path.split("/"))
                standing = named.get(file.path)
                if standing is None or standing.digest != file.digest or not self._is_whole(place, file):
                    continue
                metadata = (*place[:-1], file.filename + Companion.METADATA.value)
                if self.staging.stat(metadata) is None:
                    standing = Named(standing.digest)
                self._expected.update("/".join((*place[:-1], file.filename + companion.value)) for companion in Companion)
                self._beside(None, place, (SIMPLE, name, file.filename))
                self._lay_out(None, place, file.filename)
                found[file.filename] = standing
            return found

    def keep(self, name: NormalizedName, allowed: Collection[str] | None) -> bool:
        """
        Leave a project as it stands, with the files that its page names; answer whether it stands there and may stay.

        :param allowed: the paths of the files that may be named; one with another is not left. None are all.
        """
        with self._at_work():
            standing = self._named(name)
            if standing is None or (allowed is not None and not standing.keys() <= set(allowed)):
                return False
            for path in standing:
                self._expected.update(f"{PACKAGES}/{path}{companion.value}" for companion in Companion)
                self._expected.add(f"{FLAT}/{path.rpartition('/')[2]}")
            return True

    def write(self, place: Place, pieces: Iterable[bytes]) -> None:
        """Have that published as well, after all that was given before."""
        with self._at_work():
            made = self.staging.made(pieces)
            if self.staging.same(made, place):
                self.staging.drop(made)
            else:
                self._moves.append((made, place))

    def publish(self, names: Collection[str]) -> None:
        """Put all that was given in its place, and then take out whatever is not of these projects, or not of their pages."""
        with self._at_work():
            # A page that survives a loss of power must not name a file that did not.
            os.sync()
            for made, place in self._moves:
                self.staging.move(made, place)
            for name, is_folder in self.staging.entries((SIMPLE,)).items():
                if is_folder and name not in names:
                    self._gone += [*((SIMPLE, name, page) for page in (HTML, JSON)), (SIMPLE, name)]
            for place in self._gone:
                self.staging.remove(place)
            for place in (PACKAGES, *((FLAT,) if self.flat else ())):
                if self.staging.stat((place,)) is not None:
                    self._sweep((place,))

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with self._turn, one_line(self.path):
            if self._closed:
                raise PypidaemonError(f"{self.path}: the export was ended")
            yield

    def _hold(self, name: NormalizedName, item: Item, listed: Named | None) -> bool:
        segments = item.path.split("/")
        assert not {"", ".", ".."} & set(segments)  # they are all clean names (law 5)
        place = (PACKAGES, *segments)
        try:
            made = self._brought(item.source, place, item.digest, known=listed is not None and listed.digest == item.digest)
        except (FileNotFoundError, Altered):
            return False
        self._beside(made, place, (SIMPLE, name, item.filename))
        self._lay_out(made, place, item.filename)
        self._settle(made, place)
        self._expected.add("/".join(place))
        for companion, source in item.companions.items():
            beside = (*place[:-1], item.filename + companion.value)
            with suppress(FileNotFoundError, Altered):
                self._settle(self._brought(source, beside, None, known=False), beside)
                self._expected.add("/".join(beside))
        return True

    def _is_whole(self, place: Place, file: File) -> bool:
        """Whether that file stands there with its bytes; where its size is known that is told by it alone, as there may be very many."""
        there = self.staging.stat(place)
        if there is None or not stat.S_ISREG(there.st_mode):
            return False
        return there.st_size == file.size if file.size is not None else self.staging.digest(place) == file.digest

    def _listed(self, name: NormalizedName) -> dict[str, Named]:
        """By the path of each file that the page of that project names now what it says of it."""
        # Where there is no page, or none of ours, every file is brought anew.
        return self._named(name) or {}

    def _named(self, name: NormalizedName) -> dict[str, Named] | None:
        """The same; None where there is no page, or none of ours."""
        try:
            entries = orjson.loads(self.staging.read((SIMPLE, name, JSON)) or b"")["files"]
            return {
                unquote(entry["url"]).removeprefix("../../packages/"): Named(entry["hashes"]["sha256"], _metadata(entry))
                for entry in entries
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def _brought(self, source: Source, place: Place, digest: Digest | None, *, known: bool) -> str | None:
        """
        What was made of that source; None where what stands there will do.

        :param known: whether an export before this one has put these bytes there. A file that was copied is not read again to find that out.
        """
        if source.data is not None:
            return self._unless_there(self.staging.made((source.data,)), place)
        there, original = self.staging.stat(place), os.stat(source.path, follow_symlinks=False)
        if not stat.S_ISREG(original.st_mode):
            raise Altered
        if there is not None and os.path.samestat(there, original) and stat.S_IMODE(there.st_mode) == 0o444:
            return None
        linked = self.staging.linked(source.path) if source.shared else None
        if linked is not None:
            return linked
        if known and there is not None and there.st_size == original.st_size:
            return None
        copied = self.staging.copied(source.path, digest)
        return copied if known else self._unless_there(copied, place)

    def _unless_there(self, made: str, place: Place) -> str | None:
        if not self.staging.same(made, place):
            return made
        self.staging.drop(made)
        return None

    def _beside(self, made: str | None, place: Place, second: Place) -> None:
        """Let a file have a name beside its project's page too."""
        if second[-1].lower() in (HTML, JSON):
            return
        there, first = self.staging.stat(second), self.staging.stat(place)
        if made is None:
            assert first is not None  # or something would have been made
            # Where one file cannot have two names, the second is a copy.
            if there is not None and (os.path.samestat(there, first) or (first.st_nlink == 1 and there.st_size == first.st_size)):
                return
            self._settle(self.staging.beside(place), second)
        else:
            self._settle(self.staging.again(made), second)

    def _laid_out(self, flat: bool) -> Tree:
        """Say of the one folder that it is ours, before anything comes into it: what somebody else put there is not to be swept out."""
        there = self.staging.entries((FLAT,))
        self.flat = MARKER in there
        if flat and not self.flat:
            if there:
                raise PypidaemonError(f"{self.path / FLAT}: holds files that are not of ours, so nothing was changed")
            self.staging.move(self.staging.made((_SAID,)), (FLAT, MARKER))
            self.flat = True
        self._expected.add(f"{FLAT}/{MARKER}")
        return self

    def _lay_out(self, made: str | None, place: Place, filename: Filename) -> None:
        """Let a file have a name in the one folder too, where there is one."""
        if self.flat:
            self._beside(made, place, (FLAT, filename))
            self._expected.add(f"{FLAT}/{filename}")

    def _settle(self, made: str | None, place: Place) -> None:
        """Put what was made in its place: at once where nothing stands there, since no page names it yet, else when all is published."""
        if made is None:
            return
        self.added += place[0] == PACKAGES
        if self.staging.stat(place) is None:
            self.staging.move(made, place)
        else:
            self._moves.append((made, place))

    def _sweep(self, place: Place) -> bool:
        """Take what is not expected out of that folder; answer whether nothing is left in it."""
        empty = True
        for name, is_folder in self.staging.entries(place).items():
            inner = (*place, name)
            doomed = self._sweep(inner) if is_folder else "/".join(inner) not in self._expected
            if doomed:
                self.staging.remove(inner)
                self.removed += not is_folder and place[0] == PACKAGES
            empty = empty and doomed
        return empty


def _metadata(entry: Mapping[str, Any]) -> str | None:
    said = entry.get("core-metadata")
    found = said.get("sha256") if isinstance(said, dict) else None
    return found if isinstance(found, str) else None


def _take(path: Path, lock: int) -> None:
    """Take the lock, and see that the mark is ours."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise PypidaemonError(f"{path}: another export writes to it just now") from None
        raise
    if not os.fstat(lock).st_size:
        os.pwrite(lock, _SAID, 0)
