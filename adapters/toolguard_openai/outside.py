"""What a caller adds beside the body: headers and query parameters. They cannot carry tokens, so they hold no identifier."""

from __future__ import annotations

import re
from typing import Any

from openai import NotGiven
from openai._models import FinalRequestOptions  # the hook's own type; the SDK offers no public name for it

from toolguard import Origin, Session
from toolguard.errors import DeniedError
from toolguard_openai.texts import plain

__all__ = ["check_outside"]

_SECRET = re.compile(r"[A-Za-z]{0,10} ?[\x21-\x7e]*")
_KINDS = re.compile(r"(?!.*[0-9]{4})[a-z0-9/*+.;=,-]{0,100}")
_WORD = re.compile(r"(?!.*[0-9]{5})(?!.*[0-9]{3}-[0-9]{2}-)[A-Za-z0-9_.=,;-]{0,64}")
"""What the SDK's own helpers write into ``x-stainless-…`` and ``openai-beta``."""
_OWN = {"accept": _KINDS, "api-key": _SECRET, "authorization": _SECRET, "content-type": _KINDS}
_RETRY = re.compile(r"stainless-python-retry-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(?:-preview)?|v[0-9]{0,3}|preview|latest")


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
    given = {k: str(v) for k, v in told.items() if not _is_own(k.lower(), str(v))}
    query = {**_asked(client, "_custom_query"), **dict(options.params)}
    query = {k: v for k, v in query.items() if not _is_absent(v)}
    odd = "api-version" in query and not _is_version(query.pop("api-version"))
    outside = {"headers": given, "query": plain(query)}
    key = options.idempotency_key or ""
    if key and not _RETRY.fullmatch(key):
        outside["idempotency-key"] = key
    found = (given or query or len(outside) > 2) and session.mask(outside, origin=Origin.SYSTEM) != outside
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


def _is_own(name: str, value: str) -> bool:
    if name in _OWN:
        return _OWN[name].fullmatch(value) is not None
    return name.startswith(("x-stainless-", "openai-")) and _WORD.fullmatch(value) is not None
