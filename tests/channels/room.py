"""A room of Teams in a browser: the card as it stands for everybody, and Teams' connector behind its buttons, on loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from channels.teams_cloud import Team

_SCRIPTS = {
    "/adaptivecards.js": "adaptivecards/dist/adaptivecards.min.js",
    "/markdown-it.js": "markdown-it/dist/markdown-it.min.js",
}
_PAGE = Path(__file__).parent / "applet" / "page.html"


class Room:
    """Serves the newest card, a page with the renderer's ``AdaptiveApplet``, and what it asks: ``?who=`` says who sits there."""

    def __init__(self, team: Team, modules: Path) -> None:
        room = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                if path in _SCRIPTS:
                    self.answer((modules / _SCRIPTS[path]).read_bytes(), "text/javascript")
                elif path == "/card":
                    self.answer(json.dumps(team.cloud.shown()[-1]).encode(), "application/json")
                else:
                    self.answer(_PAGE.read_bytes(), "text/html")

            def do_POST(self) -> None:
                (who,) = parse_qs(urlsplit(self.path).query)["who"]
                action = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if action["verb"] in ("approve", "deny"):
                    room.together.wait(20)
                self.answer(json.dumps(team.invoke(who, action["verb"], action["data"])).encode(), "application/json")

            def answer(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.together = threading.Barrier(1)
        """Answers are passed on when so many have come."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
