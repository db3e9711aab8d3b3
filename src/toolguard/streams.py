"""Streams of a session: text or JSON that arrives in pieces, in clear for a person or masked for a model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any

from toolguard._core.flow import Flow
from toolguard._core.flow.masking import Meanings, mask_scalar, mask_window
from toolguard._core.masking import Masking
from toolguard._core.steps import Origin
from toolguard._core.stream import Piece, Scalar, StreamMask, StreamMaskJson, StreamUnmask
from toolguard._core.vault import Token

__all__ = ["MaskStream", "RevealStream"]

Delta = str | bytes | None


class RevealStream:
    """A stream in clear for the person behind the session. Made by `Session.stream_reveal`; for one stream.

    ``take`` each piece and give out what it returns, then ``close``; or put ``over`` around what gives the pieces. Each
    token is decided upon and recorded once, before its value is given out.
    """

    def __init__(
        self,
        disclose: Callable[[frozenset[Token]], Meanings],
        adisclose: Callable[[frozenset[Token]], Awaitable[Meanings]],
        *,
        json: bool,
    ) -> None:
        self._disclose = disclose
        self._adisclose = adisclose
        self._machine = StreamUnmask(json=json)
        self._asked: frozenset[Token] = frozenset()
        self._values: dict[Token, str] = {}

    @property
    def unknown(self) -> tuple[str, ...]:
        """Token-shaped pieces so far that nobody issued; they are given out as they stand."""
        return tuple(sorted(str(t) for t in self._asked if t not in self._values))

    def take(self, delta: Delta) -> str:
        """What is ready after ``delta`` (text, or UTF-8 cut anywhere).

        Raises:
            DeniedError: the policy does not let this caller see it.
        """
        return self._shown(self._machine.take(delta or ""))

    def close(self) -> str:
        """The rest. Nothing comes after it."""
        return self._shown(self._machine.close())

    async def atake(self, delta: Delta) -> str:
        return await self._ashown(self._machine.take(delta or ""))

    async def aclose(self) -> str:
        return await self._ashown(self._machine.close())

    def over(self, deltas: Iterable[Delta]) -> Iterator[str]:
        """The whole stream, piece by piece as it can be given out."""
        for delta in deltas:
            if text := self.take(delta):
                yield text
        if text := self.close():
            yield text

    async def aover(self, deltas: AsyncIterable[Delta]) -> AsyncIterator[str]:
        async for delta in deltas:
            if text := await self.atake(delta):
                yield text
        if text := await self.aclose():
            yield text

    def _new(self, pieces: tuple[Piece, ...]) -> frozenset[Token]:
        return frozenset(p.token for p in pieces if p.token is not None) - self._asked

    def _learn(self, tokens: frozenset[Token], known: Meanings) -> None:
        self._asked |= tokens
        self._values.update({t: v for t, v in known.values.items() if t in tokens})

    def _shown(self, pieces: tuple[Piece, ...]) -> str:
        if new := self._new(pieces):
            self._learn(new, self._disclose(new))
        return self._machine.write(pieces, self._values)

    async def _ashown(self, pieces: tuple[Piece, ...]) -> str:
        if new := self._new(pieces):
            self._learn(new, await self._adisclose(new))
        return self._machine.write(pieces, self._values)


class MaskStream:
    """A stream with tokens in the place of identifiers. Made by `Session.stream_mask`; for one stream.

    ``take`` each piece and pass on what it returns, then ``close``; or put ``over`` around what gives the pieces.
    """

    def __init__(
        self,
        run: Callable[[Flow[Any]], Any],
        arun: Callable[[Flow[Any]], Awaitable[Any]],
        origin: Origin,
        masking: Masking,
        *,
        json: bool,
    ) -> None:
        self._run = run
        self._arun = arun
        self._origin = origin
        self._masking = masking
        self._text = StreamMask()
        self._json = StreamMaskJson() if json else None

    def take(self, delta: Delta) -> str:
        """What is ready after ``delta`` (text, or UTF-8 cut anywhere), masked.

        Raises:
            DetectionError: it could not be looked into; what is held back is not given out.
        """
        return "".join(part if isinstance(part, str) else str(self._run(part)) for part in self._ready(delta, False))

    def close(self) -> str:
        """The rest. Nothing comes after it."""
        return "".join(part if isinstance(part, str) else str(self._run(part)) for part in self._ready("", True))

    async def atake(self, delta: Delta) -> str:
        ready = self._ready(delta, False)
        return "".join([part if isinstance(part, str) else str(await self._arun(part)) for part in ready])

    async def aclose(self) -> str:
        ready = self._ready("", True)
        return "".join([part if isinstance(part, str) else str(await self._arun(part)) for part in ready])

    def over(self, deltas: Iterable[Delta]) -> Iterator[str]:
        """The whole stream, piece by piece as it can be given out."""
        for delta in deltas:
            if text := self.take(delta):
                yield text
        if text := self.close():
            yield text

    async def aover(self, deltas: AsyncIterable[Delta]) -> AsyncIterator[str]:
        async for delta in deltas:
            if text := await self.atake(delta):
                yield text
        if text := await self.aclose():
            yield text

    def _ready(self, delta: Delta, final: bool) -> Iterator[str | Flow[str]]:
        """Text as it is, and flows that give masked text."""
        if self._json is None:
            window = self._text.take(delta or "", final=final)
            if window is not None:
                yield mask_window(self._text, window, self._origin, self._masking, final=final)
            return
        for part in self._json.close() if final else self._json.take(delta or ""):
            yield part if isinstance(part, str) else self._scalar(part)

    def _scalar(self, scalar: Scalar) -> Flow[str]:
        masked = yield from mask_scalar(scalar, self._origin, self._masking)
        return json.dumps(masked, ensure_ascii=False)
