"""Ways past the mask, looked for before anything is sent to a model."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any, cast

from langchain_core.callbacks import FileCallbackHandler
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.tracers import ConsoleCallbackHandler, LangChainTracer
from pydantic import BaseModel

from toolguard import DeniedError
from toolguard_langchain.allow import tool_word

__all__ = ["check_sending"]

_TRACERS = (LangChainTracer, ConsoleCallbackHandler, FileCallbackHandler)
_CORE_TRACERS = "langchain_core.tracers."
_OWN_RUN = tuple(f"langchain_core.tracers.{name}" for name in ("event_stream", "log_stream", "root_listeners"))
"""Handlers that give the application the events of its own run (``astream_events``); they write nothing anywhere."""
_DESCRIBED = frozenset({"function", "custom", "function_declarations", "toolSpec"})
"""How providers' formats call a tool that the application runs."""
_RUN_HERE = frozenset({"apply_patch", "bash", "computer", "memory", "shell", "text_editor"})
"""Tools that a provider describes and the application runs."""
_HISTORY = frozenset({"cached_content", "conversation", "previous_response_id"})
_HOSTED_SETTINGS: Mapping[str, str] = {"mcp_servers": "mcp", "web_search_options": "web_search"}
"""Settings that make something run at the provider, without a tool that says so."""
_NESTED = ("extra_body", "model_kwargs")
_OFFERS = ("tools", "functions")
_PYDANTICS: object = getattr(BaseModel, "__getattr__", None)
_NONE: Mapping[str, Any] = {}


def check_sending(
    model: object,
    settings: Mapping[str, Any],
    tools: Iterable[object],
    config: RunnableConfig | None,
    allow: frozenset[str],
    *,
    where: str,
) -> None:
    """Raises DeniedError where history, tools or tracers would bypass masking and ``allow`` does not name them.

    Args:
        model: the model that is asked.
        settings: what it is called with.
        tools: the tools it is offered.
        config: the run's config, whose callbacks are looked at.
        allow: words of `toolguard_langchain.allow`.
        where: where words are given, for the message.
    """
    bare, bound = _parts_of(model)
    said = [each for given in (settings, *bound) for each in _flat(given)]
    names = {name for each in said for name in each}
    if "history" not in allow and (_HISTORY & names or _own(bare, "use_previous_response_id")):
        raise _closed("history kept at the provider bypasses masking", "history", where)
    if "prompts" not in allow and any(isinstance(each.get("prompt"), Mapping) for each in said):
        raise _closed("a prompt kept at the provider may bring text and tools that nobody here sees", "prompts", where)
    for name, word in _HOSTED_SETTINGS.items():
        if word not in allow and (name in names or _own(bare, name)):
            raise _closed(f"the setting {name!r} makes tools run at the provider, where no guard stands", word, where)
    offered = list(tools)
    for each in said:
        for kind in _chosen(each.get("tool_choice")):
            word_of = tool_word(kind)
            if word_of is not None and word_of not in allow:
                raise _closed(f"a choice of {kind!r} runs at the provider, where no guard stands", word_of, where)
        for name in _OFFERS:
            if not isinstance(each.get(name, ()), list | tuple | None):
                raise _closed(f"the setting {name!r} is no list, so nobody can look at what it offers", None, where)
            offered += each.get(name) or ()
    for tool in offered:
        for kind in _kinds_of(tool):
            word_of = tool_word(kind)
            if kind not in _DESCRIBED and word_of not in allow:
                raise _closed(f"a tool of type {kind!r} runs at the provider, where no guard stands", word_of, where)
    if "tracers" not in allow:
        callbacks: Any = (config or {}).get("callbacks")
        for handler in getattr(callbacks, "handlers", callbacks) or ():
            if _is_tracer(handler):
                raise _closed(
                    f"the tracer {type(handler).__name__!r} writes the graph's raw state down", "tracers", where
                )


def _parts_of(model: object) -> tuple[object, list[object]]:
    """A model without what was bound to it, and that beside what it is set to by itself."""
    bound: list[object] = []
    while RunnableBinding in type(model).__mro__:
        binding = cast("RunnableBinding[Any, Any]", model)
        bound.append(binding.kwargs)
        model = binding.bound
    for name in _NESTED:
        own = _own(model, name)
        if own is not None:
            bound.append(own)
    return model, bound


def _own(model: object, name: str) -> Any:
    """What a model itself says of ``name``; None if nothing, which most say of most: pydantic takes its time for that."""
    kind: Any = type(model)
    if kind.__getattribute__ is object.__getattribute__ and name not in _class_answers(kind):
        held = getattr(model, "__dict__", _NONE)
        if name in held:
            return held[name]
        extra: Mapping[str, Any] | None = getattr(model, "__pydantic_extra__", None)
        return extra.get(name) if extra else None
    return getattr(model, name, None)


@functools.lru_cache(maxsize=256)
def _class_answers(kind: type) -> frozenset[str]:
    """The names that objects of class ``kind`` have beside what each of them holds itself."""
    own = {*_NESTED, *_HOSTED_SETTINGS, "use_previous_response_id"}
    if getattr(kind, "__getattr__", None) not in (None, _PYDANTICS):
        return frozenset(own)
    return frozenset(name for name in own if any(name in vars(base) for base in kind.__mro__))


def _flat(given: object) -> list[Mapping[str, Any]]:
    """Settings, and those in them that clients add to the body as they are."""
    if not given or not isinstance(given, Mapping):
        return []
    inner = [given[name] for name in _NESTED if name in given]
    return [given, *(each for one in inner for each in _flat(one))]


def _chosen(choice: object) -> list[str]:
    """The types that a choice among tools names; one that the provider runs is no choice among ours."""
    if not isinstance(choice, Mapping):
        return []
    nested = choice.get("allowed_tools")
    inner = nested if isinstance(nested, Mapping) else choice
    among = inner.get("tools")
    return [
        str(each.get("type"))
        for each in (choice, *(among if isinstance(among, list | tuple) else ()))
        if isinstance(each, Mapping)
    ]


def _kinds_of(tool: object) -> tuple[str, ...]:
    """The types of a tool given as a dict. Without one it is a function if it has a name, else what its keys say.

    A LangChain tool may carry a provider's description of itself; what such a one does here, it does behind its gate.
    """
    if BaseTool in type(tool).__mro__:
        extras = cast("BaseTool", tool).extras
        if not extras:
            return ()
        told = extras.get("provider_tool_definition")
        return tuple(kind for kind in _kinds_of(told) if kind not in _DESCRIBED and tool_word(kind) not in _RUN_HERE)
    if not isinstance(tool, Mapping):
        return ()
    if "type" in tool:
        return (str(tool["type"]),)
    return ("function",) if "name" in tool else tuple(map(str, tool)) or ("unknown",)


def _is_tracer(handler: object) -> bool:
    """Whether a handler is known to write down what it hears, of which the graph's raw state is part."""
    module = type(handler).__module__
    if module.startswith(_OWN_RUN):
        return False
    return isinstance(handler, _TRACERS) or module.split(".")[0] == "langsmith" or module.startswith(_CORE_TRACERS)


def _closed(what: str, name: str | None, where: str) -> DeniedError:
    mend = f", or allow it by name with {where}(..., allow={{{name!r}}})" if name else "; no name allows it"
    return DeniedError(f"{what}, so nothing was sent to the model; leave it out{mend}", code="unmaskable")
