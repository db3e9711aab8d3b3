"""A tool's own exception, made fit to leave it: same type for handlers and retries, masked text, nothing else."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from langchain_core.tools import ToolException

__all__ = ["ToolFault", "forgiving", "masked_fault"]


class ToolFault(Exception):  # noqa: N818 - mixed into the types of tools' own exceptions, whose names it takes
    """The tool ran and raised. Its text is masked; the exception's other attributes stay with the tool."""

    text: str = ""

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.text!r})"


def masked_fault(original: type[Exception], text: str) -> Exception:
    """An exception of the type ``original`` that says ``text``, which is masked; without a link to the tool's own."""
    kind: Any = _kind(original)  # type: ignore[arg-type]  # classes are hashable, typeshed's Hashable says otherwise
    fault = kind.__new__(kind)
    fault.args = (text,)
    fault.text = text
    return fault  # type: ignore[no-any-return]  # built from a type that is only known now


def forgiving(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A tool's own ``handle_tool_error`` that may ask a fault for more than its text (tools of MCP servers do).

    Only the text leaves the tool, so such a handler finds nothing and fails; then the model is told the text.
    """

    @functools.wraps(handler)
    def handled(fault: Exception) -> Any:
        try:
            return handler(fault)
        except Exception as failed:
            if failed is fault or not isinstance(fault, ToolFault):
                raise
        return str(fault) or "The tool failed."

    return handled


@functools.lru_cache(maxsize=512)
def _kind(original: type[Exception]) -> type[Exception]:
    """``original`` with masked text; a plain `ToolFault` of its name where the type cannot be derived from."""
    body = {"__module__": original.__module__, "__init__": Exception.__init__}
    try:
        kind: Any = type(original.__name__, (ToolFault, original), body)
        kind.__new__(kind).args = ("",)
    except Exception:  # noqa: BLE001 - final types, layouts and metaclasses of any library: all mean the same here
        plain = (ToolFault, ToolException) if issubclass(original, ToolException) else (ToolFault,)
        return type(original.__name__, plain, dict(body))
    return kind  # type: ignore[no-any-return]  # made just now
