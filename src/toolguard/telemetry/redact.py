"""What leaves as telemetry of others (spans, log lines): identifiers become their type, whatever fails becomes a constant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from toolguard._core.call import Json
from toolguard._core.mask import apply_findings, checked
from toolguard.ports import Detector, Origin

__all__ = ["WITHHELD", "Redactor"]

WITHHELD = "<withheld: could not be looked into>"


class Redactor:
    """Replaces every identifier by its type, ``<PERSON>``. Thread-safe; never raises.

    One detector session is shared, so what comes again costs a look-up; nothing is learned from what passes.
    """

    def __init__(self, detector: Detector) -> None:
        self._session = detector.session()

    def value(self, value: Json) -> Json:
        """A redacted copy of a JSON value, or `WITHHELD`."""
        try:
            findings = checked(value, self._session.inspect(value, origin=Origin.RESULT))
            return apply_findings(value, findings, lambda finding, _: f"<{finding.type}>")
        except Exception:  # noqa: BLE001 - telemetry never breaks the application, and fails closed
            return WITHHELD

    def field(self, name: str, value: Json) -> Json:
        """A redacted copy of what stands under ``name``, which may say what it is."""
        redacted = self.value({name: value})
        return next(iter(redacted.values())) if isinstance(redacted, dict) else WITHHELD

    def text(self, text: str, name: str = "") -> str:
        """A redacted copy of ``text``. JSON stays JSON: it is read, redacted and written anew."""
        if text[:1] in ("{", "["):
            try:
                parsed = json.loads(text)
            except (ValueError, RecursionError):
                parsed = None
            if isinstance(parsed, dict | list):
                redacted = self.value(parsed)
                return text if redacted == parsed else _dumped(redacted)
        redacted = self.field(name, text) if name else self.value(text)
        return redacted if isinstance(redacted, str) else WITHHELD

    def thing(self, value: Any, name: str = "") -> Any:
        """A redacted copy of anything: JSON by structure, other objects by their text, bytes not at all."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self.text(value, name)
        if isinstance(value, bytes | bytearray | memoryview):
            return WITHHELD
        try:
            plain = json.loads(json.dumps(value, default=_plain))
        except Exception:  # noqa: BLE001 - a key that is no text, a text that fails: whatever it is, it stays here
            return WITHHELD
        redacted = self.field(name, plain) if name else self.value(plain)
        return value if redacted == plain and _is_plain(value) else redacted


def _dumped(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _is_plain(value: Any) -> bool:
    """Whether nothing but JSON is in it, so that the original may pass as it is."""
    if isinstance(value, dict):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in (str, int, float, bool, type(None))
