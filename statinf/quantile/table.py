"""Quantile regression and aggregation, as methods."""

from statinf.results.methods import Method

METHODS = (
    Method(
        verb="rq",
        name="",
        module="statinf.quantile.rq",
        paper="Koenker and Bassett (1978); Bondell, Reich and Wang (2010)",
        guarantee="exact vertex solutions; R's standard errors, clusters, bands over levels",
        vignette="quantile-regression",
    ),
)
