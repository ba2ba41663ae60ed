"""What a clone keeps under `.sandbox/`: who holds it, and where its supervisor is reached."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.backends.errors import SurroundingsFailed

_SOCKET_PATH_BYTES = 100
"""A unix socket's path must be shorter than 108 bytes on Linux, 104 elsewhere."""


class Clone:
    """A checkout: where things lie in it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    @property
    def runs(self) -> Path:
        """The folder of run documents."""
        return self.root / "runs"

    @property
    def env_file(self) -> Path:
        """The user's settings."""
        return self.root / ".env"

    @property
    def state(self) -> Path:
        """The folder for what lasts as long as something is up."""
        return self.root / ".sandbox"

    def state_file(self, name: str) -> Path:
        """Return a file in it, and see to it that the folder is there."""
        self.state.mkdir(mode=0o700, exist_ok=True)
        return self.state / name

    @contextmanager
    def held(self, name: str, note: str, refusal: str) -> Iterator[None]:
        """Hold a lock that dies with this process; raise SurroundingsFailed if another process has it.

        `note` is written into the lock's file; `{note}` in `refusal` is the other's.
        """
        with self.state_file(f"{name}.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise SurroundingsFailed(refusal.format(note=lock.read().strip())) from None
            lock.truncate(0)
            lock.write(note)
            lock.flush()
            yield

    @contextmanager
    def socket_path(self) -> Iterator[Path]:
        """Give the path for the supervisor's socket to listen on, and clear it away afterwards.

        A clone that lies too deep gets one in a private temporary folder, noted in a file beside where it should be.
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
