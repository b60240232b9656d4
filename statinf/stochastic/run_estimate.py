"""From a finished run to the `Estimate` of its fit."""

from __future__ import annotations

from functools import partial

import numpy as np

from statinf.formula.blocks import warn_dropped
from statinf.inference import Bootstrap
from statinf.results.estimate import Estimate
from statinf.stochastic.cautions import warn_about
from statinf.stochastic.estimates import read_run
from statinf.stochastic.named_covariance import labelled, named_covariance
from statinf.stochastic.run import Run


def estimate_of(run: Run, terms: tuple[str, ...]) -> Estimate:
    """What a run has found, with warnings about what is amiss."""
    found, s = read_run(run, terms), run.settings
    ok = ~np.isnan(found.theta)
    warn_about(found, s)
    warn_dropped(run.dropped, found.state.done + sum(run.dropped.values()))
    held, draws = labelled(found.covariances, found.roots, s), None
    if s.replicas > 1:
        draws = Bootstrap(found.replicas[:, ok], "multiplier", s.law, s.seed, acceleration=np.zeros(int(ok.sum())))
    return Estimate(
        terms=terms, theta=found.theta, moments=None, nobs=found.state.done, df_resid=np.inf,
        covary=partial(named_covariance, held, s, found.diagnostics),
        extra={
            "run": run, "draws": draws, "kept_covariances": held, "averaged": found.averaged,
            "diagnosed": found.diagnostics,
        },
    )  # fmt: skip
