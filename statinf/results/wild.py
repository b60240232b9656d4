"""`fit.test(bootstrap="wild")`: from a linear regression and its clusters to a wild bootstrap test."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import (
    DataError,
    NotIdentifiedError,
    OptionError,
    StatinfWarning,
    check_level,
    issue_warning,
    nearest,
    one_of,
)
from statinf.inference.bootstrap import check_replicas
from statinf.inference.clusters import joined_codes
from statinf.inference.inversion import SLACK
from statinf.inference.inverted_test import WildTest, outermost
from statinf.inference.moments import Moments, small_sample
from statinf.inference.weights import LAWS
from statinf.inference.wild import WildSums, check_rank, joint_draws, null_draws, quadratic, wild_sums
from statinf.results.options import Options, choice, count, flag, number, value
from statinf.spellings import hint

if TYPE_CHECKING:
    import pandas as pd

    from statinf.results.estimated import Estimated

SIDES = ("two-sided", "less", "greater")
INTERVALS = ("symmetric", "equal-tailed")
_MOST_SIGNS = 60


def _variant(name: str, given: Any) -> str:
    text = str(given)
    if len(text) != 2 or set(text) - set("123"):
        raise OptionError(
            f"{name}={given!r}: two digits of 1, 2 and 3, such as '11' or '33': what is done to residuals before they are "
            "multiplied, and in the variance."
        )
    return text


@dataclass(frozen=True, kw_only=True)
class WildOptions(Options):
    """Options of the wild bootstrap."""

    replicas: int = count(9999, "draws", low=2)
    law: str = choice("rademacher", LAWS, "of the random numbers; 'webb' for fewer than about 12 clusters")
    restricted: bool = flag(True, "impose the null hypothesis on the residuals (WCR)")
    interval: str = choice("symmetric", INTERVALS, "absolute statistics, or twice the smaller tail")
    type: Any = value(None, "treatment of residuals", "two digits of 1, 2 and 3, or None", _variant)
    by: Any = value(None, "column of the clusters that are drawn", "a clustering column of the fit, or None")
    level: float = number(0.95, "confidence of the interval", low=0, high=1, open_low=True, open_high=True)
    seed: int = count(0, "of the draws", low=0)

    def check(self) -> None:
        """Seeds, levels and numbers of draws in words of their own."""
        check_seed(self.seed)
        check_level(self.level)
        check_replicas(self.replicas)


def read_options(given: Mapping[str, Any]) -> WildOptions:
    """The options of a wild bootstrap test as the caller wrote them, all checked."""
    names = WildOptions.names()
    for name in given:
        if name not in names:
            raise OptionError(
                f"{name}= is no option of bootstrap='wild'; it takes {', '.join(names)}.{_like(name, names)}"
            )
    return WildOptions(**given)


def refuse_without(given: Iterable[str], takes: Sequence[str]) -> None:
    """Refuse options, of which there are none without `bootstrap="wild"` but those that are taken."""
    for name in given:
        if name in takes:
            continue
        if name in WildOptions.names():
            raise OptionError(
                f"{name}= goes with bootstrap='wild'; without it there is {', '.join(f'{t}=' for t in takes)}."
            )
        raise OptionError(f"{name}= is no option here.{_like(name, takes)}")


def _like(name: str, names: Sequence[str]) -> str:
    said = hint("option", name) or nearest(name, names)
    return said and " " + said.strip()


@dataclass(frozen=True)
class _DrawnClusters:
    """What is drawn: codes of the clusters on rows of positive weight, or None for rows, their number and their column."""

    codes: np.ndarray | None
    size: int
    by: str
    kind: str


def wild_test(fit: Any, matrix: np.ndarray, right: np.ndarray, text: str, side: str, options: WildOptions) -> WildTest:
    """A wild bootstrap test of `matrix @ theta = right` on the coefficients that are not aliased.

    Raises
    ------
    NotIdentifiedError
        If the fit is no linear regression, its weights were estimated, or its clusters cannot test the restrictions.
    OptionError
        If the fit's covariance has no wild bootstrap.
    """
    one_of("side", side, SIDES)
    if len(right) > 1 and side != "two-sided":
        raise OptionError(f"side={side!r} is for one restriction; '{text}' has {len(right)}.")
    moments = fit.linear_moments("the wild bootstrap")
    units = _units(fit, moments, options.by)
    variant = options.type or "1" + {"HC2": "2", "HC3": "3"}.get(units.kind, "1")
    sums = wild_sums(
        moments,
        units.codes,
        matrix,
        right,
        fit.theta[fit.estimable],
        variant=variant,
        restricted=options.restricted,
    )
    sums = replace(sums, factor=_factor(fit, sums, matrix, moments, units, variant))
    check_rank(sums, text)
    every = options.law == "rademacher" and units.size <= _MOST_SIGNS and 2**units.size <= options.replicas
    replicas = 2**units.size if every else options.replicas
    _warn_coarse(units, options)
    found = _answer(sums, right, replicas, side, options, every)
    return WildTest(
        hypothesis=text,
        side=side,
        interval=options.interval,
        level=options.level,
        restricted=options.restricted,
        law=options.law,
        type=variant,
        draws=replicas,
        enumerated=every,
        clusters=units.size,
        by=units.by,
        seed=options.seed,
        df=len(right),
        **found,
    )


def _answer(
    sums: WildSums, right: np.ndarray, replicas: int, side: str, options: WildOptions, every: bool
) -> dict[str, Any]:
    """What depends on the draws."""
    if len(sums.gap) > 1:
        drawn = joint_draws(sums, replicas, options.law, options.seed, every)
        own = float(quadratic(sums.gap[None], sums.variance[None])[0])
        unknown = dict.fromkeys(("conf_low", "conf_high", "estimate", "null"), np.nan)
        return {
            "statistic": own / len(sums.gap),
            "p_value": float(np.mean(drawn > own * (1.0 + SLACK))),
            "p_value_with_ties": float(np.mean(drawn >= own * (1.0 - SLACK))),
            **unknown,
        }
    draws = null_draws(sums, replicas, options.law, options.seed, every)
    gap, null = float(sums.gap[0]), float(right[0]) + 0.0
    low, high = outermost(draws.confidence_set(options.level, side, options.interval))
    return {
        "statistic": gap / draws.std_error,
        "p_value": draws.p_value(gap, side, options.interval),
        "p_value_with_ties": replace(draws, ties=True).p_value(gap, side, options.interval),
        "conf_low": null + gap - high,
        "conf_high": null + gap - low,
        "estimate": null + gap,
        "null": null,
        "null_draws": draws,
    }


def _units(fit: Any, moments: Moments, by: Any) -> _DrawnClusters:
    """What the covariance of the fit says is drawn."""
    kind = fit._undrawn_kind
    if isinstance(kind, dict) and set(kind) <= {"cluster", "type", "df", "factor"}:
        names = [kind["cluster"]] if isinstance(kind["cluster"], str) else list(kind["cluster"])
        if by is not None and by not in names:
            raise OptionError(f"by={by!r} is no clustering column of this fit; there is {', '.join(map(repr, names))}.")
        if len(names) > 1:
            raise OptionError(
                "the wild bootstrap draws one kind of cluster, and its statistic has the standard errors of these: take "
                f"fit.with_vcov({{'cluster': {by or names[0]!r}}}).test(...)."
            )
        codes = joined_codes(moments, {names[0]: fit._need_rows("wild draws").cluster_codes(names[0])}, names[0])
        size = int(codes.max()) + 1
        if size < 2:
            raise DataError(f"the cluster column '{names[0]}' has one value; there is nothing to draw.")
        return _DrawnClusters(codes, size, names[0], kind.get("type", "HC1"))
    if by is not None:
        raise OptionError(f"by={by!r} needs clustered standard errors: fit.with_vcov({{'cluster': {by!r}}}).test(...).")
    if kind not in ("HC0", "HC1", "HC2", "HC3"):
        raise OptionError(
            f"the wild bootstrap studentises by robust standard errors, and this fit has {fit._undrawn.label}: take "
            "fit.with_vcov({'cluster': 'column'}) or fit.with_vcov('HC1')."
        )
    if moments.copies is not None:
        raise NotIdentifiedError(
            "rows are drawn, and with weights_kind='frequency' a row stands for several: repeat the rows instead of weighting "
            "them, or cluster."
        )
    return _DrawnClusters(None, moments.nobs, "", kind)


def _factor(
    fit: Any, sums: WildSums, matrix: np.ndarray, moments: Moments, units: _DrawnClusters, variant: str
) -> float:
    """The small-sample factor of the variance: that of the fit's covariance, if it is of the same type."""
    if variant[1] == {"HC2": "2", "HC3": "3"}.get(units.kind, "1"):
        own = float(sums.variance[0, 0])
        return float(np.sum((matrix[0] @ fit._undrawn.root) ** 2)) / own if own > 0 else 1.0
    if variant[1] != "1":
        return 1.0
    if units.codes is None:
        return small_sample(moments.nobs, moments.df_resid)
    return units.size / (units.size - 1.0) * small_sample(moments.nobs - 1.0, moments.df_resid)


def _warn_coarse(units: _DrawnClusters, options: WildOptions) -> None:
    """Two-point laws have few different draws with few clusters (Webb 2014)."""
    if options.law not in ("rademacher", "mammen") or units.size > _MOST_SIGNS:
        return
    different = 2.0 ** (units.size - (options.law == "rademacher"))
    if different * (1.0 - options.level) < 2.0:
        issue_warning(
            f"{units.size} clusters have only {different:g} different draws of the law {options.law!r}: p-values move in "
            f"steps of {1 / different:.3g}; law='webb' has six values for each cluster.",
            StatinfWarning,
        )


def wild_intervals(fit: Estimated, options: WildOptions) -> pd.DataFrame:
    """Limits of every coefficient by inversion of its wild bootstrap test."""
    import pandas as pd

    ok = np.flatnonzero(fit.estimable)
    limits = np.full((len(fit.terms), 2), np.nan)
    for place, i in enumerate(ok):
        found = wild_test(fit, np.eye(len(ok))[place : place + 1], np.zeros(1), fit.terms[i], "two-sided", options)
        limits[i] = found.conf_low, found.conf_high
    return pd.DataFrame(limits, columns=["conf_low", "conf_high"], index=list(fit.terms))
