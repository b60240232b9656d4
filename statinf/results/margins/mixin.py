"""The verbs of fits with a mean function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from statinf.results.fit import Fit
    from statinf.results.margins.by_row import RowEffects
    from statinf.results.margins.mean import MeanModel
    from statinf.results.margins.result import MarginalEffects

VERBS = ("slopes", "comparisons", "predictions")


class MarginVerbs:
    """Marginal effects, contrasts of predictions and adjusted predictions.

    Common options
    --------------
    by : str or list of str
        Average within the groups of these columns.
    newdata : optional
        Rows to evaluate: the fit's own by default; "mean", one row with every number at its mean and every factor, truth
        value and 0/1 column at its most frequent value; a mapping of columns to values, whose combinations make a grid, the
        other columns as with "mean"; or a data frame.
    condition : str, list of str or mapping
        A grid for a figure: the first variable over its range, further ones at their levels or quartiles.
    weights : optional
        Of the averages: the fit's own by default (as in Stata's `margins`; on `newdata` none), False for equal ones (as in
        marginaleffects), a column's name, or one number per row.
    average : bool, optional
        False for one estimate a row. True by default, except on a grid, whose rows are given one by one.
    type : {"response", "link"}
        The mean, or the linear predictor.
    vcov : str or mapping, optional
        Another covariance of the coefficients; see `Fit.with_vcov`.
    population : bool
        The delta method takes the covariates as given: the average is over these very rows. True takes them as a sample of a
        population and adds the variance of averaging over them, by influence values (Stata's `vce(unconditional)`); estimated
        weights are accounted for there too. The covariance is then HC1, or that of the fit if it is HC0 or clustered.
    method : {"delta", "simulation", "draws"}, optional
        "simulation" draws coefficients from their normal law (Krinsky and Robb 1986), `replicas` of them; "draws" evaluates the
        fit's own bootstrap draws, the default after `fit.bootstrap()`. Limits are then percentiles.
    replicas, seed : int
        Of "simulation".
    """

    def mean_model(self, promise: str = "slopes") -> MeanModel:
        """The mean function of the fit; kinds of fits without one refuse."""
        cast("Fit", self).refuse(promise, "its estimates are not the coefficients of a mean function")

    def _offered(self) -> list[str]:
        found = super()._offered()  # type: ignore[misc]
        return found if type(self).mean_model is not MarginVerbs.mean_model else [n for n in found if n not in VERBS]

    def slopes(
        self, variables: Any = None, *, slope: str = "dydx", discrete: bool = True, **options: Any
    ) -> MarginalEffects | RowEffects:
        """Marginal effects: derivatives of the mean in numeric variables, differences for the others.

        Derivatives are exact: of the link, and through the formula's transforms (splines, polynomials, interactions) with what
        they learnt at the fit. Variables with levels, truth values and columns of zeros and ones are compared: each level with
        the first, 1 with 0.

        Parameters
        ----------
        variables : str, list of str or mapping, optional
            All that the formula uses by default; a mapping gives the contrast of a factor: "reference", "sequential",
            "pairwise", "all" or a pair (low, high).
        slope : {"dydx", "eyex", "eydx", "dyex"}
            Derivatives, elasticities and semi-elasticities of numeric variables.
        discrete : bool
            Whether a numeric column of zeros and ones is compared; False takes its derivative.
        **options
            `by`, `newdata`, `condition`, `weights`, `average`, `type`, `vcov`, `population`, `method`, `replicas`, `seed`; see
            `MarginVerbs`.

        Returns
        -------
        MarginalEffects, or RowEffects with `average=False` on rows of data

        Raises
        ------
        NotIdentifiedError
            If the fit has no mean function.
        OptionError
            If a variable, a level or an option is not known.

        References
        ----------
        Arel-Bundock, Greifer and Heiss (2024), Journal of Statistical Software 111(9); Bartus (2005), Stata Journal 5, and
        Stata's `vce(unconditional)` for `population=True`; Krinsky and Robb (1986), Review of Economics and Statistics 68.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.glm("am ~ wt + hp", si.datasets.load("mtcars"), family="binomial")
        >>> fit.slopes().tidy()[["term", "estimate", "std_error"]].round(4)
          term  estimate  std_error
        0   wt   -0.4653     0.0651
        1   hp    0.0021     0.0004
        """
        from statinf.results.margins.verbs import Asked, slopes

        return slopes(cast("Fit", self), variables, slope, discrete, _asked(Asked, "slopes", options))

    def comparisons(
        self,
        variables: Any = None,
        *,
        comparison: str = "difference",
        contrast: str = "reference",
        step: Any = 1,
        **options: Any,
    ) -> MarginalEffects | RowEffects:
        """Contrasts of predictions: what the mean would be at one value of a variable against another, all else as it is.

        Averages are compared, not rows: "ratio" is the ratio of two average predictions. After weights that balance a
        treatment this is g-computation, and `weights=` of the fit that were estimated are in its standard errors.

        Parameters
        ----------
        variables : str, list of str or mapping, optional
            All that the formula uses by default; a mapping gives each its step, its pair (low, high), or a factor's contrast.
        comparison : {"difference", "ratio", "log_ratio", "lift", "log_odds", "odds_ratio"}
            Of the high with the low mean; lift is (high - low) / low, log_odds the difference in the log odds.
        contrast : {"reference", "sequential", "pairwise", "all"}
            Which levels of a factor are compared: each with the first, with the one before, or all pairs.
        step : number, "sd", "2sd", "iqr", "minmax", or a pair (low, high)
            Of numeric variables, centred on each row's value; a pair sets the values.
        **options
            `by`, `newdata`, `condition`, `weights`, `average`, `type`, `vcov`, `population`, `method`, `replicas`, `seed`; see
            `MarginVerbs`.

        Returns
        -------
        MarginalEffects, or RowEffects with `average=False` on rows of data

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.load("lalonde")
        >>> fit = si.lm("re78 ~ treat * (age + educ + re74)", data)
        >>> fit.comparisons("treat", by="treat").tidy()[["treat", "contrast", "estimate", "std_error"]].round(1)
           treat contrast  estimate  std_error
        0      0    1 - 0     783.1      881.4
        1      1    1 - 0     783.1      881.4
        """
        from statinf.results.margins.verbs import Asked, comparisons

        return comparisons(
            cast("Fit", self), variables, comparison, contrast, step, _asked(Asked, "comparisons", options)
        )

    def predictions(self, variables: Any = None, **options: Any) -> MarginalEffects | RowEffects:
        """Adjusted predictions: means of rows, averaged over all of them or within groups.

        Parameters
        ----------
        variables : str, list of str or mapping, optional
            Set these on every row to each of their levels (or quartiles), or to the values of the mapping, and average: the
            standardised means that `comparisons` compares.
        **options
            `by`, `newdata`, `condition`, `weights`, `average`, `type`, `vcov`, `population`, `method`, `replicas`, `seed`; see
            `MarginVerbs`.

        Returns
        -------
        MarginalEffects, or RowEffects with `average=False` on rows of data

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("mpg ~ wt + C(cyl)", si.datasets.load("mtcars"))
        >>> fit.predictions(newdata={"cyl": [4, 6, 8]}).tidy()[["cyl", "estimate", "std_error"]].round(3)
           cyl  estimate  std_error
        0    4    23.684      0.827
        1    6    19.429      0.613
        2    8    17.613      0.731
        """
        from statinf.results.margins.verbs import Asked, predictions

        return predictions(cast("Fit", self), variables, _asked(Asked, "predictions", options))


def _asked(kind: Any, verb: str, options: dict[str, Any]) -> Any:
    from dataclasses import fields

    from statinf.errors import OptionError, nearest

    known = [f.name for f in fields(kind)]
    for name in options:
        if name not in known:
            raise OptionError(f"{verb}() has no option {name}=; it takes {', '.join(known)}.{nearest(name, known)}")
    return kind(**options)
