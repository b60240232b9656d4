"""Draws as arviz's own container, under arviz 0.2x and 1.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError

if TYPE_CHECKING:
    from statinf.results.fit import Fit


def to_arviz(fit: Fit) -> Any:
    """Bootstrap draws as a posterior group with one chain and the coordinate `term`.

    Returns
    -------
    arviz.InferenceData or xarray.DataTree
        Whichever the installed arviz works with. Interval limits are better taken from
        `conf_int`: arviz's defaults differ between its versions.

    Raises
    ------
    DataError
        If the fit has no draws.
    """
    if fit.draws is None:
        raise DataError("the fit has no draws; call fit.bootstrap() first.")
    return draws_to_arviz(fit.draws.draws, tuple(t for t, ok in zip(fit.terms, fit.estimable, strict=True) if ok))


def draws_to_arviz(draws: np.ndarray, terms: tuple[str, ...], name: str = "theta") -> Any:
    """Draws, shape (draws, q) or (chains, draws, q), as arviz's container."""
    import arviz as az

    values = draws[None] if draws.ndim == 2 else draws
    coords, dims = {"term": list(terms)}, {name: ["term"]}
    if int(az.__version__.split(".")[0]) >= 1:
        return az.from_dict({"posterior": {name: values}}, coords=coords, dims=dims)
    return az.from_dict(posterior={name: values}, coords=coords, dims=dims)
