"""The tables of a conformal fit: its summary, and how often its sets cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.conformity.coverage import Slab, by_group, worst_slab
from statinf.conformity.procedure import Split
from statinf.conformity.shift import effective_size
from statinf.inference.conformal import binomial_interval, coverage_band, quantile_rank
from statinf.results import Table

SLAB_ROWS = 200
"""Fewest rows at which the worst slab is looked for: a quarter of them search it."""


def coverage_table(
    covered: np.ndarray,
    length: np.ndarray,
    labels: np.ndarray | None,
    X: np.ndarray | None,
    *,
    confidence: float,
    share: float,
    seed: int,
    members: Mapping[str, np.ndarray] | None = None,
) -> Any:
    """Coverage of all rows, of groups and of the worst slab, as a pandas frame.

    Parameters
    ----------
    covered : ndarray of bool, shape (n,)
    length : ndarray, shape (n,)
        Sizes of the sets.
    labels : ndarray, shape (n,), optional
        Groups.
    X : ndarray, shape (n, p), optional
        Covariates, if the worst slab is wanted.
    members : mapping of str to ndarray of bool, shape (n,), optional
        Groups that may overlap.
    """
    import pandas as pd

    everyone = by_group(covered, np.zeros(len(covered)), confidence) | {"group": [""]}
    parts = [_rows("all", everyone, [length])]
    if labels is not None:
        parts.append(
            _rows("group", by_group(covered, labels, confidence), [length[labels == g] for g in np.unique(labels)])
        )
    for name, held in (members or {}).items():
        if held.any():
            one = by_group(covered[held], np.zeros(int(held.sum())), confidence) | {"group": [name]}
            parts.append(_rows("group", one, [length[held]]))
    worst = slab_of(covered, X, share, seed)
    if worst is not None:
        low, high = binomial_interval(np.array([worst.covered]), np.array([worst.n]), confidence)
        row = {"group": [""], "n": [worst.n], "covered": [worst.covered], "coverage": [worst.coverage]}
        parts.append(_rows("worst slab", row | {"conf_low": low, "conf_high": high}, [length[worst.inside]]))
    return pd.concat(parts, ignore_index=True)


def slab_of(covered: np.ndarray, X: np.ndarray | None, share: float, seed: int) -> Slab | None:
    """The worst slab; None where it is not wanted, or rows or covariates do not give one."""
    if X is None or not X.shape[1] or len(X) < SLAB_ROWS or not (X.std(axis=0) > 0).any():
        return None
    slab = worst_slab(covered, X, share=share, seed=seed)
    return slab if slab.n else None


def _rows(part: str, columns: Mapping[str, Any], lengths: list[np.ndarray]) -> Any:
    import pandas as pd

    frame = pd.DataFrame({k: columns[k] for k in ("n", "covered", "coverage", "conf_low", "conf_high")})
    frame.insert(0, "label", [str(g) for g in columns["group"]])
    frame.insert(0, "part", part)
    frame["length"] = [float(v.mean()) if len(v) else np.nan for v in lengths]
    return frame


def summary_table(fit: Any) -> Table:
    """Thresholds, what they guarantee, and what coverage to expect after this calibration."""
    procedure, level = fit.procedure, fit.level
    facts = first_facts(fit)
    notes = [f"Coverage: {procedure.guarantee(level)}."]
    if isinstance(procedure, Split):
        facts += [("Trained on", str(procedure.trained)), ("Calibrated on", str(procedure.n))]
        columns, rows = _thresholds(procedure, level, fit.groups)
        notes += expectation(procedure, level, exact=procedure.calibration.scores.shape[1] == 1)
    elif procedure.per_row:
        columns = ("threshold", "n", "depends on")
        rows = [("varies with the row", str(procedure.n), procedure.depends_on)]
    else:
        columns, rows = ("threshold", "n", "rank"), [("all rows", str(procedure.n), rank_words(procedure.n, level))]
    notes += last_notes(fit)
    return Table(columns, tuple(rows), title="Conformal prediction", facts=tuple(facts), notes=tuple(notes))


def first_facts(fit: Any) -> list[tuple[str, str]]:
    """What every summary of a conformal fit begins with."""
    return [("Formula", fit.formula), ("Rows", str(fit.nobs)), ("Level", f"{fit.level:g}"), ("Method", fit.method)]


def last_notes(fit: Any) -> list[str]:
    """What every summary ends with: the rows left out, and the paper."""
    dropped = [fit.dropped_note()] if fit.dropped else []
    return [*dropped, f"Method: {fit.citation}."] if fit.citation else dropped


def expectation(procedure: Any, level: float, *, exact: bool) -> list[str]:
    """What coverage to expect after this calibration: a beta-binomial law where `exact` and one threshold serves all rows,
    at which no two calibration rows tie.
    """
    calibration = procedure.calibration
    if calibration.weights is not None:
        size = effective_size(calibration.weights)
        return [f"Covariate shift: the weights are worth {size:.0f} of {procedure.n} calibration rows."]
    if calibration.groups is not None or not exact:
        return []
    # Rows that tie at the threshold are covered together, which adds to the law.
    if np.count_nonzero(calibration.scores == calibration.thresholds(level, 1)) > 1:
        return []
    low, high = coverage_band(procedure.n, level, 1000)
    return [f"Of 1000 new rows this calibration should cover a share in [{low:.3f}, {high:.3f}] (95%, beta-binomial)."]


def _thresholds(procedure: Split, level: float, groups: Any) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    calibration = procedure.calibration
    tail = calibration.tail_level(level)
    names = ("all rows",) if groups is None else groups.labels
    codes = np.zeros(procedure.n, int) if calibration.groups is None else calibration.groups
    rows: list[tuple[str, ...]] = []
    for g, name in enumerate(names):
        n = int((codes == g).sum())
        if calibration.weights is not None:
            rows.append((name, str(n), "varies with the row"))
            continue
        single = np.array([g]) if calibration.groups is not None else None
        q = calibration.thresholds(level, 1, new_groups=single)[0]
        rows.append((name, str(n), rank_words(n, tail), ", ".join(f"{v:.4g}" for v in q)))
    head = ("threshold", "n", "rank") if calibration.weights is not None else ("threshold", "n", "rank", "score")
    return head, rows


def rank_words(n: int, level: float) -> str:
    k = quantile_rank(n, level)
    return f"{k} of {n}" if k <= n else "infinite"
