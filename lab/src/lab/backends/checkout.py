"""A checkout of the project: where things are in it, its locks, and the path of its supervisor's socket."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service_kit.exits import UnavailableError

_SOCKET_PATH_BYTES = 100
"""A unix socket's path must be shorter than 108 bytes on Linux, 104 elsewhere."""


class Checkout:
    """A checkout: where things are in it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @property
    def runs(self) -> Path:
        return self.root / "runs"

    @property
    def lessons(self) -> Path:
        return self.root / "lessons"

    @property
    def env_file(self) -> Path:
        return self.root / ".env"

    @property
    def state(self) -> Path:
        """The folder for what lasts as long as something is up."""
        return self.root / ".sandbox"

    def state_file(self, name: str) -> Path:
        """Return a file in it, in a folder that is made if missing."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        return self.state / name

    @contextmanager
    def locked(self, name: str, note: str, refusal: str) -> Iterator[None]:
        """Hold a lock that dies with this process; raise UnavailableError if another process has it.

        `note` is written into the lock's file; `{note}` in `refusal` is that of the other process.
        """
        with self.state_file(f"{name}.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise UnavailableError(refusal.format(note=lock.read().strip())) from None
            lock.truncate(0)
            lock.write(note)
            lock.flush()
            yield

    @contextmanager
    def socket_path(self) -> Iterator[Path]:
        """Yield the path on which the supervisor's socket listens, and remove it afterwards.

        If the checkout's path is too long, it is in a private temporary folder, and a file in its place has its path.
        """
        path = self.state_file("up.sock")
        note = self.state_file("up.sock.path")
        folder = None
        path.unlink(missing_ok=True)
        note.unlink(missing_ok=True)
        if len(os.fsencode(path)) > _SOCKET_PATH_BYTES:
            folder = tempfile.mkdtemp(prefix="sandbox-", dir=_short_temporary_folder())
            path = Path(folder, "up.sock")
            note.write_text(str(path))
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            note.unlink(missing_ok=True)
            if folder:
                shutil.rmtree(folder, ignore_errors=True)

    def find_socket(self) -> Path:
        """Return where the supervisor's socket is, if there is one."""
        note = self.state / "up.sock.path"
        return Path(note.read_text()) if note.is_file() else self.state / "up.sock"


def _short_temporary_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) < _SOCKET_PATH_BYTES - 30 else "/tmp"
