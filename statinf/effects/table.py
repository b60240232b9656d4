"""The methods of `effect`, `cate` and `iv`."""

from statinf.results.listed import Method
from statinf.results.methods import MethodTable

EFFECT = MethodTable(
    "effect",
    {
        "dim": "statinf.effects.dim",
        "regression": "statinf.effects.regression",
        "ipw": "statinf.effects.ipw",
        "aipw": "statinf.effects.aipw",
        "plr": "statinf.effects.plr",
        "irm": "statinf.effects.irm",
    },
    shared=(
        "estimand", "treated", "reference", "by", "vcov", "weights", "cluster", "seed", "na_action", "context", "progress",
    ),
    aliases={"diff-in-means": "dim", "lin": "regression", "iptw": "ipw", "dr": "aipw"},
)  # fmt: skip

IV = MethodTable(
    "iv",
    {
        "2sls": "statinf.effects.tsls",
        "liml": "statinf.effects.liml",
        "gmm": "statinf.effects.gmm",
        "late": "statinf.effects.late",
    },
    shared=("treated", "vcov", "weights", "cluster", "seed", "na_action", "context", "progress"),
    aliases={"tsls": "2sls", "iivm": "late"},
)

TABLES = (EFFECT, IV)

METHODS = (
    Method(
        verb="cate",
        name="s",
        module="statinf.effects.pseudo",
        paper="Kuenzel et al. (2019)",
        arxiv="1706.03461",
        guarantee="predictions; evaluations with standard errors",
        vignette="r-learner-ivw",
    ),
    Method(
        verb="cate",
        name="t",
        module="statinf.effects.pseudo",
        paper="Kuenzel et al. (2019)",
        arxiv="1706.03461",
        guarantee="predictions; evaluations with standard errors",
        vignette="r-learner-ivw",
    ),
    Method(
        verb="cate",
        name="x",
        module="statinf.effects.pseudo",
        paper="Kuenzel et al. (2019)",
        arxiv="1706.03461",
        guarantee="predictions, good with arms of unequal size",
        vignette="r-learner-ivw",
    ),
    Method(
        verb="cate",
        name="dr",
        module="statinf.effects.pseudo",
        paper="Kennedy (2023)",
        arxiv="2004.14497",
        guarantee="doubly robust; linear projections with standard errors",
        vignette="r-learner-ivw",
    ),
    Method(
        verb="cate",
        name="r",
        module="statinf.effects.pseudo",
        paper="Nie and Wager (2021)",
        arxiv="1712.04912",
        guarantee="orthogonal; overlap-weighted projections with standard errors",
        vignette="r-learner-ivw",
    ),
    Method(
        verb="cate",
        name="u",
        module="statinf.effects.pseudo",
        paper="Kuenzel et al. (2019)",
        arxiv="1706.03461",
        guarantee="predictions; unstable without overlap, for comparison",
        vignette="r-learner-ivw",
    ),
    Method(
        verb="cate",
        name="ivw",
        module="statinf.effects.pseudo",
        paper="Fisher (2023)",
        arxiv="2307.09700",
        guarantee="doubly robust with inverse-variance weights; standard errors",
        vignette="r-learner-ivw",
    ),
)
