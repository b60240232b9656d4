"""Tests of the terms of one regression: in their order (type I), beside all but their interactions (II), beside all (III)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.errors import OptionError
from statinf.inference.distributions import chi2_sf, f_sf
from statinf.inference.hypotheses import WaldTest, wald
from statinf.models.nested import beside
from statinf.numerics.glm.families import Family
from statinf.numerics.glm.irls import fit_glm
from statinf.numerics.linear.reduction import TOLERANCE


@dataclass(frozen=True)
class Term:
    """A term of a formula: its coefficients that are not aliased, and the terms that count as its relatives.

    Attributes
    ----------
    label : str
    places : ndarray of int
        Among the coefficients that are not aliased.
    relatives : ndarray of int
        Coefficients that the model in which the term is tested lacks.
    """

    label: str
    places: np.ndarray
    relatives: np.ndarray


def terms_of(fit: Any, kind: int) -> list[Term]:
    """The terms of a fit but for its intercept, with their relatives under tests of a type (1, 2 or 3)."""
    part = fit.recipe.parts[0]
    layout = part.layout
    kept = [t for t, ok in zip(fit.terms, fit.estimable, strict=True) if ok]
    number = {name: i for i, name in enumerate(kept)}
    factors: dict[str, set[str]] = {}
    for block in layout.blocks:
        factors.setdefault(block.term, set()).update(block.factors)
    places = {}
    for label, where in layout.terms.items():
        if label != "Intercept":
            places[label] = np.array([number[n] for n in layout.names[where] if n in number], np.intp)
    labels, out = list(places), []
    for i, label in enumerate(labels):
        if kind == 1:
            others = labels[i + 1 :]
        elif kind == 2:
            others = [o for o in labels if o != label and factors.get(label, set()) < factors.get(o, set())]
        else:
            others = []
        relatives = [places[o] for o in others]
        out.append(Term(label, places[label], np.concatenate(relatives) if relatives else np.empty(0, np.intp)))
    if not out:
        raise OptionError("the model has no term beside its intercept; there is nothing to test.")
    return out


def wald_of_term(fit: Any, covariance: Any, term: Term) -> WaldTest | None:
    """Wald test of a term with a covariance of the fit; None for a term that is aliased throughout."""
    if not len(term.places):
        return None
    rows = beside(covariance, term.places, term.relatives)
    values = np.zeros(len(rows))
    return wald(fit.theta[fit.estimable], covariance, rows, values, covariance.df, term.label)


class Refits:
    """Maximum likelihood fits of some columns of a generalised linear model; each is made once.

    Parameters
    ----------
    fit : GeneralizedFit
    """

    def __init__(self, fit: Any) -> None:
        self.design, self.columns = fit._columns("tests of terms")
        self.family: Family = fit._family
        self.dispersion: float = fit.dispersion
        self._made: dict[tuple[int, ...], tuple[float, np.ndarray]] = {}

    def of(self, places: np.ndarray) -> tuple[float, np.ndarray]:
        """Deviance, and linear predictor (n,), of the model of some columns."""
        key = tuple(sorted(int(p) for p in places))
        if key not in self._made:
            self._made[key] = self._fit(np.array(key, np.intp))
        return self._made[key]

    def _fit(self, places: np.ndarray) -> tuple[float, np.ndarray]:
        made = self.design
        if len(places):
            found = fit_glm(
                np.asfortranarray(self.columns[:, places]),
                made.y,
                self.family,
                weights=made.weights,
                offset=made.offset,
                alias_tolerance=TOLERANCE,
            )
            return found.deviance, found.eta
        eta = np.zeros(made.n) if made.offset is None else made.offset
        return float(made.weights @ self.family.unit_deviance(made.y, self.family.link.inverse(eta))), eta

    def rao(self, small: np.ndarray, large: np.ndarray) -> float:
        """Score statistic of the larger model at the smaller one, at dispersion one."""
        return rao(self.columns[:, large], self.of(small)[1], self.design, self.family)


def rao(columns: np.ndarray, eta: np.ndarray, design: Any, family: Family) -> float:
    """U' I^-1 U with score and Fisher information of columns (n, k) at a linear predictor (n,), at dispersion one."""
    slope, information, _ = family.terms(eta, design.y)
    working = design.weights * information
    root = np.sqrt(working)
    with np.errstate(divide="ignore", invalid="ignore"):
        response = np.where(root > 0, design.weights * slope / root, 0.0)
    basis = np.linalg.qr(columns * root[:, None])[0]
    return float(np.sum((basis.T @ response) ** 2))


def refitted_test(refits: Refits, term: Term, test: str, df_resid: float) -> tuple[float, float, float, float]:
    """Change of the deviance, statistic, denominator's degrees of freedom and p-value of a term, by refits."""
    every = np.arange(refits.columns.shape[1])
    large = np.setdiff1d(every, term.relatives)
    small = np.setdiff1d(large, term.places)
    change, df = refits.of(small)[0] - refits.of(large)[0], float(len(term.places))
    scaled = (refits.rao(small, large) if test == "rao" else change) / refits.dispersion
    if test == "F":
        return change, scaled / df, df_resid, f_sf(scaled / df, df, df_resid)
    return change, scaled, np.inf, chi2_sf(scaled, df)
