"""Every method the installed SDK's client has, and what becomes of it on a guarded one: found out by calling it."""

from __future__ import annotations

import importlib
import inspect
import re
import warnings
from collections.abc import Iterator
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from openai import AsyncOpenAI, OpenAI
from openai._models import FinalRequestOptions
from openai._resource import AsyncAPIResource, SyncAPIResource

from toolguard.errors import DeniedError

GIVEN: dict[str, Any] = {
    "file": b"x",
    "image": b"x",
    "data": b"x",
    "file_ids": ["x"],
    "files": [],
    "max_retries": 0,
    "messages": [{"role": "user", "content": "hello"}],
    "items": [{"role": "user", "content": "hello"}],
    "metadata": {},
    "bytes": 1,
    "input": "hello",
    "prompt": "hello",
    "questions": [],
    "chunking_strategy": {"type": "auto"},
    "response_format": dict,
    "text_format": dict,
    "event": {"type": "user.message"},
    "source": {"type": "x"},
    "voice": "x",
    "anchor": "created_at",
    "video": b"x",
    "recording": b"x",
    "audio_sample": b"x",
    "result": SimpleNamespace(session_id="x", turn_id="x", id="x", artifacts=[]),
}
"""What a method is given for its required arguments; everything else is ``x``."""


def methods(root: type) -> Iterator[str]:
    """The dotted path of every public method, without ``with_raw_response`` and its like."""
    yield from _methods(root, "")


def _methods(cls: type, path: str) -> Iterator[str]:
    for name in sorted(n for n in dir(cls) if not n.startswith(("_", "with_"))):
        attribute = inspect.getattr_static(cls, name)
        inner = _resource(attribute)
        if inner is not None:
            yield from _methods(inner, f"{path}{name}.")
        elif inspect.isfunction(attribute) and (path or name not in OWN):
            yield path + name


OPTIONS = FinalRequestOptions.construct(method="post", url="/unheard_of", json_data={})
AT: dict[str, dict[str, Any]] = {
    "get": {"path": "/unheard_of", "cast_to": object},
    "request": {"cast_to": object, "options": OPTIONS},
    "responses.stream": {"model": "x", "input": "hello"},
    "beta.agents.environments.files.upload": {"environment_id": "x", "file": b"x", "path": "/workspace/x"},
    "uploads.upload_file_chunked": {
        "file": b"x",
        "filename": "x",
        "bytes": 1,
        "mime_type": "text/plain",
        "purpose": "x",
    },
}
AT |= dict.fromkeys(("post", "put", "patch", "delete"), AT["get"])
"""What single methods are given."""

OWN = frozenset({"close", "copy", "is_closed", "platform_headers"})
"""Methods of the client that send nothing."""


def _resource(attribute: Any) -> type | None:
    """The resource a property gives; the SDK imports it inside."""
    if not isinstance(attribute, cached_property | property):
        return None
    function = attribute.func if isinstance(attribute, cached_property) else attribute.fget
    found = re.search(r"from (\S+) import (\w+)", inspect.getsource(function))
    if found is None:
        hint = function.__annotations__.get("return")
        module = inspect.getmodule(function)
        kind = vars(module).get(hint) if isinstance(hint, str) else hint
    else:
        package = inspect.getmodule(function).__package__
        kind = getattr(importlib.import_module(found[1], package), found[2], None)
    return kind if isinstance(kind, type) and issubclass(kind, SyncAPIResource | AsyncAPIResource) else None


async def outcome(client: Any, path: str, sent: Any) -> str:
    """``refused`` or ``refused:WORD`` if nothing left, ``sent``, or ``nothing`` if it did neither."""
    before = len(sent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            at = client
            for name in path.split("."):
                at = getattr(at, name)
            await _use(_called(at, path))
    except DeniedError as fault:
        word = fault.code.removeprefix("unguarded_")
        return "refused" if word == "endpoint" else f"refused:{word}"
    except Exception as fault:
        return "sent" if len(sent) > before else f"nothing ({type(fault).__name__}: {fault})"
    return "sent" if len(sent) > before else "nothing"


def _called(function: Any, path: str) -> Any:
    """Called with what it takes; one of several sets of arguments, where it says so."""
    given = _arguments(function, path)
    try:
        return function(**given)
    except TypeError as fault:
        either = re.search(r"Expected either \((.*?)\)", str(fault))
        if either is None:
            raise
        return function(**given, **{n: GIVEN.get(n, "x") for n in re.findall(r"'(\w+)'", either[1]) if n not in given})


async def _use(result: Any) -> None:
    """Whatever is given back, used: awaited, entered, iterated."""
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aenter__"):
        async with result:
            return
    if hasattr(result, "__enter__"):
        with result:
            return
    if inspect.isasyncgen(result):
        async for _ in result:
            return


def _arguments(function: Any, path: str) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    if path in AT:
        return AT[path]
    if path == "get_api_list":
        return {"path": "/unheard_of", "model": dict, "page": _page(function)}
    return {
        p.name: GIVEN.get(p.name, "x")
        for p in parameters
        if p.default is p.empty and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
    }


def _page(function: Any) -> Any:
    from openai.pagination import AsyncCursorPage, SyncCursorPage

    return AsyncCursorPage if isinstance(function.__self__, AsyncOpenAI) else SyncCursorPage


CLIENTS = {"sync": OpenAI, "async": AsyncOpenAI}
