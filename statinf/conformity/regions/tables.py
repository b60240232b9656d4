"""The summary of a fit of regions."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.conformity.regions.procedure import RegionSplit
from statinf.conformity.tables import expectation, first_facts, last_notes, rank_words
from statinf.results import Table


def region_summary(fit: Any) -> Table:
    """Thresholds, what they guarantee, and what coverage to expect after this calibration."""
    procedure, level = fit.procedure, fit.level
    facts = [*first_facts(fit), ("Outcomes", ", ".join(procedure.names)), ("Trained on", str(procedure.trained))]
    if procedure.held:
        facts.append(("Held apart", str(procedure.held)))
    facts += [("Calibrated on", str(procedure.n)), ("Direction", "grow or shrink" if procedure.signed else "grow")]
    notes = [
        f"Coverage: {procedure.guarantee(level)}.",
        f"Before calibration regions hold {procedure.covered:.1%} of the calibration rows; the radius is how far they grow, in "
        "standard deviations of the outcomes.",
        *expectation(procedure, level, exact=True),
        *last_notes(fit),
    ]
    columns, rows = _thresholds(procedure, level, fit.groups)
    return Table(columns, tuple(rows), title="Conformal prediction regions", facts=tuple(facts), notes=tuple(notes))


def _thresholds(procedure: RegionSplit, level: float, groups: Any) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    names = ("all rows",) if groups is None else groups.labels
    codes = np.zeros(procedure.n, int) if procedure.calibration.groups is None else procedure.calibration.groups
    counts = np.bincount(codes, minlength=len(names))
    if procedure.calibration.weights is not None:
        rows = [(name, str(n), "varies with the row") for name, n in zip(names, counts, strict=True)]
        return ("threshold", "n", "rank"), rows
    cells = None if groups is None else np.arange(len(names))
    q = procedure.thresholds(level, len(names), groups=cells)
    rows = [(name, str(n), rank_words(n, level), f"{one:.4g}") for name, n, one in zip(names, counts, q, strict=True)]
    return ("threshold", "n", "rank", "radius"), rows
