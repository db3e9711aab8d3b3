"""Feedback on detection: a missed or wrong finding as a rule of the tenant's, without its text.

A report keeps a keyed digest of the value's canonical form, its shape (``Aa Aa``, ``9-9``) and how long it is, about;
never the value. Detection digests what in a text has one of those shapes and looks it up. Whoever has the file alone
learns the shapes; whoever has the key too can test guesses, so the key stays with the guard.
"""

from __future__ import annotations

import datetime as dt
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolguard.detection import Span, normalise
from toolguard.detection.normalise import fold
from toolguard.errors import ConfigError
from toolguard.keys import SecretKey
from toolguard.keys.seal import derive
from toolguard.privatefile import PrivateFile

__all__ = ["Case", "Feedback", "FeedbackFile", "Kind"]

_WORD = re.compile(r"[^\W_]+")
_LENGTHS = (4, 8, 12, 20, 40, 200)
_LEAST = 3
_PIECES = 12
"""Words or groups of digits that one identifier has at most."""


class Kind(StrEnum):
    """What a person said of detection."""

    MISSED = "missed"
    """It is an identifier and was not found."""
    WRONG = "wrong"
    """It was found and is none."""


class Case(BaseModel):
    """One report. ``shape`` and ``length`` are of its canonical form; ``written`` is the shape as it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    type: str = Field(pattern=r"^[A-Z][A-Z0-9]*(?:_[A-Z][A-Z0-9]*){0,4}$", max_length=60)
    digest: str = Field(pattern=r"^[0-9a-f]{32}$")
    shape: str = Field(pattern=r"^[a9 ]+$", max_length=80)
    length: int = Field(ge=1, le=_LENGTHS[-1])
    written: str = Field(max_length=80)
    reported: dt.date

    @property
    def id(self) -> str:
        """What people call it by: the beginning of its digest."""
        return self.digest[:8]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    apiVersion: Literal["toolguard/v1"]  # noqa: N815 - the field's name in the file
    kind: Literal["PhiFeedback"]
    key: str
    tenant: str
    cases: list[Case] = []


@dataclass(frozen=True, slots=True)
class _Form:
    """A text as it is compared: one word per piece, or for what holds a digit all pieces as one."""

    text: str

    @property
    def shape(self) -> str:
        return _RUNS.sub(r"\1", "".join("9" if c.isdigit() else " " if c == " " else "a" for c in self.text))

    @property
    def length(self) -> int:
        """The least bound that the text fits under."""
        return next((bound for bound in _LENGTHS if len(self.text) <= bound), _LENGTHS[-1] + 1)


_RUNS = re.compile(r"([a9])\1+")


def _form(text: str) -> _Form:
    words = [fold(word) for word in _WORD.findall(normalise(text).text)]
    return _Form(("" if any(c.isdigit() for word in words for c in word) else " ").join(words))


def _written(text: str) -> str:
    """A text's shape for people: runs of capitals, small letters and digits as ``A``, ``a``, ``9``."""
    plain = normalise(text).text.strip()
    shape = "".join("9" if c.isdigit() else "A" if c.isupper() else "a" if c.isalpha() else c for c in plain)
    return re.sub(r"(.)\1+", r"\1", re.sub(r"[^Aa9]", _mark, shape))[:80]


def _mark(match: re.Match[str]) -> str:
    return match[0] if match[0] in " -./@,'+()#:" else "?"


class Feedback:
    """The reports of one tenant, for a detector (``DefaultDetector(feedback=…)``). Thread-safe; holds no value."""

    def __init__(self, cases: Sequence[Case], key: bytes) -> None:
        """``key``: 32 bytes, `FeedbackFile.load` derives them."""
        self._key = key
        self._missed = {case.digest: case for case in cases if case.kind is Kind.MISSED}
        self._wrong = {case.digest: case for case in cases if case.kind is Kind.WRONG}
        missed = self._missed.values()
        self._words = sorted({case.shape.count(" ") + 1 for case in missed if "9" not in case.shape})
        self._word_lengths = frozenset(case.length for case in missed if "9" not in case.shape)
        self._codes = frozenset((case.shape, case.length) for case in missed if "9" in case.shape)
        self._longest = max((length for _, length in self._codes), default=0)
        self._kept = frozenset((case.shape, case.length) for case in self._wrong.values())

    def __bool__(self) -> bool:
        return bool(self._missed or self._wrong)

    @property
    def cases(self) -> tuple[Case, ...]:
        return (*self._missed.values(), *self._wrong.values())

    def match(self, text: str) -> list[Span]:
        """What was reported as missed and stands in ``text`` (normalised), in any spelling of its canonical form."""
        return [Span(start, end, case.type, 1.0, "feedback") for start, end, case in self._found(text, self._missed)]

    def keeps(self, text: str) -> bool:
        """Whether ``text``, found as a whole, was reported as wrong: it is no identifier, of whatever type."""
        if not self._wrong:
            return False
        form = _form(text)
        return (form.shape, form.length) in self._kept and self.digest(form.text) in self._wrong

    def occurrences(self, text: str) -> Iterator[tuple[int, int, Case]]:
        """Where in ``text`` a reported value stands, missed or wrong; offsets are into ``text`` itself."""
        plain = normalise(text)
        both = Feedback([case.model_copy(update={"kind": Kind.MISSED}) for case in self.cases], self._key)
        for start, end, case in both._found(plain.text, {case.digest: case for case in self.cases}):
            yield *plain.original(start, end), case

    def digest(self, form: str) -> str:
        return hmac.digest(self._key, form.encode("utf-8", "surrogatepass"), "sha256")[:16].hex()

    def _found(self, text: str, cases: dict[str, Case]) -> Iterator[tuple[int, int, Case]]:
        if not cases:
            return
        pieces = [(m.start(), m.end(), fold(m[0])) for m in _WORD.finditer(text)]
        for count in self._words:
            for first in range(len(pieces) - count + 1):
                window = pieces[first : first + count]
                form = _Form(" ".join(word for _, _, word in window))
                if form.length in self._word_lengths:
                    case = cases.get(self.digest(form.text))
                    if case is not None:
                        yield window[0][0], window[-1][1], case
        if not self._codes:
            return
        for first in range(len(pieces)):
            joined = ""
            for _, end, word in pieces[first : first + _PIECES]:
                joined += word
                if len(joined) > self._longest:
                    break
                form = _Form(joined)
                if (form.shape, form.length) in self._codes:
                    case = cases.get(self.digest(joined))
                    if case is not None:
                        yield pieces[first][0], end, case


