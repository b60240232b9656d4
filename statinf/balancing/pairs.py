"""Balance of two arms as a table: standardised differences, variance ratios, distances, sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.balancing.columns import BalanceColumns
from statinf.errors import one_of
from statinf.numerics.discrepancy.imbalance import DENOMINATORS, denominators, effective_size, imbalances, is_binary
from statinf.results.table import format_number

SD = {
    "treated": "the treated",
    "control": "the controls",
    "pooled": "both arms pooled, sqrt((s1^2 + s0^2) / 2)",
    "all": "the whole sample",
    "weighted": "the weighted sample",
}
"""Whose standard deviation each denominator is."""
SIZE_HEADS = ("arm", "rows", "ESS before", "ESS after", "least weight", "largest weight", "zero")


@dataclass(frozen=True)
class Contrasted:
    """Rows of two arms.

    Attributes
    ----------
    treated : ndarray of bool, shape (n,)
    sampling, values : ndarray, shape (n,)
        Sampling weights and balancing weights.
    """

    treated: np.ndarray
    sampling: np.ndarray
    values: np.ndarray


def check_shown(estimand: str, denominator: str | None, binary: str) -> str:
    """The kind of denominator, that of the estimand unless given; refuses what is no option of a balance table."""
    one_of("binary", binary, ("std", "raw"))
    if denominator is None:
        return DENOMINATORS.get(estimand, "weighted")
    return one_of("denominator", denominator, tuple(SD))


def binary_columns(columns: BalanceColumns) -> np.ndarray:
    """Which columns are 0 and 1 as the caller gave them, shape (p,)."""
    return is_binary(columns.values) & (columns.unit == 1.0) & (columns.shift == 0.0)


def pair_frame(
    columns: BalanceColumns,
    rows: Contrasted,
    kind: str,
    binary: str,
    flags: np.ndarray | None = None,
    given: tuple[np.ndarray, np.ndarray] | None = None,
) -> Any:
    """Balance of every column before and after weighting.

    Parameters
    ----------
    columns : BalanceColumns
        Of these rows.
    flags : ndarray of bool, shape (p,), optional
        Binary columns, where the rows are some of those that decide.
    given : pair of ndarray, shape (p,), optional
        Standard deviations and their kinds, where other rows decide on them.
    """
    import pandas as pd

    x, t, s, w = columns.values, rows.treated, rows.sampling, rows.values
    sd, kinds = denominators(x, t, s, w, kind) if given is None else given
    flags = binary_columns(columns) if flags is None else flags
    if binary == "raw":
        sd, kinds = np.where(flags, 1.0, sd), np.where(flags, "none", kinds)
    before, after = imbalances(x, t, (s, w), sd)
    return pd.DataFrame(
        {
            "term": columns.names,
            "type": np.where(flags, "binary", "continuous"),
            "denominator": kinds,
            "smd_before": before.smd,
            "smd_after": after.smd,
            "variance_ratio_before": before.variance_ratio,
            "variance_ratio_after": after.variance_ratio,
            "ks_before": before.ks,
            "ks_after": after.ks,
            "mean_treated": columns.shift + columns.unit * after.mean1,
            "mean_control": columns.shift + columns.unit * after.mean0,
        }
    )


def arm_sizes(arms: Sequence[tuple[Any, np.ndarray]], sampling: np.ndarray, values: np.ndarray) -> Any:
    """Rows and effective sample sizes of each arm, given as labels and masks (n,), as a pandas frame."""
    import pandas as pd

    rows = []
    for label, arm in arms:
        s, w = sampling[arm], values[arm]
        zero = int(((w == 0) & (s > 0)).sum())
        rows.append((str(label), int((s > 0).sum()), effective_size(s), effective_size(w), zero))
    return pd.DataFrame(rows, columns=["arm", "rows", "ess_before", "ess_after", "zero"])


def size_cells(sampling: np.ndarray, values: np.ndarray) -> tuple[str, ...]:
    """The cells behind an arm's name in a summary: rows, effective sizes, range of relative weights, zeros."""
    used = sampling > 0
    s, w = sampling[used], values[used]
    relative = w / s
    relative = relative / max(np.average(relative, weights=s), 1e-300)
    sizes = (len(s), effective_size(s), effective_size(w), relative.min(), relative.max(), int((w == 0).sum()))
    return tuple(format_number(c) for c in sizes)


def extremes(frame: Any) -> list[tuple[str, str]]:
    """The largest standardised differences of a balance table, for summaries."""
    before, after = (np.abs(frame[column].to_numpy()) for column in ("smd_before", "smd_after"))
    at = int(np.nanargmax(after))
    pair = f", {frame['arm'].iloc[at]} against {frame['reference'].iloc[at]}" if "arm" in frame else ""
    return [
        ("Largest |SMD| before", f"{float(np.fmax.reduce(before)):.4f}"),
        ("Largest |SMD| after", f"{float(after[at]):.4f} ({frame['term'].iloc[at]}{pair})"),
    ]


def denominator_notes(frame: Any, estimand: str, said: dict[str, str] | None = None) -> list[str]:
    """Which standard deviation stands behind the differences, and where another had to."""
    said, kind = said or SD, DENOMINATORS.get(estimand, "weighted")
    notes = [f"Standardised mean differences divide by the standard deviation of {said[kind]}."]
    kinds = frame["denominator"].to_numpy()
    for other in ("pooled", "all"):
        rows = np.flatnonzero(kinds == other) if kind != other else ()
        if len(rows):
            terms = dict.fromkeys(str(term) for term in frame["term"].to_numpy()[rows])
            notes.append(f"{', '.join(terms)}: does not vary there, so that of {said[other]}.")
    return notes
