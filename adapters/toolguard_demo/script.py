"""The scripted model: what it answers depends only on what it was sent, as a real one's answer would.

It is served over HTTP by a loopback server that speaks the OpenAI API; `--base-url` puts a real one there.
"""

from __future__ import annotations

import json
import re
from typing import Any

from toolguard.testing.openai_server import ModelRequest, Reply, Use, say, use

__all__ = ["model"]

_SHAPE = r"<{}_M?\d+[a-z]*>"


def model(request: ModelRequest) -> Reply:
    """One turn: read what the person last asked and what tools gave back, and go on."""
    asked, outputs = request.user_text, request.outputs
    if outputs:
        return _after(asked, outputs[-1])
    if asked.startswith("Find "):
        return use(
            Use("search_patients", {"name": _first("PERSON", asked), "birth_date": _first("DATE(?:_OF_BIRTH)?", asked)})
        )
    if "referral" in asked:
        history = json.dumps(request.items)
        body = f"Please see {_first('PERSON', history)}, MRN {_first('MRN', history)}, for heart failure follow-up."
        return use(Use("send_email", {"to": _first("EMAIL", asked), "subject": "Referral", "body": body}))
    if asked.startswith("Export "):
        return use(Use("export_cohort", {"cohort": "heart failure", "destination": "s3://research-registry/hf"}))
    if "Delete" in asked:
        return use(Use("delete_record", {"patient_id": _first("FHIR_ID", json.dumps(request.items))}))
    return say("I can look patients up, write referrals and export cohorts.")


def _after(asked: str, output: str) -> Reply:
    if asked.startswith("Find "):
        found = _record(output)
        return say(
            f"{_first('PERSON', asked)} has {found.get('condition')}; the last potassium was {found.get('potassium')}."
        )
    if "referral" in asked:
        return say("The referral is on its way." if output.startswith("sent") else f"It was not sent: {output}")
    if asked.startswith("Export "):
        return say(f"The export: {output}")
    return say(f"I could not do that: {output}")


def _record(output: str) -> dict[str, Any]:
    entries = json.loads(output).get("entry") or [{}]
    resource: dict[str, Any] = entries[0].get("resource", {})
    return resource


def _first(kind: str, text: str) -> str:
    found = re.search(_SHAPE.format(kind), text)
    return found[0] if found else ""
