"""Studies of regressions after `si.balance`, of `si.missing_mean`, of training weights and of informative visits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd

import statinf as si
from benchmarks.adjusted_coverage import trained, visited
from benchmarks.balance_arms_coverage import ARMS, DOSES, dose, three_arms
from benchmarks.certify.study import Study, limits, many
from benchmarks.certify.treatments import CONFOUNDED, confounded
from benchmarks.missing_mean_coverage import right_logit

SIZES = (100, 200, 1000)


def others(n: int, seed: int) -> Iterator[Any]:
    """Methods beside those of `treatments`, effects on everybody, with the covariance that each has."""
    data = confounded(n, seed)
    for method in ("sbw", "energy", "kernel", "ipm"):
        fit = cache(partial(_after, data, "treat ~ x + z", {"method": method, "estimand": "ATE"}, "y ~ treat"))
        for kind in ("HC0", "HC3"):
            yield lambda fit=fit, kind=kind, method=method: limits(
                fit().with_vcov(kind), "treat", 1.0, f"ATE after {method}", share=0.0
            )


def uniform(n: int, seed: int) -> Iterator[Any]:
    """The effect on the treated after the uniform transformer, whose bandwidth leaves some bias."""
    from benchmarks.certify.treatments import ON_TREATED

    data = confounded(n, seed)
    w = si.balance("treat ~ x + z", data, method="uniform", estimand="ATT")
    yield limits(si.lm("y ~ treat", data, weights=w), "treat", ON_TREATED, "ATT after uniform")


def several(arms: bool, n: int, seed: int) -> Iterator[Any]:
    data = three_arms(n, seed) if arms else dose(n, seed)
    formula, term, truth = ("y ~ C(arm)", "C(arm)[T.2]", 2.0) if arms else ("y ~ dose", "dose", 1.0)
    said = "third arm less the first" if arms else "slope of a dose"
    for name, options in (ARMS if arms else DOSES).items():
        fit = cache(partial(_after, data, f"{'arm' if arms else 'dose'} ~ x + z", options, formula))
        for kind in ("HC0", "HC3"):
            yield lambda fit=fit, kind=kind, name=name: limits(
                fit().with_vcov(kind), term, truth, f"{said} after {name}"
            )


def _after(data: pd.DataFrame, treatment: str, options: Mapping[str, Any], formula: str) -> Any:
    return si.lm(formula, data, weights=si.balance(treatment, data, **options))


def missing(n: int, seed: int) -> Iterator[Any]:
    """A right logit, a regression that no few functions span."""
    data, truth = right_logit(n, seed)
    for method, options in (("ipw", {}), ("aipw", {}), ("kernel", {"anchors": "adaptive"})):
        fit = si.missing_mean("y ~ x1 + x2", data, method=method, seed=seed, **options)
        yield limits(fit, 0, truth, "mean", share=fit.weights.ess / n)


def models(n: int, seed: int) -> Iterator[Any]:
    """A line with weights of training."""
    yield from many(
        trained(n, seed),
        lambda name: (
            ("LinearFit", "lm", "HC0, weights estimated: training_weights"),
            f"{name.replace('line', 'slope')}",
        ),
    )


def visits(n: int, seed: int) -> Iterator[Any]:
    whole = ("VisitsFit", "visits, gaussian, identity", "clusters, HC1, weights estimated")
    yield from many(visited(n // 8, seed), lambda name: (whole, name.removeprefix("visits, ")), clusters=n // 8)


def quantiles(n: int, seed: int) -> Iterator[Any]:
    """Quantiles of arms of unlike spread, by weights; effects at three levels."""
    from scipy.special import ndtri

    rng = np.random.default_rng([61, n, seed])
    tau = np.array([0.1, 0.5, 0.9])
    x, e = rng.standard_normal((2, n))
    t = (0.6 * x + rng.logistic(size=n) > 0).astype(float)
    data = pd.DataFrame({"x": x, "t": t, "y": x + t + (1 + 0.5 * t) * e})
    truth = 1 + (np.sqrt(3.25) - np.sqrt(2.0)) * ndtri(tau)
    for method in ("ipw", "entropy"):
        fit = si.rq("y ~ t", data, tau=tau, weights=si.balance("t ~ x", data, method=method))
        for k, level in enumerate(tau):
            yield limits(fit, f"q{level:g}: t", truth[k], f"quantile effect after {method}, tau = {level:g}")


ARMED = "three arms whose odds go with two covariates; weights estimated first"
STUDIES = (
    Study("weights_others", "lm", f"{CONFOUNDED}; weights estimated first", (200,), others),
    Study("weights_uniform", "lm", f"{CONFOUNDED}; weights of a transformer", (200, 400), uniform),
    Study("weights_arms", "lm", ARMED, (200, 500), partial(several, True)),
    Study(
        "weights_dose", "lm", "a dose that goes with two covariates; weights estimated first", (200, 500),
        partial(several, False),
    ),
    Study("missing_mean", "missing_mean", "half of the outcomes missing by a logit", (200, 1000), missing),
    Study("training_weights", "lm", "arms that share data; weights of training", (200, 800), models),
    Study(
        "visits", "visits", "visits that come the sooner the larger the last outcome; n / 8 units", (400, 1600), visits,
    ),
    Study("rq_weights", "rq", "quantiles of arms of unlike spread; weights estimated first", (200, 500), quantiles),
)  # fmt: skip
