"""Whether one regression is nested in another, and the restriction that leads from the larger to the smaller."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.errors import DataError, NotIdentifiedError, OptionError
from statinf.inference.covariance import Covariance

_APART = 1e-8
"""Share of a column's spread that may stay outside of the larger model."""


def check_comparable(fits: list[Any], labels: list[str]) -> None:
    """Refuse fits of other rows, outcomes, weights or offsets.

    Raises
    ------
    DataError
        If rows, outcomes or weights differ.
    OptionError
        If the fits are of different kinds, families or links.
    NotIdentifiedError
        If a fit has absorbed effects.
    """
    first = fits[0]
    for label, fit in zip(labels, fits, strict=True):
        if getattr(fit, "absorbed", None) is not None:
            raise NotIdentifiedError(
                f"model {label} has absorbed effects, which nested models have to share: test its coefficients by "
                "fit.test('x = 0'), or write the factors as C() in the formula."
            )
    base = first._need_rows("comparisons of fits")
    for label, fit in zip(labels[1:], fits[1:], strict=True):
        design = fit._need_rows("comparisons of fits")
        what = (type(fit).__name__, getattr(fit, "family", ""), getattr(fit, "link", ""))
        if what != (type(first).__name__, getattr(first, "family", ""), getattr(first, "link", "")):
            raise OptionError(
                f"models {labels[0]} and {label} are not of one kind: {first.model_name} and {fit.model_name}; only nested "
                "models of one family and link are compared."
            )
        if fit.nobs != first.nobs or len(design.y) != len(base.y):
            raise DataError(
                f"model {label} has {fit.nobs} rows and model {labels[0]} {first.nobs}{_lost(first, fit)}: nested models are "
                "compared on the same rows. Fit both on the rows that are complete for the larger one."
            )
        for name, ours, theirs in (
            ("rows", base.rows, design.rows),
            ("outcomes", base.y, design.y),
            ("weights", base.weights, design.weights),
            ("offsets", _offset(base), _offset(design)),
        ):
            if not np.array_equal(ours, theirs):
                raise DataError(
                    f"model {label} has other {name} than model {labels[0]}; nested models are compared on the same rows, in "
                    "one order, with the same outcome, weights and offset."
                )


def _offset(design: Any) -> np.ndarray:
    return np.zeros(len(design.y)) if design.offset is None else design.offset


def _lost(first: Any, fit: Any) -> str:
    causes = [f.dropped_note().rstrip(".").replace("Rows left out: ", "left out ") for f in (first, fit) if f.dropped]
    return f" ({'; '.join(causes)})" if causes else ""


def restriction(small: Any, large: Any, labels: tuple[str, str]) -> np.ndarray:
    """The matrix (m, k) with matrix @ theta = 0 where the larger fit's coefficients make the smaller model.

    Raises
    ------
    OptionError
        If the columns of the smaller fit are not spanned by those of the larger one.
    """
    inner, outer = small._columns("nested models")[1], large._columns("nested models")[1]
    seen = large._need_rows("nested models").weights > 0
    inner, outer = inner[seen], outer[seen]
    both = all(f.design.parts[0].intercept and bool(f.estimable[0]) for f in (small, large))
    if both:  # columns about their means: where a column stands does not matter
        inner, outer = (c[:, 1:] - c[:, 1:].mean(axis=0) for c in (inner, outer))
    lengths = [np.linalg.norm(c, axis=0) for c in (inner, outer)]
    q, r = np.linalg.qr(outer / lengths[1])
    inner = inner / np.where(lengths[0] > 0, lengths[0], 1.0)
    inside = q.T @ inner
    apart = np.linalg.norm(inner - q @ inside, axis=0)
    if (apart > _APART).any():
        names = [t for t, ok in zip(small.terms, small.estimable, strict=True) if ok][int(both) :]
        raise OptionError(
            f"model {labels[0]} is not nested in model {labels[1]}: '{names[int(np.argmax(apart))]}' is no combination of the "
            "larger model's columns."
        )
    left = np.linalg.svd(inside, full_matrices=True)[0][:, inside.shape[1] :]
    return np.concatenate([np.zeros((left.shape[1], int(both))), left.T @ (r * lengths[1])], axis=1)


def beside(covariance: Covariance, tested: np.ndarray, relatives: np.ndarray) -> np.ndarray:
    """The restrictions (m, k) on some coefficients that are uncorrelated with the estimates of their relatives.

    With a model's own covariance their Wald statistic is the sum of squares that the tested columns add to a model without
    the relatives, over the residual variance.

    Parameters
    ----------
    covariance : Covariance
    tested, relatives : ndarray of int
        Places of coefficients.
    """
    if not np.isfinite(covariance.matrix).all():
        raise NotIdentifiedError(f"the terms cannot be tested: the fit has no standard errors ({covariance.label}).")
    root = covariance.root
    order = np.concatenate([relatives, tested]).astype(np.intp)
    rows = root[order]
    scale = np.linalg.norm(rows, axis=1)
    factor = np.asarray(np.linalg.qr((rows / np.where(scale > 0, scale, 1.0)[:, None]).T, mode="r"))
    if factor.shape[0] < len(order) or np.abs(np.diag(factor)).min() < 1e-9 or not np.isfinite(factor).all():
        raise NotIdentifiedError(
            "the covariance is singular along these terms: there are fewer clusters, or rows, than coefficients to test."
        )
    out = np.zeros((len(tested), len(root)))
    out[:, order] = np.linalg.inv(factor.T)[len(relatives) :] / scale
    return out
