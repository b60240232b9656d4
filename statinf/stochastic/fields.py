"""From a run to the fields of its fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.inference import Bootstrap, Covariance
from statinf.stochastic.covariance import INFERENCE
from statinf.stochastic.estimates import choose, read_run, warn_about, warn_reach
from statinf.stochastic.reach import note
from statinf.stochastic.run import Run, warn_dropped

_SIGNS = {
    "plugin": "plug-in sandwich, one pass",
    "hac": "HAC plug-in, one pass",
    "batch-means": "overlapping batch means",
    "random-scaling": "random scaling (studentising matrix, not a variance)",
}


def label(inference: str, run: Run) -> str:
    """How tables name an inference, and from which n it covers."""
    said = _named(inference, run)
    return said if run.settings.temporal else f"{said}; {note(inference)}"


def _named(inference: str, run: Run) -> str:
    s = run.settings
    if inference == "multiplier":
        start = "" if s.replica_start == "origin" else ", from the burn-in point"
        return f"multiplier bootstrap (B = {s.replicas}, {s.law}, seed {s.seed}{start})"
    if inference == "hac":
        return f"{_SIGNS[inference]}, {s.lags} lags"
    return _SIGNS[inference]


def read_fields(run: Run, terms: tuple[str, ...], inference: str) -> dict[str, Any]:
    """The fields of a fit that follow from its run, with warnings about what is amiss."""
    found = read_run(run, terms)
    ok = ~np.isnan(found.theta)
    if inference not in INFERENCE:
        choose({}, inference, run.settings)
    matrix = choose(found.covariances, inference, run.settings)
    warn_about(found, run.settings)
    warn_reach(inference, run.settings, found.averaged)
    warn_dropped(run.dropped, found.state.done + sum(run.dropped.values()))
    s = run.settings
    draws = None
    if s.replicas > 1:
        draws = Bootstrap(found.replicas[:, ok], "multiplier", s.law, s.seed, acceleration=np.zeros(int(ok.sum())))
    return {
        "theta": found.theta,
        "cov": Covariance(matrix, inference, label(inference, run), np.inf),
        "draws": draws,
        "run": run,
        "covariances": found.covariances,
        "averaged": found.averaged,
        "diagnosed": found.diagnostics,
        "dropped": dict(run.dropped),
        "nobs": found.state.done,
    }