class FeedbackFile:
    """``phi-feedback.yaml``: one tenant's reports.

    Args:
        path: the file; it need not be there yet.
        key: the guard's oldest key: what is reported under one key is found only under it.
        tenant: whose reports.
    """

    def __init__(self, path: Path, key: SecretKey, tenant: str = "default") -> None:
        self._path = path
        self._file = PrivateFile(path, what="feedback file", otherwise="no report is known")
        self._key_id = key.id
        self._key = derive(key, "phi-feedback", tenant)
        self._tenant = tenant

    def load(self) -> Feedback:
        """The reports, ready for a detector.

        Raises:
            ConfigError: the file is damaged, of another tenant, or under another key.
        """
        return Feedback(self._read().cases, self._key)

    def report(self, kind: Kind, type: str, value: str, *, today: dt.date) -> tuple[Case, bool]:
        """Keep a report; the case, and whether it is new.

        Raises:
            ConfigError: the value is too short or too long to be told from other text, or was reported as the contrary.
        """
        form = _form(value)
        if len(form.text) < _LEAST or form.length > _LENGTHS[-1] or len(form.text.split()) > _PIECES:
            raise ConfigError(
                f"a value has {_LEAST} to {_LENGTHS[-1]} letters and digits and at most {_PIECES} words, or other text "
                "would be taken for it; report the identifier alone"
            )
        digest = Feedback((), self._key).digest(form.text)
        try:
            case = Case(
                kind=kind,
                type=type,
                digest=digest,
                shape=form.shape,
                length=form.length,
                written=_written(value),
                reported=today,
            )
        except ValidationError:
            raise ConfigError(f"{type!r} is no type of identifier; write for example PERSON or MRN") from None
        with self._file.locked():
            file = self._read()
            for known in file.cases:
                if known.digest == digest and (known.kind is not kind or known.type != type):
                    raise ConfigError(
                        f"case {known.id!r} says {known.kind.value} {known.type} of the same value; "
                        "forget that one first ('toolguard phi forget')"
                    )
                if known.digest == digest:
                    return known, False
            file.cases.append(case)
            self._write(file)
        return case, True

    def forget(self, id: str) -> Case:
        """Take a report out, by its id.

        Raises:
            ConfigError: there is none, or more than one.
        """
        with self._file.locked():
            file = self._read()
            found = [case for case in file.cases if case.digest.startswith(id)] if len(id) >= 4 else []
            if len(found) != 1:
                raise ConfigError(f"{id!r} is the id of {len(found)} cases; see 'toolguard phi list'")
            file.cases.remove(found[0])
            self._write(file)
        return found[0]

    def _read(self) -> _File:
        name = repr(str(self._path))
        content = self._file.read()
        if content is None:
            return _File(apiVersion="toolguard/v1", kind="PhiFeedback", key=self._key_id, tenant=self._tenant)
        try:
            file = _File.model_validate(yaml.safe_load(content))
        except (UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
            raise ConfigError(f"feedback file {name} cannot be read ({type(error).__name__}); restore it") from None
        if file.key != self._key_id or file.tenant != self._tenant:
            raise ConfigError(
                f"feedback file {name} is of key {file.key!r} and tenant {file.tenant!r}, not of {self._key_id!r} and "
                f"{self._tenant!r}; name the ones it was made with"
            )
        return file

    def _write(self, file: _File) -> None:
        text = yaml.safe_dump(file.model_dump(mode="json"), sort_keys=False)
        self._file.write(text.encode())
