"""What every conditional-effect fit can be asked: who gains, by how much, and is the learner any good."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from statinf.effects.cate_columns import effect_columns
from statinf.effects.conditional import ConditionalEffect
from statinf.effects.projection import Band, Projection, band_of, project
from statinf.effects.rate import Rate, rate
from statinf.errors import DataError, OptionError
from statinf.formula.frame import Categorical
from statinf.formula.given import aligned
from statinf.inference.distributions import two_sided_p
from statinf.learners.spline import expand
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.results import to_caller


class Heterogeneity:
    """Methods that evaluate effects on the rows of the fit, from doubly robust scores."""

    learnt: ConditionalEffect | None
    treatment: str
    phi_names: tuple[str, ...]
    kind: str

    def _learnt(self, what: str = "evaluations") -> ConditionalEffect:
        if self.learnt is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.learnt

    @property
    def gamma(self) -> np.ndarray:
        """Doubly robust score of each row used, shape (n,): unbiased for the row's effect."""
        return self._learnt().gamma

    @cached_property
    def cate(self) -> np.ndarray:
        """Effect of each row used, predicted by second stages that left its fold out, shape (n,)."""
        return self._learnt().out_of_fold

    def ate(self, vcov: Any = "HC0") -> Projection:
        """The average effect: the mean of the scores."""
        made = self._learnt()
        return project(
            made.rows.design,
            np.ones((len(made.rows.y), 1)),
            (self.treatment,),
            made.gamma,
            vcov=vcov,
            heading="Average effect",
        )

    def blp(self, effect: str | None = None, *, vcov: Any = "HC3") -> Projection:
        """Best linear projection of the effect on columns.

        Parameters
        ----------
        effect : str, optional
            One-sided formula such as "~ age + C(region)"; the final model's columns by default.
        vcov : str or mapping
        """
        made = self._learnt()
        if effect is None:
            columns, names = made.sample.phi, self.phi_names
        else:
            matrix, _ = effect_columns(effect, made.rows.design)
            columns, names = matrix.values, matrix.names
        terms = [self.treatment if n == "Intercept" else f"{self.treatment}:{n}" for n in names]
        return project(
            made.rows.design,
            columns,
            terms,
            made.gamma,
            vcov=vcov,
            heading="Best linear projection of the effect",
            formula=effect or "",
        )

    def gate(self, by: str, *, vcov: Any = "HC2") -> Projection:
        """Average effect in each group of a column.

        Parameters
        ----------
        by : str
        vcov : str or mapping
        """
        made = self._learnt()
        column = made.rows.design.frame.categories(by)
        codes = column.codes[made.rows.design.rows]
        if (codes < 0).any():
            raise DataError(f"the column '{by}' is missing in {int((codes < 0).sum())} rows used by the fit.")
        levels = column.levels if isinstance(column, Categorical) else ()
        present = [i for i in range(len(levels)) if (codes == i).any()]
        indicators = np.column_stack([codes == i for i in present]).astype(np.float64)
        names = [f"{self.treatment}[{levels[i]}]" for i in present]
        return project(made.rows.design, indicators, names, made.gamma, vcov=vcov, heading=f"Average effect by {by}")

    def _quantile_groups(self, groups: int, priority: np.ndarray | None) -> np.ndarray:
        if not isinstance(groups, int) or not 2 <= groups <= 20:
            raise OptionError(f"groups={groups!r} must be a whole number from 2 to 20.")
        s = self.cate if priority is None else self._priority(priority)
        w = self._learnt().rows.w
        order = np.argsort(s, kind="stable")
        # Ranks, not cut points: ties are split so that groups keep their size.
        reached = np.empty(len(s))
        reached[order] = (np.cumsum(w[order]) - 0.5 * w[order]) / w.sum()
        return np.minimum((reached * groups).astype(int), groups - 1)

    def _priority(self, given: Any) -> np.ndarray:
        design = self._learnt().rows.design
        values = np.asarray(aligned(given, design.frame, "priority", design.rows), dtype=np.float64)
        return values[design.rows] if len(values) == design.n_total != design.n else values

    def gates(self, groups: int = 4, *, priority: np.ndarray | None = None, vcov: Any = "HC2") -> Projection:
        """Average effect in groups sorted by the predicted effect, the lowest first.

        Parameters
        ----------
        groups : int
        priority : ndarray, shape (n,), optional
            What to sort by, from other data; the out-of-fold predictions by default.
        vcov : str or mapping
        """
        made = self._learnt()
        number = self._quantile_groups(groups, priority)
        indicators = (number[:, None] == np.arange(groups)).astype(np.float64)
        names = [f"{self.treatment}[G{g + 1}]" for g in range(groups)]
        return project(
            made.rows.design, indicators, names, made.gamma, vcov=vcov, heading="Average effect by predicted effect"
        )

    def clan(self, groups: int = 4, *, priority: np.ndarray | None = None) -> Any:
        """Who is in the groups of smallest and largest predicted effect: means of the covariates.

        Returns
        -------
        data frame
            Columns variable, lowest, highest, difference, std_error, p_value.
        """
        import pandas as pd

        made = self._learnt()
        number, w = self._quantile_groups(groups, priority), made.rows.w
        covariates = made.rows.design.part("covariates")
        assert covariates is not None
        out = []
        for name, x in zip(covariates.rest.names, covariates.rest.values.T, strict=True):
            mean, var = [], []
            for g in (0, groups - 1):
                inside = number == g
                m = np.average(x[inside], weights=w[inside])
                mean.append(float(m))
                var.append(float((w[inside] ** 2 @ (x[inside] - m) ** 2) / w[inside].sum() ** 2))
            se = float(np.sqrt(sum(var)))
            gap = mean[1] - mean[0]
            p = float(two_sided_p(gap / se, np.inf)) if se > 0 else np.nan
            out.append(
                {
                    "variable": name,
                    "lowest": mean[0],
                    "highest": mean[1],
                    "difference": gap,
                    "std_error": se,
                    "p_value": p,
                }
            )
        return to_caller(pd.DataFrame(out), self.kind)

    def calibration(self, *, vcov: Any = "HC3") -> Projection:
        """Regression of outcome residuals on treatment residuals and their product with the predicted effect.

        The second coefficient is 1 for calibrated predictions and 0 for ones that tell nothing
        (Chernozhukov, Demirer, Duflo and Fernandez-Val, arXiv 1712.04802).
        """
        made = self._learnt()
        p, rows, tau = made.evaluation[0], made.rows, self.cate
        e = p["propensity"]
        mean = e * p["outcome1"] + (1.0 - e) * p["outcome0"]
        around = tau - np.average(tau, weights=rows.w)
        columns = np.column_stack([rows.d - e, (rows.d - e) * around])
        return project(
            rows.design,
            columns,
            ("average", "heterogeneity"),
            rows.y - mean,
            vcov=vcov,
            heading="Calibration of predicted effects",
        )

    def rate(
        self,
        priority: np.ndarray | None = None,
        *,
        target: str = "autoc",
        replicas: int = 200,
        seed: int = 0,
        cluster: str | None = None,
    ) -> Rate:
        """Rank-weighted average effect of treating those with the highest priority first.

        Parameters
        ----------
        priority : ndarray, shape (n,), optional
            From other data; the out-of-fold predictions by default.
        target : {"autoc", "qini"}
        replicas : int
            Half-samples for the standard error.
        seed : int
        cluster : str, optional
            Column whose groups are drawn whole.
        """
        made = self._learnt()
        s = self.cate if priority is None else self._priority(priority)
        if s.shape != made.rows.y.shape:
            raise DataError(f"priority has shape {s.shape}; one value a row used is needed, ({len(made.rows.y)},).")
        codes = None if cluster is None else made.rows.design.cluster_codes(cluster)
        return rate(made.gamma, s, made.rows.w, target=target, replicas=replicas, seed=seed, codes=codes)

    def curve(
        self, column: str, *, knots: int = 5, points: int = 60, level: float = 0.95, vcov: Any = "HC1", seed: int = 0
    ) -> Band:
        """The effect along one numeric covariate, the others averaged as they occur, with uniform bands.

        Parameters
        ----------
        column : str
        knots : int
            Of a natural cubic spline; their number must grow with n for bands without smoothing bias.
        points : int
            Between the 2nd and the 98th percentile.
        level : float
        vcov : str or mapping
        seed : int
            Of the draws behind the uniform critical value.
        """
        made = self._learnt()
        x = np.asarray(made.rows.design.column(column), dtype=np.float64)
        w = made.rows.w
        at = np.unique(weighted_quantile(x, np.linspace(0.02, 0.98, knots), w))
        if len(at) < 3 or knots < 3:
            raise OptionError(f"'{column}' has too few values for {knots} knots; use gate('{column}') for its groups.")
        basis = np.column_stack(
            [np.ones(len(x)), expand(((x - at[0]) / (at[-1] - at[0]))[:, None], ((at - at[0]) / (at[-1] - at[0]),))]
        )
        fit = project(
            made.rows.design,
            basis,
            [f"b{j}" for j in range(basis.shape[1])],
            made.gamma,
            vcov=vcov,
            heading=f"Effect along {column}",
        )
        low, high = weighted_quantile(x, np.array([0.02, 0.98]), w)
        grid = np.linspace(low, high, points)
        scaled = (grid - at[0]) / (at[-1] - at[0])
        new = np.column_stack([np.ones(points), expand(scaled[:, None], ((at - at[0]) / (at[-1] - at[0]),))])
        return band_of(fit, new, grid, column, level, seed)

    def plot_gates(self, *, groups: int = 4, level: float = 0.95, **options: Any) -> Any:
        """Average effects with intervals in groups of the predicted effect; returns the matplotlib axes."""
        from statinf.plotting.effects import plot_groups

        found = self.gates(groups)
        limits = found.conf_int(level).to_numpy()
        overall = float(self.ate().theta[0])
        labels = [f"G{g + 1}" for g in range(groups)]
        return plot_groups(labels, found.theta, limits[:, 0], limits[:, 1], overall, **options)
