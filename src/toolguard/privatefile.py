"""A small file of mode 0600 that processes share: read whole, changed under a lock, replaced atomically."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from toolguard.errors import ConfigError

__all__ = ["PrivateFile"]

_LOCK_WAIT = 10.0


class PrivateFile:
    """One such file.

    Args:
        path: where; its folder has to exist. A lock file stands beside it.
        what: what it is called in errors, such as ``token file``.
        otherwise: what cannot be done while it cannot be read, such as ``nobody can sign in``.
    """

    def __init__(self, path: str | os.PathLike[str], *, what: str, otherwise: str) -> None:
        self._path = Path(path)
        self.name = f"{what} {str(self._path)!r}"
        self._otherwise = otherwise

    def read(self) -> bytes | None:
        """The bytes; None where there is no file yet.

        Raises:
            ConfigError: it cannot be read, or others can read it.
        """
        try:
            with self._path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if os.name == "posix" and mode & 0o077:
                    raise ConfigError(f"{self.name} can be read by others (mode {mode:04o}); run chmod 600 on it")
                return file.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{self.name} cannot be read ({type(error).__name__}); {self._otherwise}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else changes it inside. Raises ConfigError where the lock cannot be had, or a write inside fails."""
        try:
            with FileLock(f"{self._path}.lock", timeout=_LOCK_WAIT, mode=0o600):
                yield
        except Timeout:
            raise ConfigError(f"{self.name} is locked by another process; try again") from None
        except OSError as error:
            raise ConfigError(f"{self.name} cannot be written ({type(error).__name__}); check its folder") from None

    def write(self, data: bytes) -> None:
        """Replace it; on disk when this returns. Inside `locked`. Raises OSError."""
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)  # mkstemp made it 0600
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        if os.name == "posix":
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
