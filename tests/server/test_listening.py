"""What makes an answer come late though the work is done: small parts held back by the network, and data loaded on demand."""

from __future__ import annotations

import asyncio
import socket

import pytest

from authority.ward import Ward
from toolguard.authority import Authority
from toolguard_server import create_app
from toolguard_server.cli import _listen


async def test_no_part_of_an_answer_waits_for_the_part_before_to_be_acknowledged() -> None:
    told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def met(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs = writer.get_extra_info("socket")
        told.set_result(theirs.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = _listen("127.0.0.1", 0)
    server = await asyncio.start_server(met, sock=listener)
    async with server:
        _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
        assert await told != 0
        writer.close()
        await writer.wait_closed()


async def test_the_first_verdict_does_not_wait_for_the_detector_to_load(
    ward: Ward, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    real = Authority._masked
    monkeypatch.setattr(Authority, "_masked", lambda self, text: masked.append(text) or real(self, text))
    app = create_app(ward.authority, ward.tokens, ward.directory)
    async with app.router.lifespan_context(app):
        assert len(masked) == 1
