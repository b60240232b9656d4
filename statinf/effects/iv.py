"""`iv`: linear and interactive instrumental-variable models."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from statinf.effects import gmm as gmm_method
from statinf.effects import liml, tsls, weak_iv
from statinf.effects.gmm import STEPS
from statinf.effects.instruments import check_identified, k_class, system
from statinf.effects.iv_fit import IVFit
from statinf.effects.iv_rows import ROLES, Columns, columns_of, rows_of
from statinf.effects.rows import clustered_design
from statinf.effects.table import METHODS
from statinf.errors import AliasedWarning, DataError, OptionError, one_of
from statinf.formula.design import Design
from statinf.inference.sandwich import Covariance, check_kind
from statinf.models.regression import default_vcov
from statinf.results import Fit
from statinf.results.listed import load_method


def iv(
    formula: str,
    data: Any,
    *,
    method: str = "2sls",
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    gmm: str = "two-step",
    fuller: float = 0.0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> Fit:
    """Estimate the effect of a treatment that is not exogenous, with instruments.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates | instruments`; several treatments are several endogenous columns.
        Covariates are their own instruments. Write `1` for no covariates.
    data : data frame
        As `statinf.lm` takes it.
    method : {"2sls", "liml", "gmm", "late"}
        Two-stage least squares, limited-information maximum likelihood, generalised method of moments, or
        the cross-fitted doubly robust local average effect of a binary treatment by a binary instrument.
    vcov : str or mapping, optional
        "iid", "HC0", "HC1" (default), "HC2", "HC3" (the last two for 2SLS) or `{"cluster": "column"}`.
        GMM weights its moments by the covariance that this implies.
    weights : array of shape (rows,), str or Weights, optional
    cluster : str or sequence of str, optional
    gmm : {"two-step", "iterated", "cue"}
        How often GMM updates the moments' covariance.
    fuller : float
        Fuller's constant for LIML; 1 gives the estimate of least bias, 0 plain LIML.
    na_action, context
        As in `statinf.lm`.
    **options
        Of "late": `outcome_model`, `treatment_model`, `instrument_model`, `folds`, `repeats`, `clip`, `seed`;
        see `statinf.effects.late`.

    Returns
    -------
    IVFit
        With `first_stage()`, `anderson_rubin()`, `overid()` and `wu_hausman()`. Endogenous columns come
        first among its terms.

    Raises
    ------
    NotIdentifiedError
        If there are fewer instruments than endogenous columns, or the instruments do not move them.
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used.

    References
    ----------
    Theil (1953); Anderson and Rubin (1949); Hansen (1982); Montiel Olea and Pflueger (2013).

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.iv("lwage ~ educ | exper + expersq + black + south + smsa | nearc4", si.datasets.load("card"))
    >>> round(float(fit.params["educ"]), 4), round(float(fit.std_errors["educ"]), 4)
    (0.1323, 0.0486)
    >>> fit.first_stage()[["term", "effective_f"]].round(2).to_dict("list")
    {'term': ['educ'], 'effective_f': [17.51]}
    """
    module = load_method(METHODS, "iv", method)
    if vcov is not None:
        check_kind(vcov)
    made, clusters = clustered_design(
        formula,
        data,
        roles=ROLES,
        weights=weights,
        cluster=cluster,
        vcov=vcov,
        na_action=na_action,
        context=context,
    )
    columns = columns_of(made)
    if vcov is None and clusters:
        vcov = {"cluster": next(iter(clusters)) if len(clusters) == 1 else list(clusters)}
    if method == "late":
        return module.fit(made, clusters=clusters, vcov=vcov, **options)
    if options:
        raise OptionError(f"method={method!r} does not take {', '.join(map(repr, options))}.")
    one_of("gmm", gmm, STEPS)
    if fuller < 0:
        raise OptionError(f"fuller={fuller!r} must be at least 0.")
    return _linear(made, columns, method, vcov, gmm, fuller)


def _linear(made: Design, columns: Columns, method: str, vcov: Any, steps: str, fuller: float) -> IVFit:
    treatment, covariates, excluded = (made.part(r) for r in ROLES)
    assert treatment is not None and covariates is not None and excluded is not None
    names, all_names = treatment.rest.names, (*covariates.names, *excluded.rest.names)
    if not names:
        raise DataError("the formula has no treatment before the first '|'.")
    both = sorted(set(names) & set(excluded.rest.names))
    if both:
        raise DataError(
            f"{', '.join(map(repr, both))} is both a treatment and an instrument; an endogenous column cannot be its "
            "own instrument."
        )
    if np.ptp(columns.y[made.weights > 0]) == 0.0:
        raise DataError(
            f"the outcome '{made.response_names[0]}' is constant on the rows used; there is nothing to explain."
        )
    plain = bool((made.weights == 1.0).all())
    small, kept = system(
        columns.exogenous, columns.instruments, columns.endogenous, columns.y, None if plain else made.weights
    )
    if not kept.all():
        gone = ", ".join(f"'{n}'" for n, k in zip(all_names, kept, strict=True) if not k)
        warnings.warn(
            f"dropped because other covariates or instruments determine them: {gone}.", AliasedWarning, stacklevel=4
        )
    check_identified(small, names)
    if small.df_resid <= 0 or small.df_first <= 0:
        raise DataError(
            f"{small.nobs} rows cannot determine {small.a + max(small.b, small.c)} coefficients; use fewer terms."
        )
    kind = check_kind(default_vcov(vcov, None, made, "HC1"))
    kappa = np.nan if method == "gmm" else liml.kappa(small, fuller) if method == "liml" else tsls.kappa(small)
    beta, gamma, bread = k_class(small, 1.0 if method == "gmm" else kappa)
    combine, j = np.empty((0, 0)), np.nan
    if method == "gmm":
        beta, gamma, bread, combine, j = _gmm(made, small, kept, kind, steps, np.concatenate([beta, gamma]))
    estimable = np.append(np.ones(small.c, bool), kept[: len(covariates.names)])
    units = columns.units.only(estimable)
    theta = np.full(len(estimable), np.nan)
    scaled = np.concatenate([beta, gamma])
    theta[estimable] = units.raw(scaled)
    fit = IVFit(
        method=method,
        formula=made.recipe.formula,
        citation={"2sls": tsls.CITATION, "liml": liml.CITATION, "gmm": gmm_method.CITATION}[method],
        nobs=small.nobs,
        terms=(*names, *covariates.names),
        theta=theta,
        cov=Covariance(np.empty((0, 0)), kind, "", np.inf),
        df_resid=float(small.df_resid),
        recipe=made.recipe,
        kind=made.kind,
        dropped=made.dropped,
        design=made,
        system=small,
        units=units,
        scaled=scaled,
        kappa=float(kappa),
        endogenous=names,
        instruments=tuple(
            n for n, k in zip(all_names[len(covariates.names) :], kept[len(covariates.names) :], strict=True) if k
        ),
        kept=kept,
        combine=combine,
        bread=bread,
        j=float(j),
    )
    return replace(fit, cov=fit._covariance(kind), diagnostics=_diagnostics(fit, kind))


def _gmm(made: Design, small: Any, kept: np.ndarray, kind: Any, steps: str, start: np.ndarray) -> Any:
    rows = rows_of(made, small, kept, kind)
    codes = next(iter(rows.clusters.values()), None)
    root = np.sqrt(made.weights)
    x = np.column_stack([rows.endogenous, rows.exogenous])
    found = gmm_method.gmm(
        rows.basis * root[:, None], x * root[:, None], rows.y * root, start, steps=steps, codes=codes
    )
    return found.coef[: small.c], found.coef[small.c :], found.bread, found.combine, found.j


def _diagnostics(fit: IVFit, kind: Any) -> dict[str, float]:
    """Numbers for the summary; robust ones with the fit's own covariance."""
    small, out = fit.system, {}
    if small.c == 1:
        robust = kind if isinstance(kind, dict) or kind in ("HC0", "HC1") else "HC1"
        rows = rows_of(fit._need_rows("diagnostics"), small, fit.kept, robust)
        found = rows.reduced_form(np.array([1.0, 0.0]), robust)
        s = weak_iv.first_stage(small, 0, found.matrix, found.df)
        out |= {"first_stage_f": s.robust_f, "effective_f": s.effective_f}
    else:
        out["cragg_donald"] = weak_iv.cragg_donald(small)
    out["wu_hausman_p"] = fit.wu_hausman().p_value
    if small.b > small.c:
        if fit.method == "gmm":
            from statinf.inference.distributions import chi2_sf

            out["hansen_p"] = chi2_sf(fit.j, small.b - small.c)
        else:
            out["sargan_p"] = fit.overid("sargan").p_value
    return out
