"""What every result promises, and what it says where it cannot keep a promise.

`Result` prints, saves and refuses; `Predictive` reads new rows with the formula's recipe; `Fit` (in `fit.py`) has
coefficients. A promise that a kind of result cannot keep is refused here, once, by name and with what it offers instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from statinf.errors import DataError, NotIdentifiedError
from statinf.formula.scan import halves, split
from statinf.internal import internal
from statinf.results.asking import PROMISES, NoSuchName, public_names
from statinf.results.table import Table

if TYPE_CHECKING:
    from statinf.formula.recipe import NewRows, Recipe

_NO_MEAN = "its estimates are not the coefficients of a mean function"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """An immutable result.

    Attributes
    ----------
    method : str
        Name of the method, as `method=` takes it or as the verb is called.
    formula : str
    citation : str
        The paper that the method implements.
    nobs : int
        Rows used, those of weight zero left out.
    kind : str
        Kind of data frame that tables come back in.
    dropped : mapping of str to int
        Rows left out of the fit, by cause.
    """

    method: str
    formula: str
    citation: str = ""
    nobs: int = 0
    kind: str = "pandas"
    dropped: Mapping[str, int] = field(default_factory=dict)

    beside: ClassVar[tuple[str, ...]] = ()
    """Further names that this kind of result offers, for messages."""
    lacks: ClassVar[tuple[str, ...]] = ()
    """Promised names that results of this kind cannot keep though the kind that they inherit from can."""

    # --- what every result does ---------------------------------------------------------------------------

    def summary(self) -> Table:
        """The result as a table that prints as text and renders as HTML, Markdown, LaTeX and Typst."""
        raise NotImplementedError

    @property
    def outcome(self) -> str:
        """Left-hand side of the formula; those of fits taken together in one line."""
        sides = (halves(part)[0].strip() for part in split(self.formula, ";"))
        return ", ".join(dict.fromkeys(s[1:-1] if re.fullmatch("`[^`]*`", s) else s for s in sides))

    @property
    @internal
    def model_name(self) -> str:
        """The model in a few letters, for tables of several fits."""
        return self.method

    @property
    @internal
    def certified_as(self) -> tuple[str, ...]:
        """Words beside the method under which simulations of its intervals are kept."""
        return ()

    @internal
    def table_rows(self) -> Mapping[str, Any]:
        """Rows that this result adds to a table of several, by label: True and False as yes and no, text as it is."""
        return {}

    def __repr__(self) -> str:
        return self.summary().to_text()

    def _repr_html_(self) -> str:
        return self.summary().to_html()

    def _repr_markdown_(self) -> str:
        return self.summary().to_markdown()

    def dropped_note(self) -> str:
        """What the summary says of rows left out; empty if there are none."""
        if not self.dropped:
            return ""
        return "Rows left out: " + "; ".join(f"{n} ({cause})" for cause, n in self.dropped.items()) + "."

    def lean(self) -> Self:
        """The same result without its rows."""
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result to a file that `statinf.load` reads; the caller's data stay out of it.

        The file is a zip archive of JSON and NumPy arrays: reading it runs no code.
        """
        from statinf.results.store import save

        return save(self._stored(), path)

    def _stored(self) -> Self:
        """What files and pickles hold of this result."""
        return self.lean()

    def __getstate__(self) -> dict[str, Any]:
        kept = self._stored()
        unsaved = {f.name for f in fields(kept) if not f.metadata.get("saved", True)}
        known = {f.name for f in fields(kept)}
        return {k: (None if k in unsaved else v) for k, v in kept.__dict__.items() if k in known}

    if not TYPE_CHECKING:  # a type checker is to know which attributes there are

        def __getattr__(self, name: str) -> Any:
            raise NoSuchName(self, name)

    def __dir__(self) -> list[str]:
        return public_names(self, self._offered())

    # --- what it may refuse -------------------------------------------------------------------------------

    @property
    @internal
    def offers(self) -> str:
        """The promised names that this kind of result answers, for messages."""
        return ", ".join(self._offered())

    def _offered(self) -> list[str]:
        own = [n for n in PROMISES if n not in self.lacks and getattr(type(self), n, None) is not getattr(Result, n)]
        return list(dict.fromkeys((*own, "summary", *self.beside)))

    @internal
    def refuse(self, promise: str, why: str = "") -> NoReturn:
        """Raise the `NotIdentifiedError` of a promise that this result cannot keep.

        Parameters
        ----------
        promise : str
            One of `PROMISES`, or what was asked for in words.
        why : str
            A reason, as a clause.
        """
        what = PROMISES.get(promise, promise)
        offers = ", ".join(name for name in self._offered() if name != promise)
        raise NotIdentifiedError(f"'{self.method}' has no {what}{f': {why}' if why else ''}; it offers {offers}.")

    def _no_standard_errors(self, asked: str) -> NotIdentifiedError:
        return NotIdentifiedError(f"'{self.method}' has no large-sample theory for {asked}; it offers {self.offers}.")

    @property
    def params(self) -> Any:
        """Estimates by coefficient name."""
        self.refuse("params")

    @property
    def vcov(self) -> Any:
        """Covariance matrix by coefficient name."""
        self.refuse("vcov")

    @property
    def std_errors(self) -> Any:
        """Standard errors by coefficient name."""
        self.refuse("std_errors")

    @property
    def influence(self) -> Any:
        """Influence of each row on the estimates."""
        self.refuse("influence")

    def conf_int(self, *args: Any, **options: Any) -> Any:
        """Confidence limits."""
        self.refuse("conf_int")

    def tidy(self, *args: Any, **options: Any) -> Any:
        """One row per estimate, in the caller's kind of data frame."""
        self.refuse("tidy")

    def glance(self) -> Any:
        """One row of statistics of the whole fit, in the caller's kind of data frame."""
        import pandas as pd

        from statinf.frames import to_caller

        return to_caller(pd.DataFrame({"nobs": [self.nobs], "method": [self.method]}), self.kind)

    def augment(self, *args: Any, **options: Any) -> Any:
        """The caller's data with fitted values and diagnostics beside them."""
        self.refuse("augment")

    def predict(self, *args: Any, **options: Any) -> Any:
        """Predictions for new rows."""
        self.refuse("predict")

    def with_vcov(self, *args: Any, **options: Any) -> Any:
        """The same result with another covariance."""
        self.refuse("with_vcov")

    def test(self, *args: Any, **options: Any) -> Any:
        """Test of hypotheses about coefficients."""
        self.refuse("test")

    def adjust(self, *args: Any, **options: Any) -> Any:
        """P-values of several coefficients, adjusted for their number."""
        self.refuse("adjust")

    def randomization_test(self, *args: Any, **options: Any) -> Any:
        """Test of no effect of a treatment that was assigned at random."""
        self.refuse("randomization_test")

    def transform(self, *args: Any, **options: Any) -> Any:
        """Functions of the coefficients by the delta method."""
        self.refuse("transform")

    def bootstrap(self, *args: Any, **options: Any) -> Any:
        """The same result with bootstrap draws."""
        self.refuse("bootstrap")

    def slopes(self, *args: Any, **options: Any) -> Any:
        """Marginal effects."""
        self.refuse("slopes", _NO_MEAN)

    def comparisons(self, *args: Any, **options: Any) -> Any:
        """Contrasts of predictions."""
        self.refuse("comparisons", _NO_MEAN)

    def predictions(self, *args: Any, **options: Any) -> Any:
        """Adjusted predictions."""
        self.refuse("predictions", _NO_MEAN)

    def to_arviz(self) -> Any:
        """Draws as arviz's own container."""
        self.refuse("to_arviz")

    def plot(self, *args: Any, **options: Any) -> Any:
        """A figure; returns the matplotlib axes."""
        self.refuse("plot")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Predictive(Result):
    """A result that predicts for new rows of a formula.

    Attributes
    ----------
    recipe : Recipe or None
        Makes the formula's columns for new rows.
    """

    recipe: Recipe | None = None

    @internal
    def new_rows(self, newdata: Any, *args: Any, **options: Any) -> NewRows:
        """The formula's columns for new rows.

        Raises
        ------
        DataError
            If the fit was made from arrays, without a formula.
        """
        if self.recipe is None:
            raise DataError("this fit was made from arrays; it cannot predict from a data frame.")
        return self.recipe.new_rows(newdata, *args, **options)
