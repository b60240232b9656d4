"""Censored quantile regression by redistribution of mass (Portnoy 2003, Journal of the American Statistical Association).

Estimand and assumptions are those of `statinf.quantile.censored.peng_huang`; without regressors the estimates are the
quantiles of the Kaplan-Meier curve.
"""

from __future__ import annotations

from functools import partial

from statinf.numerics.quantreg.censored import redistributed_path
from statinf.quantile.censored import sequence
from statinf.quantile.censored.options import SequenceOptions
from statinf.results import Method

METHOD = Method(
    verb="crq",
    name="portnoy",
    estimate=partial(sequence.estimate, path=redistributed_path, name="portnoy"),
    options=SequenceOptions,
    summary="random censoring: censored rows hand their weight on to larger outcomes, as in the Kaplan-Meier curve",
    citation="Portnoy (2003), Censored regression quantiles",
    guarantee="exact weighted fit at each level; errors by the recursion of its influence, or bootstrap",
    vignette="censored-quantiles",
)
