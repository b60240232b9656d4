"""The timings' bookkeeping: order of the runs, medians, errors, what is kept."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

from benchmarks import harness


@pytest.fixture
def clock(monkeypatch):
    """A clock that the work itself moves."""
    now = [0.0]
    monkeypatch.setattr(harness.time, "perf_counter", lambda: now[0])
    return now


def test_runs_are_interleaved_and_the_median_counts(clock, tmp_path):
    order = []

    def work(name, costs):
        order.append(name)
        clock[0] += costs.pop(0)
        return 3.0

    ours, peer = partial(work, "A", [9, 1, 2, 30]), partial(work, "B", [9, 8, 8, 1])
    done = harness.compare("work", ours, peer, repeat=3, warmup=1, error=lambda r: r - 1, family="f", folder=tmp_path)
    assert order == list("ABABABAB")
    assert (done.ours, done.peer, done.ratio) == (2, 8, 4)
    assert (done.ours_range, done.peer_range) == ((1, 30), (1, 8))
    assert (done.ours_error, done.peer_error) == (2.0, 2.0)


def test_a_comparison_replaces_that_of_the_same_name(tmp_path):
    for value in (1, 2):
        harness.compare("a | b", lambda: 0, lambda: 0, repeat=1, note=f"note {value}", family="f", folder=tmp_path)
    harness.compare("alone", lambda: 0, repeat=1, family="f", folder=tmp_path)
    records = json.loads((tmp_path / "f.json").read_text())
    assert [(r["name"], r["note"]) for r in records] == [("a | b", "note 2"), ("alone", "")]
    table = (tmp_path / "f.md").read_text()
    assert "a \\| b (1)" in table
    assert "(1) note 2" in table


def test_check_may_refuse_or_measure(tmp_path):
    def compare(check):
        return harness.compare("x", lambda: 1.0, lambda: 2.0, repeat=1, check=check, family="f", folder=tmp_path)

    assert compare(lambda a, b: (a, b)).peer_error == 2.0
    assert compare(lambda a, b: b - a).ours_error == 1.0
    with pytest.raises(AssertionError, match="did not give the same result"):
        compare(lambda a, b: a == b)
    with pytest.raises(AssertionError):
        compare(np.testing.assert_allclose)


def test_nothing_names_the_machine(tmp_path):
    import platform

    about = json.dumps(harness.machine())
    assert platform.node() not in about
    assert harness.machine()["cores"] >= 1


def test_peak_memory_is_that_of_the_call():
    size = 64e6
    peak = harness.peak_memory(partial(np.ones, int(size / 8)))
    assert size / 1e6 - 1 <= peak < 1.5 * size / 1e6  # the kernel counts pages in batches of some hundred kB


@pytest.mark.parametrize(("value", "text"), [(12.34, "12.3 s"), (0.0123, "12.3 ms"), (4.2e-6, "4.2 µs"), (None, None)])
def test_times_have_units(value, text):
    assert harness.seconds(value) == text
