"""Whether the proxies suffice: how far treatment proxies move the outcome proxies, given treatment and covariates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from statinf.effects.instruments import System, system
from statinf.effects.weak_iv import cragg_donald
from statinf.errors import NotIdentifiedError, NumericalWarning, issue_warning

WEAK = 10.0
"""Cragg-Donald F below which limits around the estimate may be far off."""
_NOTHING = 1e-9


@dataclass(frozen=True)
class ProxyStrength:
    """Strength of the proxies.

    Attributes
    ----------
    partial_f : ndarray, shape (k,)
        Of the treatment proxies for each outcome proxy.
    cragg_donald : float
        Of all of them together: each F can be large while one proxy serves them all.
    """

    partial_f: np.ndarray
    cragg_donald: float


def proxy_strength(
    exogenous: np.ndarray, z: np.ndarray, w: np.ndarray, y: np.ndarray, weights: np.ndarray, names: Sequence[str]
) -> ProxyStrength:
    """Strength, with a warning where it is small.

    Raises
    ------
    NotIdentifiedError
        If there are fewer treatment proxies than outcome proxies, or they do not tell the outcome proxies apart.
    """
    made, _ = system(exogenous, z, w, y, weights)
    if made.b < made.c:
        raise NotIdentifiedError(
            f"{made.b} treatment {'proxy' if made.b == 1 else 'proxies'} (those that treatment, covariates and each other "
            f"determine not counted) for {made.c} outcome {'proxy' if made.c == 1 else 'proxies'}; there must be at least "
            "as many. Name fewer outcome proxies."
        )
    total = np.sqrt((made.factor[made.a :, made.a + made.b : -1] ** 2).sum(axis=0))
    length = np.sqrt((made.factor[:, made.a + made.b : -1] ** 2).sum(axis=0))
    for j, name in enumerate(names):
        if total[j] <= _NOTHING * length[j]:
            raise NotIdentifiedError(
                f"the outcome proxy '{name}' is determined by treatment and covariates; leave it out."
            )
    if np.linalg.svd(made.first / total, compute_uv=False)[-1] <= _NOTHING:
        raise NotIdentifiedError(
            f"the treatment proxies do not move {', '.join(map(repr, names))} given treatment and covariates: they tell nothing "
            "of what the outcome proxies measure."
        )
    return _strength(made)


def _strength(made: System) -> ProxyStrength:
    explained = (made.first**2).sum(axis=0) / made.b
    left = (made.rest[:, :-1] ** 2).sum(axis=0) / max(made.df_first, 1)
    exact = left <= 1e-24 * explained
    partial = np.where(exact, np.inf, explained / np.where(exact, 1.0, left))
    together = np.inf if exact.all() else float(cragg_donald(made)) if made.df_first > 0 else np.nan
    return ProxyStrength(partial, together)


def warn_weak(found: ProxyStrength) -> None:
    """Warn where the proxies are weak together."""
    if found.cragg_donald < WEAK:
        issue_warning(
            f"weak proxies: their Cragg-Donald F is {found.cragg_donald:.3g}, below {WEAK:g} (partial F "
            f"{', '.join(f'{f:.3g}' for f in found.partial_f)}); intervals around the estimate may be far off.",
            NumericalWarning,
        )
