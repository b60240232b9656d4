"""The methods of `effect`, `cate` and `iv`."""

from statinf.results.methods import Method

METHODS = (
    Method(
        verb="iv",
        name="2sls",
        module="statinf.effects.tsls",
        paper="Theil (1953); Basmann (1957)",
        guarantee="root-n with strong instruments; Anderson-Rubin sets whatever their strength",
        vignette="effects",
    ),
    Method(
        verb="iv",
        name="liml",
        module="statinf.effects.liml",
        paper="Anderson and Rubin (1949); Fuller (1977)",
        guarantee="less biased than 2SLS with weak or many instruments",
        vignette="effects",
    ),
    Method(
        verb="iv",
        name="gmm",
        module="statinf.effects.gmm",
        paper="Hansen (1982)",
        guarantee="efficient under heteroskedasticity or clusters; tests its moments",
        vignette="effects",
    ),
)
