"""The API against its own description: made-up requests by the hundred, and every route without a credential.

What is tried: no fault of the server, only statuses, types and bodies that are described, nothing without a token.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from starlette.testclient import TestClient

from authority.ward import Ward, human
from server.asked import body_of, request_of
from server.visitors import Visitors
from toolguard.authority import State
from toolguard.authority.confirm import Confirming
from toolguard.directory import Audience
from toolguard.witness import Witness
from toolguard_server import create_app
from toolguard_server.limits import Limits, Rate

CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
    ignored_auth,
]
FREE = Limits(known=Rate(per_second=1e9, burst=10**9), unknown=Rate(per_second=1e9, burst=10**9), tries=Rate(per_second=1e9, burst=10**9))  # fmt: skip


class Place:
    """A ward that stays, with something in every state to aim at."""

    def __init__(self, folder: Path) -> None:
        self.ward = Ward(folder)
        witness = Witness(folder / "witness", self.ward.store.epoch)
        confirming = Confirming(self.ward.store, self.ward.directory, self.ward.verifier, witness)
        self.app = create_app(
            self.ward.authority,
            self.ward.tokens,
            self.ward.directory,
            hosts=("testserver",),
            limits=FREE,
            confirming=confirming,
        )
        visitors = Visitors(self.ward)
        self.person = visitors.bearer("ada")
        self.officer = visitors.bearer("sid")
        self.guard = visitors.bearer("ward-guard", Audience.SERVICE)

    def target(self) -> str:
        return self.ward.ask().id


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("schema"))
    yield place
    place.ward.store.close()


GUARDS = (
    "/v1/approvals/by-call",
    "/v1/approvals/{approval_id}/claim",
    "/v1/approvals/{approval_id}/outcome",
    "/v1/uses",
)


def _whose(place: Place, case: Case) -> dict[str, str]:
    if case.path in GUARDS or (case.path == "/v1/approvals" and case.method == "POST"):
        return place.guard
    return place.officer if case.path.startswith("/v1/freeze") else place.person


def test_nothing_that_is_sent_is_a_fault_or_a_surprise(place: Place) -> None:
    api = schemathesis.openapi.from_asgi("/v1/openapi.json", place.app)
    answered: Counter[int] = Counter()
    operations = [
        result.ok() for result in api.exclude(path="/v1/stream").get_all_operations()
    ]  # it does not end by itself
    operations.sort(key=lambda operation: operation.path.startswith("/v1/freeze"))  # whatever is frozen takes no more
    for operation in operations:

        @settings(
            max_examples=15,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: Case) -> None:
            if len(case.path_parameters.get("approval_id", "")) == 32:
                case.path_parameters["approval_id"] = place.target()
            if isinstance(case.body, dict) and len(str(case.body.get("approval", ""))) == 32:
                case.body["approval"] = place.target()
            if case.path.endswith("/wait"):
                case.query = {**(case.query or {}), "timeout": 0}
            answered[case.call_and_validate(headers=_whose(place, case), checks=CHECKS).status_code] += 1

        check()
    assert len(operations) > 20
    assert answered.total() > 300
    assert {200, 403, 404, 409, 422} <= set(answered), answered


# --- nothing without a credential


def _routes(place: Place) -> list[tuple[str, str]]:
    paths = TestClient(place.app).get("/v1/openapi.json").json()["paths"]
    return [(method, path) for path, methods in paths.items() for method in methods]


BAD: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer x"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Basic YTpi"},
    {"Cookie": "toolguard_session=x"},
]


@pytest.mark.parametrize("bad", BAD, ids=["none", "unknown", "a JWT", "basic", "a cookie"])
@pytest.mark.parametrize("body", [None, {}, {"reason": "x"}], ids=["no body", "empty", "some"])
def test_every_route_needs_a_credential_first(place: Place, bad: dict[str, str], body: Any) -> None:
    asked = place.ward.ask()
    client = TestClient(place.app)
    tried = 0
    for method, path in _routes(place):
        where = re.sub(r"\{[^}]+\}", asked.id, path)
        more = {"json": body} if method == "post" and body is not None else {}
        reply = client.request(method, where, headers=bad, **more)
        assert (reply.status_code, reply.json()["code"]) == (401, "identity"), (method, path, reply.text)
        assert reply.headers["www-authenticate"].startswith("Bearer")
        tried += 1
    assert tried > 20
    assert place.ward.read(asked.id).state is State.PENDING


def test_the_description_says_so(place: Place) -> None:
    said = TestClient(place.app).get("/v1/openapi.json").json()
    assert said["security"] == [{"bearer": []}]
    assert said["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_what_is_sent_whole_is_taken(tmp_path: Path) -> None:
    """So that the made-up requests are not all refused at the door."""
    place = Place(tmp_path)
    client, request = TestClient(place.app), request_of(place.ward)
    assert client.post("/v1/approvals", json=body_of(request), headers=place.guard).status_code == 201
    place.ward.decide(human("ada"), place.ward.read(request.id))
    claim = client.post(
        f"/v1/approvals/{request.id}/claim",
        json={"call_digest": request.call_digest},
        headers={**place.guard, "If-Match": '"2"'},
    )
    assert claim.status_code == 200
