"""The tables of sets of classes: their summary, and how often they cover."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.conformity.class_procedure import ClassSplit
from statinf.conformity.class_score import Cumulated
from statinf.conformity.few_rows import cell_names
from statinf.conformity.tables import expectation, first_facts, last_notes, rank_words, slab_of
from statinf.inference.conformal import binomial_interval
from statinf.results import Table


def class_coverage(
    covered: np.ndarray,
    size: np.ndarray,
    codes: np.ndarray,
    names: tuple[str, ...],
    labels: np.ndarray | None,
    X: np.ndarray | None,
    *,
    confidence: float,
    share: float,
    seed: int,
) -> Any:
    """Coverage of all rows, by class, by group, by set size and on the worst slab, as a pandas frame.

    Parameters
    ----------
    covered : ndarray of bool, shape (n,)
    size : ndarray of int, shape (n,)
        Classes in each set.
    codes : ndarray of int, shape (n,)
        Recorded classes; negative where the fit does not know them.
    names : tuple of str
        Of the classes.
    labels : ndarray, shape (n,), optional
        Groups.
    X : ndarray, shape (n, p), optional
        Covariates, if the worst slab is wanted.
    """
    import pandas as pd

    classes = np.array([*names, "unseen"], dtype=object)
    parts = [("all", "", np.ones(len(covered), bool))]
    parts += [("class", str(classes[k]), codes == k) for k in range(len(names)) if (codes == k).any()]
    if (codes < 0).any():
        parts.append(("class", "unseen", codes < 0))
    if labels is not None:
        parts += [("group", str(g), labels == g) for g in np.unique(labels.astype(str))]
    parts += [("size", str(s), size == s) for s in np.unique(size)]
    rows = []
    for part, label, rows_of in parts:
        rows.append((part, label, int(rows_of.sum()), int(covered[rows_of].sum()), size[rows_of]))
    slab = slab_of(covered, X, share, seed)
    if slab is not None:
        rows.append(("worst slab", "", slab.n, slab.covered, size[slab.inside]))
    n, hits = np.array([r[2] for r in rows]), np.array([r[3] for r in rows])
    low, high = binomial_interval(hits, n, confidence)
    return pd.DataFrame(
        {
            "part": [r[0] for r in rows],
            "label": [r[1] for r in rows],
            "n": n,
            "covered": hits,
            "coverage": hits / n,
            "conf_low": low,
            "conf_high": high,
            "size": [float(r[4].mean()) if len(r[4]) else np.nan for r in rows],
            "empty": [int((r[4] == 0).sum()) for r in rows],
        }
    )


def class_summary(fit: Any) -> Table:
    """Thresholds, what they guarantee, and how large the sets of the calibration rows are."""
    procedure, level = fit.procedure, fit.level
    facts = first_facts(fit)
    facts += [("Classes", _shortened(fit.levels)), ("Model", procedure.fitted.name), ("Score", _score(procedure.score))]
    notes = [f"Coverage: {procedure.guarantee(level, fit.groups is not None)}."]
    if isinstance(procedure, ClassSplit):
        facts += [("Trained on", str(procedure.trained)), ("Calibrated on", str(procedure.n))]
        if procedure.tuned:
            facts.append(("Chosen on", str(procedure.tuned)))
        columns, rows = _thresholds(procedure, level, fit.groups)
        notes += expectation(procedure, level, exact=procedure.allow_empty)
        total = procedure.sizes.sum()
        mean = procedure.sizes @ np.arange(len(procedure.sizes)) / total
        notes.append(
            f"Sets of the calibration rows: {mean:.3g} classes on average, {procedure.sizes[1] / total:.1%} of one class, "
            f"{procedure.sizes[0]} of {total} empty."
        )
    else:
        columns, rows = ("threshold", "n", "rank"), [("all rows", str(procedure.n), rank_words(procedure.n, level))]
    absent = procedure.fitted.absent(fit.levels)
    if absent:
        notes.append(f"Not seen by the model, probability zero: {_shortened(absent)}.")
    notes += last_notes(fit)
    return Table(columns, tuple(rows), title="Conformal prediction of classes", facts=tuple(facts), notes=tuple(notes))


def _shortened(levels: tuple[Any, ...]) -> str:
    shown = ", ".join(map(str, levels[:8]))
    return shown if len(levels) <= 8 else f"{shown}, ... ({len(levels)})"


def _score(score: Any) -> str:
    if not isinstance(score, Cumulated):
        return "1 - probability"
    said = "cumulated probability" + (", randomised" if score.randomized else "")
    return said + (f", penalty {score.penalty:g} beyond rank {score.kreg}" if score.penalty else "")


def _thresholds(procedure: ClassSplit, level: float, groups: Any) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    calibration = procedure.calibration
    names = cell_names(procedure, groups)
    codes = np.zeros(procedure.n, int) if calibration.groups is None else calibration.groups
    counts = np.bincount(codes, minlength=len(names))
    if calibration.weights is not None:
        return ("threshold", "n", "rank"), [
            (name, str(n), "varies with the row") for name, n in zip(names, counts, strict=True)
        ]
    cells = None if calibration.groups is None else np.arange(len(names))
    q = calibration.thresholds(level, len(names), new_groups=cells)[:, 0]
    rows = [(name, str(n), rank_words(n, level), f"{one:.4g}") for name, n, one in zip(names, counts, q, strict=True)]
    return ("threshold", "n", "rank", "score"), rows
