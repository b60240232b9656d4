"""`HeterogeneousShiftFit`: an additive regression fitted on the source and judged on the target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError, check_level, one_of
from statinf.inference.distributions import prediction_half_width, t_quantile
from statinf.inference.roots import matrix_root
from statinf.inference.vcov import VcovKinds
from statinf.results import Fit, augmented, prediction_frame, predictor, to_caller
from statinf.shifts.additive_moments import AdditiveSolution
from statinf.shifts.target import TargetRows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HeterogeneousShiftFit(Fit):
    """An additive regression; its coefficients are those of the simple block.

    Attributes
    ----------
    flexible : ndarray, shape (k,)
        Coefficients of the flexible columns.
    centre, scale : ndarray, shape (p,)
        Of the flexible columns and then the simple ones, over the source.
    penalties, edf : mapping of str to float
        By flexible term.
    splines : tuple of str
        Which of them are splines.
    gcv, dispersion : float
        Generalised cross-validation, and the variance of the residuals.
    target_rows : int
        Target rows of positive weight.
    target, solved : object
        The target's rows and the fit behind the estimates; not saved.
    joint : callable or None
        Covariance of all coefficients by kind; not saved.
    joint_kept : mapping of str to ndarray
        Such covariances that stay available without the rows.
    """

    flexible: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    penalties: Mapping[str, float] = field(default_factory=dict)
    edf: Mapping[str, float] = field(default_factory=dict)
    splines: tuple[str, ...] = ()
    gcv: float = np.nan
    dispersion: float = np.nan
    target_rows: int = 0
    target: TargetRows | None = field(default=None, metadata={"saved": False})
    solved: AdditiveSolution | None = field(default=None, metadata={"saved": False})
    joint: Callable[[Any], np.ndarray] | None = field(default=None, metadata={"saved": False})
    joint_kept: Mapping[str, np.ndarray] = field(default_factory=dict)

    vcov_kinds: ClassVar[VcovKinds] = VcovKinds(
        default="HC1", names=("iid", "HC0", "HC1", "fixed"), clustered=("HC0", "HC1")
    )
    beside: ClassVar[tuple[str, ...]] = ("smooths", "curve", "resilience")

    @property
    def title(self) -> str:
        return "Additive regression under heterogeneous shift"

    def glance_items(self) -> dict[str, Any]:
        items = {"nobs": self.nobs, "target_rows": self.target_rows, "df_resid": self.df_resid}
        return items | {"dispersion": self.dispersion, "gcv": self.gcv, "edf": sum(self.edf.values())}

    def summary_facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"Source rows": self.nobs, "Target rows": self.target_rows}
        facts |= {f"Degrees of freedom, {term}": f"{value:.2f}" for term, value in self.edf.items()}
        return facts | {"Dispersion": self.dispersion, "Generalised cross-validation": self.gcv}

    # --- means --------------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Predicted means, by default at the target rows.

        Parameters
        ----------
        newdata : data frame, optional
            The target frame by default.
        interval : {None, "confidence", "prediction"}
            Limits for the mean where the flexible block is made of splines: the fit's covariance, and what the penalty may bias
            (Nychka 1988; Marra and Wood 2012). They hold on average over rows like the source's; beyond the range of a spline they
            take the mean for straight. "prediction" is for new outcomes with normal errors.
        level : float

        Returns
        -------
        data frame
            Columns estimate and std_error; conf_low and conf_high with "confidence", lower and upper with "prediction".
        """
        check_level(level)
        if interval is not None:
            one_of("interval", interval, ("confidence", "prediction"))
        if newdata is None and self.target is None:
            raise DataError("a saved fit leaves the target frame out; give newdata=.")
        rows = self.new_rows(newdata if newdata is not None or self.target is None else self.target.frame)
        flexible = rows.parts["flexible"].without_intercept().values
        simple = rows.parts["covariates"].without_intercept().values
        k = len(self.flexible)
        mean = (
            predictor(rows.parts["covariates"], self.theta, rows.offset) + (flexible - self.centre[:k]) @ self.flexible
        )
        columns = {"estimate": mean}
        if self._curved or interval is not None:
            columns["std_error"] = se = self._errors(np.column_stack([flexible, simple]))
            if interval == "confidence":
                half = t_quantile(0.5 + level / 2.0, self.cov.df) * se
                columns |= {"conf_low": mean - half, "conf_high": mean + half}
            elif interval == "prediction":
                half = prediction_half_width(se, self.cov.df, float(np.sqrt(self.dispersion)), self.df_resid, level)
                columns |= {"lower": mean - half, "upper": mean + half}
        return prediction_frame(rows, columns)

    @property
    def _curved(self) -> bool:
        """Whether splines are all there is in the flexible block."""
        return set(self.splines) == set(self.edf)

    def _errors(self, columns: np.ndarray) -> np.ndarray:
        """Standard errors of means at columns (m, p) as they are."""
        if not self._curved:
            others = ", ".join(f"'{t}'" for t in self.edf if t not in self.splines)
            raise NotIdentifiedError(
                f"intervals of means have no theory for ridge-penalised columns ({others}); they exist where the flexible block is "
                "made of s() terms. Coefficients of the simple block have standard errors."
            )
        half = ((columns - self.centre) / self.scale) @ self._root[1:] + self._root[0]
        return np.sqrt(np.einsum("ij,ij->i", half, half))

    @property
    def _root(self) -> np.ndarray:
        """L with L L' the covariance of the level and of all coefficients, shape (p + 1, r)."""
        kind = self._undrawn_kind
        if self.joint is not None:
            return matrix_root(self.joint(kind))
        if str(kind) not in self.joint_kept:
            raise DataError("standard errors of means need the rows of the fit, which a saved or lean fit leaves out.")
        return matrix_root(self.joint_kept[str(kind)])

    def lean(self) -> Self:
        if self.joint is None:
            return replace(super().lean(), target=None, solved=None)
        kinds: list[Any] = [kind for kind in self.vcov_kinds.names if self._exists(kind)]
        kept = {str(kind): self.joint(kind) for kind in (*kinds, *self._own_kind())}
        return replace(super().lean(), target=None, solved=None, joint=None, joint_kept=kept)

    def _own_kind(self) -> list[Any]:
        kind = self._undrawn_kind
        return [] if kind == "none" else [kind]

    def augment(self) -> Any:
        """The source's data with fitted means and residuals beside them."""
        made = self._need_rows("row-wise diagnostics")
        assert self.solved is not None
        return augmented(made, {"fitted": made.y - self.solved.residual, "residual": self.solved.residual})

    # --- blocks -------------------------------------------------------------------------------------------

    def smooths(self) -> Any:
        """One row per flexible term.

        Returns
        -------
        data frame
            Columns term, edf (effective degrees of freedom) and penalty (relative to the variance of the term's columns).
        """
        import pandas as pd

        table = {"term": list(self.edf), "edf": list(self.edf.values()), "penalty": list(self.penalties.values())}
        return to_caller(pd.DataFrame(table), self.kind)

    def curve(self, term: str, *, points: int = 101, margin: float = 0.0, level: float = 0.95) -> Any:
        """A spline over its argument, with mean zero over the source.

        Parameters
        ----------
        term : str
            `s(x)` as in the formula, or its argument.
        points : int
        margin : float
            How far beyond the source's range, as a share of it.
        level : float

        Returns
        -------
        data frame
            Columns x, estimate, std_error, conf_low, conf_high.
        """
        import pandas as pd

        from statinf.shifts.curves import curve

        check_level(level)
        return to_caller(pd.DataFrame(curve(self, term, points, margin, level)), self.kind)

    def resilience(self) -> Any:
        """How far each block shifts, and what it costs.

        Returns
        -------
        data frame
            Rows simple and flexible. max_ratio, q99_ratio, chi2 and ess are of the density ratio of the block's variables at the
            source rows, by a logit with squares; infinite where they separate the samples. source_error and target_error are
            expected squared errors of the mean from either block, growth is their quotient, and share that of the target's error.
            They count noise and what the penalty may bias, not what no spline in the source's range can know.
        """
        from statinf.shifts.resilience import resilience

        made = self._need_rows("resilience tables")
        assert self.target is not None and self.solved is not None
        return to_caller(resilience(made, self.target, self.solved), self.kind)

    def plot(self, kind: str = "blocks", **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"blocks", "coefficients"}
            Splines with their intervals over the rows of both samples, or coefficients of the simple block.
        **options
            Of "blocks": `level` (0.95) and `margin` (0.2, of a spline's range, beyond it).

        Returns
        -------
        matplotlib axes, or an array of them
        """
        if kind == "coefficients":
            return Fit.plot(self, kind, **options)
        if kind != "blocks":
            raise OptionError(f"plot kind={kind!r} is not known; choose 'blocks' or 'coefficients'.")
        from statinf.shifts.curves import plot_blocks

        self._need_rows("plots of blocks")
        return plot_blocks(self, **options)
