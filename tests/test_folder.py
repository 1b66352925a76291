"""The data folder belongs to one daemon, and so do the sockets in it."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from pypidaemon.errors import PypidaemonError
from pypidaemon.services.folder import LISTS, LOCK, RENDERED, DataFolder
from pypidaemon.services.lock import InUse, held, take
from pypidaemon.services.ordered import CannotStart, OrderedService
from pypidaemon.services.sockets import CONTROL, PrivateSocket, PublicSocket


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_S87_the_folder_and_its_lock_are_for_us_alone(tmp_path: Path) -> None:
    """Whatever the umask."""
    before = os.umask(0)
    try:
        folder = DataFolder(tmp_path / "a" / "var")
        folder.startService()
        folder.stopService()
    finally:
        os.umask(before)
    assert mode(tmp_path / "a" / "var") == 0o700
    assert mode(tmp_path / "a" / "var" / LOCK) == 0o600


def test_F71_a_second_daemon_is_told_who_has_the_folder(tmp_path: Path) -> None:
    """And gets it when the first has gone, whatever the file says."""
    first, second = DataFolder(tmp_path / "var"), DataFolder(tmp_path / "var")
    first.startService()
    for attempt in (second.privilegedStartService, second.startService):
        with pytest.raises(PypidaemonError, match=f"another daemon \\(process {os.getpid()}\\) already uses the data folder"):
            attempt()
    first.stopService()
    second.startService()
    second.stopService()


def test_F71_a_daemon_waits_for_a_command_that_works_on_the_stores(tmp_path: Path) -> None:
    """It blocks meanwhile, since it has not begun anything; what takes too long is told."""
    tmp_path.chmod(0o700)
    waited: list[float] = []
    with held(tmp_path):
        with pytest.raises(PypidaemonError, match=rf"a command \(process {os.getpid()}\) works on the data folder"):
            DataFolder(tmp_path, 0.0).startService()
        with pytest.raises(InUse):
            take(tmp_path, os.open(tmp_path / LOCK, os.O_RDWR), patience=0.1, sleep=waited.append)
        with pytest.raises(PypidaemonError, match=r"a command .*: try again when it has ended"), held(tmp_path, 0.0):
            pass
    assert len(waited) == 2
    command = held(tmp_path)
    command.__enter__()
    descriptor = os.open(tmp_path / LOCK, os.O_RDWR)
    take(tmp_path, descriptor, sleep=lambda _: command.__exit__(None, None, None))
    os.close(descriptor)


def test_a_command_leaves_the_stores_to_a_daemon_that_does_not_listen(tmp_path: Path) -> None:
    """It would not see what is written. What stands in the lock of one that is gone says nothing."""
    folder = DataFolder(tmp_path / "var")
    folder.startService()
    with (
        pytest.raises(PypidaemonError, match=r"a daemon \(process \d+\) runs on .*, but its control socket is not there"),
        held(folder.path),
    ):
        pass
    folder.stopService()
    with held(folder.path):
        pass
    with pytest.raises(PypidaemonError, match=r"cannot use the data folder .*: No such file"), held(tmp_path / "gone"):
        pass


def test_S86_nothing_is_made_while_privileged(tmp_path: Path) -> None:
    """Root would own it."""
    folder = DataFolder(tmp_path / "var")
    folder.privilegedStartService()
    assert not (tmp_path / "var").exists()
    folder.startService()
    folder.stopService()


def test_a_lock_taken_while_privileged_is_kept(tmp_path: Path) -> None:
    """The file is there from the second start on."""
    folder = DataFolder(tmp_path / "var")
    folder.startService()
    folder.stopService()
    folder.privilegedStartService()
    folder.startService()
    with pytest.raises(PypidaemonError, match="already uses"):
        DataFolder(tmp_path / "var").startService()
    folder.stopService()


def test_a_folder_that_anybody_may_write_to_is_refused(tmp_path: Path) -> None:
    """What lies there could be replaced."""
    tmp_path.chmod(0o777)
    with pytest.raises(PypidaemonError, match="chmod o-w"):
        DataFolder(tmp_path).startService()


def test_something_else_in_its_place_is_one_line(tmp_path: Path) -> None:
    """A file, or a lock that is a link to elsewhere."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PypidaemonError, match="not a folder"):
        DataFolder(tmp_path / "file").startService()
    (tmp_path / "var").mkdir(mode=0o700)
    (tmp_path / "var" / LOCK).symlink_to(tmp_path / "file")
    with pytest.raises(PypidaemonError, match="cannot use the data folder"):
        DataFolder(tmp_path / "var").startService()


def test_rendered_lists_of_an_earlier_version_go(tmp_path: Path) -> None:
    """And nothing else does."""
    (tmp_path / LISTS).mkdir()
    (tmp_path / LISTS / "old").write_text("")
    (tmp_path / RENDERED / LISTS).mkdir(parents=True)
    (tmp_path / "blobs").mkdir()
    folder = DataFolder(tmp_path)
    folder.startService()
    folder.stopService()
    assert not (tmp_path / LISTS).exists()
    assert (tmp_path / RENDERED / LISTS).exists()
    assert (tmp_path / "blobs").exists()


