"""The methods of this family."""

from statinf.results.listed import Method

_LSA = "Samsonov, Moulines, Shao, Zhang and Naumov (2024)"

METHODS = (
    Method(
        verb="lsa",
        name="squared",
        module="statinf.stochastic.lsa",
        paper=_LSA,
        arxiv="2405.16644",
        guarantee="one-pass least squares or IV; multiplier bootstrap consistent at rate up to n^(-1/2)",
        vignette="streaming-regression",
    ),
    Method(
        verb="lsa",
        name="logistic",
        module="statinf.stochastic.lsa",
        paper="Fang, Xu and Yang (2018)",
        arxiv="1707.00192",
        guarantee="one-pass logistic regression; online bootstrap consistent",
        vignette="streaming-regression",
    ),
    Method(
        verb="lsa",
        name="quantile",
        module="statinf.stochastic.lsa",
        paper="Lee, Liao, Seo and Shin (2022)",
        arxiv="2106.03156",
        guarantee="one-pass quantile regression; bootstrap and random scaling",
        vignette="streaming-regression",
    ),
    Method(
        verb="td",
        name="td",
        module="statinf.stochastic.td",
        paper=_LSA,
        arxiv="2405.16644",
        guarantee="intervals for values of states, independent transitions or one trajectory (HAC)",
        vignette="lsa-bootstrap",
    ),
    Method(
        verb="td",
        name="lstd",
        module="statinf.stochastic.lstd",
        paper="Bradtke and Barto (1996); Boyan (2002)",
        guarantee="batch root of the same equations; HAC or episode-clustered standard errors",
        vignette="lsa-bootstrap",
    ),
)
