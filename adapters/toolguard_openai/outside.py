"""What a caller adds beside the body: headers, query parameters, ids in the path. They cannot carry tokens, so they hold no
identifier."""

from __future__ import annotations

import re
from typing import Any

from openai import NotGiven
from openai._models import FinalRequestOptions  # the hook's own type; the SDK offers no public name for it

from toolguard import Origin, Session
from toolguard.errors import DeniedError
from toolguard_openai.requests import Request, words_of
from toolguard_openai.texts import plain

__all__ = ["add_path", "check_outside"]

_SECRET = re.compile(r"(?:[A-Za-z]{1,10} )?(?=[\x21-\x7e]*[0-9])(?=[\x21-\x7e]*[A-Za-z])[\x21-\x7e]{16,}")
"""What a key looks like. A shorter or plainer one is looked into, unless it is the client's own."""
_MEDIA = frozenset(
    {
        "*/*",
        "application/binary",
        "application/json",
        "application/octet-stream",
        "application/sdp",
        "multipart/form-data",
        "text/event-stream",
        "text/plain",
    }
)
_FEATURES = frozenset({"agents=v1", "assistants=v2", "chatkit_beta=v1", "realtime=v1", "responses_multi_agent=v1"})
_CLOSED: dict[str, frozenset[str]] = {
    "accept": _MEDIA,
    "content-type": _MEDIA,
    "openai-beta": _FEATURES,
    "x-stainless-helper-method": frozenset({"chat.completions.parse", "chat.completions.stream"})
    | {"beta.chat.completions.parse", "beta.chat.completions.stream"},
    "x-stainless-raw-response": frozenset({"raw", "stream", "true"}),
}
"""What the SDK itself writes into a request; with another value it is a header like any other."""
_OURS = {"openai-organization": "organization", "openai-project": "project"}
_RETRY = re.compile(r"stainless-python-retry-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?:-preview)?|v[0-9]{0,3}|preview|latest")


def add_path(request: Request, url: str) -> None:
    """The ids in a path: none of them is an identifier."""

    def refuse(masked: Any) -> None:
        raise DeniedError(
            "the request was not sent: its path holds an identifier where an id of the provider's belongs",
            code="unguarded_part",
        )

    for part in url.partition("?")[0].split("/"):
        request.texts.add_word(part, refuse)


def check_outside(session: Session, client: Any, options: FinalRequestOptions) -> None:
    """Headers and query parameters of this request, and those that the client adds to every one.

    Raises:
        DeniedError: one of them holds an identifier.
    """
    headers = {
        **_asked(client, "_custom_headers"),
        **({} if isinstance(options.headers, NotGiven) else options.headers),
    }
    told = {k: v.decode("latin-1") if isinstance(v, bytes) else v for k, v in headers.items() if not _is_absent(v)}
    given = {k: str(v) for k, v in told.items() if not _is_own(client, k.lower(), str(v))}
    query = {**_asked(client, "_custom_query"), **dict(options.params)}
    query = {k: v for k, v in query.items() if not _is_absent(v)}
    odd = "api-version" in query and not _is_version(query.pop("api-version"))
    outside = {"headers": given, "query": plain(query)}
    key = options.idempotency_key or ""
    if key and not _RETRY.fullmatch(key):
        outside["idempotency-key"] = key
    # also without their names: of a value named "lang" a detector thinks otherwise than of the word by itself
    outside["words"] = [*given.values(), *words_of(outside["query"])]
    found = (given or query or "idempotency-key" in outside) and session.mask(outside, origin=Origin.SYSTEM) != outside
    if odd or found:
        raise DeniedError(
            "the request was not sent: a header or query parameter holds an identifier; leave it out",
            code="unguarded_part",
        )


def _is_version(value: Any) -> bool:
    """Azure's versions are dates, and nobody's."""
    return isinstance(value, str) and _VERSION.fullmatch(value) is not None


def _asked(client: Any, name: str) -> dict[str, Any]:
    return dict(getattr(client, name, None) or {})


def _is_absent(value: Any) -> bool:
    return type(value).__name__ in ("NotGiven", "Omit")


def _is_own(client: Any, name: str, value: str) -> bool:
    """Whether the SDK writes exactly this, for this client, or it is a key, which nobody can look into."""
    if name in _CLOSED:
        return value.lower() in _CLOSED[name]
    if name in ("api-key", "authorization"):
        key = getattr(client, "api_key", None)
        return (isinstance(key, str) and value in (key, f"Bearer {key}")) or _SECRET.fullmatch(value) is not None
    if name in _OURS:
        return bool(value) and value == getattr(client, _OURS[name], None)
    return name.startswith("x-stainless-") and value == _computed(client).get(name)


def _computed(client: Any) -> dict[str, str]:
    return {k.lower(): v for k, v in client.platform_headers().items()}
