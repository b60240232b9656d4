"""Hooks by which packages that make tables read a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

    from statinf.results.estimated import Estimated


_STATISTICS = {
    "N": "nobs",
    "r2": "r_squared",
    "adj_r2": "adj_r_squared",
    "ll": "loglik",
    "fvalue": "statistic",
    "f_pvalue": "p_value",
    "rmse": "sigma",
    "fstat_1st": "first_stage_f",
}
"""Names of statistics in maketables, and in `Fit.glance`; other names are the same in both."""


class TableHooks:
    """What maketables asks a fit for.

    It takes whatever has all of `params`, `bse` and `pvalues` for a result of statsmodels and then looks at no hook:
    results here have no `bse`.
    """

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        import pandas as pd

        fit = cast("Estimated", self)
        low, high = fit._limits(0.95, None)
        columns = {"b": fit.theta, "se": fit._se(), "t": fit.statistics, "p": fit._p_values()}
        return pd.DataFrame(
            columns | {"ci95l": low, "ci95u": high}, index=pd.Index(list(fit.terms), name="Coefficient")
        )

    def __maketables_stat__(self, key: str) -> Any:
        fit = cast("Estimated", self)
        items = {"nobs": fit.nobs} | fit.glance_items()
        return fit.cov.label if key == "se_type" else items.get(_STATISTICS.get(key, key))

    @property
    def __maketables_default_stat_keys__(self) -> list[str]:
        fit = cast("Estimated", self)
        keys = ("N", "r2", "adj_r2", "aic", "bic", "se_type")
        return [key for key in keys if fit.__maketables_stat__(key) is not None]

    @property
    def __maketables_depvar__(self) -> str:
        return cast("Estimated", self).outcome

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {"vcov_type": cast("Estimated", self).cov.label}
