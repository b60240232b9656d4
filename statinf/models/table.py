"""The plain regressions, as methods."""

from statinf.results.listed import Method

METHODS = (
    Method(
        verb="lm",
        name="",
        module="statinf.models.lm",
        paper="White (1980); MacKinnon and White (1985)",
        guarantee="robust, clustered and stacked standard errors of the best linear predictor",
        vignette="start",
    ),
    Method(
        verb="glm",
        name="",
        module="statinf.models.glm",
        paper="Nelder and Wedderburn (1972)",
        guarantee="maximum likelihood; separation is detected and named",
        vignette="start",
    ),
)
