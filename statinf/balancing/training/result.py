"""`TrainingWeights`: one weighting of all rows for each arm's model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from statinf.balancing.columns import BalanceColumns
from statinf.errors import NotIdentifiedError, one_of
from statinf.frames import to_caller
from statinf.numerics.discrepancy.imbalance import effective_size
from statinf.results import Result, Table, Weights, format_number


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TrainingWeights(Result):
    """Weights of all rows for the models of two arms.

    Attributes
    ----------
    w_treat, w_control : Weights
        Train the treated arm's model with one and the control arm's with the other; either goes into any verb as `weights=`.
    present : ndarray of bool, shape (n,)
        Rows used that have a positive weight; what follows is of these m rows.
    chance : ndarray, shape (m,)
        Chance of each row to come from the treated arm.
    treated : ndarray of bool, shape (m,)
    sampling : ndarray, shape (m,)
    share : float
        Of the treated arm.
    arms : tuple of str
        Labels, the reference first.
    learner : str
    clipped, folds : int
    columns : BalanceColumns or None
        Features as the formula makes them; not kept by files and pickles.
    """

    w_treat: Weights
    w_control: Weights
    present: np.ndarray
    chance: np.ndarray
    treated: np.ndarray
    sampling: np.ndarray
    share: float
    arms: tuple[str, str]
    learner: str
    clipped: int
    folds: int
    columns: BalanceColumns | None = None

    beside = ("w_treat", "w_control", "chance", "ess", "diagnostics", "plot")

    def lean(self) -> Self:
        return replace(self, columns=None, w_treat=self.w_treat.lean(), w_control=self.w_control.lean())

    @property
    def ess(self) -> dict[str, float]:
        """Effective sample size of each arm's training rows, by the arm's label."""
        control, treated = self.arms
        return {treated: self.w_treat.ess, control: self.w_control.ess}

    def diagnostics(self) -> Any:
        """Means of the features in each arm beside those of all rows, plain and weighted for that arm.

        Returns
        -------
        data frame
            Columns arm, term, mean_arm, mean_pooled, mean_weighted, smd_before and smd_after: differences to the arm's mean in
            standard deviations of all rows.
        """
        import pandas as pd

        if self.columns is None:
            raise NotIdentifiedError(
                "a saved or lean result leaves the rows out; make the weights again for their balance."
            )
        x, s = self.columns.values, self.sampling
        mean = np.average(x, axis=0, weights=s)
        sd = np.sqrt(np.average((x - mean) ** 2, axis=0, weights=s))
        blocks = []
        for label, arm, weights in self._each():
            own = np.average(x[arm], axis=0, weights=s[arm])
            made = np.average(x, axis=0, weights=weights)
            back = [self.columns.shift + self.columns.unit * one for one in (own, mean, made)]
            columns = dict(zip(("mean_arm", "mean_pooled", "mean_weighted"), back, strict=True))
            shift = {"smd_before": (mean - own) / sd, "smd_after": (made - own) / sd}
            blocks.append(pd.DataFrame({"arm": label, "term": list(self.columns.names), **columns, **shift}))
        return to_caller(pd.concat(blocks, ignore_index=True), self.kind)

    def _each(self) -> list[tuple[str, np.ndarray, np.ndarray]]:
        """Label, rows and weights of each arm, the treated one first."""
        control, treated = self.arms
        return [
            (treated, self.treated, self.w_treat.values[self.present]),
            (control, ~self.treated, self.w_control.values[self.present]),
        ]

    def tidy(self) -> Any:
        """One row per arm: arm, rows, ess and largest_weight, over the mean weight."""
        import pandas as pd

        rows = [(label, int(arm.sum()), effective_size(w), float(w.max() / w.mean())) for label, arm, w in self._each()]
        return to_caller(pd.DataFrame(rows, columns=["arm", "rows", "ess", "largest_weight"]), self.kind)

    def glance(self) -> Any:
        """One row: nobs, share, learner, folds, clipped."""
        import pandas as pd

        items = {"nobs": self.nobs, "share": self.share, "learner": self.learner, "folds": self.folds}
        return to_caller(pd.DataFrame([items | {"clipped": self.clipped, "method": self.method}]), self.kind)

    def summary(self) -> Table:
        """Rows of each arm, and how many rows its training weights are worth."""
        rows = tuple(
            (label, str(int(arm.sum())), format_number(effective_size(self.sampling[arm])), format_number(effective_size(w)),
             format_number(float(w.max() / w.mean())))
            for label, arm, w in self._each()
        )  # fmt: skip
        facts = (
            ("Formula", self.formula),
            ("Observations", str(self.nobs)),
            ("Share treated", format_number(self.share)),
            ("Learner", self.learner if self.folds == 1 else f"{self.learner}, {self.folds} folds"),
            ("Clipped", str(self.clipped)),
        )
        notes = tuple(n for n in (f"Method: {self.citation}.", self.dropped_note()) if n)
        columns = ("arm", "rows", "ESS of own rows", "ESS weighted", "largest weight")
        return Table(columns, rows, title="Training weights", facts=facts, notes=notes)

    def plot(self, kind: str = "overlap", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"overlap", "balance"}
            Chances of the treated arm by arm; or differences of all rows to each arm's mean, before and after weighting.
        """
        from statinf.plotting import balance as drawn

        one_of("kind", kind, ("overlap", "balance"))
        if kind == "overlap":
            groups = {label: self.chance[arm] for label, arm, _ in self._each()}
            return drawn.chance_histogram(groups, **options)
        import pandas as pd

        frame = pd.DataFrame(
            self.diagnostics() if self.kind == "pandas" else replace(self, kind="pandas").diagnostics()
        )
        terms = (frame["term"] + ": " + frame["arm"]).tolist()
        after = {"weighted": frame["smd_after"].to_numpy()}
        return drawn.love_plot(terms, frame["smd_before"].to_numpy(), after, **options)
