"""The real service as a process on loopback, and the commands against it."""

from __future__ import annotations

import concurrent.futures
import json
import socket
import time
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner

from authority.ward import human
from server.process import Running, configure
from server.visitors import verdict
from toolguard.authority import Approval, State
from toolguard.cli.approvals import app
from toolguard.directory import Audience
from toolguard.keys import Purpose, SecretKey
from toolguard_server.cli import serve


def test_it_is_ready_and_keeps_to_itself(running: Running) -> None:
    assert httpx.get(f"{running.url}/readyz", timeout=60).json()["status"] == "ready"
    reply = httpx.get(f"{running.url}/healthz", timeout=60)
    assert "server" not in reply.headers
    assert httpx.get(f"{running.url}/healthz", headers={"Host": "evil.example"}, timeout=60).status_code == 421


def test_a_verdict_over_the_wire_is_in_the_store_of_another_process(running: Running) -> None:
    asked = running.ward.ask()
    reply = httpx.post(
        f"{running.url}/v1/approvals/{asked.id}/decision",
        json=verdict(asked),
        headers={**running.visitors.bearer("ada"), "If-Match": '"1"'},
        timeout=60,
    )
    assert reply.status_code == 200
    after = running.ward.read(asked.id)
    assert after.state is State.APPROVED
    assert after.grant is not None
    running.ward.verifier.verify(after.grant)


def test_many_at_once_over_the_wire_end_in_one_legal_state_each(running: Running) -> None:
    ada, grace = running.visitors.bearer("ada"), running.visitors.bearer("grace")

    def answer(job: tuple[Approval, dict[str, str], str]) -> int:
        asked, who, what = job
        headers = {**who, "If-Match": "*" if what == "deny" else '"1"'}
        url = f"{running.url}/v1/approvals/{asked.id}/decision"
        return httpx.post(url, json=verdict(asked, what), headers=headers, timeout=30).status_code

    asked = [running.ward.ask() for _ in range(15)]
    jobs = [job for a in asked for job in ((a, ada, "approve"), (a, grace, "deny"))]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(answer, jobs))
    assert set(codes) <= {200, 409}
    assert codes[1::2] == [200] * 15
    assert {running.ward.read(a.id).state for a in asked} == {State.DENIED}
    by_approval: dict[object, set[object]] = {}
    for _, body in running.ward.journal():
        if "toolguard.approver.id" in body:
            by_approval.setdefault(body["toolguard.approval.id"], set()).add(body["toolguard.approver.id"])
    assert all(by_approval[a.id] == {"ada", "grace"} for a in asked)


def test_the_sweeper_runs_in_the_background(running: Running) -> None:
    late = running.ward.ask(expires=0.05)
    until = time.monotonic() + 30
    while running.ward.read(late.id).state is State.PENDING and time.monotonic() < until:
        time.sleep(0.1)
    assert running.ward.read(late.id).state is State.EXPIRED


# --- the commands -----------------------------------------------------------------------------------------


def run(running: Running, *arguments: str, who: str = "ada", token: str | None = None) -> tuple[int, str, str]:
    environment = {
        "TOOLGUARD_SERVICE_URL": running.url,
        "TOOLGUARD_TOKEN": running.visitors.secret(who) if token is None else token,
        "COLUMNS": "160",
    }
    result = CliRunner().invoke(app, list(arguments), env=environment)
    return result.exit_code, result.stdout, result.stderr


def test_list_show_approve(running: Running) -> None:
    asked = running.ward.ask(view={"body": "line\u202e one [bold]x[/]"}, agent_reason="trust me\x1b[2J")
    code, out, _ = run(running, "list", "--mine")
    assert code == 0
    assert asked.id[:12] in out
    code, out, _ = run(running, "show", asked.id[:12])
    assert code == 0
    for part in ("Ana Ruiz", "send-outside", "records@example.org", "\\u202E", "[bold]x[/]", "\\u001B[2J"):
        assert part in out, part
    assert "\x1b" not in out
    assert asked.request.call_digest in out
    code, out, _ = run(running, "approve", asked.id, "--reason", "fine", "--yes")
    assert code == 0
    assert "send_email" in out
    assert "it is now approved" in out
    assert running.ward.read(asked.id).state is State.APPROVED


def test_json_is_json_and_the_rest_goes_to_stderr(running: Running) -> None:
    asked = running.ward.ask()
    code, out, error = run(running, "deny", asked.id, "--reason", "no", "--json")
    assert code == 0
    assert json.loads(out)["state"] == "denied"
    assert "Ana Ruiz" in error
    assert json.loads(run(running, "show", asked.id, "--json")[1])["id"] == asked.id
    assert asked.id in {a["id"] for a in json.loads(run(running, "list", "--json")[1])}


