"""The methods of `balance`."""

from statinf.results.listed import Method


def _method(name: str, paper: str, guarantee: str, arxiv: str = "", vignette: str = "balance-ipm") -> Method:
    return Method(
        verb="balance",
        name=name,
        module=f"statinf.balancing.{name}",
        paper=paper,
        arxiv=arxiv,
        guarantee=guarantee,
        vignette=vignette,
    )


METHODS = (
    _method(
        "ipw",
        "Hirano, Imbens and Ridder (2003); Li, Morgan and Zaslavsky (2018)",
        "consistent if the propensity is right; stacked standard errors",
        "1404.1785",
        "start",
    ),
    _method("entropy", "Hainmueller (2012)", "exact mean balance; stacked standard errors, target included"),
    _method("cbps", "Imai and Ratkovic (2014)", "exact mean balance by a logit propensity; stacked standard errors"),
    _method(
        "sbw",
        "Zubizarreta (2015); Wang and Zubizarreta (2020)",
        "least variance within the tolerances; stacked standard errors",
        "1705.00998",
    ),
    _method(
        "energy",
        "Huling and Mak (2024)",
        "balances whole distributions; standard errors with weights as known",
        "2004.13962",
    ),
    _method(
        "kernel",
        "Hazlett (2020)",
        "balances kernel components; stacked standard errors given the components",
        "1605.00155",
    ),
    _method("ipm", "Kong et al. (2023)", "balances a class of test functions; standard errors by metric", "2305.13715"),
)

ALIASES = {"ebal": "entropy", "ps": "ipw", "glm": "ipw", "optweight": "sbw"}
"""Names of R WeightIt that mean one of these methods."""
