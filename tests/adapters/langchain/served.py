"""A chat model that a server on loopback answers for, with clients of its own.

LangChain would keep one client for each address, with its connections, and let go of them in some later test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from toolguard.testing.openai_server import OpenAIServer

_made: list[tuple[DefaultHttpxClient, DefaultAsyncHttpxClient]] = []


def served(server: OpenAIServer, **settings: Any) -> ChatOpenAI:
    """A model behind ``server``, for a file that imports ``connections_end``, too."""
    # without certificates: loading them takes longer than most tests here
    clients = DefaultHttpxClient(verify=False), DefaultAsyncHttpxClient(verify=False)
    _made.append(clients)
    plain: dict[str, Any] = {"base_url": server.base_url, "api_key": "none", "model": "any", "max_retries": 0}
    return ChatOpenAI(http_client=clients[0], http_async_client=clients[1], **plain, **settings)


@pytest.fixture(autouse=True)
async def connections_end() -> AsyncIterator[None]:
    """Close the clients of what ``served`` made, in the loop that they were used in."""
    yield
    while _made:
        client, async_client = _made.pop()
        client.close()
        await async_client.aclose()
