"""The result of quantile regression with instruments, at one or many levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from statinf.effects.iv_columns import as_indicator
from statinf.effects.ivqr_region import QuantileSet, kept_values
from statinf.effects.ivqr_solved import RobustTest, SolvedIvqr
from statinf.errors import OptionError, check_level
from statinf.formula.matrix import Matrix
from statinf.inference.distributions import chi2_sf
from statinf.inference.vcov import VcovKinds, VcovSpec
from statinf.results import augmented, to_caller
from statinf.results.levels_fit import LevelsFit
from statinf.results.levels_tables import prediction_table


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class QuantileIVFit(LevelsFit):
    """Structural quantiles y = d a + x'b of a model with one endogenous column; tables use the normal distribution.

    Attributes
    ----------
    endogenous : str
    instruments : tuple of str
        Instruments that are aliased are left out.
    roots : tuple of ndarray
        Per level, all values at which the instrument's coefficient vanishes; the estimate is the middle one.
    aliases : ndarray, shape (k, a - k)
        How the k columns that have a coefficient make the others.
    indicator : tuple of float
        Values of the treatment's column that became 0 and 1.
    solved : SolvedIvqr or None
        The solution in centred and scaled columns; not saved.
    """

    endogenous: str
    instruments: tuple[str, ...]
    roots: tuple[np.ndarray, ...]
    aliases: np.ndarray
    indicator: tuple[float, float]
    solved: SolvedIvqr | None = field(default=None, metadata={"saved": False})

    vcov_kinds = VcovKinds(default="HC0", names=("iid", "HC0", "HC1", "fixed"), robust="HC0", clustered=("HC0", "HC1"))
    normal_reference = True
    heading = "Instrumental-variable quantile regression"
    beside = ("region", "regions", "process", "equal_slopes")

    def lean(self) -> Self:
        return replace(super().lean(), solved=None)

    def level_items(self) -> dict[str, Any]:
        return {"instruments": len(self.instruments), "roots": [len(r) for r in self.roots]}

    def summary_facts(self) -> dict[str, Any]:
        return super().summary_facts() | {"Instruments": ", ".join(self.instruments)}

    def _notes(self) -> tuple[str, ...]:
        return (*super()._notes(), "region() gives confidence sets that hold however weak the instruments are.")

    # --- robust inference ---------------------------------------------------------------------------------

    def region(
        self, null: float = 0.0, *, tau: float | None = None, level: float = 0.95, vcov: Any = None
    ) -> QuantileSet:
        """Inference on the effect at one level that holds however weak the instruments are.

        Parameters
        ----------
        null : float
            Value to test.
        tau : float, optional
            One of the fit's levels; needed where there are several.
        level : float
            Of the confidence set, which has `pieces`: one interval, two half-lines, the whole line, or none. Limits beyond
            16,384 standard errors count as infinite.
        vcov : str or mapping, optional
            Covariance of the scores; the fit's own by default.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.iv("lwage ~ educ | exper + black + smsa | nearc4", si.datasets.load("card"), method="ivqr")
        >>> found = fit.region()
        >>> round(found.statistic, 2), found.pieces[0][0] > 0
        (9.84, True)
        """
        check_level(level)
        k = self._place(tau)
        test, unit = self._test(k, vcov)
        at = float(test.statistics(np.array([float(null) / unit]))[0][0])
        b = test.rows.system.b
        pieces = tuple((low * unit, high * unit) for low, high in self._inverted(test, k, level))
        label = test.kind if isinstance(test.kind, str) else f"clustered by {_listed(test.kind['cluster'])}"
        found = QuantileSet(
            (float(null),), at, chi2_sf(at, b), b, np.inf, level, pieces, f"{label}, scores", tau=float(self.tau[k])
        )  # type: ignore[arg-type]
        return found.handed(self.kind)

    def regions(self, level: float = 0.95, *, vcov: Any = None) -> Any:
        """Robust confidence sets of all levels: one row per piece, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
        vcov : str or mapping, optional

        Returns
        -------
        data frame
            Columns tau, term, estimate, shape, conf_low, conf_high.
        """
        import pandas as pd

        rows = []
        for t, value in zip(self.tau, self.coef[:, 0], strict=True):
            found = self.region(tau=t, level=level, vcov=vcov)
            head = {"tau": t, "term": self.endogenous, "estimate": value, "shape": found.shape}
            pieces = found.pieces or ((np.nan, np.nan),)
            rows += [head | {"conf_low": low, "conf_high": high} for low, high in pieces]
        return to_caller(pd.DataFrame(rows), self.kind)

    def _place(self, tau: float | None) -> int:
        if tau is None and len(self.tau) == 1:
            return 0
        near = np.flatnonzero(np.isclose(self.tau, np.nan if tau is None else tau, rtol=0, atol=1e-12))
        if not len(near):
            listed = ", ".join(f"{t:g}" for t in self.tau)
            raise OptionError(f"tau={tau!r}: name one of the fit's levels ({listed}).")
        return int(near[0])

    def _kind(self, vcov: Any) -> Any:
        if vcov is not None:
            return VcovSpec.read(vcov, kinds=self.vcov_kinds).asked
        own = self._undrawn_kind
        return own if isinstance(own, dict) or own in self.vcov_kinds.names else "HC0"

    def _test(self, k: int, vcov: Any) -> tuple[RobustTest, float]:
        """The test of a level, and the size of one unit of the scaled coefficient."""
        self._need_rows("robust tests")
        assert self.solved is not None
        units = self.solved.units
        test = RobustTest(self.solved.rows(), float(self.tau[k]), self._kind(vcov), self.solved.rule)
        return test, float(units.outcome_scale / units.scale[0])

    def _inverted(self, test: RobustTest, k: int, level: float) -> tuple[tuple[float, float], ...]:
        from scipy.special import chdtri

        assert self.solved is not None
        one, s = self.solved.found[k], test.rows.system
        # The error that equal densities would give: it exists where the kernel's does not.
        spread = float(np.std(test.rows.y - one.alpha * test.rows.endogenous[:, 0] - test.rows.exogenous @ one.coef))
        unit = spread / float(np.sqrt(np.sum(s.first**2))) if np.any(s.first) else 1.0
        return kept_values(test.statistics, float(chdtri(s.b, 1.0 - level)), one.alpha, unit)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        self.refuse("refitting bootstrap", "its grid would be searched in every replica; use kind='multiplier'")

    # --- rows ---------------------------------------------------------------------------------------------

    def _matrix(self, treatment: Matrix, covariates: Matrix) -> Matrix:
        values = np.column_stack([as_indicator(treatment.rest.values, self.indicator), covariates.values])
        return Matrix(values, self.columns, {}, False)

    def predict(
        self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95, noncrossing: str | None = None
    ) -> Any:
        """Structural quantiles d a + x'b for rows with the treatment set as they record it.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
        level : float
        noncrossing : {None, "sort", "isotonic", "sweep"}
            Make the predictions of each row nondecreasing in the level.

        Returns
        -------
        data frame
            One column per level, named "q0.5"; with an interval also "q0.5_std_error", "q0.5_conf_low" and
            "q0.5_conf_high".
        """
        frame = self._need_rows("predictions without newdata").frame if newdata is None else newdata
        rows = self.new_rows(frame, roles=("treatment", "covariates"))
        matrix = self._matrix(rows.parts["treatment"], rows.parts["covariates"])
        return prediction_table(self, rows, matrix, self.aliases, interval, level, noncrossing)

    def augment(self) -> Any:
        """The data of the fit with structural quantiles and residuals, by level where there are several."""
        made = self._need_rows("fitted values")
        treatment, covariates = made.part("treatment"), made.part("covariates")
        assert treatment is not None and covariates is not None
        values, columns = self._matrix(treatment, covariates).values, {}
        offset = 0.0 if made.offset is None else made.offset
        for t, b in zip(self.tau, self.coef, strict=True):
            ending = f"_q{t:g}" if len(self.tau) > 1 else ""
            fitted = values @ np.nan_to_num(b) + offset
            columns |= {f"fitted{ending}": fitted, f"residual{ending}": made.y - fitted}
        return augmented(made, columns)


def _listed(names: Any) -> str:
    return names if isinstance(names, str) else " and ".join(names)
