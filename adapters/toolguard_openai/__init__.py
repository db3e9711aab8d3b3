"""toolguard for the OpenAI SDK: a client that masks what it sends, and a tool box that gates what is called.

client = guard_client(OpenAI(), guard=guard)
box = ToolBox(look_up, send_letter, guard=guard)
with guard.session(caller=...):
    result = box.run(client, model="…", messages=[…])
"""

try:
    import openai as _openai  # noqa: F401 - only to say clearly what is missing
except ImportError as _fault:
    from toolguard.errors import MissingExtraError

    raise MissingExtraError(
        "toolguard_openai needs the OpenAI SDK; install it with: pip install 'toolguard-middleware[openai]'"
    ) from _fault

from toolguard_openai.client import guard_client
from toolguard_openai.entries import CustomTool
from toolguard_openai.native import ApplyPatchTool, ComputerTool, ShellTool
from toolguard_openai.results import CallReport, PendingCall, RunResult, SuspendedRun
from toolguard_openai.reveal import areveal_parsed, areveal_stream, reveal_parsed, reveal_stream
from toolguard_openai.toolbox import ToolBox

__all__ = [
    "ApplyPatchTool",
    "CallReport",
    "ComputerTool",
    "CustomTool",
    "PendingCall",
    "RunResult",
    "ShellTool",
    "SuspendedRun",
    "ToolBox",
    "areveal_parsed",
    "areveal_stream",
    "guard_client",
    "reveal_parsed",
    "reveal_stream",
]
