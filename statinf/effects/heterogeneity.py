"""What every conditional effect can be asked: who gains, by how much, and is the learner any good."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from statinf.effects.band import Band, band_of
from statinf.effects.cate_columns import effect_columns
from statinf.effects.conditional import ConditionalEffect
from statinf.effects.evaluation import Evaluation, check_groups, evaluation_of
from statinf.effects.projection import Projection, default_spec, project, project_blocks
from statinf.effects.rate import Rate, rate_by_blocks
from statinf.errors import DataError, OptionError
from statinf.formula.frame import Categorical
from statinf.formula.given import aligned
from statinf.learners.spline import expand
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.results import augmented, to_caller

MOST_GROUPS = 50
"""Values of a column whose groups each have an average effect."""


class Heterogeneity:
    """Methods that evaluate effects on the rows of the fit, from doubly robust scores.

    Covariances are clustered by default where the fit has clusters. Predicted effects are evaluated in sequence
    (`evaluation="sequential"`): each fold by predictions that earlier folds taught in all their stages, so that tests hold
    their size where effects do not vary; `evaluation="cross-fold"` takes all other folds, whose pooled statistics are not
    normal then. The rejection rates of both are in benchmarks/results/heterogeneity_size.md.
    """

    learnt: ConditionalEffect | None
    treatment: str
    phi_names: tuple[str, ...]
    kind: str

    beside: ClassVar[tuple[str, ...]] = ("cate", "ate", "blp", "gate", "gates", "clan", "calibration", "rate", "curve")

    def _learnt(self, what: str = "evaluations") -> ConditionalEffect:
        if self.learnt is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.learnt

    def _spec(self, vcov: Any, kind: str) -> Any:
        return default_spec(tuple(self._learnt().rows.clusters), kind) if vcov is None else vcov

    @property
    def gamma(self) -> np.ndarray:
        """Doubly robust score of each row used, shape (n,): unbiased for the row's effect."""
        return self._learnt().gamma

    @property
    def cate(self) -> np.ndarray:
        """Effect of each row used, learnt in all stages on the rows of other folds, shape (n,); the median over splits."""
        return np.median(self._learnt().cross_fold, axis=0)

    def augment(self) -> Any:
        """The caller's data with each row's effect, as `cate` has it, and its doubly robust score."""
        return augmented(self._learnt("row-wise effects").rows.design, {"cate": self.cate, "score": self.gamma})

    def ate(self, vcov: Any = None) -> Projection:
        """The average effect: the mean of the scores; "HC0" by default."""
        made = self._learnt()
        return project(
            made.rows.design,
            np.ones((len(made.rows.y), 1)),
            (self.treatment,),
            made.gamma,
            vcov=self._spec(vcov, "HC0"),
            heading="Average effect",
        )

    def blp(self, effect: str | None = None, *, vcov: Any = None) -> Projection:
        """Best linear projection of the effect on columns.

        Parameters
        ----------
        effect : str, optional
            One-sided formula such as "~ age + C(region)"; the final model's columns by default.
        vcov : str or mapping, optional
            "HC3" by default.
        """
        made = self._learnt()
        if effect is None:
            columns, names = made.sample.phi, self.phi_names
        else:
            matrix, _ = effect_columns(effect, made.rows.design, made.rows.design.recipe.context)
            columns, names = matrix.values, matrix.names
        terms = [self.treatment if n == "Intercept" else f"{self.treatment}:{n}" for n in names]
        return project(
            made.rows.design,
            columns,
            terms,
            made.gamma,
            vcov=self._spec(vcov, "HC3"),
            heading="Best linear projection of the effect",
            formula=effect or "",
        )

    def gate(self, by: str, *, vcov: Any = None) -> Projection:
        """Average effect in each group of a column.

        Parameters
        ----------
        by : str
        vcov : str or mapping, optional
            "HC2" by default.
        """
        made = self._learnt()
        column = made.rows.design.frame.categories(by)
        codes = column.codes[made.rows.design.rows]
        if (codes < 0).any():
            raise DataError(f"the column '{by}' is missing in {int((codes < 0).sum())} rows used by the fit.")
        levels = column.levels if isinstance(column, Categorical) else ()
        present = [i for i in range(len(levels)) if (codes == i).any()]
        if len(present) > MOST_GROUPS:
            raise DataError(
                f"'{by}' has {len(present)} values; groups need a column of at most {MOST_GROUPS}. For the effect along a "
                f"numeric covariate use curve('{by}')."
            )
        indicators = np.column_stack([codes == i for i in present]).astype(np.float64)
        names = [f"{self.treatment}[{levels[i]}]" for i in present]
        return project(
            made.rows.design,
            indicators,
            names,
            made.gamma,
            vcov=self._spec(vcov, "HC2"),
            heading=f"Average effect by {by}",
        )

    def _evaluation(self, evaluation: str, priority: Any) -> Evaluation:
        made = self._learnt()
        return evaluation_of(made, evaluation, None if priority is None else self._priority(priority))

    def _priority(self, given: Any) -> np.ndarray:
        """What the caller sorts by, one value per row used, shape (n,)."""
        design = self._learnt().rows.design
        given = aligned(given, design.frame, "priority", design.rows)
        try:
            values = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError("priority holds values that are no numbers.") from None
        if values.ndim == 1 and len(values) == design.n_total != design.n:
            values = values[design.rows]
        if values.shape != (design.n,):
            raise DataError(f"priority has shape {values.shape}; one value per row used is needed, ({design.n},).")
        if not np.isfinite(values).all():
            raise DataError(f"the priority is missing or infinite in {int((~np.isfinite(values)).sum())} rows.")
        return values

    def gates(
        self, groups: int = 4, *, priority: Any = None, vcov: Any = None, evaluation: str = "sequential"
    ) -> Projection:
        """Average effect in groups sorted by the predicted effect, the lowest first.

        Parameters
        ----------
        groups : int
        priority : array of shape (n,), optional
            What to sort by, from other data; the predicted effects by default.
        vcov : str or mapping, optional
            "HC3" by default, "HC2" with a priority.
        evaluation : {"sequential", "cross-fold"}
            Which folds predicted the effects that rows are sorted by.
        """
        groups = check_groups(groups)
        made, found = self._learnt(), self._evaluation(evaluation, priority)
        w, seed = made.sample.w, made.how.seed
        splits = []
        for gamma, blocks in zip(found.scores, found.splits, strict=True):
            numbers = [(b, b.groups(groups, w, seed)) for b in blocks]
            splits.append(
                [(b.rows, (g[:, None] == np.arange(groups)).astype(np.float64), gamma[b.rows]) for b, g in numbers]
            )
        return project_blocks(
            made.rows.design,
            splits,
            [f"{self.treatment}[G{g + 1}]" for g in range(groups)],
            vcov=self._spec(vcov, "HC3" if found.kind else "HC2"),
            heading="Average effect by predicted effect",
            evaluation=found.kind,
            facts=found.facts,
        )

    def clan(self, groups: int = 4, *, priority: Any = None, evaluation: str = "sequential") -> Any:
        """Who is in the groups of smallest and largest predicted effect: means of the covariates.

        The p-values are of equal means in the two groups. Groups that noise forms differ in the covariates that the noise
        multiplies: whether effects vary at all is what `calibration` and `gates` test.

        Parameters
        ----------
        groups : int
        priority : array of shape (n,), optional
            What to sort by, from other data; the predicted effects by default.
        evaluation : {"sequential", "cross-fold"}

        Returns
        -------
        data frame
            Columns variable, lowest, highest, difference, std_error, p_value.
        """
        from statinf.effects.clan import clan

        groups = check_groups(groups)
        made, found = self._learnt(), self._evaluation(evaluation, priority)
        covariates = made.rows.design.part("covariates")
        assert covariates is not None
        x, names = covariates.rest.values, covariates.rest.names
        return to_caller(clan(found, x, names, made.sample.w, groups, made.how.seed, made.rows.whole), self.kind)

    def calibration(self, *, vcov: Any = None, evaluation: str = "sequential") -> Projection:
        """Regression of outcome residuals on treatment residuals and their product with the predicted effect.

        The second coefficient is 1 for calibrated predictions and 0 for ones that tell nothing
        (Chernozhukov, Demirer, Duflo and Fernandez-Val, arXiv 1712.04802).

        Parameters
        ----------
        vcov : str or mapping, optional
            "HC3" by default.
        evaluation : {"sequential", "cross-fold"}
            Which folds predicted the effects.
        """
        made, found = self._learnt(), self._evaluation(evaluation, None)
        s, splits = made.sample, []
        for p, blocks in zip(made.evaluation, found.splits, strict=True):
            e = p["propensity"]
            residual = s.y - (e * p["outcome1"] + (1.0 - e) * p["outcome0"])
            v = s.d - e
            splits.append(
                [(b.rows, np.column_stack([v[b.rows], v[b.rows] * b.centred(s.w)]), residual[b.rows]) for b in blocks]
            )
        return project_blocks(
            made.rows.design,
            splits,
            ("average", "heterogeneity"),
            vcov=self._spec(vcov, "HC3"),
            heading="Calibration of predicted effects",
            evaluation=found.kind,
            facts=found.facts,
        )

    def rate(
        self,
        priority: Any = None,
        *,
        target: str = "autoc",
        replicas: int = 200,
        seed: int = 0,
        cluster: str | None = None,
        evaluation: str = "sequential",
    ) -> Rate:
        """Rank-weighted average effect of treating those with the highest priority first.

        Parameters
        ----------
        priority : array of shape (n,), optional
            From other data; the predicted effects by default.
        target : {"autoc", "qini"}
        replicas : int
            Half-samples for the standard error.
        seed : int
        cluster : str, optional
            Column whose groups are drawn whole; the fit's clusters by default.
        evaluation : {"sequential", "cross-fold"}
            Which folds predicted the effects.
        """
        made = self._learnt()
        codes = made.rows.whole if cluster is None else made.rows.design.cluster_codes(cluster)
        found = self._evaluation(evaluation, priority)
        return rate_by_blocks(found, made.sample.w, target=target, replicas=replicas, seed=seed, codes=codes)

    def curve(
        self, column: str, *, knots: int = 5, points: int = 60, level: float = 0.95, vcov: Any = None, seed: int = 0
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
        vcov : str or mapping, optional
            "HC1" by default.
        seed : int
            Of the draws behind the uniform critical value.
        """
        made = self._learnt()
        for name, value, low in (("knots", knots, 3), ("points", points, 2)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
                raise OptionError(f"{name}={value!r} is not a whole number of at least {low}.")
        given = made.rows.design.column(column)
        if given.dtype.kind not in "fiub":
            raise OptionError(f"'{column}' holds categories; use gate('{column}') for its groups.")
        x, w = np.asarray(given, dtype=np.float64), made.rows.w
        at = np.unique(weighted_quantile(x, np.linspace(0.02, 0.98, knots), w))
        if len(at) < 3:
            raise OptionError(f"'{column}' has too few values for {knots} knots; use gate('{column}') for its groups.")
        basis = _spline(x, at)
        fit = project(
            made.rows.design,
            basis,
            [f"b{j}" for j in range(basis.shape[1])],
            made.gamma,
            vcov=self._spec(vcov, "HC1"),
            heading=f"Effect along {column}",
        )
        low, high = weighted_quantile(x, np.array([0.02, 0.98]), w)
        grid = np.linspace(low, high, points)
        return band_of(fit, _spline(grid, at), grid, column, level, seed)

    def plot_gates(self, *, groups: int = 4, level: float = 0.95, **options: Any) -> Any:
        """Average effects with intervals in groups of the predicted effect; returns the matplotlib axes."""
        from statinf.plotting.effects import plot_groups

        found = self.gates(groups)
        limits = found.conf_int(level).to_numpy()
        overall = float(self.ate().theta[0])
        labels = [f"G{g + 1}" for g in range(groups)]
        return plot_groups(labels, found.theta, limits[:, 0], limits[:, 1], overall, **options)


def _spline(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Constant and natural cubic spline of x with knots at `at`, shape (m, knots)."""
    scaled, knots = (x - at[0]) / (at[-1] - at[0]), (at - at[0]) / (at[-1] - at[0])
    return np.column_stack([np.ones(len(x)), expand(scaled[:, None], (knots,))])
