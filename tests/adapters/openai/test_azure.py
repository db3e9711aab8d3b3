"""Azure's clients: the same guard, on paths of their own, with deployments instead of models."""

from __future__ import annotations

from typing import Any

import pytest
from openai import AsyncAzureOpenAI, AzureOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient

from adapters.openai.surface import methods, outcome
from adapters.openai.ward import MRN, PLAIN, RAN, USER, Ward, ana, assert_masked
from toolguard.errors import DeniedError
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, say, use
from toolguard_openai import ToolBox, guard_client


def azure(ward: Ward, server: OpenAIServer, **given: Any) -> Any:
    http: Any = DefaultHttpxClient(verify=False) if ward.sync else DefaultAsyncHttpxClient(verify=False)
    kind: Any = AzureOpenAI if ward.sync else AsyncAzureOpenAI
    given = {"api_key": "k", "api_version": "2025-04-01-preview", "max_retries": 0, "http_client": http, **given}
    client = kind(azure_endpoint=server.base_url.removesuffix("/v1"), **given)
    ward.clients.append(client)
    return client


def look_up_once(request: ModelRequest) -> Reply:
    return say(request.outputs[0]) if request.outputs else use(Use("look_up", {"mrn": "<MRN_1>"}))


PATHS = {"chat": "/openai/deployments/m/chat/completions", "responses": "/openai/responses"}


async def test_s5_a_whole_run_goes_through_a_deployment(ward: Ward) -> None:
    server, guard = ward.server(look_up_once), ward.guard()
    client = guard_client(azure(ward, server), guard=guard)
    assert type(client).__name__.startswith("Guarded")
    with ana(guard):
        result = await ward.run(ToolBox(*PLAIN, guard=guard), client.with_options(timeout=60))
    assert RAN == [("look_up", MRN)]
    assert "<PERSON_1>" in result.text
    assert {r.path for r in server.requests} == {PATHS[ward.api]}
    assert_masked(server.seen)


async def test_s5_a_client_bound_to_one_deployment_and_a_token_provider(ward: Ward) -> None:
    async def token() -> str:
        return "t"

    given: dict[str, Any] = {"api_key": None, "azure_ad_token_provider": (lambda: "t") if ward.sync else token}
    server, guard = ward.server(lambda request: say("ok")), ward.guard()
    client = guard_client(azure(ward, server, azure_deployment="d", **given), guard=guard)
    with ana(guard):
        for at in (client, client.copy(), client.with_options(max_retries=0)):
            answer = at.chat.completions.create(model="m", messages=[{"role": "user", "content": USER}])
            assert (answer if ward.sync else await answer).choices[0].message.content == "ok"
    assert {r.path for r in server.requests} == {"/openai/deployments/d/chat/completions"}
    assert_masked(server.seen)


async def test_t14_azure_streams_and_its_other_endpoints_are_guarded_alike(ward: Ward) -> None:
    server, guard = ward.server(lambda request: say("one two")), ward.guard()
    client = guard_client(azure(ward, server), guard=guard)
    with ana(guard):
        if ward.sync:
            chunks = list(client.chat.completions.create(model="m", messages=[_user()], stream=True))
        else:
            stream = await client.chat.completions.create(model="m", messages=[_user()], stream=True)
            chunks = [chunk async for chunk in stream]
        assert len(chunks) > 2
        sent = len(server.requests)
        with pytest.raises(DeniedError):
            result = client.images.generate(model="m", prompt=USER)
            assert ward.sync or await result
        sockets = [p for p in methods(AzureOpenAI if ward.sync else AsyncAzureOpenAI) if p.endswith("connect")]
        for path in sockets:
            assert await outcome(client, path, server.requests) == "refused", path
    assert len(server.requests) == sent
    assert_masked(server.seen)


def _user() -> Any:
    return {"role": "user", "content": USER}


async def test_t14_a_version_is_a_version_and_nothing_else_may_stand_there(ward: Ward) -> None:
    server, guard = ward.server(lambda request: say("never")), ward.guard()
    with ana(guard):
        for version in (USER, MRN, "1961-04-03", "2025-04-01 Maria Delgado"):
            client = guard_client(azure(ward, server, api_version=version), guard=guard)
            with pytest.raises(DeniedError, match="query"):
                result = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
                assert ward.sync or await result
    assert server.requests == []
