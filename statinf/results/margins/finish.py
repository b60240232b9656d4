"""From averages of items to results: the delta method, influence values, draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError
from statinf.inference.bootstrap import Bootstrap
from statinf.inference.contrasts import CONTRASTS
from statinf.inference.covariance import Covariance
from statinf.inference.moments import Moments
from statinf.results.margins.compute import ItemAverages
from statinf.results.margins.delta import delta
from statinf.results.margins.items import Items
from statinf.results.margins.mean import MeanModel
from statinf.results.margins.result import CITATION, MarginalEffects
from statinf.results.margins.rows import MarginRows
from statinf.results.stacking import stack_scores

if TYPE_CHECKING:
    from statinf.results.fit import Fit


def combined(made: Items, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets (T, ...) from items (I, ...), and their derivatives in the item itself and in the one it is compared with."""
    found = []
    for target in made.targets:
        hi = values[target.hi]
        if target.lo < 0:
            found.append((hi, np.ones_like(hi), np.zeros_like(hi)))
            continue
        with np.errstate(all="ignore"):
            found.append(CONTRASTS[target.comparison](hi, values[target.lo]))
    value, up, down = (np.array(part) for part in zip(*found, strict=True))
    return value, up, down


def gradients(made: Items, up: np.ndarray, down: np.ndarray, of_items: np.ndarray) -> np.ndarray:
    """Derivatives of targets (T, ..., q) from those of items (I, ..., q)."""
    hi, lo = [t.hi for t in made.targets], [t.lo for t in made.targets]
    with np.errstate(invalid="ignore"):
        return up[..., None] * of_items[hi] + down[..., None] * of_items[lo]


def labelled(model: MeanModel, source: MarginRows, made: Items) -> dict[str, tuple[Any, ...]]:
    """What tables say of every estimate: target by target, mean by mean, group by group."""
    rows = []
    for target in made.targets:
        for mean in model.means:
            own = beside(target.labels, {model.label: mean.name} if model.label else {})
            for g, group in enumerate(source.groups):
                at = dict(zip(source.by, group, strict=True)) if source.by else {}
                at |= {name: values[g] for name, values in source.grid.items()} if not source.by else {}
                rows.append(beside(own, at))
    return {name: tuple(_plain(row[name]) for row in rows) for name in rows[0]}


