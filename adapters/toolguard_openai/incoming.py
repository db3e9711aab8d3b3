"""What was kept at the provider, masked on its way in: it may have been written by a client nobody guards."""

from __future__ import annotations

import json
from typing import Any

from toolguard import Origin, Session
from toolguard.errors import DeniedError
from toolguard_openai.allow import Allowed
from toolguard_openai.requests import CONTROL
from toolguard_openai.texts import Texts

__all__ = ["Incoming", "rebuilt"]

_WORDS = CONTROL | {"approval_request_id", "name", "next_page_token", "object", "order", "server_label", "verbosity"}
_IDS = ("_id", "_ids", "_at", "_tier")
_SETTINGS = frozenset({"effort", "model", "tool_choice", "truncation"})
_OPAQUE = {
    "encrypted_content": "reasoning",
    "file_data": "files",
    "image_url": "images",
    "screenshot": "images",
    "data": "audio",
}


class Incoming:
    """A body that came back, taken apart: its text, masked as a result of the session that asked for it."""

    def __init__(self, content: bytes, allowed: Allowed) -> None:
        """Raises DeniedError if it is no JSON."""
        try:
            self._whole = {"body": json.loads(content)}
        except ValueError:
            raise DeniedError(
                "what the provider kept came back as something other than JSON, so it cannot be masked, and is not shown",
                code="unguarded_part",
            ) from None
        self._allowed = allowed
        self.texts = Texts()
        self._walk(self._whole)

    def _walk(self, value: Any) -> None:
        if isinstance(value, list):
            for at, item in enumerate(value):
                if isinstance(item, str):
                    self.texts.add(Origin.RESULT, value, at)
                else:
                    self._walk(item)
        elif isinstance(value, dict):
            for key in list(value):
                self._field(value, key)

    def _field(self, holder: dict[str, Any], key: str) -> None:
        value = holder[key]
        if key == "logprobs":  # the text again, in pieces too small to be found
            holder[key] = None if value is None else []
        elif isinstance(value, str) and _opaque(holder, key):
            if _opaque(holder, key) not in self._allowed:
                holder[key] = None
        elif key == "name" and "role" in holder:
            self.texts.add_name(Origin.RESULT, holder, key)
        elif key == "metadata" or (isinstance(value, dict) and key in ("parameters", "input_schema", "schema")):
            self.texts.add(Origin.RESULT, holder, key)
            if key == "metadata" and isinstance(value, dict):
                self.texts.add_keys(holder, key)
        elif not isinstance(value, str):
            self._walk(value)
        elif key not in _WORDS and key not in _SETTINGS and not key.endswith(_IDS):
            self.texts.add_json(Origin.RESULT, holder, key)

    def mask(self, session: Session) -> bytes:
        self.texts.mask(session)
        return json.dumps(self._whole["body"]).encode()

    async def amask(self, session: Session) -> bytes:
        await self.texts.amask(session)
        return json.dumps(self._whole["body"]).encode()


def _opaque(holder: dict[str, Any], key: str) -> str:
    """The word that lets an unreadable field pass; nothing for a readable one."""
    return "images" if key == "result" and holder.get("type") == "image_generation_call" else _OPAQUE.get(key, "")


def rebuilt(response: Any, content: bytes) -> Any:
    """The HTTP response with another body."""
    dropped = ("content-length", "content-encoding", "transfer-encoding")
    headers = [(k, v) for k, v in response.headers.multi_items() if k.lower() not in dropped]
    made = type(response)(response.status_code, headers=headers, content=content, request=response.request)
    made.elapsed = response.elapsed
    return made
