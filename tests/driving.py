"""One way to call that is sync in one run of a test, and async in another."""

import asyncio

import pytest


@pytest.fixture(params=["sync", "async"])
def drive(request):
    """``drive(session, "call", …)`` calls ``session.call`` or awaits ``session.acall``."""

    def go(session, verb, *args, **kwargs):
        if request.param == "sync":
            return getattr(session, verb)(*args, **kwargs)
        return asyncio.run(getattr(session, "a" + verb)(*args, **kwargs))

    return go
