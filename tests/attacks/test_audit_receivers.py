"""What shows spans means harm: a receiver that lies or floods, a Jaeger that answers whatever it likes.

What got through when it was first tried: an answer packed twice that unpacks to gigabytes; a page that says 200 and nothing;
half a rejected span; brackets without end and numbers without end from Jaeger; an attribute that stands twice, or that we
never sent, in our own name.
"""

from __future__ import annotations

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from telemetry.jaeger import Jaeger
from telemetry.receiver import Handler, Receiver, Reply
from telemetry.records import AT, life
from toolguard._core.steps import Change
from toolguard.cli.audit import app
from toolguard.stores.sqlite import SqliteStore
from toolguard.telemetry import JaegerQuery, OtlpPump, reconcile_spans
from toolguard.telemetry._post import Fate, post
from toolguard.testing import FakeClock

RUN = CliRunner()
NOW = AT + 3600.0


def answer(status: int = 200, body: bytes = b"", kind: str = "application/x-protobuf", **headers: str) -> Reply:
    def reply(handler: Handler, _: object) -> None:
        handler.answer(status, body, kind, **headers)

    return reply


BOMB = gzip.compress(gzip.compress(bytes(64 * 1000 * 1000), 6), 6)
JSON = "application/json"
LIES: list[tuple[str, Reply, Fate]] = [
    ("a page", answer(body=b"<html>ok</html>", kind="text/html"), Fate.FAILED),
    ("an empty page", answer(kind="text/html"), Fate.FAILED),
    ("an empty text", answer(kind="text/plain; charset=utf-8"), Fate.FAILED),
    ("nothing, as it should be", answer(), Fate.DELIVERED),
    ("a bomb", answer(body=BOMB, content_encoding="gzip, gzip"), Fate.FAILED),
    ("a packed answer nobody asked for", answer(body=gzip.compress(b""), content_encoding="gzip"), Fate.FAILED),
    (
        "a message without end",
        answer(body=b'{"partialSuccess":{"errorMessage":"' + b"x" * 400_000 + b'"}}', kind=JSON),
        Fate.FAILED,
    ),
    ("brackets without end", answer(body=b"[" * 200_000, kind=JSON), Fate.FAILED),
    ("an infinity of rejections", answer(body=b'{"partialSuccess":{"rejectedSpans":1e999}}', kind=JSON), Fate.FAILED),
    ("half a rejection", answer(body=b'{"partialSuccess":{"rejectedSpans":0.5}}', kind=JSON), Fate.REJECTED),
    ("less than none rejected", answer(body=b'{"partialSuccess":{"rejectedSpans":-1}}', kind=JSON), Fate.REJECTED),
    ("a list", answer(body=b"[]", kind=JSON), Fate.FAILED),
    ("no number", answer(body=b'{"partialSuccess":{"rejectedSpans":"all"}}', kind=JSON), Fate.FAILED),
    ("elsewhere", answer(307, location="http://127.0.0.1:1/steal"), Fate.FAILED),
    ("elsewhere, by another verb", answer(302, location="https://attacker.invalid/"), Fate.FAILED),
    ("for good elsewhere", answer(308, location="//attacker.invalid/"), Fate.FAILED),
    ("not modified", answer(304), Fate.FAILED),
    ("a teapot", answer(418), Fate.FAILED),
    ("nonsense as protobuf", answer(body=b"\xff" * 50), Fate.FAILED),
]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.stop()


@pytest.mark.parametrize(("what", "reply", "fate"), LIES, ids=[each[0] for each in LIES])
def test_only_what_was_really_taken_counts_as_delivered(
    receiver: Receiver, what: str, reply: Reply, fate: Fate
) -> None:
    receiver.always = reply
    with httpx.Client(trust_env=False) as client:
        given = post(client, f"{receiver.url}/v1/traces", {"authorization": "Bearer s"}, b"", timeout=10.0)
    assert given.fate is fate
    assert len(receiver.requests) == 1
    assert "attacker" not in given.reason


