"""Tracing: continued from outside, kept where it is worth it, off at no cost."""

import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from deployments.tracing import Trace, Tracing, is_wanted, parse, sampler

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}


@dataclass(slots=True)
class Kept:
    traces: list[Trace] = field(default_factory=list)

    def __call__(self, trace: Trace, ended_ns: int) -> None:
        self.traces.append(trace)

    def close(self) -> None:
        """Nothing waits."""


def tracing(**environment: str) -> tuple[Tracing, Kept]:
    kept = Kept()
    return Tracing(
        kept, sampler({"OTEL_TRACES_SAMPLER": "parentbased_always_off"} | environment)
    ), kept


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (PARENT, (0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, True)),
        (PARENT[:-2] + b"00", (0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, False)),
        (
            b"cc" + PARENT[2:] + b"-more",
            (0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, True),
        ),
        (PARENT + b"-more", None),
        (b"ff" + PARENT[2:], None),
        (PARENT.upper(), None),
        (b"00-" + b"0" * 32 + PARENT[35:], None),
        (PARENT[:36] + b"0" * 16 + b"-01", None),
        (b"", None),
        (b"-" * 60, None),
        (b"\xff" * 55, None),
    ],
)
def test_traceparent_is_read_as_the_w3c_says(
    value: bytes, found: tuple[int, int, bool] | None
) -> None:
    assert parse(value) == found


def test_a_trace_is_continued_and_said_in_the_answer() -> None:
    traces, kept = tracing()
    headers = traces.close(traces.open([(b"traceparent", PARENT)]), 200)
    assert headers["x-trace-id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert headers["traceresponse"].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert [trace.parent_id for trace in kept.traces] == [0x00F067AA0BA902B7]


def test_what_the_sampler_leaves_is_kept_for_errors_misses_and_degraded_answers_only() -> None:
    traces, kept = tracing()
    for status in (200, 422, 404, 413):
        traces.close(traces.open([]), status)
    assert kept.traces == []
    traces.close(traces.open([]), 503)
    slow = traces.open([])
    traces.note(0.0251, 25.0, ())
    traces.close(slow, 200)
    degraded = traces.open([])
    traces.note(0.001, 25.0, ("scoring",))
    traces.close(degraded, 200)
    assert {name[1][0] for name in traces.read()} == {"error", "deadline", "degraded"}
    assert len(kept.traces) == 3


def test_an_outage_is_no_flood_of_traces() -> None:
    traces, kept = tracing()
    for _ in range(500):
        traces.close(traces.open([]), 503)
    assert 20 <= len(kept.traces) <= 60


def test_one_in_a_hundred_is_sampled_by_default() -> None:
    draw = sampler({})
    step = (1 << 64) // 10_000
    assert sum(draw(index * step, None) for index in range(10_000)) == pytest.approx(100, abs=1)
    assert draw((1 << 64) - 1, True)
    assert not draw(0, False)
    assert sampler({"OTEL_TRACES_SAMPLER_ARG": "1"})((1 << 64) - 1, None)
    assert not sampler({"OTEL_TRACES_SAMPLER_ARG": "none"})((1 << 64) - 1, None)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        (ENDPOINT, True),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], wanted: bool) -> None:
    assert is_wanted(environment) is wanted


def test_nothing_of_opentelemetry_is_imported_while_it_is_off() -> None:
    code = (
        "import sys; from deployments import tracing, door, tracing_calls;"
        "assert tracing.open_tracing() is None;"
        "assert 'deployments.tracing_export' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": ""})
