"""Projections of a conditional effect's doubly robust scores on columns that no learner made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from statinf.effects.band import Band, band_of
from statinf.effects.cate_columns import effect_columns
from statinf.effects.conditional import ConditionalEffect
from statinf.effects.projection import Projection, default_spec, project
from statinf.errors import DataError, OptionError
from statinf.formula.frame import Categorical
from statinf.formula.recipe import Recipe
from statinf.learners.spline import expand
from statinf.numerics.order.quantiles import weighted_quantile
from statinf.results import augmented

MOST_GROUPS = 50
"""Values of a column whose groups each have an average effect."""


class ScoreProjections:
    """Methods that regress doubly robust scores; covariances are clustered by default where the fit has clusters."""

    learnt: ConditionalEffect | None
    treatment: str
    phi_names: tuple[str, ...]
    kind: str
    recipe: Recipe | None
    effect_recipe: Recipe | None

    beside: ClassVar[tuple[str, ...]] = ("cate", "ate", "blp", "gate", "gates", "clan", "calibration", "rate", "curve")

    def _learnt(self, what: str = "evaluations") -> ConditionalEffect:
        if self.learnt is None:
            raise DataError(f"{what} need the rows of the fit, which a saved or lean fit leaves out; fit again.")
        return self.learnt

    def _clusters(self) -> tuple[str, ...]:
        """Columns that evaluations cluster by."""
        return tuple(self._learnt().rows.clusters)

    def _spec(self, vcov: Any, kind: str) -> Any:
        return default_spec(self._clusters(), kind) if vcov is None else vcov

    def _whole(self) -> np.ndarray | None:
        """Codes of the coarsest of these columns; None without any."""
        codes = [self._learnt().rows.design.cluster_codes(name) for name in self._clusters()]
        return min(codes, key=lambda c: int(c.max()), default=None)

    @property
    def gamma(self) -> np.ndarray:
        """Doubly robust score of each row used, shape (n,): unbiased for the row's effect."""
        return self._learnt().gamma

    @property
    def cate(self) -> np.ndarray:
        """Effect of each row used, learnt in all stages on the rows of other folds, shape (n,); the median over splits."""
        return np.median(self._learnt().cross_fold, axis=0)

    def augment(self) -> Any:
        """The caller's data with each row's effect, as `cate` has it, and its doubly robust score."""
        return augmented(self._learnt("row-wise effects").rows.design, {"cate": self.cate, "score": self.gamma})

    def ate(self, vcov: Any = None) -> Projection:
        """The average effect: the mean of the scores; "HC0" by default."""
        made = self._learnt()
        return project(
            made.rows.design,
            np.ones((len(made.rows.y), 1)),
            (self.treatment,),
            made.gamma,
            vcov=self._spec(vcov, "HC0"),
            heading="Average effect",
        )

    def blp(self, effect: str | None = None, *, vcov: Any = None) -> Projection:
        """Best linear projection of the effect on columns.

        Parameters
        ----------
        effect : str, optional
            One-sided formula such as "~ age + C(region)"; the final model's columns by default.
        vcov : str or mapping, optional
            "HC3" by default.
        """
        made = self._learnt()
        if effect is None:
            columns, names, recipe = made.sample.phi, self.phi_names, self.effect_recipe or self.recipe
        else:
            matrix, recipe = effect_columns(effect, made.rows.design, made.rows.design.recipe.context)
            columns, names = matrix.values, matrix.names
        terms = [self.treatment if n == "Intercept" else f"{self.treatment}:{n}" for n in names]
        fit = project(
            made.rows.design,
            columns,
            terms,
            made.gamma,
            vcov=self._spec(vcov, "HC3"),
            heading="Best linear projection of the effect",
            formula=effect or "",
        )
        return replace(fit, effect_recipe=recipe)

    def gate(self, by: str, *, vcov: Any = None) -> Projection:
        """Average effect in each group of a column.

        Parameters
        ----------
        by : str
        vcov : str or mapping, optional
            "HC2" by default.
        """
        made = self._learnt()
        column = made.rows.design.frame.categories(by)
        codes = column.codes[made.rows.design.rows]
        if (codes < 0).any():
            raise DataError(f"the column '{by}' is missing in {int((codes < 0).sum())} rows used by the fit.")
        levels = column.levels if isinstance(column, Categorical) else ()
        present = [i for i in range(len(levels)) if (codes == i).any()]
        if len(present) > MOST_GROUPS:
            raise DataError(
                f"'{by}' has {len(present)} values; groups need a column of at most {MOST_GROUPS}. For the effect along a "
                f"numeric covariate use curve('{by}')."
            )
        indicators = np.column_stack([codes == i for i in present]).astype(np.float64)
        names = [f"{self.treatment}[{levels[i]}]" for i in present]
        return project(
            made.rows.design,
            indicators,
            names,
            made.gamma,
            vcov=self._spec(vcov, "HC2"),
            heading=f"Average effect by {by}",
        )

    def curve(
        self, column: str, *, knots: int = 5, points: int = 60, level: float = 0.95, vcov: Any = None, seed: int = 0
    ) -> Band:
        """The effect along one numeric covariate, the others averaged as they occur, with uniform bands.

        Parameters
        ----------
        column : str
        knots : int
            Of a natural cubic spline; their number must grow with n for bands without smoothing bias.
        points : int
            Between the 2nd and the 98th percentile.
        level : float
        vcov : str or mapping, optional
            "HC1" by default.
        seed : int
            Of the draws behind the uniform critical value.
        """
        made = self._learnt()
        for name, value, low in (("knots", knots, 3), ("points", points, 2)):
            if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
                raise OptionError(f"{name}={value!r} is not a whole number of at least {low}.")
        given = made.rows.design.column(column)
        if given.dtype.kind not in "fiub":
            raise OptionError(f"'{column}' holds categories; use gate('{column}') for its groups.")
        x, w = np.asarray(given, dtype=np.float64), made.rows.w
        at = np.unique(weighted_quantile(x, np.linspace(0.02, 0.98, knots), w))
        if len(at) < 3:
            raise OptionError(f"'{column}' has too few values for {knots} knots; use gate('{column}') for its groups.")
        basis = _spline(x, at)
        fit = project(
            made.rows.design,
            basis,
            [f"b{j}" for j in range(basis.shape[1])],
            made.gamma,
            vcov=self._spec(vcov, "HC1"),
            heading=f"Effect along {column}",
        )
        low, high = weighted_quantile(x, np.array([0.02, 0.98]), w)
        grid = np.linspace(low, high, points)
        return band_of(fit, _spline(grid, at), grid, column, level, seed)


def _spline(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Constant and natural cubic spline of x with knots at `at`, shape (m, knots)."""
    scaled, knots = (x - at[0]) / (at[-1] - at[0]), (at - at[0]) / (at[-1] - at[0])
    return np.column_stack([np.ones(len(x)), expand(scaled[:, None], (knots,))])
