"""Studies of conditional laws: intervals of `si.ngboost`, `si.quantile_process` and `si.quantile_ensemble`.

Each is calibrated or not; a sample's share of a hundred new rows counts as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

import statinf as si
from benchmarks import boosted_laws_coverage, quantile_process_coverage
from benchmarks.certify.study import Shown, Study, inside

LEVEL = 0.9
NEW = 100
ENDS = ("lower", "upper")
BOOSTED: Mapping[str, Mapping[str, Any]] = {
    "500 trees": {},
    "trees chosen on validation rows": {"early_stopping_rounds": 50, "validation": 0.2, "refit": True},
    "500 linear steps": {"base": "linear"},
}
ENSEMBLES: Mapping[str, Mapping[str, Any]] = {
    "constant weights": {"local": False},
    "constant weights, cqr": {"local": False, "calibrate": "cqr"},
    "constant weights, cv+": {"local": False, "calibrate": "cv+"},
    "local weights": {},
    "local weights, cqr": {"calibrate": "cqr"},
}


def boosted(n: int, seed: int) -> Iterator[Any]:
    """A normal law whose mean bends and whose spread grows with columns; the law's own central interval."""
    data, new = (boosted_laws_coverage.draw(size, seed, k) for k, size in enumerate((n, NEW)))
    for said, options in BOOSTED.items():
        fit = si.ngboost(boosted_laws_coverage.FORMULA, data, seed=seed, **options)
        found = fit.predict(new, interval="prediction", level=LEVEL)
        yield Shown(fit, f"outcome of a new row, {said}", float(inside(found, new["y"], ENDS).mean()))


def processes(n: int, seed: int) -> Iterator[Any]:
    """A wave whose spread grows with x."""
    data, new = (quantile_process_coverage.draw(size, 2 * seed + k) for k, size in enumerate((n, NEW)))
    for kind in quantile_process_coverage.KINDS:
        fit = si.quantile_process("y ~ x", data, calibrate=kind, seed=seed, **quantile_process_coverage.NETWORK)
        found = fit.predict(new, interval="prediction", level=LEVEL)
        yield Shown(fit, "outcome of a new row", float(inside(found, new["y"], ENDS).mean()))


def ensembles(kinds: tuple[str, ...], n: int, seed: int) -> Iterator[Any]:
    """The same wave; two models, neither of which is right."""
    data, new = (quantile_process_coverage.draw(size, 2 * seed + k) for k, size in enumerate((n, NEW)))
    tau = [0.5 - LEVEL / 2, 0.5, 0.5 + LEVEL / 2]
    names = (f"q{tau[0]:g}", f"q{tau[2]:g}")
    for said in kinds:
        options = ENSEMBLES[said]
        fit = si.quantile_ensemble(
            "y ~ x", data, models=["rq", "gaussian"], tau=tau, seed=seed, progress=False, **options
        )
        held = float(np.mean(inside(fit.predict(new), new["y"], names)))
        yield Shown(fit, f"outcome of a new row, {said.removesuffix(', cqr').removesuffix(', cv+')}", held)


WAVE = "a wave whose spread grows with its covariate"
STUDIES = (
    Study(
        "ngboost", "ngboost", "normal law, mean that bends, spread exp(x3 / 2), five covariates; a hundred new rows a sample",
        (200, 500), boosted, LEVEL,
    ),
    Study("quantile_process", "quantile_process", f"{WAVE}; networks of 32-32 units", (100, 400), processes, LEVEL),
    Study(
        "quantile_ensemble", "quantile_ensemble", f"{WAVE}; lines of quantiles and a normal line", (100, 400),
        partial(ensembles, ("constant weights", "constant weights, cqr", "constant weights, cv+")), LEVEL,
    ),
    Study(
        "quantile_ensemble_local", "quantile_ensemble", f"{WAVE}; lines of quantiles and a normal line, weights of a network",
        (100, 400), partial(ensembles, ("local weights", "local weights, cqr")), LEVEL,
    ),
)  # fmt: skip
