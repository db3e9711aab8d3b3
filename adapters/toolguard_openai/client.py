"""A client of the same class that masks every request before it is sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from openai import AsyncOpenAI, NotGiven, Omit, OpenAI
from openai._models import FinalRequestOptions  # the hook's own type; the SDK offers no public name for it

from toolguard import Guard, Origin, Session, current_session
from toolguard.errors import ConfigError, DeniedError, IdentityError
from toolguard_openai.allow import Allowed, refused_socket
from toolguard_openai.endpoints import endpoint_of, is_plain_path
from toolguard_openai.hosted import ajudge_tools, judge_tools
from toolguard_openai.incoming import Incoming, rebuilt
from toolguard_openai.outside import add_path, check_outside
from toolguard_openai.requests import Request, add_fields
from toolguard_openai.structured import aadd_surrogates, add_surrogates
from toolguard_openai.texts import plain

if TYPE_CHECKING:  # it is large, and few clients ask for it
    from openai.resources.beta import AsyncBeta, Beta

__all__ = ["Guarding", "guard_client", "guarding_of", "with_session"]

C = TypeVar("C", bound=OpenAI | AsyncOpenAI)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarding:
    """What a guarded client carries."""

    guard: Guard
    session: Session | None
    allowed: Allowed

    def current(self) -> Session:
        """The session requests belong to.

        Raises:
            IdentityError: there is none, or it belongs to another guard.
        """
        session = self.session or current_session()
        if session.guard is not self.guard:
            raise IdentityError(
                "the session belongs to another guard than this client; open it with the guard given to guard_client"
            )
        return session


def guard_client(client: C, *, guard: Guard, session: Session | None = None, allow: Iterable[str] = ()) -> C:
    """A client like ``client`` whose requests are masked before they are sent; ``client`` itself stays as it is.

    Chat completions and Responses are read whole: messages, instructions, tool calls, tool results, tool
    definitions. What cannot be read is refused unless ``allow`` names it (see `toolguard_openai.allow.Allowed`),
    and so is every endpoint that `toolguard_openai.endpoints.ENDPOINTS` does not know.

    Args:
        client: OpenAI, AsyncOpenAI, AzureOpenAI, AsyncAzureOpenAI or a subclass whose ``copy`` works.
        guard: the guard; its policy also judges the tools a request offers.
        session: whom requests belong to; default: the session the code runs in.
        allow: what may pass although it cannot be read.

    Raises:
        ConfigError: it is no such client, or it is guarded otherwise already.
    """
    if not isinstance(client, OpenAI | AsyncOpenAI):
        raise ConfigError(f"guard_client takes an OpenAI or AsyncOpenAI client, not a {type(client).__name__!r}")
    _check_hooks(type(client))
    allowed = Allowed(allow)
    before = guarding_of(client)
    if before is not None:
        same = before.guard is guard and (session is None or session is before.session)
        if not same or not allowed.names <= before.allowed.names:
            raise ConfigError("this client is guarded already, otherwise; guard the original client instead")
        return client
    return _attach(client, Guarding(guard=guard, session=session, allowed=allowed))


def _check_hooks(cls: type) -> None:
    """A release of the SDK that no longer asks its subclasses would send everything unmasked, and say nothing."""
    base = AsyncOpenAI if issubclass(cls, AsyncOpenAI) else OpenAI
    for hook in ("_prepare_options", "_process_response"):
        if not callable(getattr(base, hook, None)):
            raise ConfigError(
                f"this release of the OpenAI SDK has no {hook!r}, so nothing would be masked; use one that toolguard is tested with"
            )


def guarding_of(client: object) -> Guarding | None:
    """What guards ``client``; None if nothing does."""
    found = getattr(client, "_toolguard", None)
    return found if isinstance(client, _Guarded | _AsyncGuarded) and isinstance(found, Guarding) else None


def with_session(client: C, session: Session) -> C:
    """The guarded ``client`` for exactly this session."""
    guarding = guarding_of(client)
    if guarding is None:
        raise ConfigError("this client is not guarded; pass it through guard_client(client, guard=...) first")
    if guarding.session is session or (guarding.session is None and _is_current(session)):
        return client
    return _put_guard(
        cast("C", client.copy()), Guarding(guard=guarding.guard, session=session, allowed=guarding.allowed)
    )


def _is_current(session: Session) -> bool:
    try:
        return current_session() is session
    except IdentityError:
        return False


def _attach(client: C, guarding: Guarding) -> C:
    # a copy has no cached resources: those of the original point to the original
    copied = cast("C", client.copy())
    copied.__class__ = _class_for(type(client))
    return _put_guard(copied, guarding)


def _put_guard(client: C, guarding: Guarding) -> C:
    vars(client)["_toolguard"] = guarding
    for name in ("realtime", "live"):  # before the SDK's own, which are made when they are asked for
        vars(client)[name] = _Closed(name)
    return client


class _Closed:
    """In the place of a resource that opens sockets of its own."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise refused_socket(self._name)


_classes: dict[type, type] = {}


def _class_for(cls: type) -> type:
    if cls not in _classes:
        base = _AsyncGuarded if issubclass(cls, AsyncOpenAI) else _Guarded
        _classes[cls] = type(f"Guarded{cls.__name__}", (base, cls), {"__module__": __name__, "__doc__": base.__doc__})
    return _classes[cls]


