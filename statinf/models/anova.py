"""`anova`: nested regressions against each other, or the terms of one regression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, one_of
from statinf.inference.distributions import chi2_sf, f_sf
from statinf.inference.hypotheses import WaldTest, wald
from statinf.models.anova_result import Anova
from statinf.models.anova_terms import Refits, rao, refitted_test, terms_of, wald_of_term
from statinf.models.generalized_fit import GeneralizedFit
from statinf.models.linear_fit import LinearFit
from statinf.models.nested import check_comparable, restriction

TESTS = ("F", "wald", "lr", "deviance", "rao")
_ALIASES = {
    "f": "F",
    "lrt": "lr",
    "chisq": "deviance",
    "chi2": "deviance",
    "score": "rao",
    "lm": "rao",
    "likelihood ratio": "lr",
}


def anova(
    *fits: Any, test: str | None = None, type: int | str = 1, vcov: Any = None, names: Sequence[str] | None = None
) -> Anova:
    """Compare nested regressions, or test the terms of one.

    Parameters
    ----------
    *fits : LinearFit or GeneralizedFit
        Results of `si.lm` or `si.glm`, each nested in the next or the next in it; or one, whose terms are tested.
    test : {"F", "wald", "lr", "deviance", "rao"}, optional
        "F": ratio of mean squares, or of scaled deviances where the dispersion is estimated, as R's `anova`; it takes errors to
        be independent with one variance. "wald": by the larger fit's covariance, robust and clustered ones included, as
        lmtest's `waldtest`. "lr": twice the difference of log-likelihoods, as `lrtest`. "deviance": difference of deviances over
        the dispersion (R's "Chisq"). "rao": score test. By default "wald" where the covariance is robust; with "iid" "F", or
        "lr" where the dispersion is known.
    type : {1, 2, 3}
        Of one fit: terms in their order, beside all terms but those that contain them, or beside all others. With `vcov="iid"`
        these are the sums of squares of R's `anova` and of car's `Anova`; type 3 depends on how categories are coded.
    vcov : str or mapping, optional
        Covariance of all fits; their own by default.
    names : sequence of str, optional
        Names of the models; 1, 2, ... by default.

    Returns
    -------
    Anova

    Raises
    ------
    OptionError
        If the fits are not nested, not of one family, or have no such test.
    DataError
        If they were made on different rows.

    References
    ----------
    Fox and Weisberg (2019), An R Companion to Applied Regression; Zeileis and Hothorn (2002), R News 2(3).

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> small, large = si.lm("mpg ~ wt", data), si.lm("mpg ~ wt + hp + C(cyl)", data)
    >>> print(si.anova(small, large, vcov="iid"))
    Nested models: mpg
    Observations: 32                 Test: F, ratio of mean squares
    <BLANKLINE>
    model  residual df    RSS  df  sum of squares      F  df2      p
    ----------------------------------------------------------------
    1               30  278.3
    2               27  160.8   3           117.5  6.580   27  0.002
    ----------------------------------------------------------------
    Model 1: mpg ~ wt
    Model 2: mpg ~ wt + hp + C(cyl)
    >>> si.anova(large, type=2).tidy().round(4)[["term", "df", "statistic", "p_value"]]
         term   df  statistic  p_value
    0      wt  1.0    21.0675   0.0001
    1      hp  1.0     5.3677   0.0283
    2  C(cyl)  2.0     4.3528   0.0230
    """
    given = list(fits[0]) if len(fits) == 1 and isinstance(fits[0], list | tuple) else list(fits)
    if not given:
        raise OptionError(
            "anova() takes fits: si.anova(fit) tests the terms of one, si.anova(small, large) compares them."
        )
    for fit in given:
        if not isinstance(fit, LinearFit | GeneralizedFit):
            what = getattr(fit, "method", fit.__class__.__name__)
            raise OptionError(
                f"anova() is of fits by si.lm and si.glm; '{what}' is none. Use its test(...) of coefficients."
            )
    if vcov is not None:
        given = [fit.with_vcov(vcov) for fit in given]
    if len(given) == 1:
        if names is not None:
            raise OptionError("names= are of several models; one fit's terms have their own.")
        return _terms(given[0], _chosen(test, given[0]), _type(type))
    if type != 1:
        raise OptionError(f"type={type!r} is of the terms of one fit; leave it out where models are compared.")
    return _models(given, test, names)


def _type(given: Any) -> int:
    known = {1: 1, 2: 2, 3: 3, "1": 1, "2": 2, "3": 3, "I": 1, "II": 2, "III": 3}
    if isinstance(given, bool) or given not in known:
        raise OptionError(f"type={given!r} is not known; choose 1 (terms in order), 2 or 3.")
    return known[given]


def _chosen(test: Any, fit: Any) -> str:
    """The test, by default that which the fit's covariance allows, and refused where the model has none."""
    if not np.isfinite(fit.cov.matrix).any():
        raise NotIdentifiedError(f"there is nothing to test terms by: standard errors are {fit.cov.label}.")
    linear = isinstance(fit, LinearFit)
    known = not linear and fit.normal_reference
    if test is None:
        refittable = isinstance(fit, LinearFit) or getattr(fit, "absorbed", None) is None
        maximised = refittable and not getattr(fit, "penalty", "") and fit.weights_kind != "probability"
        return "wald" if fit.cov.kind != "iid" or not maximised else "lr" if known else "F"
    plain = _ALIASES.get(test.lower(), test.lower() if test != "F" else test) if isinstance(test, str) else test
    one_of("test", plain, TESTS)
    if plain == "F" and known:
        raise OptionError(f"test='F' is for an estimated dispersion, that of {fit.model_name} is one; use test='lr'.")
    if plain != "wald":
        _check_likelihood(fit, plain)
        design = fit._need_rows(f"test={plain!r}")
        if design.weights_object is not None:
            raise NotIdentifiedError(
                f"test={plain!r} takes weights as known, and those of this fit were estimated; use test='wald'."
            )
    return plain


def _check_likelihood(fit: Any, test: str) -> None:
    """Refuse tests of maximised likelihoods where nothing of that kind was maximised."""
    advice = "use test='wald'"
    if getattr(fit, "absorbed", None) is not None and not isinstance(fit, LinearFit):
        raise OptionError(f"test={test!r} would have to estimate the absorbed effects again; {advice}.")
    penalty = getattr(fit, "penalty", "")
    if penalty:
        raise OptionError(
            f"test={test!r} compares maximum likelihood fits, and this one has penalty={penalty!r}; {advice}."
        )
    if fit.weights_kind == "probability":
        raise OptionError(f"test={test!r} needs a likelihood, which weights of a survey do not make; {advice}.")
    if test == "lr" and not np.isfinite(fit.loglik):
        raise OptionError(f"test='lr' needs a likelihood, which {fit.model_name} has not; use test='F' or 'wald'.")


def _models(fits: list[Any], asked: Any, names: Sequence[str] | None) -> Anova:
    labels = [str(i + 1) for i in range(len(fits))] if names is None else list(names)
    if len(labels) != len(fits) or len(set(labels)) != len(fits):
        raise OptionError(f"names= gives each of {len(fits)} models a name of its own.")
    check_comparable(fits, labels)
    largest = max(fits, key=lambda f: f.rank)
    test = _chosen(asked, largest)
    rows = [{"df": np.nan, "change": np.nan, "statistic": np.nan, "df_denominator": np.nan, "p_value": np.nan}]
    for i in range(1, len(fits)):
        order = sorted((i - 1, i), key=lambda j: fits[j].rank)
        small, large = fits[order[0]], fits[order[1]]
        named = (labels[order[0]], labels[order[1]])
        if small.rank == large.rank:
            raise OptionError(f"models {named[0]} and {named[1]} have as many coefficients each; neither is nested.")
        rows.append(_pair(small, large, largest, test, restriction(small, large, named), named))
    overdispersions = {f.alpha for f in fits if "alpha" in getattr(f, "shape", {})}
    if test not in ("lr", "wald") and len(overdispersions) > 1:
        raise OptionError(
            f"test={test!r} takes one overdispersion, and each model has its own; use test='lr' or 'wald'."
        )
    linear = isinstance(fits[0], LinearFit)
    columns: dict[str, np.ndarray] = {
        "model": np.array(labels, dtype=object),
        "df_resid": np.array([f.df_resid for f in fits]),
    }
    if test == "lr":
        columns["loglik"] = np.array([f.loglik for f in fits])
    elif test != "wald":
        columns["rss" if linear else "deviance"] = np.array([f.rss if linear else f.deviance for f in fits])
    columns["df"] = np.array([r["df"] for r in rows])
    if test in ("F", "deviance"):
        columns["sum_sq"] = np.array([r["change"] for r in rows])
    for name in ("statistic", "df_denominator", "p_value"):
        columns[name] = np.array([r[name] for r in rows])
    notes = [f"Model {label}: {f.formula}" for label, f in zip(labels, fits, strict=True)]
    return _result(largest, test, "models", columns, f"Nested models: {largest.outcome}", notes)


def _pair(
    small: Any, large: Any, largest: Any, test: str, matrix: np.ndarray, labels: tuple[str, str]
) -> dict[str, float]:
    """One test of two nested fits; the scale is that of the largest model of all, as in R."""
    df, linear = float(len(matrix)), isinstance(large, LinearFit)
    change = small.rss - large.rss if linear else small.deviance - large.deviance
    if test == "wald":
        text = f"model {labels[0]} within model {labels[1]}"
        return _of_wald(
            wald(large.theta[large.estimable], large.cov, matrix, np.zeros(len(matrix)), large.cov.df, text)
        )
    scale = largest.rss / largest.df_resid if linear else largest.dispersion
    if test == "lr":
        scaled = 2.0 * (large.loglik - small.loglik)
    elif test == "rao" and linear:
        scaled = small.nobs * change / small.rss
    elif test == "rao":
        made, outer = large._columns("the score test")
        scaled = rao(outer, small._predictor("the score test"), made, large._family) / scale
    else:
        scaled = change / scale
    if test == "F":
        p = f_sf(scaled / df, df, largest.df_resid)
        return {"df": df, "change": change, "statistic": scaled / df, "df_denominator": largest.df_resid, "p_value": p}
    return {"df": df, "change": change, "statistic": scaled, "df_denominator": np.inf, "p_value": chi2_sf(scaled, df)}


def _of_wald(found: WaldTest) -> dict[str, float]:
    return {
        "df": float(found.df),
        "change": np.nan,
        "statistic": found.statistic,
        "df_denominator": float(found.df_denominator),
        "p_value": found.p_value,
    }


def _terms(fit: Any, test: str, kind: int) -> Anova:
    terms, linear = terms_of(fit, kind), isinstance(fit, LinearFit)
    if linear and test in ("lr", "deviance", "rao"):
        raise OptionError(f"test={test!r} compares models: fit both and call si.anova(small, large, test={test!r}).")
    columns: dict[str, np.ndarray] = {"term": np.array([t.label for t in terms], dtype=object)}
    columns["df"] = np.array([float(len(t.places)) for t in terms])
    if test == "wald" or linear:
        covariance = fit.cov if test == "wald" else fit.with_vcov("iid").cov
        found = [wald_of_term(fit, covariance, t) for t in terms]
        statistic = np.array([np.nan if f is None else f.statistic for f in found])
        below = np.array([np.nan if f is None else float(f.df_denominator) for f in found])
        p = np.array([np.nan if f is None else f.p_value for f in found])
        if test == "F":
            columns |= _squares(fit, columns["df"], statistic)
    else:
        refits = Refits(fit)
        made = np.array(
            [refitted_test(refits, t, test, fit.df_resid) if len(t.places) else (np.nan,) * 4 for t in terms]
        )
        if test != "rao":
            columns["deviance"] = made[:, 0]
        statistic, below, p = made[:, 1:].T
    columns |= {"statistic": statistic, "df_denominator": below, "p_value": p}
    if test == "F" and linear:
        columns = _with_residual(fit, columns)
    notes = [f"Model: {fit.formula}"]
    if "alpha" in getattr(fit, "shape", {}) and test != "wald":
        notes.append("The overdispersion is held at its estimate.")
    if (columns["df"][: len(terms)] == 0).any():
        notes.append("A term without degrees of freedom is aliased: other columns determine it.")
    heading = f"Terms, type {'I' * kind}: {fit.outcome}"
    return _result(fit, test, "terms", columns, heading, notes)


def _squares(fit: Any, df: np.ndarray, statistic: np.ndarray) -> dict[str, np.ndarray]:
    mean = statistic * fit.sigma**2
    return {"sum_sq": mean * df, "mean_sq": mean}


def _with_residual(fit: Any, columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    last = {"term": "Residuals", "df": fit.df_resid, "sum_sq": fit.rss, "mean_sq": fit.sigma**2}
    return {
        name: np.append(column, np.array([last.get(name, np.nan)], column.dtype)) for name, column in columns.items()
    }


def _result(
    fit: Any, test: str, compared: str, columns: dict[str, np.ndarray], heading: str, notes: list[str]
) -> Anova:
    below = columns["df_denominator"]
    finite = bool(np.isfinite(below[~np.isnan(below)]).any())
    if test == "wald":
        notes = [*notes, f"Covariance: {fit.cov.label}."]
    elif fit.cov.kind != "iid":
        notes = [
            *notes,
            f"The test takes the model's own variance; the covariance {fit.cov.label} of the fit is for test='wald'.",
        ]
    return Anova(
        method="anova",
        formula=fit.formula,
        nobs=fit.nobs,
        kind=fit.kind,
        dropped=fit.dropped,
        test=test,
        compared=compared,
        columns=columns,
        statistic_name="F" if finite else "chi2",
        heading=heading,
        notes=tuple(notes),
    )
