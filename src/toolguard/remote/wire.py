"""Requests and approvals on the wire: what is sent of a request, and what is believed of an answer.

Of an answer nothing is taken but a state, a version and signed bytes. The request is always the guard's own; verdicts are
read out of the signed bytes, so that what they sign for can be worked out again from what they say.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from toolguard._core.approval import Answer, Approval, Assured, Grant, Request, StandingTerms, State, Vary, Verdict
from toolguard._core.call import Json, Person
from toolguard.errors import IdentityError, ServiceError

__all__ = ["Told", "body_of", "grant_in", "rebuilt", "told"]


def body_of(request: Request) -> dict[str, Any]:
    """The request as JSON: bytes in base64, sets in order. Clear arguments are only in what is sealed."""
    return {name: _plain(value) for name, value in asdict(request).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the service says of an approval. Not to be believed beyond what is signed."""

    id: str
    state: State
    version: int
    grant: Grant | None


def told(data: Mapping[str, Any]) -> Told:
    """Raises ServiceError unless ``data`` has the shape of an approval."""
    try:
        version, state = data["version"], State(data["state"])
        if isinstance(version, bool) or not isinstance(version, int) or not isinstance(data["id"], str):
            raise TypeError
        grant = None if data.get("grant") is None else grant_in(data["grant"])
        return Told(id=data["id"], state=state, version=version, grant=grant)
    except (KeyError, TypeError, ValueError):
        raise nonsense() from None


def grant_in(data: object) -> Grant:
    """Signed bytes as they come. Raises ServiceError where they are none; the signature is for the caller to check."""
    try:
        if not isinstance(data, Mapping):
            raise TypeError
        parts = [data["payload"], data["signature"], data["key_id"]]
        if not all(isinstance(part, str) for part in parts):
            raise TypeError
        payload, signature = (base64.b64decode(part, validate=True) for part in parts[:2])
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise nonsense() from None
    return Grant(payload=payload, signature=signature, key_id=parts[2])


def nonsense() -> ServiceError:
    return ServiceError(
        "what the approval service answered is no answer of this version of it; check [service] url, and who listens there"
    )


def rebuilt(own: Approval, said: Told) -> Approval:
    """The approval as the service has it: the guard's own request, and what the signed bytes hold.

    Where they hold nothing that could be a resolution, no verdicts stand in it, and no check will find it to hold.
    """
    after = replace(own, state=said.state, version=said.version)
    if said.grant is None:
        return after
    try:
        data = json.loads(said.grant.payload)
        verdicts = tuple(_verdict(own.id, one) for one in data["verdicts"])
        expires = data["grant_expires"]
        return replace(
            after,
            grant=said.grant,
            verdicts=verdicts,
            grant_expires=None if expires is None else float(expires),
            proposal=data["proposal"],
            editor=str(data["editor"]),
        )
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, IdentityError):
        return replace(after, grant=said.grant, verdicts=())


def _verdict(request: str, data: Mapping[str, Any]) -> Verdict:
    issuer, tenant, subject = str(data["identity"]).split("|", 2)
    call, view, decisive = data["seen"]
    auth, assured = data["auth"]
    return Verdict(
        request=request,
        answer=Answer(data["answer"]),
        person=str(data["person"]),
        identity=Person(issuer=issuer, tenant=tenant, subject=subject),
        groups=tuple(str(group) for group in data["groups"]),
        seen_call_digest=str(call),
        seen_view_digest=str(view),
        reason=str(data["reason"]),
        channel=str(data["channel"]),
        auth=str(auth),
        at=float(data["at"]),
        assured=Assured(assured),
        acting=tuple((str(entry), str(person)) for entry, person in data["acting"]),
        seen_decisive_digest=str(decisive),
        over_budget=bool(data["over_budget"]),
        standing=_terms(data["standing"]),
    )


def _terms(data: Json) -> StandingTerms | None:
    if data is None:
        return None
    return StandingTerms(
        seconds=float(data["seconds"]),
        uses=int(data["uses"]),
        session_only=bool(data["session_only"]),
        vary=tuple(
            Vary(argument=str(v["argument"]), at_most=None if v["at_most"] is None else float(v["at_most"]))
            for v in data["vary"]
        ),
    )