class SocketTests(TestCase):
    """With real sockets."""

    def folder(self) -> Path:
        import tempfile

        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        return Path(place.name)

    async def test_S87_the_control_socket_is_for_us_alone_and_goes_with_us(self) -> None:
        """And a stale one does not keep a daemon from starting."""
        path = self.folder() / CONTROL
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(path))
        stale.close()
        service = PrivateSocket(reactor, path, Factory.forProtocol(Protocol))
        service.startService()
        assert mode(path) == 0o600
        stopping = service.stopService()
        assert stopping is not None
        await stopping
        assert not path.exists()

    async def test_F58_a_socket_that_cannot_be_removed_keeps_nobody_from_stopping(self) -> None:
        """As on a disk that turned read-only; the next one to start removes it."""
        path = self.folder() / CONTROL
        service = PrivateSocket(reactor, path, Factory.forProtocol(Protocol))
        service.startService()
        port: Any = service._port
        self.addCleanup(port.socket.close)
        path.unlink()
        stopping = service.stopService()
        assert stopping is not None
        await stopping
        assert not service.running

    def test_what_is_no_socket_is_left_alone(self) -> None:
        """It is somebody's file."""
        path = self.folder() / CONTROL
        path.write_text("mine")
        with pytest.raises(PypidaemonError, match="not a socket"):
            PrivateSocket(reactor, path, Factory.forProtocol(Protocol)).startService()
        assert path.read_text() == "mine"

    async def test_a_port_that_is_taken_is_raised_at_once(self) -> None:
        """Not logged while the daemon goes on without it."""
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        self.addCleanup(taken.close)
        text = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        service = PublicSocket(text, serverFromString(reactor, text), Factory.forProtocol(Protocol))
        with pytest.raises(CannotListenError):
            service.privilegedStartService()
        assert not service.running
        assert service.stopService() is None

    async def test_a_port_bound_while_privileged_is_bound_once(self) -> None:
        """And let go when the service stops."""
        text = "tcp:0:interface=127.0.0.1"
        service = PublicSocket(text, serverFromString(reactor, text), Factory.forProtocol(Protocol))
        service.privilegedStartService()
        assert service.running
        bound = service._bound
        service.startService()
        assert service._bound is bound
        stopping = service.stopService()
        assert stopping is not None
        await stopping

    def test_a_missing_folder_is_told_from_a_missing_file(self) -> None:
        """For public sockets, with and without a lock beside them, and for the private one; the path is in the line (S87)."""
        gone = self.folder() / "gone"
        for text in (f"unix:{gone}/a\\:b", f"unix:{gone}/a\\:b:lockfile=0", f"unix:mode=660:address={gone}/a\\:b"):
            service = PublicSocket(text, serverFromString(reactor, text), Factory.forProtocol(Protocol))
            with pytest.raises(PypidaemonError) as caught:
                service.privilegedStartService()
            assert str(caught.value) == f"cannot listen on {gone}/a:b: the folder {gone} is missing"
        with pytest.raises(PypidaemonError, match=f"cannot listen on {gone}/{CONTROL}: the folder {gone} is missing"):
            PrivateSocket(reactor, gone / CONTROL, Factory.forProtocol(Protocol)).startService()

    def test_a_unix_socket_that_another_process_listens_on_is_left_to_it(self) -> None:
        """Its lock says so; the path is in the line that ends the start."""
        path = self.folder() / "x.sock"
        Path(f"{path}.lock").symlink_to(str(os.getpid()))
        service = PublicSocket(f"unix:{path}", serverFromString(reactor, f"unix:{path}"), Factory.forProtocol(Protocol))
        with pytest.raises(CannotStart, match=f"cannot listen on {path}: Cannot acquire lock"):
            OrderedService([service]).privilegedStartService()
        assert not service.running

    def test_a_lock_that_cannot_be_made_is_told_by_the_path_of_the_socket(self) -> None:
        """Where its name is too long, for one; the folder may be somebody else's, for another."""
        path = self.folder() / ("x" * 252)
        service = PublicSocket(f"unix:{path}", serverFromString(reactor, f"unix:{path}"), Factory.forProtocol(Protocol))
        with pytest.raises(PypidaemonError, match=f"cannot listen on {path}: File name too long"):
            service.privilegedStartService()
        assert not service.running

    async def test_a_socket_says_where_it_listens(self) -> None:
        """With the port that it was given; a wildcard is an address that works, and a word about the others."""
        path = self.folder() / "x.sock"
        for text, address in (
            ("tcp:0:interface=127.0.0.1", "http://127.0.0.1:{port}/"),
            ("tcp:0", "http://127.0.0.1:{port}/ and at every other address of this machine"),
            ("tcp6:0:interface=\\:\\:1", "http://[::1]:{port}/"),
            (f"unix:{path}", f"unix:{path}"),
        ):
            service = PublicSocket(text, serverFromString(reactor, text), Factory.forProtocol(Protocol))
            assert service.address() == text
            service.startService()
            assert service._port is not None
            host = service._port.getHost()
            assert service.address() == address.format(port=getattr(host, "port", None))
            stopping = service.stopService()
            assert stopping is not None
            await stopping
            assert service.address() == text
