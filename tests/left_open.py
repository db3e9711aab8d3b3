"""Names the test that left a connection open.

A transport that nobody closed is found by the collector long after its test, in the middle of another, which would fail for it. So each
transport remembers the test it was made in, and the warning says whose it was.
"""

from __future__ import annotations

import warnings
from asyncio import selector_events
from collections.abc import Generator
from typing import Any

import pytest

running = "no test"
_Transport: Any = selector_events._SelectorTransport  # type: ignore[attr-defined]  # the one place that makes every transport
_make = _Transport.__init__


def _made(transport: Any, *given: Any, **named: Any) -> None:
    transport.made_in = running
    _make(transport, *given, **named)


def _found(transport: Any) -> None:
    if transport._sock is not None:
        warnings.warn(f"connection left open by {transport.made_in}", ResourceWarning, stacklevel=1)
        transport._sock.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    global running
    running = item.nodeid
    return (yield)


_Transport.__init__, _Transport.__del__ = _made, _found
