"""The inbox: sign in, look, decide, and what else people do to requests. Plain forms; a GET never decides anything."""

from toolguard_server.inbox.inbox import Inbox

__all__ = ["Inbox"]
