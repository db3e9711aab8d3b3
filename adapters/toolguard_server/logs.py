"""What the service logs: what failed, where and how often; never a value, a body, an address or a credential."""

from __future__ import annotations

import datetime as dt
import json
import logging

__all__ = ["JsonLines", "start_logging"]


class JsonLines(logging.Formatter):
    """``{"at", "level", "logger", "message"}``, and ``error`` with an exception's class and place, without its text."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if error := _error(record):
            line["error"] = error
        return json.dumps(line, ensure_ascii=True)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        error = _error(record)
        text = f"{record.levelname} {record.name}: {record.getMessage()}"
        return f"{text} ({error})" if error else text


def _error(record: logging.LogRecord) -> str:
    """An exception as its class and where it came from: other libraries log them whole, with what they were working on."""
    kind, _, trace = record.exc_info or (None, None, None)
    if kind is None:
        return ""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{kind.__name__}{place}"


def start_logging(*, json_lines: bool) -> None:
    """Warnings and worse to standard error, as text or as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if json_lines else _Plain())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
