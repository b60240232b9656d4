"""Functions of coefficients, and several fits taken together: estimates made from other estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from statinf.errors import DataError, OptionError
from statinf.inference.hypotheses import delta_jacobian
from statinf.inference.sandwich import Covariance, Moments
from statinf.results.fit import Fit
from statinf.results.matched import common_rows


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Transformed(Fit):
    """Smooth functions of the coefficients of another fit, with standard errors by the delta method.

    Attributes
    ----------
    parent : Fit
    jacobian : ndarray, shape (m, q)
        Derivatives by the parent's coefficients that are not aliased.
    """

    parent: Fit
    jacobian: np.ndarray

    def moments(self) -> Moments:
        inner = self.parent.moments()
        identity = np.eye(len(self.jacobian))
        return Moments(inner.influence @ self.jacobian.T, identity, inner.nobs, inner.df_resid)

    def with_vcov(self, vcov: Any) -> Transformed:
        parent = self.parent.with_vcov(vcov)
        return replace(self, parent=parent, cov=_delta(parent.cov, self.jacobian), draws=None)


def transform(
    fit: Fit, function: Callable[[Mapping[str, Any]], Any], names: Sequence[str] | str | None = None
) -> Transformed:
    """Smooth functions of a fit's coefficients by the delta method.

    Parameters
    ----------
    fit : Fit
    function : callable
        From a mapping of coefficient names to numbers, to a number, a sequence, or a mapping of names to numbers.
    names : sequence of str, optional
        Names of the results; keys of the mapping, or f1, f2, ...

    Returns
    -------
    Transformed
        A `Fit`, so that covariances, tests, bootstrap and further functions work on it.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.lm("mpg ~ wt + I(wt**2)", si.datasets.load("mtcars"))
    >>> lowest = fit.transform(lambda b: {"turning point": -b["wt"] / (2 * b["I(wt ** 2)"])})
    >>> lowest.terms
    ('turning point',)
    """
    ok = fit.estimable
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
    return Transformed(
        method=f"{fit.method}, transformed",
        formula=fit.formula,
        citation=fit.citation,
        nobs=fit.nobs,
        terms=terms,
        theta=value,
        cov=_delta(fit.cov, jacobian),
        df_resid=fit.df_resid,
        kind=fit.kind,
        dropped=fit.dropped,
        design=fit.design,
        parent=fit,
        jacobian=jacobian,
    )


def _delta(cov: Covariance, jacobian: np.ndarray) -> Covariance:
    return Covariance(jacobian @ cov.matrix @ jacobian.T, cov.kind, f"{cov.label}, delta method", cov.df)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Joint(Fit):
    """Several fits on the same data frame with the covariance between them.

    Attributes
    ----------
    fits : tuple of Fit
    """

    fits: tuple[Fit, ...]
    weights_rows: np.ndarray | None = field(default=None, metadata={"saved": False})

    def moments(self) -> Moments:
        rows, total = _joint_influence(self.fits)
        used = rows.any(axis=1)
        return Moments(total[used], np.eye(total.shape[1]), int(used.sum()), self.df_resid)

    def with_vcov(self, vcov: Any) -> Joint:
        return joint(*self.fits, vcov=vcov)


def joint(*fits: Fit, vcov: Any = "HC0", names: Sequence[str] | None = None) -> Joint:
    """The joint distribution of several fits on the same data frame, from their influence values.

    Parameters
    ----------
    *fits : Fit
        Made on the same data frame; their rows may differ.
    vcov : {"HC0"} or mapping
        "HC0", or `{"cluster": "column"}`.
    names : sequence of str, optional
        A prefix for each fit's coefficients; "1", "2", ... by default.

    Returns
    -------
    Joint
        A `Fit` with the coefficients of all; `test` compares across fits.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> both = si.joint(si.lm("mpg ~ wt", data), si.lm("qsec ~ wt", data), names=["mpg", "qsec"])
    >>> both.terms
    ('mpg: Intercept', 'mpg: wt', 'qsec: Intercept', 'qsec: wt')
    """
    if len(fits) < 2:
        raise OptionError("joint() takes at least two fits.")
    labels = list(names) if names is not None else [str(i + 1) for i in range(len(fits))]
    if len(labels) != len(fits) or len(set(labels)) != len(fits):
        raise OptionError(f"names must give each of the {len(fits)} fits a name of its own.")
    present, total = _joint_influence(fits)
    df = min(f.df_resid for f in fits)
    if isinstance(vcov, dict):
        covariance = _clustered_joint(fits, vcov, present, total)
    elif vcov == "HC0":
        normal = np.inf if all(np.isinf(f.cov.df) for f in fits) else df
        covariance = Covariance(total.T @ total, "HC0", "HC0, joint", normal)
    else:
        raise OptionError(
            f"vcov={vcov!r} is not available for fits taken together; use 'HC0' or {{'cluster': 'column'}}."
        )
    return Joint(
        method="joint",
        formula="; ".join(f.formula for f in fits),
        nobs=int(present.any(axis=1).sum()),
        terms=tuple(
            f"{label}: {t}"
            for label, f in zip(labels, fits, strict=True)
            for t, ok in zip(f.terms, f.estimable, strict=True)
            if ok
        ),
        theta=np.concatenate([f.theta[f.estimable] for f in fits]),
        cov=covariance,
        df_resid=df,
        kind=fits[0].kind,
        design=fits[0].design,
        fits=tuple(fits),
    )


def _joint_influence(fits: Sequence[Fit]) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of the largest frame each fit uses, shape (n, fits), and all influences, shape (n, sum q)."""
    designs = [f._need_rows("joint covariances") for f in fits]
    base, places = common_rows(designs)
    n = designs[base].n_total
    present = np.zeros((n, len(fits)), dtype=bool)
    blocks = []
    for j, (fit, design, place) in enumerate(zip(fits, designs, places, strict=True)):
        moments = fit.moments()
        block = np.zeros((n, moments.q))
        block[place[design.rows]] = moments.influence
        present[place[design.rows], j] = True
        if moments.outside is not None:
            if moments.outside_rows is None:
                raise DataError("a fit with weights from a second sample cannot be taken together with others.")
            if moments.outside_rows.max(initial=-1) >= design.n_total:
                raise DataError(
                    "a fit on some rows of the frame that its weights were made on cannot be taken together with others; "
                    "make all on that frame."
                )
            rows = place[moments.outside_rows]
            block[rows] += moments.outside @ moments.bread.T
            present[rows, j] = True
        blocks.append(block)
    return present, np.concatenate(blocks, axis=1)


def _clustered_joint(
    fits: Sequence[Fit], vcov: Mapping[str, Any], present: np.ndarray, total: np.ndarray
) -> Covariance:
    from statinf.inference.sandwich import covariance

    name = vcov.get("cluster")
    if not isinstance(name, str):
        raise OptionError("joint covariances take one cluster column: vcov={'cluster': 'column'}.")
    design = max((f._need_rows("joint covariances") for f in fits), key=lambda d: d.n_total)
    used = present.any(axis=1)
    found = design.frame.categories(name).codes[used]
    if (found < 0).any():
        raise DataError(f"the cluster column '{name}' is missing in {int((found < 0).sum())} rows used by the fits.")
    codes = np.unique(found, return_inverse=True)[1]
    moments = Moments(total[used], np.eye(total.shape[1]), int(used.sum()), np.inf)
    return covariance(moments, {"cluster": name, "type": "HC0"}, {name: codes})
