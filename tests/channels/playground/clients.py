"""Local Teams clients (Microsoft 365 Agents Playground), one a person, and the connector between them and the service.

They listen on every interface, so all of this runs in a network of its own, and the ports can be fixed.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from channels.teams_cloud import APP, PEOPLE, SERVICE, TENANT, Cloud, Team

ROOM = "19:office@thread.tacv2"
FIRST_PORT, GATE_PORT, SERVICE_PORT = 9101, 9080, 9090
_CONFIG = """\
version: "0.1.1"
tenantId: {tenant}
bot: {{id: "28:{app}", name: toolguard}}
currentUser: {me}
users: [{others}]
personalChat: {{id: "a:own-chat"}}
groupChat: {{id: "{room}", name: Privacy office}}
team: {{id: "19:general@thread.tacv2", name: Ward 7, aadGroupId: 00000000-0000-4000-8000-000000000031, channels: []}}
"""


def _user(name: str) -> str:
    return (
        f'{{id: "29:{name}", name: {name.title()}, userPrincipleName: {name}@example.org, aadObjectId: {PEOPLE[name]}, '
        f"givenName: {name.title()}, surname: Test, email: {name}@example.org}}"
    )


@dataclass
class Playgrounds(Cloud):
    """A `Cloud` whose connector is real clients: what goes to a room goes to all who are in it."""

    running: dict[str, tuple[int, subprocess.Popen[bytes]]] = field(default_factory=dict)
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    local: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=20))

    def start(self, cli: Path, node: str, folder: Path, people: tuple[str, ...]) -> None:
        """Start a client for each of ``people``, and wait until all are ready."""
        for at, name in enumerate(people):
            home = folder / name
            home.mkdir()
            config = _CONFIG.format(
                tenant=TENANT,
                app=APP,
                room=ROOM,
                me=_user(name),
                others=", ".join(_user(other) for other in PEOPLE if other != name),  # it wants five
            )
            (home / ".m365agentsplayground.yml").write_text(config)
            port = FIRST_PORT + at
            endpoint = f"http://127.0.0.1:{GATE_PORT}/api/messages"
            command = [node, str(cli), "start", "-e", endpoint, "-c", "msteams", "-p", str(port)]
            process = subprocess.Popen(
                [*command, "--service-url", SERVICE, "--disable-telemetry"],
                cwd=home,
                env={**os.environ, "TEAMSAPPTESTER_BROWSER": "none"},
                stdout=(home / "said").open("wb"),
                stderr=subprocess.STDOUT,
            )
            self.running[name] = (port, process)
        for name in people:
            self._wait(name)

    def _wait(self, name: str) -> None:
        port, process = self.running[name]
        until = time.monotonic() + 60
        while time.monotonic() < until:
            assert process.poll() is None, f"the client of {name} ended"
            try:
                if "pong" in self.local.get(f"http://127.0.0.1:{port}/_debug/ping").text:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"the client of {name} is not ready")

    def stop(self) -> None:
        for _, process in self.running.values():
            process.terminate()
        for _, process in self.running.values():
            process.wait(10)

    def _connector(self, request: httpx.Request, path: str) -> httpx.Response:
        self.calls.append((request.method, path))
        parts = path.split("/")
        body = json.loads(request.content)
        if request.method == "POST":
            name = f"m{len(self.ids) + 1}"
            self.ids[name] = {}
            for who, (port, _) in self.running.items():
                answer = self.local.post(f"http://127.0.0.1:{port}/_connector/{path}", json=body)
                answer.raise_for_status()
                self.ids[name][who] = answer.json()["id"]
            return httpx.Response(201, json={"id": name})
        for who, (port, _) in self.running.items():
            own = self.ids[parts[4]][who]
            where = f"http://127.0.0.1:{port}/_connector/{'/'.join([*parts[:4], own])}"
            self.local.put(where, json={**body, "id": own}).raise_for_status()
        return httpx.Response(200, json={})


class Gate:
    """What stands between a client and the service: it signs, as Microsoft's connector does, and changes nothing."""

    def __init__(self, team: Team) -> None:
        self.seen: list[dict[str, Any]] = []
        gate = self
        client = httpx.Client(trust_env=False, timeout=20)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert "authorization" not in self.headers
                answer = gate.pass_on(client, team, body)
                self.send_response(answer.status_code)
                self.send_header("content-type", answer.headers.get("content-type", "application/json"))
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", GATE_PORT), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def joined(self) -> set[str]:
        """Whose clients have opened the room: what is sent before, a client does not show."""
        return {
            each["body"]["from"]["id"]
            for each in list(self.seen)
            if each["body"]["type"] == "installationUpdate" and each["body"]["conversation"]["id"] == ROOM
        }

    def pass_on(self, client: httpx.Client, team: Team, body: bytes, *, token: str | None = None) -> httpx.Response:
        """``token``: another than the connector's; with ``""`` there is none."""
        token = team.token() if token is None else token
        sent = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
        answer = client.post(f"http://127.0.0.1:{SERVICE_PORT}/channels/teams", content=body, headers=sent)
        self.seen.append({"body": json.loads(body), "status": answer.status_code, "answer": answer.text})
        return answer
