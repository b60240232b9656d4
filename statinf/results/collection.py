"""Several fits of one call: outcomes, steps and groups of rows, as one immutable sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, overload

from statinf.errors import DataError, OptionError, nearest
from statinf.frames import to_caller
from statinf.results.fit import Fit
from statinf.results.fit_columns import plain_columns
from statinf.results.fit_group import FitGroup
from statinf.results.table import Table

if TYPE_CHECKING:
    import numpy as np

    from statinf.formula.frame import Frame
    from statinf.results.joint import Joint


@dataclass(frozen=True, eq=False, repr=False)
class Fits(FitGroup, Sequence[Fit]):
    """The fits of one call with several outcomes (`cbind`), steps (`sw`, `csw`, `sw0`, `csw0`) or groups of rows (`by`).

    A sequence: `fits[0]`, `fits["mpg"]`, `len(fits)`, `for fit in fits`. Each fit leaves out its own incomplete rows. Tests
    across fits are those of `fits.joint()`; files are saved fit by fit.

    Attributes
    ----------
    fits : tuple of Fit
    names : tuple of str
        One for each, all different.
    above : mapping of str to tuple of str
        What tells the fits apart beside their outcomes: the values of `by` and the steps, as rows above tables say.
    places : tuple of (Frame, ndarray of int, shape (rows,))
        The caller's whole table, and the rows of it that each fit was given; empty where that is all of them.

    Examples
    --------
    >>> import statinf as si
    >>> fits = si.lm("cbind(mpg, qsec) ~ wt", si.datasets.load("mtcars"))
    >>> fits.names
    ('mpg', 'qsec')
    >>> fits["qsec"].params.round(3).to_dict()
    {'Intercept': 18.875, 'wt': -0.319}
    """

    places: tuple[tuple[Frame, np.ndarray], ...] = ()

    def __post_init__(self) -> None:
        if not self.fits or len(set(self.names)) != len(self.names) or len(self.names) != len(self.fits):
            raise OptionError(f"a collection of {len(self.fits)} fits needs as many different names.")

    # --- a sequence -----------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.fits)

    def __iter__(self) -> Iterator[Fit]:
        return iter(self.fits)

    @overload
    def __getitem__(self, key: int | str) -> Fit: ...
    @overload
    def __getitem__(self, key: slice) -> Fits: ...
    def __getitem__(self, key: int | str | slice) -> Fit | Fits:
        if isinstance(key, slice):
            above = {name: texts[key] for name, texts in self.above.items()}
            return Fits(self.fits[key], self.names[key], above, self.places[key])
        if isinstance(key, str):
            if key not in self.names:
                known = ", ".join(map(repr, self.names))
                raise OptionError(f"there is no fit {key!r}; the names are {known}.{nearest(key, self.names)}")
            return self.fits[self.names.index(key)]
        return self.fits[key]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "places": ()}  # pickles leave the caller's data out, as those of the fits do

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(Fit, name):
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        raise AttributeError(
            f"{len(self)} fits together have no {name!r}; take one, fits[{self.names[0]!r}].{name}, or "
            f"[fit.{name} for fit in fits]."
        )

    # --- tables and figures -----------------------------------------------------------------------------------

    def table(self, **options: Any) -> Table:
        """All fits side by side, with the options of `statinf.table`."""
        from statinf.results.side_by_side import table

        return table(self, **options)

    def summary(self) -> Table:
        """All fits side by side."""
        return self.table()

    def __repr__(self) -> str:
        return self.table().to_text()

    def _repr_html_(self) -> str:
        return self.table().to_html()

    def _repr_markdown_(self) -> str:
        return self.table().to_markdown()

    def tidy(self, level: float = 0.95, **options: Any) -> Any:
        """The tidy tables of all fits below each other, in the caller's kind of data frame.

        Parameters
        ----------
        level : float
        **options
            Of the fits' `tidy`.

        Returns
        -------
        data frame
            Before the fits' columns: model (the fit's name), outcome, and by and step where there are any.
        """
        return self._stacked(lambda fit: fit.tidy(level, **options))

    def glance(self, **options: Any) -> Any:
        """One row of statistics for each fit, named as in `tidy`, in the caller's kind of data frame."""
        return self._stacked(lambda fit: fit.glance(**options))

    def _stacked(self, made: Callable[[Fit], Any]) -> Any:
        import pandas as pd

        frames = []
        for i, (name, fit) in enumerate(zip(self.names, self.fits, strict=True)):
            lead = {"model": name, "outcome": fit.outcome} | {
                "step" if key == "Step" else "by": texts[i] for key, texts in self.above.items()
            }
            found = plain_columns(made(fit))
            rows = len(next(iter(found.values())))
            own = {(f"{key}_" if key in lead else key): values for key, values in found.items()}
            frames.append(pd.DataFrame({key: [value] * rows for key, value in lead.items()} | own))
        return to_caller(pd.concat(frames, ignore_index=True), self.fits[0].kind)

    def plot(self, **options: Any) -> Any:
        """Coefficients of all fits beside each other; the options are those of a fit's `plot`."""
        from statinf.results.plotted import coefficients_of

        return coefficients_of(self.fits[0], **({"others": self.fits[1:], "names": self.names} | options))

    # --- tests across fits --------------------------------------------------------------------------------------

    def joint(self, vcov: Any = None) -> Joint:
        """The joint distribution of all coefficients, named "fit: term"; fits of groups have no row in common.

        Parameters
        ----------
        vcov : {"HC0"} or mapping, optional
            As in `statinf.joint`.

        Examples
        --------
        >>> import statinf as si
        >>> fits = si.lm("mpg ~ wt", si.datasets.load("mtcars"), by="am")
        >>> print(fits.joint().test("0: wt = 1: wt"))
        0: wt = 1: wt: F(1, 11) = 22.5974, p = 0.0005961
        """
        from statinf.results.joint import joint

        fits = self.fits
        if self.places:
            fits = tuple(_on_the_whole(fit, *place) for fit, place in zip(fits, self.places, strict=True))
        return joint(*fits, vcov=vcov, names=self.names)

    # --- each fit -----------------------------------------------------------------------------------------------

    def with_vcov(self, vcov: Any) -> Fits:
        """The same fits with another covariance each."""
        return self.each(lambda fit: fit.with_vcov(vcov))

    def lean(self) -> Fits:
        """The same fits without their rows."""
        return self.each(lambda fit: fit.lean())

    def each(self, function: Callable[[Fit], Fit]) -> Fits:
        """A collection of what a function makes of each fit."""
        return replace(self, fits=tuple(function(fit) for fit in self.fits))


def _on_the_whole(fit: Fit, frame: Frame, rows: np.ndarray) -> Fit:
    """A fit on some rows of a table, its rows numbered as in the table."""
    made = fit._need_rows("joint covariances")
    if made.weights_object is not None:
        raise DataError(
            "fits of groups with estimated weights cannot be taken together: the groups share their weights."
        )
    return replace(fit, design=replace(made, frame=frame, rows=rows[made.rows], n_total=frame.n, frame_clusters={}))
