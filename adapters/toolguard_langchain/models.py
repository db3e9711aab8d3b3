"""`guard_model`: the same chat model, of the same class, that is sent masked messages by every way in.

The messages are masked before LangChain's callbacks hear of them and before its cache makes a key of them, so that
tracers and caches hold placeholders. What the model answers is left as it is: it saw placeholders and wrote them.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, get_buffer_string
from langchain_core.prompt_values import PromptValue
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config

from toolguard import DeniedError, Guard, Session
from toolguard.errors import ConfigError
from toolguard_langchain.allow import check_allow
from toolguard_langchain.messages import Opened
from toolguard_langchain.place import SessionSource, session_for
from toolguard_langchain.sending import check_sending

__all__ = ["guard_model"]

Model = TypeVar("Model", bound=BaseChatModel)
_LENS = "__toolguard_model__"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lens:
    """What ties one model to a guard."""

    guard: Guard
    session: SessionSource | None
    allow: frozenset[str]

    def __deepcopy__(self, memo: object) -> _Lens:
        return self

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "a guarded model cannot be pickled: a guard lives in its process; guard the model again over there"
        )


class _Masked(list[BaseMessage]):
    """Messages that have been masked on their way in, so that the next way in does not look again."""


class _Prompt(PromptValue):
    """Masked messages as LangChain passes them between its own ways in."""

    masked: Any

    def to_messages(self) -> list[BaseMessage]:
        return cast("list[BaseMessage]", self.masked)

    def to_string(self) -> str:
        return get_buffer_string(self.masked)


def guard_model(
    model: Model, *, guard: Guard, session: SessionSource | None = None, allow: Collection[str] = ()
) -> Model:
    """A copy of ``model`` to which every message goes masked; for graphs of your own, chains and other middlewares.

    `GuardMiddleware` does the same for the model of ``create_agent``; this is for a model that is called
    elsewhere: in a node, by a summarizing middleware, with ``bind_tools`` or ``with_structured_output``.

    Args:
        model: a chat model. Bind tools to the guarded one.
        guard: the guard.
        session: see `guard_tools`.
        allow: see `GuardMiddleware`.

    Raises:
        ConfigError: ``model`` is no chat model, belongs to another guard, or a word in ``allow`` is not known.
    """
    allowed = check_allow(allow)
    given: object = model
    if not isinstance(given, BaseChatModel):
        how = (
            "guard the chat model, then bind, configure or compose the guarded one"
            if isinstance(given, Runnable)
            else "give a chat model"
        )
        raise ConfigError(f"a {type(given).__name__!r} cannot be guarded as a model: it is no chat model; {how}")
    held = _lens_of(model)
    if held is not None:
        if held.guard is not guard:
            raise ConfigError("the model is guarded by another guard already; guard the original model instead")
        return model
    copy = model.model_copy()
    object.__setattr__(copy, "__class__", _guarded_class(type(model)))
    object.__setattr__(copy, _LENS, _Lens(guard=guard, session=session, allow=allowed))
    return copy


def _lens_of(model: object) -> _Lens | None:
    found = getattr(model, "__dict__", {}).get(_LENS)
    return found if isinstance(found, _Lens) else None


def _begin(model: BaseChatModel, config: RunnableConfig | None, settings: Mapping[str, Any]) -> tuple[_Lens, Session]:
    """Whose request it is. Raises DeniedError where something would bypass the mask."""
    lens = _lens_of(model)
    if lens is None:
        raise DeniedError(
            "a model of a guarded class was made without its guard (a configured or reloaded copy?), so nothing was "
            "sent to it; guard it with guard_model"
        )
    config = ensure_config(config)
    session = session_for(lens.guard, lens.session, config)
    check_sending(model, settings, settings.get("tools") or (), config, lens.allow, where="guard_model")
    return lens, session


def _look(model: BaseChatModel, given: Sequence[BaseMessage], config: Any, settings: Mapping[str, Any]) -> _Masked:
    if isinstance(given, _Masked):
        return given
    lens, session = _begin(model, config, settings)
    opened = Opened(given, lens.allow)
    for origin, at, values in opened.groups():
        opened.put(at, values, session.mask(values, origin=origin))
    return _Masked(opened.messages)


async def _alook(
    model: BaseChatModel, given: Sequence[BaseMessage], config: Any, settings: Mapping[str, Any]
) -> _Masked:
    if isinstance(given, _Masked):
        return given
    lens, session = _begin(model, config, settings)
    opened = Opened(given, lens.allow)
    for origin, at, values in opened.groups():
        opened.put(at, values, await session.amask(values, origin=origin))
    return _Masked(opened.messages)


def _prompt(model: BaseChatModel, given: Any, config: Any, settings: Mapping[str, Any]) -> _Prompt:
    return _Prompt(masked=_look(model, model._convert_input(given).to_messages(), config, settings))


async def _aprompt(model: BaseChatModel, given: Any, config: Any, settings: Mapping[str, Any]) -> _Prompt:
    return _Prompt(masked=await _alook(model, model._convert_input(given).to_messages(), config, settings))


def _text(model: BaseChatModel, text: str) -> str:
    _, session = _begin(model, None, {})
    return str(session.mask(text))


@functools.cache
def _guarded_class(kind: type[BaseChatModel]) -> type[BaseChatModel]:
    """``kind`` with the mask before every way in: same name, same fields."""

    def invoke(self: BaseChatModel, input: Any, config: Any = None, **more: Any) -> Any:
        return kind.invoke(self, _prompt(self, input, config, more), config, **more)

    async def ainvoke(self: BaseChatModel, input: Any, config: Any = None, **more: Any) -> Any:
        return await kind.ainvoke(self, await _aprompt(self, input, config, more), config, **more)

    def generate(self: BaseChatModel, messages: list[list[BaseMessage]], *args: Any, **more: Any) -> Any:
        return kind.generate(self, [_look(self, each, None, more) for each in messages], *args, **more)

    async def agenerate(self: BaseChatModel, messages: list[list[BaseMessage]], *args: Any, **more: Any) -> Any:
        masked: list[list[BaseMessage]] = [await _alook(self, each, None, more) for each in messages]
        return await kind.agenerate(self, masked, *args, **more)

    def stream(self: BaseChatModel, input: Any, config: Any = None, **more: Any) -> Iterator[Any]:
        return kind.stream(self, _prompt(self, input, config, more), config, **more)

    async def astream(self: BaseChatModel, input: Any, config: Any = None, **more: Any) -> AsyncIterator[Any]:
        masked = await _aprompt(self, input, config, more)
        async with aclosing(cast("Any", kind.astream(self, masked, config, **more))) as chunks:
            async for chunk in chunks:
                yield chunk

    def stream_v3(self: BaseChatModel, input: Any, config: Any = None, **more: Any) -> Any:
        return kind._chat_model_stream_v3(self, _prompt(self, input, config, more), config, **more)

    async def astream_v3(self: BaseChatModel, input: Any, config: Any = None, **more: Any) -> Any:
        masked = await _aprompt(self, input, config, more)
        return await kind._achat_model_stream_v3(self, masked, config, **more)

    # some providers count tokens themselves: what is counted is sent to them

    def get_num_tokens_from_messages(self: BaseChatModel, messages: list[BaseMessage], *args: Any, **more: Any) -> int:
        return kind.get_num_tokens_from_messages(self, _look(self, messages, None, {}), *args, **more)

    def get_num_tokens(self: BaseChatModel, text: str) -> int:
        return kind.get_num_tokens(self, _text(self, text))

    def get_token_ids(self: BaseChatModel, text: str) -> list[int]:
        return kind.get_token_ids(self, _text(self, text))

    ways: dict[str, Any] = {
        "invoke": invoke,
        "ainvoke": ainvoke,
        "generate": generate,
        "agenerate": agenerate,
        "stream": stream,
        "astream": astream,
        "_chat_model_stream_v3": stream_v3,
        "_achat_model_stream_v3": astream_v3,
        "get_num_tokens_from_messages": get_num_tokens_from_messages,
        "get_num_tokens": get_num_tokens,
        "get_token_ids": get_token_ids,
    }
    body: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        **{name: functools.wraps(getattr(kind, name))(way) for name, way in ways.items() if hasattr(kind, name)},
    }
    made: Any = type(kind)
    return cast("type[BaseChatModel]", made(kind.__name__, (kind,), body))
