"""Balance of weights that come from anywhere: what is compared, what counts as balanced, and in which order it is shown.

The statistics are those of R cobalt: Greifer (2025), "cobalt: covariate balance tables and plots". Thresholds: Stuart (2010),
"Matching methods for causal inference", Statistical Science 25(1), arXiv 1010.5586.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from statinf.balancing.balanced import Balanced
from statinf.errors import OptionError
from statinf.results.methods import Method
from statinf.results.options import Options, choice, value

MEASURES = {
    "smd": "smd_after",
    "variance_ratio": "variance_ratio_after",
    "ks": "ks_after",
    "correlation": "correlation_after",
}
"""Column of the table behind each name of a threshold."""


def _check_threshold(name: str, given: Any) -> dict[str, float] | None:
    if given is None:
        return None
    found = dict(given) if isinstance(given, Mapping) else {"": given}
    for key, limit in found.items():
        if key not in ("", *MEASURES):
            raise OptionError(f"{name}= names {key!r}; what can have a threshold is {', '.join(MEASURES)}.")
        if isinstance(limit, bool) or not isinstance(limit, Real) or not 0.0 < float(limit) < np.inf:
            raise OptionError(
                f"{name}={given!r} is not positive; give a number such as 0.1, or a mapping from names to numbers."
            )
        if key == "variance_ratio" and float(limit) <= 1.0:
            raise OptionError(
                f"{name}={given!r}: a variance ratio is balanced from 1 / limit to limit, such as 2, above 1."
            )
    return {key: float(limit) for key, limit in found.items()}


def _check_names(name: str, given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping) or not all(isinstance(v, str) for pair in given.items() for v in pair):
        raise OptionError(f"{name}={given!r} is not a mapping from columns or terms to what to call them.")
    return dict(given)


@dataclass(frozen=True, kw_only=True)
class AssessOptions(Options):
    """Options of balance tables."""

    denominator: str | None = choice(
        None,
        ("treated", "control", "pooled", "all", "weighted"),
        "standard deviation behind differences; that of the estimand's target unless given (of correlations: the weighted "
        "sample's, or 'all')",
    )
    binary: str = choice("std", ("std", "raw"), "0/1 columns standardised, or as differences in proportion")
    threshold: Any = value(
        0.1, "what counts as balanced: a limit for standardised differences or correlations, or one for each of 'smd', "
        "'variance_ratio', 'ks', 'correlation'; None for no mark", "a number, a mapping, or None", _check_threshold,
    )  # fmt: skip
    order: str = choice("given", ("given", "before", "after", "name"), "order of the lines; by size the largest first")
    names: Any = value({}, "what to call columns or terms", "a mapping from them to text", _check_names)


@dataclass(frozen=True)
class Assessed:
    """A balance table.

    Attributes
    ----------
    table, sizes : pandas.DataFrame
        In long form, with the column `weighting`.
    limits : mapping of str to float
        The threshold of every column of the table that has one.
    """

    table: Any
    sizes: Any
    limits: Mapping[str, float]


def assess(weightings: Mapping[str, Balanced], options: AssessOptions) -> Assessed:
    """Balance under one or several weightings of the same rows."""
    import pandas as pd

    shown = {k: v for k, v in (("denominator", options.denominator), ("binary", options.binary)) if v is not None}
    first = next(iter(weightings.values()))
    if first.measure != "SMD":
        shown.pop("binary")
    frames = {name: w.balance_frame(**shown) for name, w in weightings.items()}
    table = pd.concat([f.assign(weighting=name) for name, f in frames.items()], ignore_index=True)
    sizes = pd.concat([w.sizes_frame().assign(weighting=name) for name, w in weightings.items()], ignore_index=True)
    sizes = sizes[["weighting", *sizes.columns[:-1]]]
    limits = _limits(table, options.threshold, first.measure)
    if limits:
        table["balanced"] = np.all([_within(table[column], column, limit) for column, limit in limits.items()], axis=0)
    assert first.columns is not None
    table = _ordered(table, options.order, first.measure)
    called = _called(options.names, first.columns.names, first.columns.terms)
    table["term"] = [called.get(term, term) for term in table["term"]]
    lead = [c for c in ("weighting", "arm", "reference", "term") if c in table]
    return Assessed(table[[*lead, *(c for c in table if c not in lead)]], sizes, limits)


def _limits(table: Any, threshold: Mapping[str, float] | float | None, measure: str) -> dict[str, float]:
    found = {}
    given = threshold if isinstance(threshold, Mapping) else {} if threshold is None else {"": threshold}
    for key, limit in given.items():
        column = MEASURES[key or ("smd" if measure == "SMD" else "correlation")]
        if column not in table:
            column = "ks" if key == "ks" and "ks" in table else column
        if column not in table:
            raise OptionError(
                f"threshold= names {key!r}, which this table does not have: its treatment has {measure}s."
            )
        found[column] = limit
    return found


def _within(values: Any, column: str, limit: float) -> np.ndarray:
    v = values.to_numpy(dtype=np.float64)
    if column.startswith("variance_ratio"):
        return np.isnan(v) | ((v >= 1.0 / limit) & (v <= limit))
    return np.abs(v) <= limit


def _ordered(table: Any, order: str, measure: str) -> Any:
    """The table's terms by size of the largest difference of any weighting and pair, or by name."""
    if order == "given":
        return table
    stem = "smd" if measure == "SMD" else "correlation"
    if order == "name":
        places = {term: k for k, term in enumerate(sorted(set(table["term"])))}
    else:
        size = table.assign(size=table[f"{stem}_{order}"].abs()).groupby("term", sort=False)["size"].max()
        places = {term: k for k, term in enumerate(size.sort_values(ascending=False, kind="stable").index)}
    blocks = [c for c in ("weighting", "arm", "reference") if c in table]
    table = table.assign(place=table["term"].map(places), block=table.groupby(blocks, sort=False).ngroup())
    return table.sort_values(["block", "place"], kind="stable", ignore_index=True).drop(columns=["place", "block"])


def _called(names: Mapping[str, str], columns: Sequence[str], terms: Sequence[str]) -> dict[str, str]:
    """What each column is called: by its own name, or by that of its term, whose level stays behind it."""
    out = {}
    for key, label in names.items():
        if key in columns:
            out[key] = label
            continue
        of_term = [
            c
            for c, term in zip(columns, terms, strict=True)
            if key in (term, term.removeprefix("C(").removesuffix(")"))
        ]
        if not of_term:
            raise OptionError(
                f"names= has {key!r}, which is not in the table; its columns are {', '.join(columns[:12])}."
            )
        for column in of_term:
            out.setdefault(column, label + (column[column.index("[") :] if "[" in column else ""))
    return out


METHOD = Method(
    verb="balance_table",
    name="",
    estimate=assess,
    options=AssessOptions,
    summary="Balance of covariates under weights from anywhere",
    citation="Stuart (2010); statistics as in R cobalt, Greifer (2025)",
    arxiv="1010.5586",
    guarantee="the statistics of R cobalt",
    vignette="balance-arms",
    traits={
        "column shift": "the table shows means, in each column's own unit",
        "column scale": "the table shows means, in each column's own unit",
    },
)
