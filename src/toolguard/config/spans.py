"""Where records are shown, as ``[telemetry]`` describes it: sinks for spans and metrics, and the caller's span."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolguard.config.file import Config
from toolguard.ports import Sink, Store, Tracing

__all__ = ["Shown", "shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """``closers`` deliver what is left, for some seconds; they are called before the store is closed."""

    sinks: tuple[Sink, ...]
    tracing: Tracing | None = None
    closers: tuple[Callable[[], object], ...] = ()


def shown(config: Config, store: Store, *, service: str | None = None) -> Shown:
    """The sinks of a guard or of the approval service on ``store``.

    Raises:
        ConfigError: the endpoint, its certificates or its headers cannot be used.
    """
    from toolguard.telemetry import CurrentSpan, MetricsSink, OtlpPump, TracerSink, header_values, tls_context

    section = config.telemetry
    if section.spans == "off":
        return Shown(sinks=(MetricsSink(),))
    if section.spans == "journal":
        return Shown(sinks=(MetricsSink(),), tracing=CurrentSpan())
    if section.spans == "tracer":
        tracer = TracerSink(drafts=section.drafts)
        return Shown(sinks=(tracer, MetricsSink(tracer=tracer)), tracing=CurrentSpan())

    def at(path: str | None) -> Path | None:
        return None if path is None else config.at(path)

    headers = header_values(section.headers, at=config.at)
    headers()  # what is wrong with them is said now
    pump = OtlpPump(
        store,
        section.endpoint,
        headers=headers,
        tls=tls_context(ca=at(section.ca), certificate=at(section.certificate), key=at(section.key)),
        compress=section.compression == "gzip",
        service=service or section.service,
        drafts=section.drafts,
    )
    pump.start()
    return Shown(sinks=(pump, MetricsSink(pump=pump)), tracing=CurrentSpan(), closers=(pump.close,))
