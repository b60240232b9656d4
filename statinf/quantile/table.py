"""Quantile regression and aggregation, as methods."""

from statinf.results.listed import Method

METHODS = (
    Method(
        verb="rq",
        name="",
        module="statinf.quantile.rq",
        paper="Koenker and Bassett (1978); Bondell, Reich and Wang (2010)",
        guarantee="exact vertex solutions; R's standard errors, clusters, bands over levels",
        vignette="quantile-regression",
    ),
    Method(
        verb="quantile_ensemble",
        name="",
        module="statinf.quantile.ensemble",
        paper="Fakoor, Kim, Mueller, Smola and Tibshirani (2023)",
        arxiv="2103.00083",
        guarantee="monotone quantiles; sorting never worsens the score; conformal coverage with calibrate=",
        vignette="quantile-aggregation",
    ),
    Method(
        verb="stack",
        name="",
        module="statinf.quantile.stack",
        paper="Echtenbruck, Echtenbruck, Batenburg, Baeck, Naujoks and Emmerich (2022)",
        arxiv="2206.11263",
        guarantee="cross-validated risk at most that of every model and of their average",
        vignette="quantile-aggregation",
    ),
)
