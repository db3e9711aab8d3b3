"""Second factors: one-time codes (TOTP, RFC 6238) that prove a person once more, for one act."""

from __future__ import annotations

import datetime as dt
import hmac
import os
from collections.abc import Callable

import pyotp
from pydantic import BaseModel, ConfigDict, ValidationError

from toolguard.errors import ConfigError, IdentityError
from toolguard.privatefile import PrivateFile

__all__ = ["SecondFactors"]

_STEP = 30
_DRIFT = 1
"""Steps a person's clock may be off."""
_TRIES = 5
_PAUSE = 300.0
"""Seconds without a try after so many wrong codes; twice as long each time until a right one comes."""
_LONGEST = 3600.0


class _Factor(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    secret: str
    used: int = 0
    """The last time step whose code was accepted: none is accepted twice."""
    wrong: int = 0
    pauses: int = 0
    paused_until: float = 0.0


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = 1
    factors: dict[str, _Factor] = {}


class SecondFactors:
    """A file of mode 0600 with one secret a person. Thread- and process-safe."""

    def __init__(self, path: str | os.PathLike[str], *, now: Callable[[], float]) -> None:
        """``now`` gives UTC seconds. The file need not be there yet."""
        self._file = PrivateFile(path, what="file of second factors", otherwise="nobody can step up")
        self._now = now

    def enrol(self, person: str) -> str:
        """A new secret for ``person`` (the old one ends), as an ``otpauth://`` address for an authenticator app."""
        secret = pyotp.random_base32()
        with self._file.locked():
            file = self._load()
            file.factors[person] = _Factor(secret=secret)
            self._save(file)
        return pyotp.TOTP(secret).provisioning_uri(name=person, issuer_name="toolguard")

    def remove(self, person: str) -> bool:
        """Take a person's factor away; whether there was one."""
        with self._file.locked():
            file = self._load()
            found = file.factors.pop(person, None) is not None
            self._save(file)
        return found

    def has(self, person: str) -> bool:
        return person in self._load().factors

    def verify(self, person: str, code: str) -> None:
        """Returns where ``code`` is the person's, now, and was not used before.

        Raises:
            IdentityError: it is not; after some wrong ones, none is looked at for a while.
            ConfigError: the file cannot be read or written.
        """
        now = self._now()
        with self._file.locked():
            file = self._load()
            factor = file.factors.get(person)
            if factor is None:
                raise IdentityError("no second factor is enrolled for you; 'toolguard people factor' enrols one")
            if now < factor.paused_until:
                raise IdentityError("too many wrong codes; wait a while (an hour at most) and try again")
            step = self._step(factor, code, now)
            if step is None:
                factor.wrong += 1
                if factor.wrong >= _TRIES:
                    factor.wrong, factor.paused_until = 0, now + min(_LONGEST, _PAUSE * 2 ** min(factor.pauses, 8))
                    factor.pauses += 1
            else:
                factor.used, factor.wrong, factor.pauses = step, 0, 0
            self._save(file)
        if step is None:
            raise IdentityError("this code is wrong, too old or was used already; take the next one your app shows")

    def _step(self, factor: _Factor, code: str, now: float) -> int | None:
        """The time step ``code`` belongs to, if it is a fresh one."""
        digits = "".join(code.split()).encode("utf-8", "replace")
        totp = pyotp.TOTP(factor.secret, interval=_STEP)
        current = int(now // _STEP)
        found = None
        for step in range(current - _DRIFT, current + _DRIFT + 1):
            shown = totp.at(dt.datetime.fromtimestamp(step * _STEP, dt.UTC))
            if hmac.compare_digest(shown.encode(), digits) and step > factor.used:
                found = step
        return found

    def _load(self) -> _File:
        raw = self._file.read()
        if raw is None:
            return _File()
        try:
            return _File.model_validate_json(raw)
        except ValidationError:
            raise ConfigError(f"{self._file.name} is damaged; restore it, or enrol everyone again") from None

    def _save(self, file: _File) -> None:
        self._file.write(file.model_dump_json(indent=1).encode())
