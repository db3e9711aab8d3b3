"""toolguard in a notebook: approvals shown where the call is made, and answered at the approval service by a person.

from toolguard import Guard
from toolguard_notebook import show_approvals, start_service

service = start_service("toolguard.toml")      # a child process on loopback, or the one that runs already
guard = Guard.from_config("toolguard.toml")
show_approvals(guard, service.url)
"""

from toolguard.errors import MissingExtraError

try:
    from toolguard_notebook.inline import show_approval, show_approvals
except ImportError as missing:  # pragma: no cover - shown by a test in a process of its own
    if missing.name not in ("anywidget", "ipywidgets", "IPython", "traitlets"):
        raise
    raise MissingExtraError(
        "toolguard_notebook needs anywidget; install it with: pip install 'toolguard-middleware[notebook]'"
    ) from None

from toolguard_notebook.practice import Practice, practice
from toolguard_notebook.service import Service, start_service

__all__ = ["Practice", "Service", "practice", "show_approval", "show_approvals", "start_service"]
