"""The other end of Socket Mode on loopback: a WebSocket (RFC 6455) that sends envelopes and keeps what is answered."""

from __future__ import annotations

import base64
import hashlib
import json
import queue
import socket
import struct
import threading
from typing import Any


class SocketEnd:
    """``url`` is what ``apps.connections.open`` gives; ``send`` puts an envelope on the wire; ``answers`` come in order."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._listener.getsockname()[1]}/link"
        self.answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self.connected = threading.Event()
        self._wire: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                wire, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._speak, args=(wire,), daemon=True).start()

    def _speak(self, wire: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = wire.recv(4096)
            if not part:
                return
            head += part
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
        key = next(v for k, v in fields.items() if k.lower() == "sec-websocket-key")
        accept = base64.b64encode(hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
        reply = f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        wire.sendall(reply.encode())
        self._wire = wire
        self._frame(wire, json.dumps({"type": "hello", "num_connections": 1}).encode())
        self.connected.set()
        try:
            self._read(wire)
        except OSError:
            return

    def _read(self, wire: socket.socket) -> None:
        buffer = b""
        while True:
            part = wire.recv(65536)
            if not part:
                return
            buffer += part
            while len(buffer) >= 2:
                length, at = buffer[1] & 0x7F, 2
                if length == 126:
                    length, at = struct.unpack(">H", buffer[2:4])[0], 4
                elif length == 127:
                    length, at = struct.unpack(">Q", buffer[2:10])[0], 10
                masked = buffer[1] & 0x80
                mask = buffer[at : at + 4] if masked else b"\0\0\0\0"
                start = at + (4 if masked else 0)
                if len(buffer) < start + length:
                    break
                data = bytes(b ^ mask[i % 4] for i, b in enumerate(buffer[start : start + length]))
                kind = buffer[0] & 0x0F
                buffer = buffer[start + length :]
                if kind == 0x9:
                    self._frame(wire, data, kind=0xA)
                elif kind == 0x1:
                    self.answers.put(json.loads(data))

    @staticmethod
    def _frame(wire: socket.socket, data: bytes, *, kind: int = 0x1) -> None:
        head = bytes([0x80 | kind])
        head += bytes([len(data)]) if len(data) < 126 else bytes([126]) + struct.pack(">H", len(data))
        wire.sendall(head + data)

    def send(self, payload: dict[str, Any], *, envelope: str = "e-1", kind: str = "interactive") -> None:
        assert self._wire is not None
        said = {"type": kind, "envelope_id": envelope, "payload": payload, "accepts_response_payload": True}
        self._frame(self._wire, json.dumps(said).encode())

    def close(self) -> None:
        self._listener.close()
        if self._wire is not None:
            self._wire.close()
