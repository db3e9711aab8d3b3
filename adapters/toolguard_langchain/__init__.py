"""toolguard for LangChain and LangGraph.

from toolguard import Caller, Guard
from toolguard_langchain import GuardMiddleware, guard_tools

guard = Guard.from_config("toolguard.toml")
agent = create_agent(model, guard_tools(tools, guard=guard), middleware=[GuardMiddleware(guard)])
with guard.session(caller=Caller.of("ana.ruiz", agent="discharge", tenant="st-elsewhere"), run=thread_id):
    agent.invoke({"messages": [...]}, {"configurable": {"thread_id": thread_id}})
"""

from toolguard.errors import MissingExtraError

try:
    import langchain.agents.middleware  # noqa: F401 - only looked for here, as the next two
    import langchain_core.tools  # noqa: F401 - as above
    import langgraph.types  # noqa: F401 - as above
except ImportError as fault:
    raise MissingExtraError(
        f"toolguard_langchain needs {fault.name!r}; install it with: pip install 'toolguard-middleware[langchain]'"
    ) from None

from toolguard_langchain.middleware import GuardMiddleware
from toolguard_langchain.models import guard_model
from toolguard_langchain.place import GraphSuspended, Mode
from toolguard_langchain.tools import guard_tools

__all__ = ["GraphSuspended", "GuardMiddleware", "Mode", "guard_model", "guard_tools"]
