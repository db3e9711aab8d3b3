"""Outgoing webhooks: signed, told once by id, never into a private network that nobody named, and never in the way."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from authority.ward import OFFICERS, Ward, human
from toolguard.authority import State
from toolguard.channels import Place
from toolguard.channels.webhook import WebhookChannel, WebhookError, WebhookSettings, make_channel, signature
from toolguard.errors import ConfigError
from toolguard.ports import Notice

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver:
    """A real receiver on loopback, which checks signatures as a receiver does."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                message, stamp = self.headers["webhook-id"], self.headers["webhook-timestamp"]
                key = base64.b64decode(SECRET.removeprefix("whsec_"))
                mac = hmac.new(key, f"{message}.{stamp}.".encode() + body, hashlib.sha256).digest()
                assert self.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
                receiver.got.append({"id": message, "host": self.headers["host"], **json.loads(body)})
                self.send_response(receiver.status)
                if receiver.status == 302:
                    self.send_header("location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    ward = Ward(tmp_path)
    yield ward
    ward.store.close()


def settings_of(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    return {
        "tenant": "st-marys",
        "url": f"http://127.0.0.1:{receiver.port}/hook?a=1",
        "secret": "hook-secret",
        "hosts": ["127.0.0.1"],
        "private_hosts": ["127.0.0.1"],
        **changes,
    }


def make(ward: Ward, settings: dict[str, Any], secret: str = SECRET) -> WebhookChannel:
    (ward.folder / "hook-secret").write_text(secret)
    return make_channel(
        Place(
            name="hook", settings=settings, authority=ward.authority, inbox="https://desk.example", folder=ward.folder
        )
    )


def test_a_receiver_hears_of_every_change_and_can_check_who_says_so(ward, receiver):
    channel = make(ward, settings_of(receiver))
    approval = ward.ask()
    assert ward.authority.tick([channel]) == 1
    ward.decide(human("ada"), approval)
    ward.authority.tick([channel])
    assert [each["type"] for each in receiver.got] == ["approval.pending", "approval.approved"]
    assert len({each["id"] for each in receiver.got}) == 2
    told = receiver.got[0]["data"]
    assert (told["tool"], told["requester"], told["risk"]["level"]) == ("send_email", "Ana Ruiz", "high")
    assert told["link"] == f"https://desk.example/inbox/{approval.id}"
    assert "arguments" not in told


def test_a_repeat_has_the_id_it_had(ward, receiver):
    channel = make(ward, settings_of(receiver))
    approval = ward.ask()
    channel.announce(approval)
    ward.time.at += 30
    channel.announce(approval)
    channel.notify(approval, Notice.REMINDER)
    ids = [each["id"] for each in receiver.got]
    assert ids[0] == ids[1] != ids[2]


def test_arguments_are_told_where_that_is_asked_for_and_masked(ward, receiver):
    make(ward, settings_of(receiver, arguments=True)).announce(ward.ask())
    assert receiver.got[0]["data"]["arguments"][0] == {"name": "to", "text": "<EMAIL_1>", "cut": False}


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503, 302, 101])
def test_what_is_not_taken_is_sent_again_and_holds_nobody_up(ward, receiver, status):
    receiver.status = status
    channel = make(ward, settings_of(receiver))
    approval = ward.ask()
    assert ward.authority.tick([channel]) == 0
    assert len(receiver.got) == 1  # no redirect is followed
    assert ward.decide(human("ada"), approval).state is State.APPROVED
    receiver.status = 200
    ward.time.at += 30
    assert ward.authority.tick([channel]) >= 1


def test_a_receiver_that_is_gone_is_said_by_class_alone(ward, receiver):
    channel = make(ward, settings_of(receiver))
    receiver.close()
    with pytest.raises(WebhookError, match="could not be reached"):
        channel.announce(ward.ask())


def test_the_published_example_of_the_specification_verifies():
    body = b'{"test": 2432232314}'
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


PRIVATE = [
    "127.0.0.1",
    "10.0.0.7",
    "192.168.1.1",
    "169.254.169.254",
    "::1",
    "fd00::1",
    "0.0.0.0",
    "100.64.0.1",
    "fe80::1%eth0",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_into_a_private_network_is_not_written_to(ward, address):
    checked = WebhookSettings(tenant="st-marys", url="https://hooks.example/x", secret="s", hosts=("hooks.example",))
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14", address]

    channel = WebhookChannel(
        ward.authority, name="hook", settings=checked, secret=b"x" * 24, inbox="https://desk.example", resolve=resolve
    )
    with pytest.raises(WebhookError, match="private network"):
        channel.announce(ward.ask())
    assert asked == ["hooks.example"]


def test_a_name_that_changes_between_the_look_and_the_writing_gains_nothing(ward, receiver):
    checked = WebhookSettings(
        tenant="st-marys",
        url=f"http://hooks.local:{receiver.port}/x",
        secret="s",
        hosts=("hooks.local",),
        private_hosts=("hooks.local",),
    )
    looked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        looked.append(host)
        return ["127.0.0.1"] if len(looked) == 1 else ["203.0.113.9"]

    channel = WebhookChannel(
        ward.authority, name="hook", settings=checked, secret=base64.b64decode(SECRET[6:]), inbox="x", resolve=resolve
    )
    channel.announce(ward.ask())
    assert looked == ["hooks.local"]
    assert receiver.got[0]["host"] == f"hooks.local:{receiver.port}"
    with pytest.raises(WebhookError, match="https only"):
        channel.announce(ward.ask())


REFUSED: dict[str, dict[str, Any]] = {
    "http beyond this machine": {"url": "http://hooks.example/x", "hosts": ["hooks.example"]},
    "a host nobody listed": {"url": "https://evil.example/x"},
    "a user name": {"url": "https://a:b@127.0.0.1/x"},
    "another scheme": {"url": "file:///etc/passwd"},
    "no host": {"url": "https:///x"},
    "a port that is none": {"url": "https://127.0.0.1:x/"},
    "an unknown key": {"retries": 3},
    "no hosts": {"hosts": []},
}


@pytest.mark.parametrize("how", REFUSED)
def test_settings_that_cannot_be_safe_are_refused(ward, receiver, how):
    with pytest.raises(ConfigError):
        make(ward, settings_of(receiver, **REFUSED[how]))


@pytest.mark.parametrize(
    "secret", ["plain", "whsec_", "whsec_c2hvcnQ=", "whsec_@@@", "whsec_" + base64.b64encode(b"x" * 65).decode()]
)
def test_secrets_that_are_none_are_refused_unshown(ward, receiver, secret):
    with pytest.raises(ConfigError) as told:
        make(ward, settings_of(receiver), secret)
    assert secret == "whsec_" or secret not in str(told.value)


def test_whose_rules_name_another_channel_is_not_told(ward, receiver):
    channel = make(ward, settings_of(receiver))
    channel.announce(ward.ask(rules=(replace(OFFICERS, channel="slack"),)))
    channel.announce(ward.ask(tenant="st-lukes"))
    assert receiver.got == []
