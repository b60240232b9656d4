"""How predicted effects are evaluated: do they sort rows by what these gain, by how much, and who is where."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.effects.evaluation import Evaluation, check_groups, evaluation_of
from statinf.effects.policy import RULES, Policy, check_rule, learn_policy
from statinf.effects.projection import Projection, project_blocks
from statinf.effects.rate import Rate, rate_by_blocks
from statinf.effects.score_projections import ScoreProjections
from statinf.errors import DataError, one_of
from statinf.formula.given import aligned
from statinf.results import to_caller


class Heterogeneity(ScoreProjections):
    """What every conditional effect can be asked: who gains, by how much, and is the learner any good.

    Predicted effects are evaluated in sequence (`evaluation="sequential"`): each fold by predictions that earlier folds
    taught in all their stages, so that tests hold their size where effects do not vary; `evaluation="cross-fold"` takes all
    other folds, whose pooled statistics are not normal then. The rejection rates of both are in
    benchmarks/results/heterogeneity_size.md.
    """

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
        return to_caller(clan(found, x, names, made.sample.w, groups, made.how.seed, self._whole()), self.kind)

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
        codes = self._whole() if cluster is None else made.rows.design.cluster_codes(cluster)
        found = self._evaluation(evaluation, priority)
        answer = rate_by_blocks(found, made.sample.w, target=target, replicas=replicas, seed=seed, codes=codes)
        return answer.handed(self.kind)

    def policy(
        self,
        rule: str = "threshold",
        *,
        cost: float = 0.0,
        depth: int = 2,
        min_rows: int = 20,
        vcov: Any = None,
        evaluation: str = "sequential",
    ) -> Policy:
        """Whom to treat, and what that gains on rows that did not choose the rule.

        Parameters
        ----------
        rule : {"threshold", "tree"}
            Treat where the predicted effect is above the cost; or by the tree of covariates whose doubly robust scores gain
            most, searched exactly over up to 32 cut points of each.
        cost : float
            Of treating one row, in units of the outcome.
        depth : {1, 2}
            Of the tree.
        min_rows : int
            Fewest rows of a leaf.
        vcov : str or mapping, optional
            "HC2" by default.
        evaluation : {"sequential", "cross-fold"}
            Which folds chose the rule that a row is treated by: those before its own, or all others.

        Returns
        -------
        Policy
            `tidy()`: gain per row over treating nobody and over treating everybody; `predict(newdata)`: whom to treat; `text`: the
            rule in words.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.cate("re78 ~ treat | age + educ + re74", si.datasets.load("nsw"), method="dr", learner="lm")
        >>> print(fit.policy("tree", depth=1, cost=500).text)
        treat where re74 <= 0
        do not treat where re74 > 0
        """
        one_of("rule", rule, RULES)
        cost, depth, min_rows = check_rule(cost, depth, min_rows)
        return learn_policy(self, self._evaluation(evaluation, None), rule, cost, depth, min_rows, vcov)

    def plot_gates(self, *, groups: int = 4, level: float = 0.95, **options: Any) -> Any:
        """Average effects with intervals in groups of the predicted effect; returns the matplotlib axes."""
        from statinf.plotting.effects import plot_groups

        found = self.gates(groups)
        limits = found.conf_int(level).to_numpy()
        overall = float(self.ate().theta[0])
        labels = [f"G{g + 1}" for g in range(groups)]
        return plot_groups(labels, found.theta, limits[:, 0], limits[:, 1], overall, **options)
