"""The result of a multinomial logit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from statinf.formula.matrix import Matrix
from statinf.frames import to_caller
from statinf.inference.hypotheses import WaldTest
from statinf.inference.naming import compact, factors_of, spelled
from statinf.models.class_fit import ClassFit
from statinf.models.class_means import multinomial_means
from statinf.models.multinomial_rows import multinomial_rows
from statinf.numerics.glm.multinomial import softmax
from statinf.results import Table, coefficients, format_number
from statinf.results.margins.mean import MeanModel
from statinf.results.table import format_interval, format_p


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MultinomialFit(ClassFit):
    """log(P(Y = k) / P(Y = reference)) = x'b_k for each class k but the reference.

    Attributes
    ----------
    reference : object
        The class that the others are compared with.
    columns : tuple of str
        Names of the coefficients of a class, aliased ones included.
    """

    reference: Any
    columns: tuple[str, ...]

    @property
    def classes(self) -> tuple[Any, ...]:
        """The classes that have coefficients: all but the reference."""
        return tuple(level for level in self.levels if level != self.reference)

    @property
    def coef(self) -> np.ndarray:
        """Coefficients, shape (K - 1, p); NaN for aliased columns."""
        return self.theta.reshape(len(self.classes), len(self.columns))

    @property
    def title(self) -> str:
        return f"Multinomial logit, reference {self.reference}"

    # --- what the model is --------------------------------------------------------------------------------

    def model_matrix(self, matrix: Matrix) -> Matrix:
        return matrix

    @property
    def kept(self) -> np.ndarray:
        return self.estimable[: len(self.columns)]

    def shares(self, theta: np.ndarray, X: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
        eta = X @ theta.reshape(len(self.classes), -1).T
        return softmax(np.insert(eta, self.levels.index(self.reference), 0.0, axis=1))

    def share_roots(self, X: np.ndarray, offset: np.ndarray | None, root: np.ndarray) -> np.ndarray:
        shares, k = self.shares(self.theta[self.estimable], X, offset), X.shape[1]
        moved = np.zeros((*shares.shape, root.shape[1]))
        others = [at for at, level in enumerate(self.levels) if level != self.reference]
        for block, at in enumerate(others):
            moved[:, at] = X @ root[block * k : (block + 1) * k]
        moved -= np.einsum("nk,nkr->nr", shares, moved)[:, None]
        return moved * shares[:, :, None]

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        return multinomial_means(self, promise)

    # --- tests and tables ---------------------------------------------------------------------------------

    def test(self, hypothesis: Any, values: Any = None, **options: Any) -> Any:
        """Tests of linear restrictions; see `Fit.test`.

        Parameters
        ----------
        hypothesis : str, sequence of str, or ndarray of shape (m, q)
            Coefficients are named "class: column". The name of a column, or of a term such as "C(g)", stands for its
            coefficients of all classes, each set to zero (or to `null=`).
        values : array, shape (m,), optional
        **options
            As `Fit.test` takes them.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.multinomial("species ~ bill_length_mm + body_mass_g", si.datasets.load("penguins"))
        >>> print(fit.test("body_mass_g"))
        body_mass_g: chi2(2) = 22.1674, p = 1.536e-05
        """
        if isinstance(hypothesis, str) and values is None:
            at = self._columns_of(hypothesis)
            if at:
                names = [f"{level}: {self.columns[j]}" for level in self.classes for j in at]
                found = super().test(names, **options)
                return replace(found, hypothesis=hypothesis) if isinstance(found, WaldTest) and not options else found
        return super().test(hypothesis, values, **options)

    def _columns_of(self, text: str) -> list[int]:
        """Positions of the columns of a term, aliased ones left out; empty for any other text."""
        asked = compact(spelled(text))
        own = [j for j, name in enumerate(self.columns) if compact(name) == asked]
        every = own or [j for j, name in enumerate(self.columns) if factors_of(name) == asked]
        return [j for j in every if self.kept[j]]

    def tidy(
        self, level: float = 0.95, *, style: str = "statinf", interval: str | None = None, exponentiate: bool = False
    ) -> Any:
        """One row per class and coefficient, with the class in the column `outcome` (`y.level` in broom's style); see `Fit.tidy`.

        `exponentiate=True` gives relative risk ratios: by how much one unit more of a column multiplies
        P(Y = class) / P(Y = reference).
        """
        frame = coefficients.tidy(self, level, style, interval, exponentiate)
        frame["term"] = list(self.columns) * len(self.classes)
        frame.insert(
            0, "outcome" if style == "statinf" else "y.level", [str(k) for k in self.classes for _ in self.columns]
        )
        return to_caller(frame, self.kind)

    def summary(self, level: float = 0.95) -> Table:
        """Coefficients by class with the covariance's name, rows left out and the paper."""
        low, high = self._limits(level, None)
        values = zip(self.theta, self._se(), self.statistics, self._p_values(), low, high, strict=True)
        rows, p = [], len(self.columns)
        for i, (estimate, se, statistic, chance, lower, upper) in enumerate(values):
            lead = (str(self.classes[i // p]) if i % p == 0 else "", self.columns[i % p])
            cells = [format_number(v) for v in (estimate, se, statistic)]
            cells += [format_p(chance), format_interval(lower, upper)]
            rows.append((*lead, *(cells if self.estimable[i] else coefficients.aliased_cells(5))))
        facts = [("Formula", self.formula), *((k, format_number(v)) for k, v in self.summary_facts().items())]
        heads = ("outcome", "term", "estimate", "std. error", "z" if np.isinf(self.cov.df) else "t", "p")
        return Table(
            (*heads, f"{100 * level:g}% interval"),
            tuple(rows),
            title=self.title,
            facts=tuple(facts),
            notes=coefficients.notes_of(self),
            rules=tuple(range(p, len(rows), p)),
            kind=self.kind,
        )

    # --- draws --------------------------------------------------------------------------------------------

    def refit_solver(self, studentize: bool) -> Callable[[np.ndarray], np.ndarray]:
        made = self._need_rows("bootstrap draws")
        found = multinomial_rows(made, self.levels, self.reference, warn=False)
        return self._refits(lambda w: found.refit(w, self.theta[self.estimable]), studentize)
