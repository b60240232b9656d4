"""The result of a cumulative link model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from statinf.errors import OptionError
from statinf.formula.matrix import Matrix
from statinf.inference.hypotheses import WaldTest, wald
from statinf.internal import internal
from statinf.models.categories import boundary_names, ordered_levels
from statinf.models.class_fit import ClassFit
from statinf.models.class_means import ordered_means
from statinf.models.ordered_parallel import boundary_slopes
from statinf.models.ordered_rows import OrderedProblem, ordered_problem
from statinf.models.row_counts import RowCounts
from statinf.numerics.limited.links import LINKS, CumulativeLink
from statinf.numerics.limited.ordered import probabilities
from statinf.results.margins.mean import MeanModel

_LAWS = {"logit": "logistic", "probit": "Phi", "cauchit": "Cauchy"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class OrderedFit(ClassFit):
    """P(Y <= k | x) = F(cutpoint_k - x'b): a positive slope makes higher categories likelier.

    Attributes
    ----------
    levels : tuple
        Categories from the lowest to the highest.
    link : str
    """

    link: str

    beside: ClassVar[tuple[str, ...]] = ("cutpoints", "test_parallel", "levels")

    @property
    def title(self) -> str:
        known = {"logit": "Proportional odds", "probit": "Ordered probit"}
        return known.get(self.link, f"Cumulative link model, {self.link}")

    @property
    def model_name(self) -> str:
        return f"{self.method}, {self.link}"

    @property
    def cutpoints(self) -> Any:
        """Cutpoints by boundary, a pandas Series."""
        return self.params.iloc[self._count :]

    @property
    def _count(self) -> int:
        """Slopes, aliased ones included."""
        return len(self.terms) - len(self.levels) + 1

    @property
    @internal
    def law(self) -> CumulativeLink:
        """The distribution behind the cutpoints."""
        return LINKS[self.link]

    def _notes(self) -> tuple[str, ...]:
        law = _LAWS.get(self.link, "F")
        note = f"P(Y <= k) = {law}(cutpoint of the boundary - x'b): positive slopes make higher categories likelier."
        return (note, *super()._notes())

    # --- what the model is --------------------------------------------------------------------------------

    def model_matrix(self, matrix: Matrix) -> Matrix:
        return matrix.with_intercept()

    @property
    def kept(self) -> np.ndarray:
        return np.concatenate([[True], self.estimable[: self._count]])

    def _arguments(self, theta: np.ndarray, X: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
        """Cutpoints less linear predictor, shape (n, K - 1)."""
        m = len(self.levels) - 1
        eta = X[:, 1:] @ theta[:-m]
        return theta[-m:] - (eta if offset is None else eta + offset)[:, None]

    def shares(self, theta: np.ndarray, X: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
        return probabilities(self.law, self._arguments(theta, X, offset))

    def share_roots(self, X: np.ndarray, offset: np.ndarray | None, root: np.ndarray) -> np.ndarray:
        density = np.exp(self.law.log_density(self._arguments(self.theta[self.estimable], X, offset)))
        k, m = X.shape[1] - 1, len(self.levels) - 1
        moved = np.zeros((len(X), m + 2, root.shape[1]))
        moved[:, 1:-1] = density[:, :, None] * (root[k:] - (X[:, 1:] @ root[:k])[:, None])
        return np.diff(moved, axis=1)

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        return ordered_means(self, promise)

    # --- tests and draws ----------------------------------------------------------------------------------

    def _problem(self, what: str) -> OrderedProblem:
        made = self._need_rows(what)
        _, codes = ordered_levels(made)
        return ordered_problem(
            made, codes, len(self.levels), self.link, counts=RowCounts(self.weights_kind, self.copies), warn=False
        )

    def test_parallel(self, columns: Any = None) -> WaldTest:
        """Wald test that the boundaries share their slopes (Brant 1990).

        Each boundary's binary regression is fitted by itself, and the slopes are compared under their joint covariance: the
        model's with "iid", else the sandwich of the kind that the fit has.

        Parameters
        ----------
        columns : str or sequence of str, optional
            Columns whose slopes are compared; all of them by default.

        Raises
        ------
        NotIdentifiedError
            If columns separate the outcome at a boundary.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.ordered("pid ~ income + age", si.datasets.load("anes96"))
        >>> print(fit.test_parallel())
        parallel slopes: chi2(10) = 25.4261, p = 0.004594
        """
        problem, names = self._problem("tests of parallel slopes"), self.terms[: self._count]
        asked = names if columns is None else (columns,) if isinstance(columns, str) else tuple(columns)
        unknown = [name for name in asked if name not in names]
        if unknown:
            raise OptionError(f"columns={unknown[0]!r} is not a column of the fit; there are {', '.join(names)}.")
        own = self._undrawn_kind
        kind = own if isinstance(own, dict) or own in self.vcov_kinds.names else "iid"
        theta, joint = boundary_slopes(problem, self.link, boundary_names(self.levels), kind)
        own = [name for name, one in zip(names, self.estimable, strict=False) if one]
        at, (m, q) = [own.index(name) for name in asked if name in own], theta.shape
        rows = np.zeros((m - 1, len(at), m * q))
        for k in range(m - 1):
            for i, j in enumerate(at):
                rows[k, i, j], rows[k, i, (k + 1) * q + j] = -1.0, 1.0
        flat = rows.reshape(-1, m * q)
        text = "parallel slopes" if columns is None else f"parallel slopes of {', '.join(asked)}"
        return wald(theta.ravel(), joint, flat, np.zeros(len(flat)), np.inf, text).handed(self.kind)

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        problem, theta = self._problem("bootstrap draws"), self.theta[self.estimable]
        return self._refits(lambda w: problem.refit(w, theta), studentize)