class _Guarded(OpenAI):
    """A client whose requests are masked before they are sent."""

    _toolguard: Guarding | None = None

    @property
    def beta(self) -> Beta:
        return _with_closed(super().beta)

    def _prepare_options(self, options: FinalRequestOptions) -> FinalRequestOptions:
        session, request = _take(self._toolguard, options)
        request.texts.mask(session)
        check_outside(session, self, options)
        judge_tools(session, request)
        add_surrogates(session, request)
        return super()._prepare_options(_put(options, request))

    def _process_response(self, *, options: FinalRequestOptions, response: Any, **rest: Any) -> Any:
        if _comes_in(options):
            guarding = _guarding(self._toolguard)
            came = Incoming(response.read(), guarding.allowed)
            response = rebuilt(response, came.mask(guarding.current()))
        return super()._process_response(options=options, response=response, **rest)

    def copy(self, **changes: Any) -> Self:
        copied = super().copy(**changes)
        return copied if self._toolguard is None else _put_guard(copied, self._toolguard)

    with_options = copy


class _AsyncGuarded(AsyncOpenAI):
    """A client whose requests are masked before they are sent."""

    _toolguard: Guarding | None = None

    @property
    def beta(self) -> AsyncBeta:
        return _with_closed(super().beta)

    async def _prepare_options(self, options: FinalRequestOptions) -> FinalRequestOptions:
        session, request = _take(self._toolguard, options)
        await request.texts.amask(session)
        check_outside(session, self, options)
        await ajudge_tools(session, request)
        await aadd_surrogates(session, request)
        return await super()._prepare_options(_put(options, request))

    async def _process_response(self, *, options: FinalRequestOptions, response: Any, **rest: Any) -> Any:
        if _comes_in(options):
            guarding = _guarding(self._toolguard)
            came = Incoming(await response.aread(), guarding.allowed)
            response = rebuilt(response, await came.amask(guarding.current()))
        return await super()._process_response(options=options, response=response, **rest)

    def copy(self, **changes: Any) -> Self:
        copied = super().copy(**changes)
        return copied if self._toolguard is None else _put_guard(copied, self._toolguard)

    with_options = copy


B = TypeVar("B")


def _with_closed(beta: B) -> B:
    vars(beta)["realtime"] = _Closed("beta.realtime")
    return beta


def _guarding(guarding: Guarding | None) -> Guarding:
    if guarding is None:
        raise ConfigError("this client lost its guard; make it with guard_client, not by its class")
    return guarding


def _comes_in(options: FinalRequestOptions) -> bool:
    row = endpoint_of(options.method, options.url)
    return row is not None and row.comes_in


def _take(found: Guarding | None, options: FinalRequestOptions) -> tuple[Session, Request]:
    """The session a request belongs to, and its body taken apart."""
    guarding = _guarding(found)
    session, allowed = guarding.current(), guarding.allowed
    if options.url.startswith(("ws:", "wss:")):
        raise refused_socket("this resource")
    row = endpoint_of(options.method, options.url)
    if row is None:
        allowed.require_endpoint(options.method, options.url, plain=is_plain_path(options.url))
        if options.files or options.content is not None or isinstance(options.json_data, bytes | bytearray):
            allowed.require("files")
        request = Request({"body": _body(options)}, allowed)
        request.texts.add(Origin.USER, request.body, "body")
        add_path(request, options.url)
        return session, request
    if row.word:
        allowed.require(row.word)
    if row.comes_in and dict(options.params).get("stream"):
        raise DeniedError(
            "the request was not sent: what the provider kept cannot be masked while it streams; leave stream out",
            code="unguarded_part",
        )
    body = _body(options)
    bare = row.read is None and options.json_data is None and body is None
    if options.files or options.content is not None or not (bare or isinstance(body, dict)):
        raise DeniedError(
            "the request was not sent: its body is not JSON, so it cannot be masked", code="unguarded_part"
        )
    request = Request(body or {}, allowed)
    if "{}" in row.path:
        add_path(request, options.url)
    try:
        (row.read or _no_fields)(request)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DeniedError(
            "the request was not sent: it does not have the shape of this endpoint, so it cannot be masked",
            code="unguarded_part",
        ) from None
    return session, request


def _no_fields(request: Request) -> None:
    """An endpoint that takes no body: each field needs its name allowed."""
    add_fields(request, frozenset())


def _body(options: FinalRequestOptions) -> Any:
    """The body as it would be sent, ``extra_body`` included."""
    body, extra = options.json_data, options.extra_json
    if isinstance(body, dict | None) and extra is not None:
        body = {**(body or {}), **extra}
    elif extra is not None:
        raise DeniedError("the request was not sent: extra_body needs a JSON object to go into", code="unguarded_part")
    if isinstance(body, bytes | bytearray):
        return None
    if isinstance(body, dict):
        body = {k: v for k, v in body.items() if not isinstance(v, NotGiven | Omit)}
    return plain(body)


def _put(options: FinalRequestOptions, request: Request) -> FinalRequestOptions:
    if options.json_data is None and options.extra_json is None:
        return options
    if not isinstance(options.json_data, bytes | bytearray):
        whole = endpoint_of(options.method, options.url) is None
        options.json_data = request.body["body"] if whole else request.body
    options.extra_json = None
    return options
