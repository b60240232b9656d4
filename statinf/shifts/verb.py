"""`shift`: regression on a source sample for a target population."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from statinf.errors import DataError, NumericalWarning, OptionError
from statinf.formula.design import Design
from statinf.formula.frame import as_frame
from statinf.formula.given import aligned
from statinf.numerics.glm.families import Family, family_of
from statinf.results import Fit, Weights
from statinf.results.listed import load_method
from statinf.shifts.density_ratio import density_ratio
from statinf.shifts.samples import Target, target_rows
from statinf.shifts.shift_fit import ShiftFit
from statinf.shifts.table import METHODS


def shift(
    formula: str,
    source: Any,
    target: Any,
    *,
    method: str = "mle",
    family: str = "gaussian",
    link: str | None = None,
    ratio: Any = None,
    ratio_formula: str | None = None,
    power: float = 1.0,
    vcov: Any = None,
    weights: Any = None,
    target_weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
) -> ShiftFit:
    """Fit a generalised linear model on source rows for predictions on a target population.

    The outcome is needed in the source only; its law given the covariates is supposed to be the same in both samples.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, read against the source.
    source, target : data frame
        As `statinf.lm` takes them; the target needs the covariates only.
    method : {"mle", "mwle"}
        "mle" is maximum likelihood on the source, the better choice where the model is right. "mwle" weights the source
        rows by the density ratio and estimates the target's best fit where it is wrong; `specification_test` tells.
    family, link
        As in `statinf.glm`.
    ratio : str, Weights or array of shape (source rows,), optional
        How `statinf.density_ratio` estimates the weights of "mwle" ("logistic" by default), the result of such a call,
        or the known ratio at the source rows.
    ratio_formula : str, optional
        Columns of the ratio, `~ x1 + x2`; those of the regression by default.
    power : float
        Flattens an estimated ratio: 1 is the full ratio, 0 none of it.
    vcov : str or mapping, optional
        As in `statinf.lm`. By default HC1 for "mle", and for "mwle" HC0 of the stacked system, in which the ratio's
        parameters are estimated; "fixed" takes the weights as known, which is all there is for kernel methods. HC3 is
        wider in small samples. Where a few rows carry most of the weight every sandwich is too small
        (`benchmarks/results/shift_coverage.md`).
    weights, target_weights : array or str, optional
        Sampling weights of the rows of either sample.
    cluster, na_action, context
        As in `statinf.lm`.
    seed : int
        Of the density ratio.

    Returns
    -------
    ShiftFit
        A `Fit` with `specification_test()`, `risk()` and `cross_validate()`.

    Raises
    ------
    DataError, NotIdentifiedError, OptionError
        As `statinf.glm` and `statinf.density_ratio` do.

    References
    ----------
    Ge, Tang, Fan, Ma and Jin (2024), arXiv 2311.15961; Shimodaira (2000), Journal of Statistical Planning and Inference 90.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.simulate("covariate_shift", 400, seed=1)
    >>> source, target = data[data["sample"] == "source"], data[data["sample"] == "target"]
    >>> fit = si.shift("y ~ x1", source, target, method="mwle", ratio_formula="~ x1 + x2")
    >>> fit.cov.label
    'HC0, weights estimated'
    >>> bool(fit.specification_test().p_value < 0.001)
    True
    """
    module = load_method(METHODS, "shift", method)
    chosen = family_of(family, link)
    if not module.NEEDS_RATIO and power != 1.0:
        raise OptionError(f"power={power!r} is for method='mwle'; '{method}' uses no weights.")
    settings = ratio_settings(
        formula, ratio, ratio_formula, weights=weights, target_weights=target_weights, seed=seed, na_action=na_action,
        context=context,
    )  # fmt: skip
    found = None
    if module.NEEDS_RATIO:
        found = find_ratio(settings, source, target, power)
    options = {"family": chosen.name, "link": chosen.link.name, "vcov": vcov, "cluster": cluster}
    options |= {"na_action": na_action, "context": context, "weights": weights}
    inner = module.fit(formula, source, found, **options)
    assert inner.design is not None and inner.recipe is not None
    other = target_rows(inner.recipe, target, target_weights, na_action)
    weighting = as_weights(found, inner.design) if found is not None else None
    if weighting is not None and weighting.ess < len(inner.cov.matrix) + 1:
        warnings.warn(
            f"the effective sample size {weighting.ess:.1f} does not exceed the {len(inner.cov.matrix)} coefficients: the source "
            "hardly covers the target.",
            NumericalWarning,
            stacklevel=2,
        )
    return ShiftFit(
        method=method,
        formula=inner.formula,
        citation=module.CITATION,
        nobs=inner.nobs,
        terms=inner.terms,
        theta=inner.theta,
        cov=inner.cov,
        df_resid=inner.df_resid,
        recipe=inner.recipe,
        kind=inner.kind,
        dropped=inner.dropped,
        design=inner.design,
        inner=inner,
        ratio=weighting,
        family=chosen.name,
        link=chosen.link.name,
        dispersion=dispersion_of(inner),
        inflation=_inflation(inner, other, chosen),
        target_rows=len(other.rows),
        target=other,
        target_frame=target,
        ratio_options=settings,
    )


def ratio_settings(formula: str, ratio: Any, ratio_formula: str | None, **options: Any) -> tuple[tuple[str, Any], ...]:
    """What `find_ratio` is told: the columns of the regression and a logit unless others are given."""
    columns = ratio_formula or "~" + formula.split("~", 1)[-1]
    return (("formula", columns), ("method", "logistic" if ratio is None else ratio), *options.items())


def find_ratio(settings: tuple[tuple[str, Any], ...], source: Any, target: Any, power: float = 1.0) -> Any:
    """The density ratio that the options describe: estimated, or as given."""
    options = dict(settings)
    method, formula = options.pop("method"), options.pop("formula")
    if isinstance(method, str):
        return density_ratio(formula, source, target, method=method, power=power, **options)
    if power != 1.0:
        raise OptionError("power= flattens a ratio that is estimated here; pass it to si.density_ratio instead.")
    if options["weights"] is not None:
        raise OptionError(
            "weights= and a ratio of your own exclude each other: give the ratio times the sampling weights."
        )
    if isinstance(method, Weights):
        return method
    values = np.asarray(aligned(method, as_frame(source), "ratio"), dtype=np.float64)
    if values.ndim != 1:
        raise OptionError(
            f"ratio={type(method).__name__}: give a method of si.density_ratio, a Weights, or one known ratio a source row."
        )
    if not np.isfinite(values).all() or (values < 0).any() or values.sum() <= 0:
        raise DataError("ratio: importance weights must be finite and non-negative with a positive sum.")
    return values


def as_weights(found: Any, design: Design) -> Weights:
    """A known ratio, one a row of the source frame, as `Weights` on the rows of a fit."""
    if isinstance(found, Weights):
        return found.on(design.frame)
    if found.shape != (design.n_total,):
        raise DataError(
            f"ratio has shape {found.shape}; give one known ratio a row of the source, shape ({design.n_total},)."
        )
    values = found[design.rows]
    return Weights(
        method="known",
        formula="",
        values=values,
        used=design.rows,
        n_total=design.n_total,
        nobs=design.n,
        identity=design.identity,
    )


def information(
    x: np.ndarray, theta: np.ndarray, w: np.ndarray, offset: np.ndarray | None, family: Family
) -> np.ndarray:
    """Mean Fisher information of a row at dispersion 1, shape (k, k), by the coefficients that are not aliased."""
    kept = ~np.isnan(theta)
    columns = x[:, kept]
    eta = columns @ theta[kept] + (0.0 if offset is None else offset)
    weight = w * family.terms(eta, family.link.inverse(eta))[1]
    return columns.T @ (columns * weight[:, None]) / w.sum()


def dispersion_of(inner: Fit) -> float:
    """Dispersion of a regression: its own, or the residual variance of a linear one."""
    found = getattr(inner, "dispersion", None)
    return float(inner.sigma**2) if found is None else float(found)  # type: ignore[attr-defined]


def _inflation(inner: Fit, target: Target, family: Family) -> float:
    design = inner.design
    assert design is not None
    plain = np.ones(design.n) if design.weights_object is not None else design.weights
    on_source = information(design.parts[0].values, inner.theta, plain, design.offset, family)
    on_target = information(target.x, inner.theta, target.weights, target.offset, family)
    return float(np.trace(np.linalg.solve(on_source, on_target)) / len(on_source))
