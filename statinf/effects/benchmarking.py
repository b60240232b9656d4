"""Strength of omitted confounders measured in observed covariates (Chernozhukov et al. 2022, arXiv 2112.13398).

With s2 the residual variance of the outcome and n2 the size of the representer, with ("long") and without ("short")
the covariates: cf_y = (s2_short - s2_long) / s2_long, cf_d = (n2_long - n2_short) / n2_short, and the correlation of the
two errors is the change of the effect over sqrt((s2_short - s2_long)(n2_long - n2_short)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from statinf.effects.estimate import Pieces, Splits
from statinf.effects.sensitivity import strength
from statinf.errors import OptionError, nearest
from statinf.formula.design import Design
from statinf.results import Estimate, to_caller


def benchmarks(
    design: Design,
    long: Splits,
    pieces: Sequence[Pieces],
    without: Callable[[np.ndarray], Estimate],
    covariates: Sequence[str | Sequence[str]],
) -> Any:
    """One row per covariate or set of covariates.

    Parameters
    ----------
    design : Design
    long : Splits
        Of the effect with all covariates.
    pieces : sequence of Pieces
    without : callable
        From the columns that are kept (p,) of booleans to the estimate.
    covariates : sequence of str, or of sequences of str
    """
    import pandas as pd

    part = design.part("covariates")
    assert part is not None
    matrix = part.rest
    rows = []
    for given in covariates or list(matrix.terms):
        names = [given] if isinstance(given, str) else list(given)
        keep = np.ones(matrix.p, bool)
        for name in names:
            keep[_columns(name, matrix.terms, matrix.names)] = False
        made = without(keep)
        rows.append({"covariates": " + ".join(names), **_one(long, pieces, made)})
    return to_caller(pd.DataFrame(rows), design.kind)


def _columns(name: Any, terms: Any, names: Sequence[str]) -> Any:
    if name in terms:
        return terms[name]
    if name in names:
        return names.index(name)
    inside = [t for t in terms if isinstance(name, str) and t == f"C({name})"]
    if inside:
        return terms[inside[0]]
    raise OptionError(f"{name!r} is not a covariate; they are {', '.join(terms)}.{nearest(str(name), list(terms))}")


def _one(long: Splits, pieces: Sequence[Pieces], short: Estimate) -> dict[str, float]:
    """Strengths, medians over splits."""
    thetas = long.thetas[:, 0]
    others = short.extra["splits"].thetas[:, 0]
    before = np.array([p[:2] for p in pieces])
    after = np.array([p[:2] for p in short.extra["pieces"]()])
    gain_y, gain_d = after[:, 0] - before[:, 0], before[:, 1] - after[:, 1]
    change = others - thetas
    product = np.where((gain_y > 0) & (gain_d > 0), gain_y * gain_d, 0.0)
    size = np.where(product > 0, np.abs(change) / np.sqrt(np.where(product > 0, product, 1.0)), 1.0)
    cf_y = float(np.median(np.clip(gain_y / before[:, 0], 0.0, 1.0)))
    cf_d = float(np.median(np.clip(gain_d / after[:, 1], 0.0, 1.0)))
    rho = float(np.median(np.clip(size, 0.0, 1.0) * np.sign(change)))
    theta, scale = float(np.median(thetas)), float(np.median(np.sqrt(before[:, 0] * before[:, 1])))
    bias = float(strength(cf_y, min(cf_d, 1.0 - 1e-12), rho)) * scale
    return {
        "cf_y": cf_y,
        "cf_d": cf_d,
        "rho": rho,
        "estimate": float(np.median(others)),
        "change": float(np.median(change)),
        "lower": theta - bias,
        "upper": theta + bias,
    }