def test_deny_takes_back_an_unused_approval(running: Running) -> None:
    asked = running.ward.decide(human("grace"), running.ward.ask())
    assert run(running, "deny", asked.id, "--reason", "on second thought")[0] == 0
    assert running.ward.read(asked.id).state is State.DENIED


def test_where_nobody_can_be_asked_yes_has_to_be_said(running: Running) -> None:
    asked = running.ward.ask()
    code, _, error = run(running, "approve", asked.id, "--reason", "fine")
    assert code == 2
    assert "--yes" in error
    assert running.ward.read(asked.id) == asked


def test_refusals_have_their_exit_codes(running: Running) -> None:
    ward = running.ward
    asked, denied = ward.ask(), run(running, "deny", ward.ask().id, "--reason", "x", "--json")
    done = json.loads(denied[1])["id"]
    service = running.visitors.secret("ward-guard", Audience.SERVICE)
    table = [
        (("approve", asked.id, "--reason", "x", "--yes"), {"who": "ruiz"}, 1, "self_approval"),
        (("deny", asked.id, "--reason", "x"), {"token": service}, 1, "not_a_person"),
        (("show", asked.id), {"who": "noor"}, 4, "not_found"),
        (("show", "0" * 32), {}, 4, "not_found"),
        (("approve", done, "--reason", "x", "--yes"), {}, 5, "decided"),
        (("approve", asked.id, "--reason", " ", "--yes"), {}, 2, "reason_required"),
        (("list",), {"token": "tg_decide_x_y"}, 3, "identity"),
        (("list",), {"token": ""}, 3, "no token"),
        (("show", "../../x"), {}, 2, "0-9 and a-f"),
        (("list", "--url", "http://127.0.0.1:1"), {}, 3, "cannot be reached"),
        (("list", "--url", "http://approvals.example"), {}, 3, "clear text"),
        (("list", "--token-file", "/nonexistent"), {}, 3, "cannot be read"),
    ]
    for arguments, options, code, says in table:
        got, _, error = run(running, *arguments, **options)  # type: ignore[arg-type] # a row's own keywords
        assert (got, says in error) == (code, True), (arguments, got, error)
    assert ward.read(asked.id) == asked


def test_watch_prints_what_begins_to_wait(running: Running) -> None:
    asked = running.ward.ask()
    code, out, _ = run(running, "watch", "--until", "0.1", "--json")
    assert code == 0
    assert asked.id in {json.loads(line)["id"] for line in out.splitlines()}


# --- starting ---------------------------------------------------------------------------------------------


def refused(folder: Path, says: str, *arguments: str) -> None:
    """The command stops before it listens, with code 3 and one plain line."""
    command = typer.Typer()
    command.command()(serve)
    result = CliRunner().invoke(command, ["--config", str(folder / "toolguard.toml"), *arguments])
    assert result.exit_code == 3, result.output
    assert says in result.stderr
    assert not isinstance(result.exception, (OSError, ValueError))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--host", "0.0.0.0"], "without TLS"),
        (["--host", "::"], "without TLS"),
        (["--host", "approvals.example"], "without TLS"),
        (["--tls-cert", "c.pem"], "needs --tls-key"),
    ],
)
def test_it_refuses_to_be_reached_in_clear_text(tmp_path: Path, arguments: list[str], says: str) -> None:
    configure(tmp_path).store.close()
    refused(tmp_path, says, *arguments)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("toolguard.toml", lambda t: t.replace('signing_key = "service.key"\n', ""), "signing key"),
        ("toolguard.toml", lambda t: t.replace('tokens = "tokens.json"\n', ""), "know people"),
        ("toolguard.toml", lambda t: t + "nonsense", "not valid TOML"),
        ("directory.yaml", lambda t: t.replace("id: grace", "id: ada"), "stands twice"),
        ("service.key", lambda t: SecretKey.generate(Purpose.SEAL).line, "for 'seal' where one for 'sign'"),
        ("tokens.json", lambda t: "{", "damaged"),
    ],
)
def test_a_wrong_setup_stops_the_start_plainly(tmp_path: Path, name: str, change, says: str) -> None:  # type: ignore[no-untyped-def] # a lambda a row
    configure(tmp_path).store.close()
    path = tmp_path / name
    path.touch(0o600)
    path.write_text(change(path.read_text()))
    refused(tmp_path, says, "--port", "0")


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    configure(tmp_path).store.close()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused(tmp_path, "choose another with --port", "--port", str(taken.getsockname()[1]))