def beside(labels: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Labels with more of them; a column of the data that has the name of one already gets an underscore."""
    out = dict(labels)
    for name, value in more.items():
        while name in out:
            name += "_"
        out[name] = value
    return out


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _fields(
    fit: Fit, verb: str, model: MeanModel, labels: Mapping[str, Sequence[Any]], theta: np.ndarray
) -> dict[str, Any]:
    return {
        "method": f"{fit.method}, {verb}",
        "formula": fit.formula,
        "citation": CITATION,
        "nobs": fit.nobs,
        "kind": fit.kind,
        "dropped": fit.dropped,
        "terms": _terms(labels, len(theta)),
        "theta": theta,
        "df_resid": fit.df_resid,
        "design": fit.design,
        "labels": dict(labels),
        "verb": verb,
        "estimand": model.what,
        "normal": fit.normal_reference,
    }


def _terms(labels: Mapping[str, Sequence[Any]], count: int) -> tuple[str, ...]:
    """A name of its own for every estimate."""
    out = []
    for k in range(count):
        row = {name: values[k] for name, values in labels.items()}
        head = str(row.pop("variable", ""))
        contrast = str(row.pop("contrast", ""))
        if contrast and contrast != "dY/dX":
            head = f"{head}: {contrast}"
        rest = [f"{name}={_short(value)}" for name, value in row.items()]
        out.append(", ".join([head, *rest] if head else rest) or "mean")
    return tuple(out)


def _short(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


# --- delta method ----------------------------------------------------------------------------------------------


def delta_result(
    fit: Fit, verb: str, model: MeanModel, source: MarginRows, made: Items, found: ItemAverages
) -> MarginalEffects:
    """Estimates with the delta method: covariates are fixed, coefficients vary."""
    theta, jacobian = _flat(made, found, fit)
    kept = ~np.isnan(theta)
    inner = jacobian[kept]
    return MarginalEffects(
        **_fields(fit, verb, model, labelled(model, source, made), theta),
        cov=delta(fit.cov, inner),
        kinds=fit.vcov_kinds,
        parent=fit,
        source=None if fit.source is None else partial(_moments, fit, inner),
        covary=partial(_covariance, fit, inner),
        kept_covariances={kind: delta(cov, inner) for kind, cov in fit.kept_covariances.items()},
    )


def _flat(made: Items, found: ItemAverages, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Estimates (m,) and their derivatives in the coefficients that are not aliased, (m, k)."""
    value, up, down = combined(made, found.values)
    full = gradients(made, up, down, found.gradients)
    return value.ravel(), full.reshape(value.size, -1)[:, fit.estimable]


def _moments(parent: Fit, jacobian: np.ndarray) -> Moments:
    return parent.moments().combined(jacobian)


def _covariance(parent: Fit, jacobian: np.ndarray, kind: Any) -> Covariance:
    return delta(parent.with_vcov(kind).cov, jacobian)


# --- the sampling error of the rows besides ----------------------------------------------------------------------


def population_result(
    fit: Fit, verb: str, model: MeanModel, source: MarginRows, made: Items, found: ItemAverages
) -> MarginalEffects:
    """Estimates whose standard errors take the rows as a sample: influence values of coefficients and averages together."""
    theta, jacobian = _flat(made, found, fit)
    if np.isnan(theta).any():
        raise NotIdentifiedError(
            "population=True needs every row to have an estimate; some depend on aliased coefficients."
        )
    draft = MarginalEffects(
        **_fields(fit, verb, model, labelled(model, source, made), theta),
        cov=Covariance(np.full((len(theta), len(theta)), np.nan), "none", "", np.nan),
        source=partial(_sampled_moments, fit, jacobian, _row_parts(source, made, found), source),
        population=True,
        parent=fit,
    )
    return replace(draft, cov=draft._covariance(_sampled_kind(fit._undrawn_kind)))


def _sampled_kind(kind: Any) -> Any:
    """The covariance for sampled rows that is nearest to a fit's: corrections by leverage give way to a factor."""
    if isinstance(kind, Mapping):
        return {**kind, "type": "HC1"} if kind.get("type", "HC1") not in ("HC0", "HC1") else kind
    return kind if kind in ("HC0", "HC1", "fixed") else "HC1"


def _row_parts(source: MarginRows, made: Items, found: ItemAverages) -> np.ndarray:
    """What each row's own values add to the estimates, per unit of weight, shape (n, m)."""
    assert found.rows is not None
    _, up, down = combined(made, found.values)
    inside = np.zeros((source.n, len(source.groups)))
    inside[np.arange(source.n), source.codes] = 1.0 / found.totals[source.codes]
    # Centred by item and mean, (I, K, n): the group's own average off each row's value.
    centred = found.rows - found.values[:, :, source.codes]
    hi, lo = [t.hi for t in made.targets], [t.lo for t in made.targets]
    parts = np.einsum("tkg,tkn,ng->ntkg", up, centred[hi], inside) + np.einsum(
        "tkg,tkn,ng->ntkg", down, centred[lo], inside
    )
    return parts.reshape(source.n, -1)


def _sampled_moments(fit: Fit, jacobian: np.ndarray, parts: np.ndarray, source: MarginRows) -> Moments:
    """Influence of rows on averages: through the coefficients, through their own values, and through estimated weights."""
    inner, design = fit.moments(), fit._need_rows("influence values")
    unit = np.zeros((design.n, len(jacobian)))
    unit[source.places] = parts
    weights = np.zeros(design.n)
    weights[source.places] = source.weights
    scores = inner.influence @ jacobian.T + weights[:, None] * unit
    outside = inner.outside_influence
    outside = None if outside is None else outside @ jacobian.T
    adjustment = None if inner.adjustment is None else np.zeros_like(scores)
    outside_rows = inner.outside_rows
    estimated = design.weights_object is not None and np.array_equal(source.weights, design.weights[source.places])
    stacked = stack_scores(design.weights_object, design.rows, unit) if estimated else {}
    if "adjustment" in stacked:
        adjustment, outside_rows = stacked["adjustment"], stacked.get("outside_rows")
        more = stacked.get("outside")
        outside = more if outside is None else outside if more is None else outside + more
    return Moments(
        scores,
        np.eye(len(jacobian)),
        inner.nobs,
        inner.df_resid,
        adjustment=adjustment,
        outside=outside,
        outside_rows=outside_rows,
        weights_fixed=inner.weights_fixed,
        present=design.weights > 0,
    )


# --- draws -----------------------------------------------------------------------------------------------------


def draws_result(
    fit: Fit,
    verb: str,
    model: MeanModel,
    source: MarginRows,
    made: Items,
    point: ItemAverages,
    items: np.ndarray,
    how: str,
    seed: int,
) -> MarginalEffects:
    """Estimates with the law of their draws; `items` has shape (R, I, K, G)."""
    theta = combined(made, point.values)[0].ravel()
    values = combined(made, np.moveaxis(items, 0, -1))[0].reshape(theta.size, -1).T
    values = values[:, ~np.isnan(theta)]
    if not np.isfinite(values).all():
        lost = int((~np.isfinite(values)).any(axis=1).sum())
        raise OptionError(
            f"{lost} of {len(values)} draws have no finite value; a ratio's denominator may be zero there: use method='delta'."
        )
    if how == "draws":
        assert fit.draws is not None
        label, law = fit.draws.label, fit.draws.law
        kind = fit.draws.kind
    else:
        label = f"{fit.cov.label}, simulated ({len(values)} normal draws, seed {seed})"
        kind, law = "simulation", "normal"
    drawn = Bootstrap(values, kind, law, seed, np.full(values.shape[1], np.nan))
    cov = Covariance(drawn.covariance, "bootstrap", label, fit.cov.df, drawn.root)
    return MarginalEffects(**_fields(fit, verb, model, labelled(model, source, made), theta), cov=cov, draws=drawn)
