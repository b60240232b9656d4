"""`fit.adjust`: p-values of several coefficients, adjusted for their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import NotIdentifiedError, OptionError, check_level, nearest, one_of
from statinf.frames import to_caller
from statinf.inference.bootstrap import Bootstrap, check_replicas
from statinf.inference.joint_normal import LargestT
from statinf.inference.multiplicity import STEPWISE, adjusted, step_down
from statinf.inference.restrictions import columns_of_term
from statinf.inference.weights import LAWS

if TYPE_CHECKING:
    from statinf.results.estimated import Estimated

METHODS = (*STEPWISE, "sup-t", "romano-wolf")
_ALIASES = {
    "fdr": "bh",
    "benjamini-hochberg": "bh",
    "fdr_bh": "bh",
    "fdr_by": "by",
    "benjamini-yekutieli": "by",
    "single-step": "sup-t",
    "max-t": "sup-t",
    "rw": "romano-wolf",
    "romanowolf": "romano-wolf",
    "romano_wolf": "romano-wolf",
}


def adjust(
    fit: Estimated, method: str, terms: Any, level: float, replicas: int | None, law: str | None, seed: int
) -> Any:
    """Adjusted p-values; see `fit.adjust`."""
    import pandas as pd

    plain = method.lower() if isinstance(method, str) else method
    plain = one_of("method", _ALIASES.get(plain, plain), METHODS)
    check_level(level)
    check_seed(seed)
    _check_draws(plain, replicas, law)
    chosen = _family(fit, terms)
    p = fit._p_values()[chosen]
    if not np.isfinite(p).all():
        missing = fit.terms[chosen[int(np.argmin(np.isfinite(p)))]]
        raise NotIdentifiedError(f"'{missing}' has no p-value: the fit has no standard errors ({fit.cov.label}).")
    statistics, estimate = fit.statistics[chosen], fit.theta[chosen]
    if plain in STEPWISE:
        made, limits = adjusted(p, plain), _separate(fit, plain, chosen, level)
    elif plain == "sup-t":
        made, limits = _largest(fit, chosen, statistics, level, seed)
    else:
        made, limits = _romano_wolf(fit, chosen, level, replicas or 9999, law or "mammen", seed)
    columns: dict[str, Any] = {
        "term": [fit.terms[i] for i in chosen],
        "estimate": estimate,
        "std_error": fit._se()[chosen],
        "statistic": statistics,
        "p_value": p,
        "adj_p_value": np.maximum(made, p),
    }
    if limits is not None:
        columns |= {"conf_low": limits[0], "conf_high": limits[1]}
    return to_caller(pd.DataFrame(columns), fit.kind)


def _check_draws(method: str, replicas: int | None, law: str | None) -> None:
    for name, given in (("replicas", replicas), ("law", law)):
        if given is not None and method != "romano-wolf":
            raise OptionError(f"{name}= is of method='romano-wolf'; {method!r} has no draws.")
    if replicas is not None:
        check_replicas(replicas)
    if law is not None:
        one_of("law", law, LAWS)


def _family(fit: Estimated, terms: Any) -> np.ndarray:
    """Places of the coefficients of the family."""
    if terms is None:
        chosen = [i for i, t in enumerate(fit.terms) if t.rpartition(": ")[2] != "Intercept" and fit.estimable[i]]
        if not chosen:
            raise OptionError("the fit has no coefficient beside its intercept; name the family by terms=.")
        return np.array(chosen)
    names = [terms] if isinstance(terms, str) else list(terms)
    if not names:
        raise OptionError("terms= is empty; name the coefficients of the family.")
    # A factor by its own name is all of its coefficients, as in hypotheses.
    each = [[fit.terms[i] for i in columns_of_term(str(name), fit.terms)] or [name] for name in names]
    names = [name for found in each for name in found]
    for name in names:
        if name not in fit.terms:
            raise OptionError(f"terms: {name!r} is no coefficient of the fit.{nearest(str(name), fit.terms)}")
        if not fit.estimable[fit.terms.index(name)]:
            raise NotIdentifiedError(f"'{name}' is aliased: it has no estimate and no p-value.")
    if len(set(names)) < len(names):
        raise OptionError("terms= names a coefficient twice; a family counts each once.")
    return np.array([fit.terms.index(name) for name in names])


def _separate(fit: Estimated, method: str, chosen: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Limits of each coefficient at the level that the method gives to each."""
    if method not in ("bonferroni", "sidak"):
        return None
    m = len(chosen)
    each = 1.0 - (1.0 - level) / m if method == "bonferroni" else level ** (1.0 / m)
    low, high = fit._limits(each, None)
    return low[chosen], high[chosen]


def _joint(fit: Estimated, chosen: np.ndarray) -> np.ndarray:
    """Places of the family in the covariance; the fit refuses where its statistics are not jointly t or normal."""
    rows = np.zeros((1, len(fit.terms)))
    rows[0, chosen[0]] = 1.0
    fit.test(rows)
    return np.searchsorted(np.flatnonzero(fit.estimable), chosen)


def _largest(
    fit: Estimated, chosen: np.ndarray, statistics: np.ndarray, level: float, seed: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Single-step p-values and limits of the largest of the joint statistics."""
    inside = _joint(fit, chosen)
    df = float(np.min(fit._df() if np.ndim(fit._df()) == 0 else fit._df()[chosen]))
    largest = LargestT(fit.cov.matrix[np.ix_(inside, inside)], df, seed)
    half = largest.critical(level) * fit._se()[chosen]
    made = np.array([largest.tail(abs(s)) for s in statistics])
    return made, (fit.theta[chosen] - half, fit.theta[chosen] + half)


def _romano_wolf(
    fit: Any, chosen: np.ndarray, level: float, replicas: int, law: str, seed: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Step-down p-values by the fit's draws, and the limits of its first step.

    Draws are divided by their own standard errors if they have some, else by their standard deviation.
    """
    inside = _joint(fit, chosen)
    draws: Bootstrap | None = fit.draws
    if draws is None:
        if not hasattr(type(fit), "moments"):
            fit.refuse("influence", "'romano-wolf' draws multipliers of them; method='sup-t' needs the covariance only")
        draws = fit.bootstrap(replicas, kind="multiplier", law=law, seed=seed).draws
    assert draws is not None
    theta, error = fit.theta[chosen], fit._se()[chosen]
    spread = draws.draws[:, inside].std(axis=0, ddof=1)
    if draws.std_errors is not None and fit._studentised is not None:
        spread = draws.std_errors[:, inside]
        error = np.sqrt(np.diag(fit._studentised.matrix))[inside]
    drawn = np.abs(draws.draws[:, inside] - theta) / spread
    made = step_down(np.abs(theta / error), drawn)
    critical = np.quantile(drawn.max(axis=1), level, method="higher")
    return made, (theta - critical * error, theta + critical * error)
