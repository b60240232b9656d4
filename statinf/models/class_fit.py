"""What fits of categories share: probabilities of the classes with standard errors, and statistics of the whole fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend import row_blocks
from statinf.errors import NotIdentifiedError
from statinf.formula.design import Design
from statinf.formula.matrix import Matrix
from statinf.inference.distributions import t_quantile
from statinf.internal import internal
from statinf.models.likelihood_fit import LikelihoodFit
from statinf.models.regression_fit import check_interval
from statinf.results import augmented, prediction_frame, unsupported
from statinf.results.predicting import prediction_rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClassFit(LikelihoodFit):
    """Probabilities of categories by maximum likelihood.

    Attributes
    ----------
    levels : tuple
        The categories.
    """

    levels: tuple[Any, ...]

    # --- what a model supplies ----------------------------------------------------------------------------

    @internal
    def model_matrix(self, matrix: Matrix) -> Matrix:
        """The columns of the model, of those of the formula."""
        raise NotImplementedError

    @property
    @internal
    def kept(self) -> np.ndarray:
        """Which columns of the model are not aliased, shape (p,) bool."""
        raise NotImplementedError

    @internal
    def shares(self, theta: np.ndarray, X: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
        """Probabilities of the classes, shape (n, K), at coefficients (q,) for columns (n, k) that are not aliased."""
        raise NotImplementedError

    @internal
    def share_roots(self, X: np.ndarray, offset: np.ndarray | None, root: np.ndarray) -> np.ndarray:
        """Derivatives of the probabilities times a matrix (q, r), shape (n, K, r)."""
        raise NotImplementedError

    # --- statistics ---------------------------------------------------------------------------------------

    def glance_items(self) -> dict[str, Any]:
        return {"nobs": self.nobs, "df_resid": self.df_resid} | self.likelihood_items()

    def summary_facts(self) -> dict[str, Any]:
        named = ", ".join(map(str, self.levels[:8])) + (", ..." if len(self.levels) > 8 else "")
        found = self.glance_items()
        facts = {"Observations": self.nobs, "Categories": named, "Log-likelihood": self.loglik}
        return facts | {"AIC": found["aic"], "McFadden's R2": found["pseudo_r_squared"]}

    # --- predictions --------------------------------------------------------------------------------------

    def predict(self, newdata: Any = None, *, interval: str | None = None, level: float = 0.95) -> Any:
        """Probabilities of the categories, one row out per row in.

        Parameters
        ----------
        newdata : data frame, optional
            The data of the fit by default.
        interval : {None, "confidence"}
            Limits by the delta method, made on the logit scale so that they stay between 0 and 1.
        level : float

        Returns
        -------
        data frame
            A column per category, named by it; with an interval also std_error_, conf_low_ and conf_high_ in front of the
            names. Rows that cannot be predicted are NaN and one warning counts them.
        """
        if interval == "prediction":
            raise NotIdentifiedError("categories have no prediction interval; si.conformal makes sets of them.")
        check_interval(interval, level, ("confidence",))
        rows = prediction_rows(self, newdata)
        matrix = self.model_matrix(rows.parts["covariates"])
        broken = unsupported(matrix, self.kept, self.aliases) | ~rows.ok
        X = np.where(broken[:, None], 0.0, matrix.values[:, self.kept])
        offset = None if rows.offset is None else np.where(broken, 0.0, rows.offset)
        shares = self.shares(self.theta[self.estimable], X, offset)
        shares[broken] = np.nan
        columns = {str(name): shares[:, k] for k, name in enumerate(self.levels)}
        if interval is not None:
            se = self._errors(X, offset)
            se[broken] = np.nan
            columns |= share_limits(columns, se, float(t_quantile(0.5 + level / 2.0, self.cov.df)))
        return prediction_frame(rows, columns)

    def _errors(self, X: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
        """Standard errors of the probabilities by the delta method, shape (n, K)."""
        out, root = np.empty((len(X), len(self.levels))), self.cov.root
        for part in row_blocks(len(X), len(self.levels) * root.shape[1]):
            moved = self.share_roots(X[part], None if offset is None else offset[part], root)
            out[part] = np.sqrt(np.einsum("nkr,nkr->nk", moved, moved))
        return out

    def _rows_of(self, what: str) -> tuple[Design, np.ndarray]:
        """The design and the model's columns that are not aliased."""
        made = self._need_rows(what)
        return made, self.model_matrix(made.parts[0]).values[:, self.kept]

    @property
    def fitted(self) -> np.ndarray:
        """Probabilities of the classes in the rows used, shape (rows used, K)."""
        made, X = self._rows_of("fitted values")
        return self.shares(self.theta[self.estimable], X, made.offset)

    def augment(self) -> Any:
        """The data of the fit with the probability of each category beside them."""
        shares = self.fitted
        columns = {str(name): shares[:, k] for k, name in enumerate(self.levels)}
        return augmented(self._need_rows("row-wise diagnostics"), columns)


def share_limits(shares: dict[str, np.ndarray], se: np.ndarray, quantile: float) -> dict[str, np.ndarray]:
    """Standard errors and limits of probabilities, made on the logit scale so that they stay between 0 and 1.

    Parameters
    ----------
    shares : mapping of str to ndarray, shape (n,)
        By class.
    se : ndarray, shape (n, K)
    quantile : float
    """
    out: dict[str, np.ndarray] = {}
    for k, (name, share) in enumerate(shares.items()):
        with np.errstate(divide="ignore", invalid="ignore"):
            centre, half = np.log(share) - np.log1p(-share), quantile * se[:, k] / (share * (1.0 - share))
            low, high = (0.5 * (1.0 + np.tanh(0.5 * (centre + sign * half))) for sign in (-1.0, 1.0))
        out |= {f"std_error_{name}": se[:, k], f"conf_low_{name}": low, f"conf_high_{name}": high}
    return out
