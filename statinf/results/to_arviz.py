"""Draws as arviz's own container, under arviz 0.2x and 1.x."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import DataError

if TYPE_CHECKING:
    from statinf.results.estimated import Estimated


def to_arviz(fit: Estimated) -> Any:
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
    az = _import_arviz()
    values = draws[None] if draws.ndim == 2 else draws
    coords, dims = {"term": list(terms)}, {name: ["term"]}
    if int(az.__version__.split(".")[0]) >= 1:
        return az.from_dict({"posterior": {name: values}}, coords=coords, dims=dims)
    return az.from_dict(posterior={name: values}, coords=coords, dims=dims)


def _import_arviz() -> Any:
    """The package, imported without a word and without the home folder.

    Once a day arviz 0.23 announces its successors while it is imported, and writes the date into the user's cache
    folder, which it makes: where there can be none, the import fails. It does neither where `arviz.preview` says that
    the successors are installed, so a stand-in says so until the import is over. The caller's warning filters, which
    all threads share, stay alone.
    """
    preview = "arviz.preview"
    if "arviz" not in sys.modules and preview not in sys.modules and _announces():
        stand_in = ModuleType(preview)
        stand_in.info = "arviz_base available, arviz_stats available, arviz_plots available"  # type: ignore[attr-defined]
        sys.modules[preview] = stand_in
        try:
            return _imported()
        finally:
            if sys.modules.get(preview) is stand_in:
                del sys.modules[preview]
            if "arviz" in sys.modules:
                importlib.import_module(preview)  # which also binds the true one to the package
    return _imported()


def _announces() -> bool:
    from importlib.metadata import version

    return version("arviz").startswith("0.")


def _imported() -> Any:
    try:
        return importlib.import_module("arviz")
    except OSError as error:
        raise DataError(
            f"arviz cannot be imported, for want of a folder that it may write to ({error}): set XDG_CACHE_HOME and "
            "MPLCONFIGDIR to folders that exist; fit.draws.draws holds the draws."
        ) from None
