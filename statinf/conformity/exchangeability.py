"""Whether new rows are exchangeable with the calibration rows of a conformal fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import generator
from statinf.backend.seeds import check_seed
from statinf.errors import DataError, OptionError, StatinfWarning, issue_warning
from statinf.inference.conformal import Calibration
from statinf.inference.exchangeability import growing_p_values, log_martingale
from statinf.results import Result, Table, format_number, format_p, to_caller

ALARM = 100.0
"""The value at which coverage is doubted: exchangeable rows reach it in at most one of a hundred samples."""
_STREAM = 71


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Exchangeability(Result):
    """A martingale that grows where rows are not exchangeable with the calibration rows.

    Attributes
    ----------
    rows : ndarray of int, shape (m,)
        Numbers of the new rows used, from 0, in their order.
    p_values : ndarray, shape (m,)
        Conformal p-value of each among the calibration rows and the new rows before it.
    log10 : ndarray, shape (m,)
        Logarithm to base 10 of the martingale after each row.
    calibrated : int
        Calibration rows.
    seed : int
    """

    rows: np.ndarray
    p_values: np.ndarray
    log10: np.ndarray
    calibrated: int
    seed: int

    beside = ("path", "largest", "p_value", "p_values")

    @property
    def path(self) -> Any:
        """One row per new row used: `row`, `p_value`, `log10` and `value` of the martingale after it."""
        import pandas as pd

        columns = {"row": self.rows, "p_value": self.p_values, "log10": self.log10, "value": _power(self.log10)}
        return to_caller(pd.DataFrame(columns), self.kind)

    @property
    def largest(self) -> float:
        """Largest value of the martingale, its start at one included; infinite beyond the largest float."""
        return float(_power(max(0.0, float(self.log10.max()))))

    @property
    def p_value(self) -> float:
        """One over the largest value: valid whenever one stops looking, by Ville's inequality."""
        return float(10.0 ** -max(0.0, float(self.log10.max())))

    def summary(self) -> Table:
        """The martingale's last and largest value."""
        top = int(self.log10.argmax())
        rows = (
            ("last", str(self.rows[-1]), format_number(float(self.log10[-1])), ""),
            ("largest", str(self.rows[top]), format_number(float(self.log10[top])), format_p(self.p_value)),
        )
        facts = (
            ("Formula", self.formula),
            ("Conformal method", self.method),
            ("Calibration rows", str(self.calibrated)),
            ("New rows", str(self.nobs)),
        )
        notes = (
            "p is one over the largest value of the martingale; it holds at every row at once (Ville).",
            "The order of the rows is part of the test.",
            *([self.dropped_note()] if self.dropped else []),
            f"Method: {self.citation}.",
        )
        return Table(("martingale", "row", "log10", "p"), rows, title="Exchangeability", facts=facts, notes=notes)

    def plot(self, *, ax: Any = None) -> Any:
        """The martingale over the new rows, with the value 100; returns the matplotlib axes."""
        from statinf.plotting.conformal import plot_martingale

        return plot_martingale(self.rows, self.log10, float(np.log10(ALARM)), ax=ax)


def _power(log10: Any) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return np.power(10.0, log10)


def martingale_of(
    fit: Any,
    calibration: Calibration,
    rows: np.ndarray,
    scores: np.ndarray,
    groups: np.ndarray | None,
    total: int,
    seed: int,
) -> Exchangeability | None:
    """The martingale over scored rows; None if there are none.

    Parameters
    ----------
    fit : Conformal or ClassSets
    calibration : Calibration
    rows : ndarray of int, shape (m,)
        Numbers of the rows among `total`.
    scores : ndarray, shape (m,)
    groups : ndarray of int, shape (m,), optional
        The calibration's groups: each has a bag of its own. Rows of unseen groups (-1) are left out.
    total, seed : int
    """
    if calibration.weights is not None:
        raise OptionError(
            f"'{fit.method}' was fitted with weights=, which say that new rows differ from the calibration rows; fit without "
            "them to test whether they do."
        )
    old = calibration.scores[:, -1]
    draws = generator(check_seed(seed), _STREAM).random(total)[rows]
    found = np.full(len(rows), np.nan)
    for at, part in calibration.parts(groups, len(rows)):
        if len(part):
            found[at] = growing_p_values(old[part], scores[at], draws[at])
    known = ~np.isnan(found)
    if not known.any():
        return None
    left = total - int(known.sum())
    return Exchangeability(
        method=fit.method,
        formula=fit.formula,
        citation="Vovk, Nouretdinov, Gammerman (2003); Fedorova, Gammerman, Nouretdinov, Vovk (2012), arXiv 1204.3251",
        nobs=int(known.sum()),
        kind=fit.kind,
        dropped={"no outcome, or no score": left} if left else {},
        rows=rows[known],
        p_values=found[known],
        log10=log_martingale(found[known]) / np.log(10.0),
        calibrated=len(old),
        seed=seed,
    )


def required(found: Exchangeability | None) -> Exchangeability:
    """The martingale, or the `DataError` that says what newdata lacks."""
    if found is None:
        raise DataError(
            "newdata has no row to test: none has a recorded outcome, can be predicted, and belongs to a group or class "
            "with calibration rows."
        )
    return found


def warn_if_broken(found: Exchangeability | None) -> None:
    """Say so where the martingale passes 100: the guarantee of coverage assumes exchangeable rows."""
    if found is not None and float(found.log10.max()) > np.log10(ALARM):
        at = int(found.rows[np.argmax(found.log10 > np.log10(ALARM))])
        issue_warning(
            f"the new rows are not exchangeable with the calibration rows: the martingale of fit.exchangeability(newdata) "
            f"passes {ALARM:g} at row {at} (p = {found.p_value:.2g}), so that coverage is not guaranteed. Where rows come in "
            "time use si.conformal_online, where covariates have shifted give weights=; rows sorted by a column, or seen by "
            "the fit, are not exchangeable either.",
            StatinfWarning,
        )
