"""A credential as a tool holds it: a name, and a value that can be had only while the call executes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from toolguard.errors import CredentialError

__all__ = ["Credential", "UnavailableError"]


class UnavailableError(CredentialError):
    """A provider cannot give a credential, and says why in words that may be shown: no value, no path but its own."""


class Credential:
    """A secret of one call. Printing, formatting or logging it shows its name; pickling and copying it fail.

    `reveal` gives the value while the call executes, inside it. After the end, in another call, in a thread
    or task that does not belong to the call, and in a forked process it raises CredentialError.
    """

    __slots__ = ("_expires", "_name", "_reveal")

    def __init__(self, name: str, reveal: Callable[[], str], expires: float | None) -> None:
        self._name = name
        self._reveal = reveal
        self._expires = expires

    @property
    def name(self) -> str:
        return self._name

    @property
    def expires(self) -> float | None:
        """When the issuer ends it by itself (UTC seconds); None if it does not."""
        return self._expires

    def reveal(self) -> str:
        """The value. Hand it to what needs it and to nothing else; do not keep it.

        Raises:
            CredentialError: the call has ended, or this is not the call it was given to.
        """
        return self._reveal()

    def __repr__(self) -> str:
        return f"<Credential {self._name!r}>"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise CredentialError(f"credential {self._name!r} cannot be pickled or copied; it belongs to one call")
