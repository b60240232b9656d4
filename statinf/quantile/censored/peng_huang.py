"""Censored quantile regression by martingale equations (Peng and Huang 2008, Journal of the American Statistical Association).

Estimand: the b(t) with Q_t(T | x) = x'b(t) of an outcome T that is seen only up to a censoring point C, for all levels up
to the highest asked for. Assumes T and C independent given x, and that all these quantiles are linear in x.
"""

from __future__ import annotations

from functools import partial

from statinf.numerics.quantreg.censored import martingale_path
from statinf.quantile.censored import sequence
from statinf.quantile.censored.options import SequenceOptions
from statinf.results import Method

METHOD = Method(
    verb="crq",
    name="peng-huang",
    estimate=partial(sequence.estimate, path=martingale_path, name="peng-huang"),
    options=SequenceOptions,
    summary="random censoring: events below the fit are as many as their cumulated hazard says, level by level",
    citation="Peng and Huang (2008), Survival analysis with quantile regression models",
    guarantee="exact solution of each level's equation; errors by the recursion of its influence, or bootstrap",
    vignette="censored-quantiles",
)
