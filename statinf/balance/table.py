"""The methods of `balance`."""

from statinf.results.methods import Method

METHODS = (
    Method(
        verb="balance",
        name="ipw",
        module="statinf.balance.ipw",
        paper="Hirano, Imbens and Ridder (2003); Li, Morgan and Zaslavsky (2018)",
        arxiv="1404.1785",
        guarantee="consistent if the logit propensity is right; stacked standard errors",
        vignette="start",
    ),
)
