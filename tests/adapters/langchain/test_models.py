"""`guard_model`: a chat model that is sent masked messages by every way in, with a real client and a real server."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.chat_models import init_chat_model
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel, FakeListLLM
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import ConfigurableField
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from langchain_core.tracers import ConsoleCallbackHandler
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from pydantic import BaseModel, Field

from adapters.langchain.kit import ADA, MRN, Desk, Guard, Script, Session, caller, make_guard
from adapters.langchain.served import connections_end, served  # noqa: F401 - the first is a fixture of every test here
from toolguard import DeniedError, IdentityError
from toolguard.errors import ConfigError
from toolguard.testing.openai_server import ModelRequest, OpenAIServer, Reply, Use, say, use
from toolguard_langchain import GuardMiddleware, guard_model, guard_tools

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*is in beta"),
    # histories of before checkpointers: people still run them
    pytest.mark.filterwarnings("ignore:.*deprecated:langchain_core._api.deprecation.LangChainDeprecationWarning"),
]

RAW = [SystemMessage(f"You know {ADA}."), HumanMessage(f"Who is {ADA}, {MRN}?")]
SHOWN = ["You know <PERSON_1>.", "Who is <PERSON_1>, <MRN_1>?"]


BOTH = pytest.mark.parametrize("way", ["sync", "async"])


class Answer(BaseModel):
    """An answer."""

    who: str


def answering(request: ModelRequest) -> Reply:
    if request.body.get("tools") and not request.outputs:
        return use(Use(request.body["tools"][0]["function"]["name"], {"who": "<PERSON_1>"}))
    return say('{"who": "<PERSON_1>"}' if request.body.get("response_format") else "<PERSON_1> it is")


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(answering) as server:
        yield server


@pytest.fixture
def provider(server: OpenAIServer) -> ChatOpenAI:
    return served(server, cache=False)


class Tracer(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.seen.append(repr((serialized, messages, kwargs)))

    def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(repr((args, kwargs)))


async def by_astream(model: Any, given: Any, config: Any) -> None:
    async for _ in model.astream(given, config):
        pass


async def by_events(model: Any, given: Any, config: Any) -> None:
    async for _ in model.astream_events(given, config, version="v2"):
        pass


async def by_events_v3(model: Any, given: Any, config: Any) -> None:
    stream = await model.astream_events(given, config, version="v3")
    await stream.output


async def by_ainvoke(model: Any, given: Any, config: Any) -> None:
    await model.ainvoke(given, config)


async def by_abatch(model: Any, given: Any, config: Any) -> None:
    await model.abatch([given, given], config)


async def by_agenerate(model: Any, given: Any, config: Any) -> None:
    await model.agenerate([given], **config)


async def by_aprompt(model: Any, given: Any, config: Any) -> None:
    prompt = ChatPromptTemplate.from_messages(given)
    await model.agenerate_prompt([prompt.format_prompt()], **config)


WAYS_IN: dict[str, Callable[[Any, Any, Any], Any]] = {
    "invoke": lambda m, given, config: m.invoke(given, config),
    "batch": lambda m, given, config: m.batch([given, given], config),
    "batch as completed": lambda m, given, config: list(m.batch_as_completed([given], config)),
    "stream": lambda m, given, config: list(m.stream(given, config)),
    "events v3": lambda m, given, config: m.stream_events(given, config, version="v3").output,
    "generate": lambda m, given, config: m.generate([given], **config),
    "prompt": lambda m, given, config: m.generate_prompt(
        [ChatPromptTemplate.from_messages(given).format_prompt()], **config
    ),
    "chain": lambda m, given, config: (m | StrOutputParser()).invoke(given, config),
    "retrying": lambda m, given, config: m.with_retry(stop_after_attempt=2).invoke(given, config),
    "with a fallback": lambda m, given, config: m.with_fallbacks([m]).invoke(given, config),
    "bound tools": lambda m, given, config: m.bind_tools([note]).invoke(given, config),
    "structured": lambda m, given, config: m.with_structured_output(Answer).invoke(given, config),
    "tagged": lambda m, given, config: m.with_config(tags=["x"]).invoke(given, config),
    "ainvoke": by_ainvoke,
    "abatch": by_abatch,
    "astream": by_astream,
    "events v2": by_events,
    "aevents v3": by_events_v3,
    "agenerate": by_agenerate,
    "aprompt": by_aprompt,
}


@tool
def note(who: str) -> str:
    """Note a person."""
    return who


def sent_texts(server: OpenAIServer) -> list[list[str]]:
    return [[m["content"] for m in r.items] for r in server.requests]


@pytest.mark.holds("S5", adapter="langchain", path="guard_model")
@pytest.mark.parametrize("way", WAYS_IN)
async def test_s5_every_way_into_a_model_sends_placeholders(
    way: str, guard: Guard, session: Session, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    tracer = Tracer()
    model = guard_model(provider, guard=guard)
    done = WAYS_IN[way](model, list(RAW), {"callbacks": [tracer]})
    if hasattr(done, "__await__"):
        await done
    assert ADA not in server.seen
    assert MRN not in server.seen
    assert ADA not in repr(tracer.seen)
    assert tracer.seen
    assert all(texts == SHOWN for texts in sent_texts(server))
    assert server.requests
    assert RAW[0].content == f"You know {ADA}."


class Counting(Script):
    """Counts tokens as some providers do: by sending the text there."""

    sent: list[Any] = Field(default_factory=list)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Any = None) -> int:
        self.sent.append(messages)
        return 7

    def get_token_ids(self, text: str) -> list[int]:
        self.sent.append(text)
        return [1, 2]

    def get_num_tokens(self, text: str) -> int:
        self.sent.append(text)
        return 2


def test_s5_tokens_are_counted_of_placeholders(guard: Guard, session: Session) -> None:
    model = guard_model(Counting(), guard=guard)
    assert model.get_num_tokens_from_messages(list(RAW)) == 7
    assert model.get_num_tokens(f"about {ADA}") == 2
    assert model.get_token_ids(f"about {ADA}") == [1, 2]
    assert [m.content for m in model.sent[0]] == SHOWN
    assert model.sent[1:] == ["about <PERSON_1>", "about <PERSON_1>"]


async def test_the_bare_model_sends_them_all(provider: ChatOpenAI, server: OpenAIServer) -> None:
    provider.invoke(list(RAW))
    assert ADA in server.seen


def test_a_guarded_model_is_of_the_same_class_with_the_same_settings(guard: Guard, provider: ChatOpenAI) -> None:
    model = guard_model(provider, guard=guard)
    assert isinstance(model, ChatOpenAI)
    assert type(model).__name__ == "ChatOpenAI"
    assert model is not provider
    assert model.model_dump(exclude={"cache"}) == provider.model_dump(exclude={"cache"})
    assert model.profile == provider.profile
    assert model._get_llm_string() == provider._get_llm_string()
    assert guard_model(model, guard=guard) is model


NO_MODELS: list[tuple[str, Callable[[], Any], str]] = [
    ("a text model", lambda: FakeListLLM(responses=["x"]), "is no chat model; guard the chat model, then bind"),
    ("a bound model", lambda: Script().bind(stop=["x"]), "guard the chat model, then bind"),
    (
        "a model chosen later",
        lambda: init_chat_model(configurable_fields=("model",), model_provider="openai"),
        "guard the chat model",
    ),
    ("a function", lambda: print, "give a chat model"),
]


@pytest.mark.parametrize(("what", "make", "why"), NO_MODELS, ids=[n[0] for n in NO_MODELS])
def test_s16_what_is_no_chat_model_is_refused_with_the_reason(what: str, make: Any, why: str, guard: Guard) -> None:
    with pytest.raises(ConfigError, match=why):
        guard_model(make(), guard=guard)


def test_s16_another_guards_model_and_unknown_words_are_refused(guard: Guard, desk: Desk) -> None:
    with pytest.raises(ConfigError, match="another guard already"):
        guard_model(guard_model(Script(), guard=guard), guard=make_guard(desk))
    with pytest.raises(ConfigError, match="'pictures'"):
        guard_model(Script(), guard=guard, allow={"pictures"})


def test_s16_nobody_behind_a_model_is_an_error_before_it_is_asked(
    guard: Guard, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    with pytest.raises(IdentityError):
        guard_model(provider, guard=guard).invoke("hello")
    assert server.requests == []


def test_copies_stay_guarded_and_what_is_made_anew_or_pickled_is_refused(guard: Guard, session: Session) -> None:
    model = guard_model(Script(lines=[AIMessage("fine")]), guard=guard)
    copy = model.model_copy()
    assert copy.invoke(f"about {ADA}").content == "fine"
    assert [m.content for m in copy.shown[0]] == ["about <PERSON_1>"]
    anew = type(model)(lines=[AIMessage("fine")])
    with pytest.raises(DeniedError, match="made without its guard"):
        anew.invoke(f"about {ADA}")
    assert anew.shown == []
    with pytest.raises((ConfigError, pickle.PicklingError)):
        pickle.dumps(model)


def test_a_model_configured_at_run_time_is_refused_not_let_through(
    guard: Guard, session: Session, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    model = guard_model(provider, guard=guard).configurable_fields(temperature=ConfigurableField(id="t"))
    with pytest.raises(DeniedError, match="made without its guard"):
        model.invoke(list(RAW), {"configurable": {"t": 0.5}})
    assert server.requests == []


SETTINGS: list[tuple[str, dict[str, Any], str]] = [
    ("history", {"previous_response_id": "r1"}, "history"),
    ("conversations", {"conversation": "c1"}, "history"),
    ("hosted tools", {"tools": [{"type": "web_search"}]}, "web_search"),
    ("a search by setting", {"web_search_options": {}}, "web_search"),
    ("servers of tools", {"mcp_servers": [{"url": "x"}]}, "mcp"),
    ("history beside the body", {"extra_body": {"previous_response_id": "r1"}}, "history"),
    ("tools beside functions", {"tools": [{"function_declarations": [], "google_search": {}}]}, "google_search"),
]


@pytest.mark.parametrize(("what", "settings", "word"), SETTINGS, ids=[s[0] for s in SETTINGS])
def test_t14_what_bypasses_the_mask_is_refused_unless_allowed(
    what: str, settings: dict[str, Any], word: str, guard: Guard, session: Session
) -> None:
    model = Script(lines=[AIMessage("fine")])
    with pytest.raises(DeniedError, match=rf"guard_model\(\.\.\., allow=\{{'{word}'\}}\)"):
        guard_model(model, guard=guard).bind(**settings).invoke("x")
    assert model.shown == []
    allowed = guard_model(model, guard=guard, allow={word}).bind(**settings)
    assert allowed.invoke("x").content == "fine"


def test_t14_a_models_own_settings_count_too(guard: Guard, session: Session, provider: ChatOpenAI) -> None:
    for changed in (
        {"use_previous_response_id": True},
        {"model_kwargs": {"web_search_options": {}}},
        {"model_kwargs": {"extra_body": {"conversation": "c1"}}},
        {"extra_body": {"mcp_servers": []}},
    ):
        with pytest.raises(DeniedError, match="nothing was sent"):
            guard_model(provider.model_copy(update=changed), guard=guard).invoke("x")


def test_t14_tracers_and_pictures_are_refused_unless_allowed(guard: Guard, session: Session) -> None:
    picture = HumanMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}])
    model = Script(lines=[AIMessage("fine")])
    with pytest.raises(DeniedError, match=r"allow=\{'images'\}"):
        guard_model(model, guard=guard).invoke([picture])
    with pytest.raises(DeniedError, match=r"allow=\{'tracers'\}"):
        guard_model(model, guard=guard).invoke("x", {"callbacks": [ConsoleCallbackHandler()]})
    assert model.shown == []
    guard_model(model, guard=guard, allow={"images"}).invoke([picture])
    assert model.shown[0][0].content == picture.content


@BOTH
async def test_s19_a_batch_for_several_persons_is_masked_in_each_ones_own_session(
    way: str, guard: Guard, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    model = guard_model(provider, guard=guard)
    sessions = [guard.session(caller=caller(who), run=who) for who in ("ana", "lee")]
    sessions[1].mask(MRN)
    configs: list[Any] = [{"configurable": {"toolguard_session": each}} for each in sessions]
    given: list[Any] = [f"{ADA}?", f"{ADA} and {MRN}?"]
    answers = await model.abatch(given, configs) if way == "async" else model.batch(given, configs)
    assert len(answers) == 2
    assert sorted(texts[0] for texts in sent_texts(server)) == ["<PERSON_1> and <MRN_1>?", "<PERSON_1>?"]
    held = [guard.parts.store.values(each._key, each._sealer).values() for each in sessions]
    assert [sorted(each) for each in held] == [[ADA], [MRN, ADA]]
    with pytest.raises(IdentityError):
        model.batch(given)


def kept_in(cache: InMemoryCache) -> str:
    return repr(cache._cache)


@pytest.fixture
def cache() -> Iterator[InMemoryCache]:
    cache = InMemoryCache()
    set_llm_cache(cache)
    yield cache
    set_llm_cache(None)


@BOTH
async def test_s5_caches_of_answers_hold_placeholders_only(
    way: str, cache: InMemoryCache, guard: Guard, session: Session, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    model = guard_model(provider.model_copy(update={"cache": None}), guard=guard)
    for _ in range(2):
        answer = await model.ainvoke(list(RAW)) if way == "async" else model.invoke(list(RAW))
        assert answer.content == "<PERSON_1> it is"
    assert len(server.requests) == 1  # the second came from the cache
    assert "<PERSON_1>" in kept_in(cache)
    assert ADA not in kept_in(cache)
    assert MRN not in kept_in(cache)


def test_s5_the_cache_behind_an_agent_holds_placeholders_only(
    cache: InMemoryCache, guard: Guard, session: Session, provider: ChatOpenAI
) -> None:
    from langchain.agents import create_agent

    model = provider.model_copy(update={"cache": None})
    create_agent(model, [], middleware=[GuardMiddleware(guard)]).invoke({"messages": list(RAW)})
    assert "<PERSON_1>" in kept_in(cache)
    assert ADA not in kept_in(cache)


def test_a_cached_answer_is_found_by_what_the_model_would_be_shown_and_nothing_else(
    cache: InMemoryCache, guard: Guard, provider: ChatOpenAI
) -> None:
    model = guard_model(provider.model_copy(update={"cache": None}), guard=guard)
    told = []
    for run, person in (("a", ADA), ("b", MRN)):
        with guard.session(caller=caller(), run=run) as session:
            told.append(session.mask(person))
            model.invoke(f"Who is {person}?")
    assert told == ["<PERSON_1>", "<MRN_1>"]
    assert len(cache._cache) == 2


def test_s5_a_history_kept_by_the_application_is_masked_on_its_way(
    guard: Guard, session: Session, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    kept = InMemoryChatMessageHistory()
    prompt = ChatPromptTemplate.from_messages(
        [("system", f"You know {ADA}."), MessagesPlaceholder("past"), ("user", "{q}")]
    )
    chain = RunnableWithMessageHistory(
        prompt | guard_model(provider, guard=guard), lambda session_id: kept, input_messages_key="q", history_messages_key="past"
    )  # fmt: skip
    config: Any = {"configurable": {"session_id": "s1"}}
    chain.invoke({"q": f"Who is {ADA}?"}, config)
    chain.invoke({"q": f"And {MRN}?"}, config)
    assert ADA not in server.seen
    assert MRN not in server.seen
    assert len(kept.messages) == 4
    kept.clear()
    chain.invoke({"q": session.mask(f"Who is {ADA}?")}, config)  # masked before: the history holds no identifier
    assert ADA not in repr(kept.messages)


@pytest.mark.holds("S3", "S5", adapter="langchain", path="custom graph")
@BOTH
async def test_s5_a_graph_of_ones_own_with_a_bound_model_and_a_plain_tool_node(
    way: str, guard: Guard, session: Session, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    got: list[str] = []

    @tool
    def plain_find(who: str) -> str:
        """Find a patient."""
        got.append(who)
        return f"{who} has {MRN}"

    tools = guard_tools([plain_find], guard=guard)
    model = guard_model(provider, guard=guard).bind_tools(tools)

    async def think(state: MessagesState) -> dict[str, list[BaseMessage]]:
        answer = await model.ainvoke(state["messages"]) if way == "async" else model.invoke(state["messages"])
        return {"messages": [answer]}

    def think_here(state: MessagesState) -> dict[str, list[BaseMessage]]:
        return {"messages": [model.invoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think if way == "async" else think_here)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", tools_condition)
    graph.add_edge("tools", "think")
    agent = graph.compile()
    given: Any = {"messages": list(RAW)}
    done = await agent.ainvoke(given) if way == "async" else agent.invoke(given)
    assert done["messages"][-1].content == "<PERSON_1> it is"
    assert got == [ADA]
    assert ADA not in server.seen
    assert MRN not in server.seen
    offered = server.requests[0].body["tools"][0]["function"]
    assert offered["name"] == "plain_find"
    assert offered["parameters"]["properties"] == {"who": {"type": "string"}}


def test_tools_are_offered_as_the_bare_ones_are(
    guard: Guard, session: Session, provider: ChatOpenAI, server: OpenAIServer
) -> None:
    @tool
    def plain_note(who: str) -> str:
        """Note a person."""
        return who

    provider.bind_tools([plain_note]).invoke("x")
    guard_model(provider, guard=guard).bind_tools(guard_tools([plain_note], guard=guard)).invoke("x")
    bare, guarded = server.requests
    assert guarded.raw == bare.raw


@pytest.mark.parametrize("kind", [BaseChatModel, ChatOpenAI])
def test_every_way_in_of_this_version_is_known(kind: type[BaseChatModel]) -> None:
    """A new public way in that takes messages has to be put on the list here, or is a hole."""
    known = {
        "invoke", "ainvoke", "batch", "abatch", "batch_as_completed", "abatch_as_completed", "stream", "astream",
        "stream_events", "astream_events", "astream_log", "transform", "atransform", "generate", "agenerate",
        "generate_prompt", "agenerate_prompt", "get_num_tokens_from_messages", "get_num_tokens", "get_token_ids",
    }  # fmt: skip
    takes = {"input", "inputs", "messages", "prompts", "text"}
    found = {
        name
        for name, what in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_") and takes & inspect.signature(what).parameters.keys()
    }
    assert found <= known
