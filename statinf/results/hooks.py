"""Hooks by which packages that make tables read a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import pandas as pd

    from statinf.results.fit import Fit


class TableHooks:
    """What maketables asks a fit for."""

    @property
    def __maketables_coef_table__(self) -> pd.DataFrame:
        import pandas as pd

        fit = cast("Fit", self)
        low, high = fit._limits(0.95, None)
        columns = {"b": fit.theta, "se": fit._se(), "t": fit.statistics, "p": fit.pvalues.to_numpy()}
        return pd.DataFrame(
            columns | {"ci95l": low, "ci95u": high}, index=pd.Index(list(fit.terms), name="Coefficient")
        )

    def __maketables_stat__(self, key: str) -> Any:
        fit = cast("Fit", self)
        return (fit.glance_items() | {"N": fit.nobs, "r2": fit.glance_items().get("r_squared")}).get(key)

    @property
    def __maketables_depvar__(self) -> str:
        return cast("Fit", self).formula.split("~")[0].strip()

    @property
    def __maketables_vcov_info__(self) -> dict[str, Any]:
        return {"vcov_type": cast("Fit", self).cov.label}
