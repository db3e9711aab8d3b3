"""Identifiers out of standard logging: `MaskingFilter`, and `mask_logging` to put it everywhere."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from typing import Any

from toolguard.ports import Detector
from toolguard.telemetry.redact import WITHHELD, Redactor

__all__ = ["MaskingFilter", "mask_logging"]

_KEPT = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
"""What logging itself writes into a record: names of code, times and numbers."""
_MARK = "_toolguard_masked"


class MaskingFilter(logging.Filter):
    """Masks a record's message, arguments, extra fields, exception and stack text, in place.

    The message is formatted first and then looked into, so an identifier cannot hide between a template and
    its arguments; ``record.args`` is empty afterwards, ``record.exc_info`` gives way to its masked text. What
    cannot be looked into is replaced by a constant: no record passes unread.

    Put it on *handlers* (see `mask_logging`): a filter on a logger does not see its children's records.

    Args:
        detector: finds identifiers, e.g. `toolguard.config.default_detector`.
        keep: extra fields that pass unread (``request_id``).
    """

    def __init__(self, detector: Detector, *, keep: Iterable[str] = ()) -> None:
        super().__init__()
        self._redactor = Redactor(detector)
        self._keep = _KEPT | frozenset(keep) | {_MARK}

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask ``record``; always True: nothing is dropped."""
        if getattr(record, _MARK, None) is not self:  # several handlers share one record
            self._mask(record)
            setattr(record, _MARK, self)
        return True

    def _mask(self, record: logging.LogRecord) -> None:
        try:
            message: Any = record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage()
        except Exception:  # noqa: BLE001 - logging would print the arguments to say that they do not fit
            message = None
        record.msg = WITHHELD if message is None else self._redactor.thing(message)
        record.args = ()
        record.__dict__.pop("message", None)
        if record.exc_info or record.exc_text:
            record.exc_text = self._exception(record)
            record.exc_info = None
        if record.stack_info:
            record.stack_info = self._redactor.text(record.stack_info)
        for name in [name for name in vars(record) if name not in self._keep]:
            setattr(record, name, self._redactor.thing(getattr(record, name), name))

    def _exception(self, record: logging.LogRecord) -> str:
        if record.exc_text:
            return self._redactor.text(record.exc_text)
        try:
            text = "".join(traceback.format_exception(*record.exc_info)) if isinstance(record.exc_info, tuple) else ""
        except Exception:  # noqa: BLE001 - an exception whose text fails
            return WITHHELD
        return self._redactor.text(text.rstrip("\n"))


def mask_logging(detector: Detector, *loggers: str | logging.Logger, keep: Iterable[str] = ()) -> MaskingFilter:
    """Put one filter on every handler of ``loggers`` (none named: of every logger there is) and of the root logger.

    Call it after logging is set up; handlers that are added later need `logging.Handler.addFilter` of what this returns.
    """
    masking = MaskingFilter(detector, keep=keep)
    names = loggers or tuple(logging.root.manager.loggerDict)
    chosen = {logging.root, *(name if isinstance(name, logging.Logger) else logging.getLogger(name) for name in names)}
    for handler in {handler for logger in chosen for handler in logger.handlers}:
        if not any(isinstance(f, MaskingFilter) for f in handler.filters):
            handler.addFilter(masking)
    if logging.lastResort is not None and not any(isinstance(f, MaskingFilter) for f in logging.lastResort.filters):
        logging.lastResort.addFilter(masking)
    return masking
