"""Fits over a folder of Parquet files hold a few blocks in memory and no more."""

from __future__ import annotations

from pathlib import Path

from benchmarks import out_of_core

ROWS, GROUP = 200_000, 20_000


def test_memory_stays_that_of_a_few_blocks(tmp_path: Path) -> None:
    folder = out_of_core.make(tmp_path, ROWS, size=GROUP)
    small = out_of_core.make(tmp_path, GROUP, size=GROUP)
    # What else the machine does can only add to a peak.
    twice = [out_of_core.measure("lm HC1", folder, small) for _ in range(2)]
    assert not any("failed" in found for found in twice), twice
    assert all(found["passes"] == 3 for found in twice)
    # In memory the frame, its design and the weighted copy of that would each take about what ten columns do.
    assert min(found["growth_mb"] for found in twice) < 2 * ROWS * 80 / 2**20


def test_rows_are_told_by_their_place(tmp_path: Path) -> None:
    one, two = out_of_core.group(3, 100), out_of_core.group(3, 100)
    assert all((one[c] == two[c]).all() for c in out_of_core.COLUMNS)
    results = {"1000": {"lm HC1": {"seconds": 1.0, "peak_mb": 100.0, "passes": 3}}}
    results["100000"] = {"lm HC1": {"seconds": 100.0, "peak_mb": 100.0, "passes": 3}}
    growth = out_of_core.exponents(results)["lm HC1"]
    assert abs(growth["seconds"] - 1.0) < 1e-12 and growth["peak_mb"] == 0.0
    assert "| lm HC1 | 100,000 |" in out_of_core.table(results, {"cores": 2, "python": "3"})
