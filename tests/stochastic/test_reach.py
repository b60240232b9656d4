"""The numbers of rows that labels and warnings name, against the recorded coverage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from statinf.stochastic import reach

CELLS = json.loads((Path(__file__).parents[2] / "benchmarks/results/stream_coverage.json").read_text())
BURNT = {1_000: 800, 2_000: 1_600, 5_000: 4_000}
ENOUGH = 0.925


def shares(kind, losses):
    """(rows, averaged rows, coverage) of an inference in the recorded cells of these losses."""
    for key, cell in CELLS.items():
        loss, n = key.split("|")
        if loss in losses and kind in cell:
            yield int(n), BURNT.get(int(n), int(n) - int(n) // 10), cell[kind][0]


@pytest.mark.parametrize("kind", ["multiplier", "plugin", "hac", "random-scaling"])
def test_intervals_cover_from_the_rows_that_are_named(kind):
    central = ("squared", "logistic", "quantile .5") + (() if kind == "random-scaling" else ("quantile .9",))
    found = list(shares(kind, central))
    assert {rows for rows, _, _ in found} >= {1_000, 10_000}
    assert all(share >= ENOUGH for _, averaged, share in found if averaged >= reach.COVERS[kind])
    below = [share for _, averaged, share in found if averaged < reach.COVERS[kind]]
    assert not below or min(below) < ENOUGH
    named = f"{min(rows for rows, averaged, _ in found if averaged >= reach.COVERS[kind]):,}"
    assert f"covers from n = {named}" in reach.note(kind)


def test_where_no_interval_covers_the_warning_says_so():
    losses = ("squared", "logistic", "quantile .5", "quantile .9", "quantile .99")
    assert all(share < ENOUGH for _, _, share in shares("batch-means", losses))
    assert max(rows for rows, _, _ in shares("batch-means", ("squared",))) == reach.TRIED
    for kind in ("plugin", "hac", "random-scaling"):
        assert all(share < ENOUGH for _, _, share in shares(kind, ("quantile .99",)))
    assert all(share < ENOUGH for _, _, share in shares("random-scaling", ("quantile .9",)))
    assert all(share >= ENOUGH for _, _, share in shares("multiplier", ("quantile .99",)))


def test_intervals_of_values_cover_from_the_rows_that_are_named():
    values = ("td, independent", "td, trajectory")
    for kind in ("multiplier", "plugin", "hac"):
        assert all(share >= ENOUGH for _, _, share in shares(kind, values))
    scaling = list(shares("random-scaling", ("td, independent",)))
    assert {rows for rows, _, _ in scaling} >= {1_000, 10_000, 30_000}
    assert all((share >= ENOUGH) == (averaged >= reach.LONG) for _, averaged, share in scaling)
    assert all(share < ENOUGH for _, _, share in shares("random-scaling", ("td, trajectory",)))
    assert all(share < ENOUGH for _, _, share in shares("batch-means", values))
    assert "along a trajectory" in reach.too_short("random-scaling", 1e5, 20.0, along=True)
    assert not reach.too_short("random-scaling", 1e5, 20.0)
