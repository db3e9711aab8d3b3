"""Credentials that somebody put somewhere: an environment variable, a private file, the system's keyring."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from toolguard.credentials.credential import UnavailableError
from toolguard.errors import ConfigError, MissingExtraError
from toolguard.ports import CredentialUse, Lease

__all__ = ["EnvProvider", "FileProvider", "KeyringProvider", "read_secret"]

_MAX_FILE = 65_536
_taken: dict[str, str] = {}
"""Variables that guards of this process have taken out of the environment."""
_taking = threading.Lock()


class EnvProvider:
    """A variable of this process, taken out of the environment when the guard is made.

    From then on neither a tool nor a process it starts finds it there; other guards of this process do, here.
    """

    kind = "env"

    def __init__(self, name: str, variable: str) -> None:
        with _taking:
            value = os.environ.pop(variable, "")
            if value:
                _taken[variable] = value
            elif variable not in _taken:
                raise ConfigError(
                    f"credential {name!r} is to come from the environment variable {variable!r}, which is not set; "
                    "set it before the guard is made"
                )
        self._variable = variable

    def __repr__(self) -> str:
        return f"EnvProvider({self._variable!r})"

    def acquire(self, name: str, use: CredentialUse) -> Lease:
        return Lease(value=_taken[self._variable])

    def close(self) -> None:
        """Nothing to let go of: the next guard of this process may need it."""


class FileProvider:
    """A file that only its owner can read; read for every call, so that it may be replaced at any time."""

    kind = "file"

    def __init__(self, name: str, path: Path) -> None:
        self._path = path
        try:
            read_secret(path)
        except UnavailableError as fault:
            raise ConfigError(f"credential {name!r} cannot be read: {fault}") from None

    def __repr__(self) -> str:
        return f"FileProvider({str(self._path)!r})"

    def acquire(self, name: str, use: CredentialUse) -> Lease:
        return Lease(value=read_secret(self._path))

    def close(self) -> None:
        """Nothing is kept."""


class KeyringProvider:
    """An entry of the system's keyring (macOS Keychain, Secret Service, Windows Credential Locker)."""

    kind = "keyring"

    def __init__(self, name: str, service: str, user: str) -> None:
        try:
            import keyring
        except ImportError:
            raise MissingExtraError(
                f"credential {name!r} is to come from the keyring, which needs an extra; "
                "run pip install 'toolguard-middleware[keyring]'"
            ) from None
        self._keyring = keyring
        self._service = service
        self._user = user

    def __repr__(self) -> str:
        return f"KeyringProvider({self._service!r}, {self._user!r})"

    def acquire(self, name: str, use: CredentialUse) -> Lease:
        value = self._keyring.get_password(self._service, self._user)
        if not value:
            raise UnavailableError(f"the keyring has no entry {self._user!r} of {self._service!r}")
        return Lease(value=value)

    def close(self) -> None:
        """Nothing is kept."""


def read_secret(path: Path) -> str:
    """The text of a private file, without the line break at its end.

    Raises:
        UnavailableError: it is missing, no regular file, readable by others, too large or not text.
    """
    where = f"file {str(path)!r}"
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as fault:
        raise UnavailableError(f"{where} cannot be opened ({fault.strerror}); check its path and owner") from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise UnavailableError(f"{where} is no regular file; name a file that holds nothing but the secret")
        if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
            raise UnavailableError(
                f"{where} can be read by others (mode {stat.S_IMODE(found.st_mode):04o}); run chmod 600 on it, "
                "and replace the secret if others may have read it"
            )
        held = os.read(descriptor, _MAX_FILE + 1)
    finally:
        os.close(descriptor)
    try:
        text = held.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise UnavailableError(f"{where} is not text; keep the secret in it as UTF-8") from None
    if not text or len(held) > _MAX_FILE:
        raise UnavailableError(f"{where} is empty or longer than {_MAX_FILE} bytes; check what it holds")
    return text
