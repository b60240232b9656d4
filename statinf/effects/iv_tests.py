"""What is asked of instruments: their strength, inference that holds however weak they are, and their validity."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.effects import overid, weak_iv
from statinf.effects.instruments import System
from statinf.effects.iv_rows import IVRows
from statinf.effects.linear_iv import LinearIV
from statinf.errors import NotIdentifiedError, check_level, one_of
from statinf.inference.dependent import is_dependent
from statinf.inference.hypotheses import WaldTest
from statinf.inference.vcov import VcovSpec
from statinf.internal import internal
from statinf.results import Fit, to_caller

if TYPE_CHECKING:
    from statinf.effects.iv_pass_rows import PassForms


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InstrumentTests(Fit):
    """A fit with instruments, and the tests of these.

    Attributes
    ----------
    solution : LinearIV
        The model in centred and scaled columns.
    endogenous, instruments : tuple of str
        Column names; instruments that are aliased are left out.
    forms : PassForms or None
        Of data that are read in blocks: what makes the covariance of the reduced form.
    """

    solution: LinearIV
    endogenous: tuple[str, ...]
    instruments: tuple[str, ...]
    forms: PassForms | None = field(default=None, metadata={"saved": False})

    beside = ("first_stage", "anderson_rubin", "overid", "wu_hausman")

    @property
    @internal
    def system(self) -> System:
        """Small blocks that hold all classical statistics, of centred and scaled columns."""
        return self.solution.system

    @property
    def kappa(self) -> float:
        """Member of the k-class; NaN for GMM."""
        return self.solution.kappa

    def _rows(self, what: str) -> IVRows:
        return self.solution.rows(self._need_rows(what))

    def _forms(self, what: str) -> IVRows | PassForms:
        return self._rows(what) if self.forms is None else self.forms

    def first_stage(self, vcov: Any = None) -> Any:
        """Strength of the instruments, one row per endogenous column, in the caller's kind of data frame.

        Parameters
        ----------
        vcov : str or mapping, optional
            For the robust and the effective F; the fit's own by default.

        Returns
        -------
        data frame
            Columns term, f (homoskedastic), robust_f, df1, df2, p_value, effective_f, partial_r2, shea_r2
            and cragg_donald. With several endogenous columns one instrument may serve them all: judge by
            shea_r2 and cragg_donald, not by each F.
        """
        import pandas as pd

        kind = self._kind(vcov)
        rows = self._forms("first stages")
        weakest = weak_iv.cragg_donald(self.system)
        out = []
        for j, name in enumerate(self.endogenous):
            found = rows.reduced_form(np.eye(self.system.c + 1)[j], kind)
            s = weak_iv.first_stage(self.system, j, found.matrix, found.df)
            out.append(
                {
                    "term": name,
                    "f": s.f,
                    "robust_f": s.robust_f,
                    "df1": self.system.b,
                    "df2": found.df,
                    "p_value": s.p_value,
                }
                | {
                    "effective_f": s.effective_f,
                    "partial_r2": s.partial_r2,
                    "shea_r2": s.shea_r2,
                    "cragg_donald": weakest,
                }
            )
        return to_caller(pd.DataFrame(out), self.kind)

    def anderson_rubin(self, null: Any = 0.0, *, level: float = 0.95, vcov: Any = None) -> weak_iv.AndersonRubin:
        """Inference on the effect that holds however weak the instruments are.

        Parameters
        ----------
        null : float or array of shape (c,)
            Value to test.
        level : float
            Of the confidence set, which has `pieces`: one interval, two half-lines, the whole line, or none.
        vcov : str or mapping, optional
            Covariance of the reduced form, "iid" for the classical test; the fit's own by default.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.iv("lwage ~ educ | exper + expersq + black + south + smsa | nearc4", si.datasets.load("card"))
        >>> print(fit.anderson_rubin(vcov="iid"))
        Anderson-Rubin test of 0 (iid): F(1, 3003) = 6.8811, p = 0.008755
        95% confidence set: [0.0383985, 0.261184]
        """
        check_level(level)
        kind = self._kind(vcov)
        rows = self._forms("Anderson-Rubin tests")
        made = self.system
        given = np.broadcast_to(np.asarray(null, dtype=np.float64), (made.c,))
        unit = self.solution.units.outcome_scale / self.solution.units.scale[: made.c]
        value = given / unit
        found = rows.reduced_form(np.append(-value, 1.0), kind)
        f = weak_iv.statistic(made, rows.at_null(kind), value)
        pieces = None
        if made.c == 1:
            critical = weak_iv.f_quantile(level, made.b, found.df)
            found_pieces = weak_iv.kept_values(made, rows.at_null(kind), critical, float(self.solution.beta[0]))
            pieces = tuple((float(low * unit[0]), float(high * unit[0])) for low, high in found_pieces)
        p = weak_iv.f_sf(f, made.b, found.df)
        answer = weak_iv.AndersonRubin(tuple(given.tolist()), f, p, made.b, found.df, level, pieces, found.label)
        return answer.handed(self.kind)

    def overid(self, test: str = "hansen") -> WaldTest:
        """Test of the instruments beyond those needed.

        Parameters
        ----------
        test : {"hansen", "sargan", "basmann"}
            "hansen" is robust to heteroskedasticity, or to clusters if the fit's covariance is clustered;
            the others assume equal variances.

        Raises
        ------
        NotIdentifiedError
            If there are no more instruments than endogenous columns.
        """
        one_of("test", test, ("hansen", "sargan", "basmann"))
        if self.system.b == self.system.c:
            raise NotIdentifiedError(
                "there are exactly as many instruments as endogenous columns: nothing is left to test."
            )
        if test != "hansen":
            classical = overid.sargan if test == "sargan" else overid.basmann
            return classical(self.system, self.solution.beta).handed(self.kind)
        kind = self._undrawn_kind
        if is_dependent(kind):
            raise NotIdentifiedError(
                "Hansen's test weights its moments by their covariance between rows, or clusters, that are independent; ask for it "
                "with fit.with_vcov('HC1').overid(), or for test='sargan'."
            )
        rows = self._rows("Hansen's test")
        return overid.hansen(rows, next(iter(rows.clusters(kind).values()), None)).handed(self.kind)

    def wu_hausman(self, vcov: Any = "iid") -> WaldTest:
        """Test whether least squares would do: are the endogenous columns exogenous.

        Parameters
        ----------
        vcov : str or mapping
            "iid" for the classical F; any other covariance for the robust version.
        """
        kind = self._kind(vcov)
        if kind == "iid":
            return overid.wu_hausman(self.system).handed(self.kind)
        return overid.robust_hausman(self._rows("a robust Wu-Hausman test"), kind).handed(self.kind)

    def _kind(self, vcov: Any) -> Any:
        if vcov is not None:
            return VcovSpec.read(vcov, kinds=self.vcov_kinds).asked
        own = self._undrawn_kind
        return own if isinstance(own, dict) or own in ("iid", "HC0", "HC1") else "HC1"
