"""The result of `iv(method="invalid")`: an effect that holds where instruments affect the outcome directly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects.estimate import cluster_codes
from statinf.effects.invalid.genius import Genius, kept_effects, statistic
from statinf.effects.invalid.learned import BLOCKS, LearnedEffect
from statinf.effects.invalid.plausible import PlausibleSet, TwoStage, plausible_set, read_bounds
from statinf.effects.weak_iv import AndersonRubin
from statinf.errors import NotIdentifiedError, check_level
from statinf.inference.distributions import chi2_sf, t_quantile
from statinf.inference.hypotheses import WaldTest
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.results import Fit, augmented, to_caller

WEAK = 10.0
"""Strength of the heteroscedasticity below which limits around the estimate may be far off."""


@dataclass(frozen=True, repr=False)
class HeteroscedasticSet(AndersonRubin):
    """Test of a constant effect and the set of effects that it keeps, valid however weak the heteroscedasticity.

    The statistic is a chi-square with one degree of freedom; the rest is as in `AndersonRubin`.
    """

    def __str__(self) -> str:
        head = f"Robust test of {self.null[0]:g} ({self.label}): chi2(1) = {self.statistic:.6g}, p = {self.p_value:.4g}"
        united = " and ".join(f"[{low:.6g}, {high:.6g}]" for low, high in self.pieces or ()) or "empty"
        return f"{head}\n{100 * self.level:g}% confidence set: {united}"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InvalidIVFit(Fit):
    """The effect of a treatment with instruments that may affect the outcome directly; tables use the normal distribution.

    Attributes
    ----------
    treatment : str
    instruments : tuple of str
    estimator : str
    kappa : float
        Covariance of treatment and outcome that confounding makes, in units of the columns.
    f_het : float
        Strength of the heteroscedasticity that identifies the effect.
    j, j_df : float and int
        Hansen's criterion of several instruments.
    scale : float
    constant : Genius or None
        The estimator of a constant effect; not saved.
    two_stage : TwoStage or None
        Two-stage least squares; not saved.
    learned : LearnedEffect or None
        Estimates by every combination of candidates; not saved.
    phi : ndarray, shape (n,), or None
        Score of each row, whose mean is the average effect; not saved.
    """

    treatment: str
    instruments: tuple[str, ...]
    estimator: str
    kappa: float
    f_het: float
    j: float = np.nan
    j_df: int = 0
    scale: float = 1.0
    constant: Genius | None = field(default=None, metadata={"saved": False})
    two_stage: TwoStage | None = field(default=None, metadata={"saved": False})
    learned: LearnedEffect | None = field(default=None, metadata={"saved": False})
    phi: np.ndarray | None = field(default=None, metadata={"saved": False})

    normal_reference = True
    vcov_kinds = VcovKinds(default="HC0", names=("HC0", "HC1"), robust="HC0", clustered=("HC0", "HC1"))
    beside = ("robust_set", "plausible", "selection", "selected_set", "overid")

    @property
    def title(self) -> str:
        what = "Constant effect" if self.estimator == "genius" else "Average effect"
        return f"{what} with possibly invalid instruments, {self.estimator}"

    def lean(self) -> Self:
        return replace(super().lean(), constant=None, two_stage=None, learned=None, phi=None)

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "f_het": self.f_het, "kappa": self.kappa}

    def _notes(self) -> tuple[str, ...]:
        notes = super()._notes()
        if self.f_het < WEAK:
            notes = (
                *notes,
                f"Weak: heteroscedasticity F below {WEAK:g}; the intervals above may be far off, robust_set() is valid for a "
                "constant effect.",
            )
        return notes

    def _codes(self, vcov: Any) -> tuple[np.ndarray | None, str]:
        """Clusters that a covariance sums scores by, and its label."""
        spec = self._undrawn_kind if vcov is None else VcovSpec.read(vcov, kinds=self.vcov_kinds).asked
        codes = cluster_codes(self._need_rows("robust sets"), spec)
        if len(codes) > 1:
            raise NotIdentifiedError("robust sets take clusters of one column.")
        return next(iter(codes.values()), None), f"clustered by {next(iter(codes))}" if codes else "HC0"

    def robust_set(self, null: float = 0.0, *, level: float = 0.95, vcov: Any = None) -> HeteroscedasticSet:
        """Test of a constant effect, and the set of effects that it keeps, valid however weak the heteroscedasticity.

        Parameters
        ----------
        null : float
        level : float
        vcov : mapping, optional
            `{"cluster": "column"}`; the fit's own by default.
        """
        self._need_rows("robust sets")
        check_level(level)
        assert self.constant is not None
        if len(self.instruments) > 1:
            raise NotIdentifiedError("the robust set is for one instrument; fit each alone, or use overid().")
        codes, label = self._codes(vcov)
        critical = t_quantile(0.5 + level / 2.0, np.inf) ** 2
        pieces = tuple((lo * self.scale, hi * self.scale) for lo, hi in kept_effects(self.constant, codes, critical))
        value = statistic(self.constant, codes, null / self.scale)
        return HeteroscedasticSet((float(null),), value, chi2_sf(value, 1), 1, np.inf, level, pieces, label).handed(
            self.kind
        )

    def plausible(self, bound: Any, *, null: float = 0.0, level: float = 0.95, vcov: Any = None) -> PlausibleSet:
        """Effects by two-stage least squares that direct effects of the instruments within bounds allow.

        Parameters
        ----------
        bound : float, pair, or mapping
            Largest direct effect of a unit of each instrument in either direction, a pair (low, high), or these by instrument;
            instruments that a mapping does not name have none.
        null : float
        level : float
        vcov : mapping, optional
            `{"cluster": "column"}`; the fit's own by default.
        """
        self._need_rows("sensitivity sets")
        check_level(level)
        assert self.two_stage is not None
        codes, label = self._codes(vcov)
        found = plausible_set(self.two_stage, read_bounds(bound, self.instruments), codes, level, float(null), label)
        return found.handed(self.kind)

    def selection(self) -> Any:
        """Candidates of each nuisance with their pseudo-risk, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns nuisance, candidate, pseudo_risk (largest change of the estimate over all choices of the others), chosen, near
            (within the margin of the least).
        """
        import pandas as pd

        made = self._candidates()
        rows = []
        for axis, block in enumerate(BLOCKS):
            for k, name in enumerate(made.names[axis]):
                risk, chosen = float(made.selection.risks[axis][k]) * abs(self.scale), made.selection.chosen[axis] == k
                near = bool(made.selection.near[axis][k])
                rows.append({"nuisance": block, "candidate": name, "pseudo_risk": risk, "chosen": chosen, "near": near})
        return to_caller(pd.DataFrame(rows), self.kind)

    def estimates(self) -> Any:
        """The estimate by every combination of candidates, with its standard error, in the caller's kind of data frame."""
        import pandas as pd

        made = self._candidates()
        kept, rows = made.selection.kept(made.estimates.shape), []
        for at in np.ndindex(made.estimates.shape):
            named = {block: made.names[axis][k] for axis, (block, k) in enumerate(zip(BLOCKS, at, strict=True))}
            value, se = float(made.estimates[at]) * self.scale, float(made.errors[at]) * abs(self.scale)
            rows.append({**named, "estimate": value, "std_error": se, "near": bool(kept[at])})
        return to_caller(pd.DataFrame(rows), self.kind)

    def selected_set(self, level: float = 0.95) -> Any:
        """The union of the intervals of all near-minimisers, in the caller's kind of data frame.

        It does not lean on the choice among them: it covers where the intervals of one of them do. The interval of the chosen
        estimate alone ignores that it was chosen.

        Returns
        -------
        data frame
            Columns term, combinations, conf_low, conf_high.
        """
        import pandas as pd

        made = self._candidates()
        half = t_quantile(0.5 + check_level(level) / 2.0, np.inf)
        kept = made.selection.kept(made.estimates.shape)
        value, se = made.estimates[kept] * self.scale, made.errors[kept] * abs(self.scale)
        low, high = float((value - half * se).min()), float((value + half * se).max())
        row = {"term": self.treatment, "combinations": int(kept.sum()), "conf_low": low, "conf_high": high}
        return to_caller(pd.DataFrame([row]), self.kind)

    def _candidates(self) -> LearnedEffect:
        if self.estimator != "learned":
            raise NotIdentifiedError("nothing is selected by this estimator; use estimator='learned' with candidates=.")
        self._need_rows("the choice among candidates")
        assert self.learned is not None
        return self.learned

    def overid(self) -> WaldTest:
        """Whether several instruments agree on a constant effect: Hansen's J.

        Raises
        ------
        NotIdentifiedError
            With one instrument.
        """
        if not self.j_df:
            raise NotIdentifiedError("there is one instrument: nothing is left to test.")
        return WaldTest("the instruments agree", self.j, self.j_df, np.inf, chi2_sf(self.j, self.j_df)).handed(
            self.kind
        )

    def augment(self) -> Any:
        """The caller's data with each row's influence, and its score phi where the estimator has one."""
        columns = {} if self.phi is None else {"phi": self.phi}
        return augmented(self._need_rows("row-wise scores"), columns | {"influence": self.influence[:, 0]})
