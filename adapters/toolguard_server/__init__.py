"""The approval service: REST API and inbox.

toolguard serve --config toolguard.toml
"""

from __future__ import annotations

try:
    import fastapi as _fastapi  # noqa: F401 - looked for, so that a missing extra has a plain message
    import jinja2 as _jinja2  # noqa: F401 - as above
    import uvicorn as _uvicorn  # noqa: F401 - as above
except ImportError as _error:
    from toolguard.errors import MissingExtraError

    raise MissingExtraError(
        "the approval service needs the extra 'server'; run pip install 'toolguard-middleware[server]'"
    ) from _error

from toolguard_server.app import LOOPBACK, create_app

__all__ = ["LOOPBACK", "create_app"]
