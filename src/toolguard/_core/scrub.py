"""Credentials kept out of results: each value a tool was given is taken out again, as it is and in common encodings.

Only values that were really handed out, so nothing is guessed; one that a tool cuts up or encrypts is out of reach.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Collection, Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

from toolguard._core.call import Json

__all__ = ["REMOVED", "SHORTEST", "Scrubber", "scrub", "scrub_text"]

REMOVED = "[credential]"
"""What stands where a credential stood."""
SHORTEST = 8
"""Characters below which a secret cannot be told from other text."""
_LINE = 16
"""Characters from which on a line of a secret of several lines is looked for by itself."""


def scrub(value: Json, secrets: Collection[str]) -> Json:
    """``value`` without any of ``secrets``, in texts, keys and numbers."""
    wanted = Scrubber(secrets) if secrets else None
    return wanted.out_of(value) if wanted is not None and wanted.forms else value


def scrub_text(text: str, secrets: Iterable[str]) -> str:
    """``text`` without the secrets; all of it is replaced where one shows only once the text is decoded."""
    return Scrubber(secrets).out_of_text(text)


class Scrubber:
    """How the secrets look, and how they look once white space is gone. Kept nowhere beyond one result.

    (A compiled regular expression would be: the standard library caches its source.)
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for piece in _pieces(secret) for form in _forms(piece)}
        self.forms = sorted(forms, key=lambda f: (-len(f), f))
        self.tight = {"".join(form.split()) for form in forms} - {""}

    def out_of(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.out_of_text(value)
        if isinstance(value, dict):
            return {self.out_of_text(str(key)): self.out_of(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.out_of(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return REMOVED if self.out_of_text(str(value)) != str(value) else value
        return value

    def out_of_text(self, text: str) -> str:
        for form in self.forms:
            text = text.replace(form, REMOVED)
        decoded = unquote(unquote(text)) if "%" in text else text
        if decoded != text and any(form in decoded for form in self.forms):
            return REMOVED
        squeezed = "".join(decoded.split())
        return REMOVED if any(form in squeezed for form in self.tight) else text


def _pieces(secret: str) -> Iterator[str]:
    if secret:
        yield secret
    lines = secret.splitlines()
    if len(lines) > 1:
        yield from (line.strip() for line in lines if len(line.strip()) >= _LINE and not line.startswith("-----"))


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield from (secret, raw.hex(), raw.hex().upper(), html.escape(secret), repr(secret)[1:-1])
    yield from (quote(raw), quote(raw, safe=""), quote_plus(raw))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        for shift in range(3):  # inside longer text it may begin anywhere in a group of three bytes
            text = encode(b"\0" * shift + raw).decode()
            yield text[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
