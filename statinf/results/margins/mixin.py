"""The verbs of fits with a mean function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from statinf.internal import internal

if TYPE_CHECKING:
    from statinf.results.fit import Fit
    from statinf.results.margins.by_row import RowEffects
    from statinf.results.margins.mean import MeanModel
    from statinf.results.margins.result import MarginalEffects


class MarginVerbs:
    """Marginal effects, contrasts of predictions and adjusted predictions, for kinds of fits that have a mean function."""

    @internal
    def mean_model(self, promise: str = "slopes") -> MeanModel:
        """The mean function of the fit, for `promise`."""
        raise NotImplementedError

    def slopes(
        self,
        variables: Any = None,
        *,
        by: Any = None,
        newdata: Any = None,
        condition: Any = None,
        slope: str = "dydx",
        discrete: bool = True,
        type: str = "response",
        weights: Any = None,
        average: bool | None = None,
        vcov: Any = None,
        population: bool = False,
        method: str | None = None,
        replicas: int = 1000,
        seed: int = 0,
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
        by : str or list of str, optional
            Average within the groups of these columns.
        newdata : optional
            Rows to evaluate: the fit's own by default; "mean", one row with every number at its mean and every factor, truth
            value and 0/1 column at its most frequent value; a mapping of columns to values, whose combinations make a grid,
            the other columns as with "mean"; or a data frame.
        condition : str, list of str or mapping, optional
            A grid for a figure: the first variable over its range, further ones at their levels or quartiles.
        slope : {"dydx", "eyex", "eydx", "dyex"}
            Derivatives, elasticities and semi-elasticities of numeric variables.
        discrete : bool
            Whether a numeric column of zeros and ones is compared; False takes its derivative.
        type : {"response", "link"}
            The mean, or the linear predictor.
        weights : optional
            Of the averages: the fit's own by default (as in Stata's `margins`; on `newdata` none), False for equal ones (as in
            marginaleffects), a column's name, or one number per row. Rows of weight zero are absent.
        average : bool, optional
            False for one estimate a row. True by default, except on a grid, whose rows are given one by one.
        vcov : str or mapping, optional
            Another covariance of the coefficients; see `Fit.with_vcov`.
        population : bool
            The delta method takes the covariates as given: the average is over these very rows, as in marginaleffects, R's
            margins and Stata's default. True takes them as a sample of a population and adds the variance of averaging over
            them, by influence values (Stata's `vce(unconditional)`); estimated weights are accounted for there too. The
            covariance is then HC1, or of the fit's kind where that is HC0 or clustered.
        method : {"delta", "simulation", "draws"}, optional
            "simulation" draws `replicas` coefficients from their normal law (Krinsky and Robb 1986); "draws" evaluates the fit's
            own bootstrap draws, the default after `fit.bootstrap()`. Limits are then percentiles.
        replicas, seed : int
            Of "simulation".

        Returns
        -------
        MarginalEffects, or RowEffects with `average=False` on rows of data
            Rows of `newdata` that cannot be predicted are NaN with one warning, and left out of averages.

        Raises
        ------
        NotIdentifiedError
            If the fit has no mean function.
        OptionError
            If a variable, a level or an option is not known.

        References
        ----------
        Arel-Bundock, Greifer and Heiss (2024), Journal of Statistical Software 111(9); Bartus (2005), Stata Journal 5; Krinsky
        and Robb (1986), Review of Economics and Statistics 68.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.glm("am ~ wt + hp", si.datasets.load("mtcars"), family="binomial")
        >>> fit.slopes().tidy()[["term", "estimate", "std_error"]].round(4)
          term  estimate  std_error
        0   wt   -0.3596     0.0571
        1   hp    0.0016     0.0006
        """
        from statinf.results.margins.verbs import Asked, slopes

        asked = Asked(
            by=by,
            newdata=newdata,
            condition=condition,
            type=type,
            weights=weights,
            average=average,
            vcov=vcov,
            population=population,
            method=method,
            replicas=replicas,
            seed=seed,
        )
        return slopes(cast("Fit", self), variables, slope, discrete, asked)

    def comparisons(
        self,
        variables: Any = None,
        *,
        by: Any = None,
        newdata: Any = None,
        condition: Any = None,
        comparison: str = "difference",
        contrast: str = "reference",
        step: Any = 1,
        type: str = "response",
        weights: Any = None,
        average: bool | None = None,
        vcov: Any = None,
        population: bool = False,
        method: str | None = None,
        replicas: int = 1000,
        seed: int = 0,
    ) -> MarginalEffects | RowEffects:
        """Contrasts of predictions: what the mean would be at one value of a variable against another, all else as it is.

        Averages are compared, not rows: "ratio" is the ratio of two average predictions. After weights that balance a
        treatment this is g-computation, and weights that were estimated are in its standard errors.

        Parameters
        ----------
        variables : str, list of str or mapping, optional
            All that the formula uses by default; a mapping gives each its step, its pair (low, high), or a factor's contrast.
        comparison : {"difference", "ratio", "log_ratio", "lift", "log_odds", "odds_ratio"}
            Of the high with the low mean; lift is (high - low) / low, log_odds the difference in the log odds.
        contrast : {"reference", "sequential", "pairwise", "all"}
            Which levels of a factor are compared: each with the first, with the one before, or all pairs.
        step : number, "sd", "2sd", "iqr", "minmax", or a pair (low, high)
            Of numeric variables, centred on each row's value; a pair sets the values. Columns of zeros and ones are set to 1
            and 0 unless the mapping says otherwise.
        by, newdata, condition, type, weights, average, vcov, population, method, replicas, seed
            As in `slopes`.

        Returns
        -------
        MarginalEffects, or RowEffects with `average=False` on rows of data

        Examples
        --------
        >>> import statinf as si
        >>> w = si.balance("treat ~ age + educ + re74", si.datasets.load("lalonde"), method="entropy", estimand="ATT")
        >>> fit = si.lm("re78 ~ treat * (age + educ + re74)", si.datasets.load("lalonde"), weights=w)
        >>> fit.comparisons("treat").tidy()[["contrast", "estimate", "std_error"]].round(1)
          contrast  estimate  std_error
        0    1 - 0     786.4      652.6
        """
        from statinf.results.margins.verbs import Asked, comparisons

        asked = Asked(
            by=by,
            newdata=newdata,
            condition=condition,
            type=type,
            weights=weights,
            average=average,
            vcov=vcov,
            population=population,
            method=method,
            replicas=replicas,
            seed=seed,
        )
        return comparisons(cast("Fit", self), variables, comparison, contrast, step, asked)

    def predictions(
        self,
        variables: Any = None,
        *,
        by: Any = None,
        newdata: Any = None,
        condition: Any = None,
        type: str = "response",
        weights: Any = None,
        average: bool | None = None,
        vcov: Any = None,
        population: bool = False,
        method: str | None = None,
        replicas: int = 1000,
        seed: int = 0,
    ) -> MarginalEffects | RowEffects:
        """Adjusted predictions: means of rows, averaged over all of them or within groups.

        Parameters
        ----------
        variables : str, list of str or mapping, optional
            Set these on every row to each of their levels (or quartiles), or to the values of the mapping, and average: the
            standardised means that `comparisons` compares.
        by, newdata, condition, type, weights, average, vcov, population, method, replicas, seed
            As in `slopes`.

        Returns
        -------
        MarginalEffects, or RowEffects with `average=False` on rows of data

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("mpg ~ wt + C(cyl)", si.datasets.load("mtcars"))
        >>> fit.predictions(newdata={"cyl": [4, 6, 8]}).tidy()[["cyl", "estimate", "std_error"]].round(3)
           cyl  estimate  std_error
        0    4    23.678      1.166
        1    6    19.422      0.408
        2    8    17.607      0.714
        """
        from statinf.results.margins.verbs import Asked, predictions

        asked = Asked(
            by=by,
            newdata=newdata,
            condition=condition,
            type=type,
            weights=weights,
            average=average,
            vcov=vcov,
            population=population,
            method=method,
            replicas=replicas,
            seed=seed,
        )
        return predictions(cast("Fit", self), variables, asked)
