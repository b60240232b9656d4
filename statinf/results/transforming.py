"""Functions of a fit's coefficients by the delta method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import OptionError
from statinf.inference.covariance import Covariance, delta_label
from statinf.inference.functions import coefficient_function, delta_jacobian
from statinf.inference.moments import Moments
from statinf.results.resample import combined_draws

if TYPE_CHECKING:
    from statinf.results.fit import Fit


def transformed(
    fit: Fit, function: Callable[[Mapping[str, Any]], Any] | str, names: Sequence[str] | str | None = None
) -> dict[str, Any]:
    """The fields of a fit of smooth functions of another fit's coefficients.

    Parameters
    ----------
    fit : Fit
    function : callable or str
        From a mapping of coefficient names to numbers, to a number, a sequence, or a mapping of names to numbers;
        or an expression such as "x / z", several separated by commas.
    names : sequence of str, optional
        Names of the results; keys of the mapping, or f1, f2, ...

    Returns
    -------
    dict
        As the constructor of `Fit` takes them.
    """
    ok = fit.estimable
    if isinstance(function, str):
        function = coefficient_function(function, fit.terms)
    labels: list[str] = []

    def evaluate(theta: np.ndarray) -> np.ndarray:
        full = np.full(len(ok), np.nan)
        full[ok] = theta
        with np.errstate(all="ignore"):  # what is not finite is refused below
            made = function(dict(zip(fit.terms, full, strict=True)))
        if isinstance(made, Mapping):
            labels[:] = [str(k) for k in made]
            made = list(made.values())
        return np.atleast_1d(np.asarray(made, dtype=np.float64))

    value = evaluate(fit.theta[ok])
    if not np.isfinite(value).all():
        raise OptionError("the function of the coefficients is not finite at the estimates; it may use an aliased one.")
    given = [names] if isinstance(names, str) else names
    terms = tuple(given or labels or [f"f{i + 1}" for i in range(len(value))])
    if len(terms) != len(value):
        raise OptionError(f"the function gave {len(value)} values for {len(terms)} names.")
    jacobian = delta_jacobian(evaluate, fit.theta[ok], np.sqrt(np.maximum(np.diag(fit.cov.matrix), 0.0)))
    return {
        "method": f"{fit.method}, transformed",
        "formula": fit.formula,
        "citation": fit.citation,
        "nobs": fit.nobs,
        "kind": fit.kind,
        "dropped": fit.dropped,
        "terms": terms,
        "theta": value,
        "cov": _delta(fit.cov, jacobian),
        "df_resid": fit.df_resid,
        "design": fit.design,
        "source": partial(_moments, fit, jacobian),
        "covary": partial(_covariance, fit, jacobian),
        "redraw": None if fit.redraw is None else partial(combined_draws, fit.redraw, jacobian),
    }


def _moments(parent: Fit, jacobian: np.ndarray) -> Moments:
    return parent.moments().combined(jacobian)


def _covariance(parent: Fit, jacobian: np.ndarray, kind: Any) -> Covariance:
    return _delta(parent.with_vcov(kind).cov, jacobian)


def _delta(cov: Covariance, jacobian: np.ndarray) -> Covariance:
    made = cov.combined(jacobian)
    root = made.root
    return replace(made, matrix=root @ root.T, label=delta_label(cov.label))
