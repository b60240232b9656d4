"""Quantile treatment effects of given propensities: estimates, and the moments of every split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from statinf.brief import Brief
from statinf.effects.estimate import Splits
from statinf.effects.ipw import weights_of
from statinf.effects.qte_influence import ArmQuantiles, arm_quantiles, check_density
from statinf.effects.rows import EffectRows
from statinf.errors import ConvergenceError, NumericalWarning, issue_warning
from statinf.inference.moments import Moments
from statinf.learners.cells import standardise
from statinf.learners.logit import Logit
from statinf.learners.nuisance import over_mean
from statinf.results import stack_scores


@dataclass(frozen=True, repr=False)
class ArmWeights(Brief):
    """Weights of rows within their arms.

    Attributes
    ----------
    propensity, weight, slope : ndarray, shape (n,)
        The weight's derivative by the log odds of the propensity is the slope.
    free : ndarray of bool, shape (n,), or None
        Rows whose propensity moves with a logit; None for propensities that are taken as known.
    """

    propensity: np.ndarray
    weight: np.ndarray
    slope: np.ndarray
    free: np.ndarray | None


@dataclass(frozen=True, repr=False)
class SolvedEffects(Brief):
    """Quantile effects at k levels in g groups.

    Attributes
    ----------
    rows : EffectRows
    estimand : str
    tau : ndarray, shape (k,)
    made : tuple of ArmWeights
        One per split.
    rule : str
        Bandwidth of the densities.
    logit : Logit or None
        The propensity's learner where its estimation is part of the scores.
    clip : float
    known : bool
        Whether the caller gave the propensities.
    """

    rows: EffectRows
    estimand: str
    tau: np.ndarray
    made: tuple[ArmWeights, ...]
    rule: str
    logit: Logit | None
    clip: float
    known: bool

    @cached_property
    def arms(self) -> list[list[tuple[ArmQuantiles, ArmQuantiles]]]:
        """Treated and controls of each group of each split."""
        rows = self.rows
        return [
            [
                (
                    arm_quantiles(rows.y, rows.w * m.weight * (group & rows.treated), self.tau, self.rule),
                    arm_quantiles(rows.y, rows.w * m.weight * (group & ~rows.treated), self.tau, self.rule),
                )
                for _, group in rows.groups
            ]
            for m in self.made
        ]

    def thetas(self) -> np.ndarray:
        """Effects of every split, shape (splits, k g), groups fastest."""
        return np.stack([np.stack([one.value - two.value for one, two in each], axis=1).ravel() for each in self.arms])

    def warn_atoms(self) -> None:
        """Warn of outcomes that many rows share at a quantile."""
        for (label, _), pair in zip(self.rows.groups, self.arms[0], strict=True):
            for arm, found in zip(("treated", "controls"), pair, strict=True):
                many = np.flatnonzero((found.atom > found.window) & (found.density > 0))
                if len(many):
                    k = many[0]
                    where = f" of {label}" if label else ""
                    issue_warning(
                        f"{100 * found.atom[k]:.0f}% of the {arm}{where} have the outcome {found.value[k]:g}, their quantile at "
                        f"tau={self.tau[k]:g}: standard errors assume that outcomes have a density, and are rough there; "
                        "bootstrap(kind='pairs') needs none.",
                        NumericalWarning,
                    )

    def splits(self) -> Splits:
        """Effects and moments of every split.

        Raises
        ------
        NotIdentifiedError
            If an arm's outcome has no density at one of its quantiles.
        """
        moments = tuple(self._moments(m, each) for m, each in zip(self.made, self.arms, strict=True))
        label = ", propensity taken as known" if self.logit is None else ", propensity estimated"
        return Splits(self.thetas(), moments, label)

    def arm_moments(self) -> tuple[Moments, Moments]:
        """Moments of the quantiles of treated and controls, of the first split."""
        m = self.made[0]
        one, two = (
            self._as_moments(self._stacked(m, u, s)) for u, s in zip(*self._arm_scores(m, self.arms[0]), strict=True)
        )
        return one, two

    def _arm_scores(
        self, m: ArmWeights, each: list[tuple[ArmQuantiles, ArmQuantiles]]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        rows = self.rows
        unit, by_eta = [], []
        for place, (arm, name) in enumerate(((rows.treated, "treated"), (~rows.treated, "controls"))):
            parts = []
            for (_, group), pair in zip(rows.groups, each, strict=True):
                check_density(pair[place], self.tau, name)
                parts.append((pair[place].unit / pair[place].density[:, None]) * (arm & group))
            # Levels slowest, groups fastest.
            g = np.stack(parts, axis=1).reshape(-1, len(rows.y)).T
            unit.append(g * m.weight[:, None])
            by_eta.append(g * m.slope[:, None])
        return unit, by_eta

    def _stacked(self, m: ArmWeights, influence: np.ndarray, by_eta: np.ndarray) -> np.ndarray:
        """Influence with what the estimated propensity adds."""
        if m.free is None or self.logit is None:
            return influence
        # In columns of mean zero and unit variance, so that where a covariate stands costs no digits.
        rows, e = self.rows, m.propensity
        columns, w = standardise(rows.x, rows.w), over_mean(rows.w)
        x, ridge = columns.z, columns.penalty(self.logit.penalty)
        information = (x * (w * e * (1.0 - e))[:, None]).T @ x + np.diag(ridge)
        gradient = (x * (w * m.free)[:, None]).T @ by_eta
        return influence + (x * (rows.d - e)[:, None]) @ np.linalg.lstsq(information, gradient, rcond=None)[0]

    def _moments(self, m: ArmWeights, each: list[tuple[ArmQuantiles, ArmQuantiles]]) -> Moments:
        (one, two), (by_one, by_two) = self._arm_scores(m, each)
        return self._as_moments(self._stacked(m, one - two, by_one - by_two))

    def _as_moments(self, influence: np.ndarray) -> Moments:
        rows, q = self.rows, influence.shape[1]
        extra = stack_scores(rows.design.weights_object, rows.design.rows, influence)
        nobs = int(np.count_nonzero(rows.w))
        return Moments(influence * rows.w[:, None], np.eye(q), nobs, float(nobs - q), **extra)

    def refitted(self, weights: np.ndarray) -> np.ndarray:
        """Effects where rows have these weights, the propensity estimated anew; NaN where that has no solution."""
        rows, m = self.rows, self.made[0]
        nothing = np.full(len(self.tau) * len(rows.groups), np.nan)
        w = over_mean(rows.w) * weights
        weight = m.weight
        if self.logit is not None:
            drawn = w > 0
            try:
                fitted = self.logit.fit(rows.x[drawn], rows.d[drawn], w[drawn])
            except ConvergenceError:
                return nothing
            low = self.clip if self.estimand in ("ATE", "ATC") else 0.0
            high = 1.0 - self.clip if self.estimand in ("ATE", "ATT") else 1.0
            weight = weights_of(np.clip(fitted.predict(rows.x), low, high), rows.d, self.estimand)[0]
        out = []
        for _, group in rows.groups:
            masks = [w * weight * (group & arm) for arm in (rows.treated, ~rows.treated)]
            if not all(mask.any() for mask in masks):
                return nothing
            one, two = (arm_quantiles(rows.y, mask, self.tau, self.rule).value for mask in masks)
            out.append(one - two)
        return np.stack(out, axis=1).ravel()
