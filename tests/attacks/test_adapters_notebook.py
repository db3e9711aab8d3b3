"""A notebook's card and view, attacked: a stranger on the service's port, addresses that act, words that would draw themselves."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from attacks.test_one_user import CONFIG, DIRECTORY, POLICY
from display.test_views import ALLOWED, HOSTILE, Seen
from toolguard.errors import ConfigError
from toolguard.keys import Purpose, SecretKey, write_key
from toolguard_notebook import Service, start_service


class Stranger(BaseHTTPRequestHandler):
    """Says it is well, and whatever else ``told`` has."""

    told: dict[str, object] = {}

    def do_GET(self) -> None:
        body = json.dumps({"status": "ok"} if self.path == "/healthz" else self.told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the screen."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "told",
    [{}, {"status": "ready"}, {"status": "ready", "store": "0" * 16}, {"status": "ready", "store": None}],
    ids=str,
)
def test_t3_a_stranger_on_the_services_port_is_not_taken_for_the_service(
    told: dict[str, object], port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stranger, "told", told)
    text = CONFIG.replace('"memory:"', '"sqlite:///store.db"').replace(
        "[service]\n", f'[service]\nurl = "http://127.0.0.1:{port}"\n'
    )
    (tmp_path / "toolguard.toml").write_text(text)
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "directory.yaml").write_text(DIRECTORY)
    (tmp_path / "tokens.json").write_text("{}")
    write_key(tmp_path / "service.key", SecretKey.generate(Purpose.SIGN))
    with pytest.raises(ConfigError, match="another one"):
        start_service(tmp_path / "toolguard.toml")


@pytest.mark.parametrize("url", ["javascript:alert(1)//", "data:text/html,<script>alert(1)</script>", *HOSTILE])
def test_t23_a_services_address_cannot_act_in_a_page(url: str) -> None:
    seen = Seen(Service(url)._repr_html_())
    assert seen.tags <= ALLOWED
    assert all(value.startswith(("http://", "https://")) for _, name, value in seen.attributes if name == "href")
    assert not any(name.startswith("on") for _, name, _ in seen.attributes)
