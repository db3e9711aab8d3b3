"""Standard logging: no handler sees an identifier, and no record is lost."""

import io
import json
import logging
import logging.handlers
import queue

import pytest

from toolguard.config import default_detector
from toolguard.logs import MaskingFilter, mask_logging
from toolguard.telemetry.redact import WITHHELD

SAID = "Margaret O'Neil, MRN 84021733, phone (212) 555-0188"
CLEAR = ("O'Neil", "Margaret", "84021733", "555-0188")


@pytest.fixture(scope="module")
def detector():
    return default_detector()


@pytest.fixture
def log(tmp_path, detector):
    """A logger that writes to a file through the filter, and what it wrote."""
    logger = logging.getLogger(f"ward.{tmp_path.name}")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    handler = logging.FileHandler(tmp_path / "ward.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(message)s %(patient)s", defaults={"patient": "-"}))
    handler.addFilter(MaskingFilter(detector))
    logger.addHandler(handler)

    def written(act):
        act(logger)
        handler.flush()
        return (tmp_path / "ward.log").read_text("utf-8")

    yield written
    logger.removeHandler(handler)
    handler.close()


class Patient:
    def __repr__(self):
        return SAID


def failing(logger):
    try:
        raise ValueError(SAID)
    except ValueError:
        logger.exception("could not admit")


@pytest.mark.parametrize(
    "act",
    [
        lambda log: log.info(f"admitted {SAID}"),  # noqa: G004 - a message without arguments
        lambda log: log.info("admitted %s", SAID),
        lambda log: log.info("admitted %(who)s", {"who": SAID}),
        lambda log: log.info("admitted %s, MRN %d, phone (212) %s", "Margaret O'Neil", 84021733, "555-0188"),
        lambda log: log.info("admitted %r", Patient()),
        lambda log: log.info(Patient()),
        lambda log: log.info("admitted", extra={"patient": SAID}),
        lambda log: log.info("admitted", extra={"patient": {"name": "Margaret O'Neil", "mrn": 84021733}}),
        lambda log: log.info("admitted", extra={"patient": Patient()}),
        lambda log: log.info("admitted", extra={"patient": SAID.encode()}),
        lambda log: log.info({"event": "admitted", "who": SAID}),
        lambda log: log.info("payload %s", json.dumps({"patient_name": "Margaret O'Neil", "mrn": 84021733})),
        failing,
        lambda log: log.info("where", stack_info=True),
    ],
)
def test_no_identifier_is_written(log, act):
    text = log(act)
    assert text.startswith(("INFO ward.", "ERROR ward."))
    assert not [clear for clear in CLEAR if clear in text]


def test_what_names_nobody_is_written_as_it_is(log):
    text = log(lambda log: log.warning("listening on port %d after %s ms", 8443, 1250))
    assert text.endswith("listening on port 8443 after 1250 ms -\n")


def test_an_exception_keeps_its_shape(log):
    text = log(failing)
    assert "Traceback (most recent call last)" in text
    assert "ValueError" in text
    assert "in failing" in text


def test_arguments_that_do_not_fit_are_not_shown_to_say_so(log, capsys):
    text = log(lambda log: log.info("admitted %d %d", SAID))
    assert WITHHELD in text
    assert capsys.readouterr().err == ""


class Broken:
    version = "broken/1"

    def session(self):
        return self

    def inspect(self, value, *, origin, schema=None):
        raise RuntimeError(SAID)


def test_where_detection_fails_a_constant_is_written():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(MaskingFilter(Broken()))
    try:
        raise ValueError(SAID)
    except ValueError as error:
        record = logging.getLogger("x").makeRecord(
            "x", 20, "f", 1, "hello %s", (SAID,), (ValueError, error, error.__traceback__), extra={"who": SAID}
        )
    handler.handle(record)
    assert out.getvalue() == f"{WITHHELD}\n{WITHHELD}\n"
    assert record.who == WITHHELD


def test_every_handler_of_one_record_gets_the_same_masked_text(detector):
    first, second = io.StringIO(), queue.SimpleQueue()
    logger = logging.getLogger("two.handlers")
    logger.propagate = False
    handlers = [logging.StreamHandler(first), logging.handlers.QueueHandler(second)]
    for handler in handlers:
        logger.addHandler(handler)
    try:
        mask_logging(detector, "two.handlers")
        logger.warning("see %s", SAID)
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
        for handler in (*logging.root.handlers, logging.lastResort):
            for f in [f for f in handler.filters if isinstance(f, MaskingFilter)]:
                handler.removeFilter(f)
    assert first.getvalue().strip() == second.get().getMessage()
    assert "<PERSON>" in first.getvalue()


def test_fields_that_are_named_pass(detector):
    record = logging.makeLogRecord({"msg": "x", "request_id": "a Margaret O'Neil of a request"})
    MaskingFilter(detector, keep=["request_id"]).filter(record)
    assert record.request_id == "a Margaret O'Neil of a request"
