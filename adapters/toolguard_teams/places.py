"""Where cards stand and whom we may write to: a small private file, shared by the processes of one machine."""

from __future__ import annotations

import os
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, ValidationError

from toolguard.errors import ConfigError
from toolguard.privatefile import PrivateFile

__all__ = ["Copy", "Places"]

_KEPT = 5000


class Copy(BaseModel):
    """One card that was sent: in which conversation, as which activity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service_url: str
    conversation: str
    activity: str


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    version: int = 1
    people: dict[str, tuple[str, str]] = {}
    """Entra object id → (service URL, conversation) of their own chat with the app."""
    copies: dict[str, list[Copy]] = {}
    """Approval → the cards it has, the oldest approval first."""


class Places:
    """Nothing in it gives authority, and nothing of a call stands in it. Lost, it costs updates of old cards only."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = PrivateFile(path, what="file of Teams conversations", otherwise="no card can be sent")

    def chat(self, user: str) -> tuple[str, str] | None:
        """The user's own chat with the app, as (service URL, conversation)."""
        return self._load().people.get(user)

    def met(self, user: str, service_url: str, conversation: str) -> None:
        """Remember a chat. Written only where it changed."""
        if self.chat(user) == (service_url, conversation):
            return
        with self._file.locked():
            file = self._load()
            file.people[user] = (service_url, conversation)
            self._save(file)

    def copies(self, approval: str) -> tuple[Copy, ...]:
        return tuple(self._load().copies.get(approval, ()))

    def sent(self, approval: str, copies: Iterable[Copy]) -> None:
        """Add copies of a card."""
        with self._file.locked():
            file = self._load()
            known = file.copies.pop(approval, [])
            file.copies[approval] = [*known, *(c for c in copies if c not in known)]
            while len(file.copies) > _KEPT:
                file.copies.pop(next(iter(file.copies)))
            self._save(file)

    def _load(self) -> _File:
        raw = self._file.read()
        if raw is None:
            return _File()
        try:
            return _File.model_validate_json(raw)
        except ValidationError:
            raise ConfigError(f"{self._file.name} is damaged; move it away, it is made anew") from None

    def _save(self, file: _File) -> None:
        self._file.write(file.model_dump_json().encode())
