"""Every endpoint a guarded client knows: how its request is read, and whether its answer is masked on the way in.

What stands in no row is refused, and what the SDK learns tomorrow stands in none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from toolguard import Origin
from toolguard.errors import DeniedError
from toolguard_openai.chat import read_chat
from toolguard_openai.requests import Request, add_fields, add_rest, check_setting
from toolguard_openai.responses import add_approvals, add_item, read_responses

__all__ = ["ENDPOINTS", "Endpoint", "endpoint_of", "is_plain_path"]

_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9_.:~-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One row. ``path`` as the SDK writes it, ``{}`` for an id.

    ``read`` takes the body apart; None where there is none. ``word`` must be allowed. ``comes_in``: the answer holds
    what was kept at the provider, and is masked before the application gets it.
    """

    method: str
    path: str
    read: Callable[[Request], None] | None = None
    word: str = ""
    comes_in: bool = False

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile("[A-Za-z0-9_.:~-]+".join(map(re.escape, self.path.split("{}"))))


def _read_kept(request: Request) -> None:
    """Conversations and stored completions: items and metadata."""
    for item in request.body.get("items") or ():
        add_item(request, item)
    add_approvals(request, request.body.get("items") or ())
    add_fields(request, frozenset({"items"}))


def _read_input(request: Request) -> None:
    """Embeddings, moderations, legacy completions: text, or a list of it. Numbers are text that cannot be read."""
    for name in ("input", "prompt", "suffix"):
        value = request.body.get(name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, dict) and part.get("type") != "text":
                request.allowed.require("images")
            elif not isinstance(part, str | dict | None):
                raise DeniedError(
                    "the request was not sent: its input is token numbers, which cannot be read for identifiers; send text",
                    code="unguarded_part",
                )
        if isinstance(value, list):
            for at, part in enumerate(value):
                if isinstance(part, str):
                    request.texts.add(Origin.USER, value, at)
                elif isinstance(part, dict):
                    add_rest(request, Origin.USER, part, ("image_url",))
        elif name in request.body:
            request.texts.add(Origin.USER, request.body, name)
    for name in ("dimensions", "encoding_format", "best_of", "echo"):
        if request.body.get(name) is not None:
            check_setting(request, name, request.body[name])
    add_fields(request, frozenset({"input", "prompt", "suffix", "dimensions", "encoding_format", "best_of", "echo"}))


def _post(path: str, read: Callable[[Request], None], word: str = "", *, comes_in: bool = False) -> Endpoint:
    return Endpoint(method="post", path=path, read=read, word=word, comes_in=comes_in)


def _kept(path: str, method: str = "get") -> Endpoint:
    return Endpoint(method=method, path=path, word="history", comes_in=True)


def _plain(method: str, path: str) -> Endpoint:
    return Endpoint(method=method, path=path)


ENDPOINTS = (
    _post("/chat/completions", read_chat),
    _post("/responses", read_responses),
    _post("/responses?beta=true", read_responses),
    _post("/responses/input_tokens", read_responses),
    _post("/responses/input_tokens?beta=true", read_responses),
    _post("/responses/compact", read_responses),
    _post("/responses/compact?beta=true", read_responses),
    _post("/embeddings", _read_input),
    _post("/moderations", _read_input),
    _post("/completions", _read_input),
    _post("/conversations", _read_kept, "history", comes_in=True),
    _post("/conversations/{}", _read_kept, "history", comes_in=True),
    _post("/conversations/{}/items", _read_kept, "history", comes_in=True),
    _post("/chat/completions/{}", _read_kept, "history", comes_in=True),
    _kept("/responses/{}"),
    _kept("/responses/{}?beta=true"),
    _kept("/responses/{}/cancel", "post"),
    _kept("/responses/{}/cancel?beta=true", "post"),
    _kept("/responses/{}/input_items"),
    _kept("/responses/{}/input_items?beta=true"),
    _kept("/conversations/{}"),
    _kept("/conversations/{}/items"),
    _kept("/conversations/{}/items/{}"),
    _kept("/conversations/{}/items/{}", "delete"),
    _kept("/chat/completions"),
    _kept("/chat/completions/{}"),
    _kept("/chat/completions/{}/messages"),
    _plain("delete", "/responses/{}"),
    _plain("delete", "/responses/{}?beta=true"),
    _plain("delete", "/conversations/{}"),
    _plain("delete", "/chat/completions/{}"),
    _plain("get", "/models"),
    _plain("get", "/models/{}"),
)
_EXACT = {(e.method, e.path): e for e in ENDPOINTS if "{}" not in e.path}
_SHAPED = [(e.method, e.pattern, e) for e in ENDPOINTS if "{}" in e.path]


def endpoint_of(method: str, url: Any) -> Endpoint | None:
    """The row a request belongs to; None where no row was made for it."""
    method, url = method.lower(), str(url)
    found = _EXACT.get((method, url))
    if found is not None or not is_plain_path(url.removesuffix("?beta=true")):
        return found
    return next((e for m, pattern, e in _SHAPED if m == method and pattern.fullmatch(url)), None)


def is_plain_path(url: str) -> bool:
    """Whether ``url`` says by itself where it leads: no other host, no ``..``, nothing escaped, no query."""
    return _PATH.fullmatch(url) is not None
