"""`MinimaxFit`: a rule of least worst-case risk on a target population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.errors import DataError, NumericalWarning, issue_warning
from statinf.formula.recipe import NewRows
from statinf.results import Predictive, Table, format_number, prediction_frame, to_caller
from statinf.shifts.double_ratio import DoubleRatio
from statinf.shifts.samples import Samples
from statinf.shifts.scaling import Scaling


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MinimaxFit(Predictive):
    """A rule for new target rows, with its worst-case risk over D.

    Attributes
    ----------
    rule : {"minimax", "overlap"}
    loss : {"log", "0-1", "squared", "absolute"}
    terms : tuple of str
    mu : ndarray, shape (d,)
        Coefficients of the regressors in ``z(x) = a(x) x'mu``, of which predictions are functions.
    worst_case_risk : float
        Largest mean loss on the target over the laws that the rule guards against; NaN for the overlap rule. Their box is the
        smallest that is not empty, so that it is a score to choose D by and no certificate.
    centre, limit : float
        The outcome's middle, and how far outcomes may lie from it.
    box : ndarray, shape (d,)
        How far moments may be apart, of scaled regressors.
    risks : mapping of str to ndarray
        Columns of `path`.
    ratio : DoubleRatio
        Both weights.
    target_rows : int
    """

    rule: str
    loss: str
    terms: tuple[str, ...]
    mu: np.ndarray
    scaled: np.ndarray
    scaling: Scaling
    worst_case_risk: float
    centre: float
    limit: float
    box: np.ndarray
    risks: Mapping[str, np.ndarray]
    ratio: DoubleRatio
    target_rows: int
    samples: Samples | None = field(default=None, metadata={"saved": False})

    beside = ("mu", "path", "ratio", "worst_case_risk")

    @property
    def D(self) -> float:
        """The D that was given, or chosen."""
        return self.ratio.D

    @property
    def params(self) -> Any:
        """Coefficients by name, as a pandas Series; they have no standard errors."""
        import pandas as pd

        return pd.Series(self.mu, index=list(self.terms), name="estimate")

    @property
    def std_errors(self) -> Any:
        """Refused: no large-sample theory."""
        self.refuse(
            "std_errors", "a minimax rule has no large-sample theory; method='double' with rule='weighted' has them"
        )

    def conf_int(self, *args: Any, **options: Any) -> Any:
        """Refused: no large-sample theory."""
        self.refuse(
            "conf_int", "a minimax rule has no large-sample theory; method='double' with rule='weighted' has them"
        )

    def path(self) -> Any:
        """What was tried over D, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns D, and for the minimax rule worst_case_risk and box (the summed widths); with those of `DoubleRatio.path`,
            whose worst case for means is `mean_worst_case`.
        """
        import pandas as pd

        return to_caller(pd.DataFrame(dict(self.risks)), self.kind)

    def summary(self) -> Table:
        """Coefficients, with the worst-case risk and the sizes of both weighted samples."""
        facts = (
            ("Formula", self.formula),
            ("Source rows", str(self.nobs)),
            ("Target rows", str(self.target_rows)),
            ("D", format_number(self.D)),
            ("Effective source rows", format_number(self.ratio.ess)),
            ("Mean a", format_number(self.ratio.mean_alpha)),
            ("Worst-case risk", format_number(self.worst_case_risk)),
        )
        rows = tuple((name, format_number(value)) for name, value in zip(self.terms, self.mu, strict=True))
        what = f"minimax {self.loss} loss" if self.rule == "minimax" else "least squares on the overlap"
        notes = tuple(n for n in (f"Method: {self.citation}.", self.dropped_note()) if n)
        return Table(("term", "coefficient"), rows, title=f"Double weighting: {what}", facts=facts, notes=notes)

    def glance(self) -> Any:
        """One row: nobs, target_rows, rule, loss, D, worst_case_risk, ess, mean_alpha."""
        import pandas as pd

        row = {"nobs": self.nobs, "target_rows": self.target_rows, "rule": self.rule, "loss": self.loss, "D": self.D}
        row |= {"worst_case_risk": self.worst_case_risk, "ess": self.ratio.ess, "mean_alpha": self.ratio.mean_alpha}
        return to_caller(pd.DataFrame([row]), self.kind)

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Predictions, by default at the target rows.

        Parameters
        ----------
        newdata : data frame, optional
            Their weights a come from the programme's optimality conditions; without a ridge they count as one, with a
            warning.
        interval : None
            Others are refused: the rule has no large-sample theory.
        level : float

        Returns
        -------
        data frame
            Column estimate: the prediction, or the probability of class 1 (with loss="0-1" that of the randomised rule; the
            deterministic one says 1 above one half).
        """
        if interval is not None:
            self.refuse(f"interval={interval!r}", "a minimax rule has no large-sample theory; si.conformal has sets")
        if newdata is None:
            if self.samples is None:
                raise DataError("a saved fit leaves the target frame out; give newdata=.")
            newdata = self.samples.target.frame
        rows = self.new_rows(newdata)
        return prediction_frame(rows, {"estimate": self._response(rows)})

    def _response(self, rows: NewRows) -> np.ndarray:
        out = np.full(rows.n, np.nan)
        if not rows.ok.any():
            return out
        z = self.scaling.apply(rows.parts["covariates"].values[rows.ok]) @ self.scaled
        if self.rule == "overlap":
            out[rows.ok] = self.centre + z
            return out
        z = z * self._alpha(rows)
        limit = self.limit
        out[rows.ok] = {
            "log": lambda: 0.5 * (1.0 + np.tanh(z)),
            "0-1": lambda: np.clip(z + 0.5, 0.0, 1.0),
            "squared": lambda: self.centre + np.clip(0.5 * z, -limit, limit),
            "absolute": lambda: self.centre + limit * np.clip(z, -1.0, 1.0),
        }[self.loss]()
        return out

    def _alpha(self, rows: NewRows) -> np.ndarray:
        """Weights a of the usable rows."""
        rule = self.ratio.rule
        if rule.ridge == 0.0 and np.isfinite(rule.ball):
            issue_warning(
                "without a ridge the weights a are defined on the target rows alone; predictions take them as one.",
                NumericalWarning,
            )
            return np.ones(int(rows.ok.sum()))
        role = "ratio" if "ratio" in rows.parts else "covariates"
        return rule.alpha(rows.parts[role].without_intercept().values[rows.ok])

    def lean(self) -> Self:
        return replace(self, samples=None, ratio=self.ratio.lean())