WAITS = [
    "31536000",
    "1e308",
    "inf",
    "-5",
    "nan",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Fri, 99 Foo",
    "9" * 5000,
    "",
    "1;2",
    "٣",
]


@pytest.mark.parametrize("said", WAITS, ids=lambda said: said[:12] or "nothing")
def test_no_receiver_puts_the_pump_to_sleep_for_long(receiver: Receiver, said: str) -> None:
    wait = said.encode("utf-8").decode("latin-1")
    receiver.always = answer(503, Retry_After=wait)
    with httpx.Client(trust_env=False) as client:
        given = post(client, f"{receiver.url}/v1/traces", {}, b"", timeout=10.0)
    assert given.fate is Fate.FAILED
    assert 0.0 <= given.wait <= 300.0


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b", "\x1b[2J"])
def test_a_header_from_the_configuration_adds_no_header_and_no_request(receiver: Receiver, value: str) -> None:
    with httpx.Client(trust_env=False) as client:
        given = post(client, f"{receiver.url}/v1/traces", {"authorization": value}, b"", timeout=5.0)
    assert all("x-evil" not in headers for _, headers, _ in receiver.requests)
    assert given.fate in (Fate.FAILED, Fate.DELIVERED)
    assert value not in given.reason


STEERING = {
    "HTTP_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "ALL_PROXY": "http://127.0.0.1:1",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-evil=1",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
    "OTEL_RESOURCE_ATTRIBUTES": "service.name=evil,x=y",
    "OTEL_SERVICE_NAME": "evil",
    "NETRC": "/dev/null",
}


def test_no_variable_of_the_environment_steers_the_pump(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in STEERING.items():
        monkeypatch.setenv(name, value)
    store = SqliteStore(tmp_path / "s.db", FakeClock(NOW))
    store.commit(Change(tenant="north", records=tuple(r.draft for r in life()[1:])))
    pump = OtlpPump(store, receiver.url, linger=0.01)
    pump.start()
    assert pump.flush(20.0)
    assert pump.close(10.0)
    store.close()
    assert receiver.taken
    assert all("x-evil" not in headers for _, headers, _ in receiver.requests)
    assert b"evil" not in b"".join(body for _, _, body in receiver.requests)
    assert max(len(span.attributes) for span in receiver.taken) > 5


# --- Jaeger


@pytest.fixture
def jaeger() -> Iterator[Jaeger]:
    jaeger = Jaeger()
    yield jaeger
    jaeger.stop()


@pytest.fixture
def store(tmp_path: Path, receiver: Receiver, jaeger: Jaeger) -> Iterator[SqliteStore]:
    """Everything was delivered, and Jaeger has it."""
    store = SqliteStore(tmp_path / "store.db", FakeClock(NOW))
    store.commit(Change(tenant="north", records=tuple(r.draft for r in life()[1:])))
    pump = OtlpPump(store, receiver.url, linger=0.01)
    pump.start()
    assert pump.flush(20.0)
    assert pump.close(10.0)
    jaeger.keep(receiver.taken)
    yield store
    store.close()


BODIES = [
    ("brackets without end", b"[" * 500_000, 3),
    ("a number without end", b'{"data": ' + b"1" * 10_000 + b"}", 3),
    ("not a number", b'{"data": NaN}', 3),
    ("a text", b'"data"', 3),
    ("traces that are none", b'{"data": [1, null, "x"]}', 3),
    ("spans that are none", b'{"data": [{"traceID": 5, "spans": [1, null, {"tags": 7}]}]}', 2),
    ("bytes that are no text", b"\xff\xfe\x00", 3),
    ("nothing", b"", 3),
]


@pytest.mark.parametrize(("what", "body", "code"), BODIES, ids=[b[0] for b in BODIES])
def test_whatever_answers_the_command_ends_with_a_code_of_its_own(
    store: SqliteStore, jaeger: Jaeger, tmp_path: Path, what: str, body: bytes, code: int
) -> None:
    jaeger.body = body
    done = RUN.invoke(app, ["reconcile", "--jaeger", jaeger.url, "--store", f"sqlite:///{tmp_path / 'store.db'}"])
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    assert done.exit_code == code


def tag(key: str, value: object, kind: str = "string") -> dict[str, object]:
    return {"key": key, "type": kind, "value": value}


LIED: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("an attribute twice, the lie first", lambda s: s["tags"].insert(0, tag("toolguard.decision.outcome", "denied"))),
    (
        "an attribute of ours that we never sent",
        lambda s: s["tags"].append(tag("toolguard.approver.quorum", 9, "int64")),
    ),
    ("a number that is none", lambda s: s["tags"].append(tag("toolguard.x", "many", "int64"))),
    ("a number without end", lambda s: s["tags"].append(tag("toolguard.x", 10**400, "int64"))),
    ("brackets without end", lambda s: s["tags"].append(tag("toolguard.x", "[" * 100_000))),
    ("tags that are none", lambda s: s.update(tags=[1, None])),
    ("no tags", lambda s: s.update(tags=None)),
    ("references that are none", lambda s: s.update(references=[7])),
    ("another time", lambda s: s.update(startTime=10**400)),
    ("another duration", lambda s: s.update(duration="long")),
]


@pytest.mark.parametrize(("what", "change"), LIED, ids=[each[0] for each in LIED])
def test_a_span_that_somebody_made_something_of_differs(
    store: SqliteStore, jaeger: Jaeger, what: str, change: Callable[[dict[str, Any]], object]
) -> None:
    change(jaeger.spans[0])
    report = reconcile_spans(store.records(), JaegerQuery(jaeger.url), now=NOW)
    assert report.exit_code == 1
    assert [finding.code for finding in report.findings] == ["differs"]


def test_what_a_collector_adds_by_names_of_its_own_is_no_difference(store: SqliteStore, jaeger: Jaeger) -> None:
    for span in jaeger.spans:
        span["tags"] += [tag("k8s.pod", "p"), tag("gen_ai.tool.call.arguments", "{}")]
    assert reconcile_spans(store.records(), JaegerQuery(jaeger.url), now=NOW).exit_code == 0


def test_a_lying_copy_beside_the_true_span_differs(store: SqliteStore, jaeger: Jaeger) -> None:
    other = copy.deepcopy(jaeger.spans[0])
    next(t for t in other["tags"] if t["key"] == "toolguard.audit.hash")["value"] = "00" * 32
    jaeger.spans.append(other)
    assert reconcile_spans(store.records(), JaegerQuery(jaeger.url), now=NOW).exit_code == 1


def test_an_answer_that_is_packed_though_nobody_asked_is_none(store: SqliteStore) -> None:
    def bomb(request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, content=BOMB, headers={"content-encoding": "gzip, gzip"})

    query = JaegerQuery("http://127.0.0.1:1", client=httpx.Client(transport=httpx.MockTransport(bomb)))
    with pytest.raises(Exception, match="is not Jaeger's query API"):
        reconcile_spans(store.records(), query, now=NOW)


def test_what_jaeger_names_its_spans_steers_no_terminal(store: SqliteStore, jaeger: Jaeger, tmp_path: Path) -> None:
    stranger = copy.deepcopy(jaeger.spans[0])
    stranger |= {"traceID": "\x1b[2J\u202e", "spanID": "\x9b31m", "_service": "toolguard"}
    jaeger.spans.append(stranger)
    for more in ([], ["--json"]):
        done = RUN.invoke(
            app, ["reconcile", "--jaeger", jaeger.url, "--store", f"sqlite:///{tmp_path / 'store.db'}", *more]
        )
        assert done.exit_code == 1
        assert all(c.isprintable() or c == "\n" for c in done.output)
        assert json.loads(done.output)["exit_code"] == 1 if more else True
