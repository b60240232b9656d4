"""`proximal`: effects where the confounder is unmeasured but has proxies of two kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.effects.proximal.method import ProximalMethod
from statinf.effects.proximal.rows import read_problem
from statinf.effects.table import PROXIMAL
from statinf.errors import one_of
from statinf.inference.vcov import VcovSpec
from statinf.results import Fit


@PROXIMAL.document
def proximal(
    formula: str,
    data: Any,
    *,
    method: str = "p2sls",
    effect: str | None = None,
    treated: Any = None,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Fit:
    """Estimate effects with treatment proxies and outcome proxies of an unmeasured confounder.

    Parameters
    ----------
    formula : str
        `outcome ~ treatment | covariates | treatment proxies | outcome proxies`. Treatment proxies do not affect the outcome;
        neither they nor the treatment affect outcome proxies. Write `1` for no covariates.
    data : data frame
        As `statinf.lm` takes it.
    method : {"p2sls", "p-learner"}
        With its own options, given by name:

        {methods}
    effect : str, optional
        One-sided formula of the effect's modifiers, such as "~ age". By default the effect is one number with "p2sls", and
        varies with all covariates with "p-learner"; "~ 1" asks for one number.
    treated : optional
        Which level of a treatment with two counts as treated, as in `statinf.effect`.
    vcov : str or mapping, optional
        "HC1" by default; `{"cluster": "column"}`; "iid", "HC0", "HC2", "HC3" for "p2sls".
    weights : array of shape (rows,), str or Weights, optional
    cluster : str, sequence of str, or array of shape (rows,), optional
        Clusters of standard errors, and of folds.
    seed : int
        Of folds.
    na_action, context
        As in `statinf.lm`.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        Of the method.

    Returns
    -------
    ProximalFit or PLearnerFit
        Both have `ate()`. The first, of "p2sls", has `first_stage()`, `overid()` and, with one outcome proxy, `robust_set()`,
        which holds however weak the proxies are; it predicts the outcome bridge. The second predicts the effect of each row,
        and its summary gives the average effect by either bridge and by both.

    Raises
    ------
    NotIdentifiedError
        If there are fewer treatment proxies than outcome proxies, or they say nothing of these.
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used.

    References
    ----------
    Tchetgen Tchetgen et al. (2024), arXiv 2009.10982; Cui et al. (2024); Sverdrup and Cui (2023), arXiv 2301.10913;
    Ghassami et al. (2022).

    Examples
    --------
    Schooling and wages, with an IQ test and knowledge of the world of work as proxies of ability:

    >>> import statinf as si
    >>> data = si.datasets.load("card")
    >>> fit = si.proximal("lwage ~ educ | exper + expersq + black + south + smsa | kww | iq", data)
    >>> round(float(fit.params["educ"]), 4), round(float(fit.std_errors["educ"]), 4)
    (0.0425, 0.0088)
    """
    chosen, settings = PROXIMAL.read(method, options)
    assert isinstance(chosen, ProximalMethod)
    check_seed(seed)
    one_of("na_action", na_action, ("drop", "raise"))
    spec = VcovSpec.read(vcov, cluster, chosen.fit.vcov_kinds)
    problem = read_problem(
        formula,
        data,
        effect=effect,
        treated=treated,
        vcov=vcov,
        spec=spec,
        weights=weights,
        cluster=cluster,
        seed=int(seed),
        na_action=na_action,
        context=context,
    )
    with reporting(progress):
        design, estimate = chosen.estimate(problem, settings)
        spec = VcovSpec.read(vcov, cluster, chosen.fit.vcov_kinds, stacked=design.weights_object is not None)
        return chosen.fit.of(design, estimate, spec, method=chosen)
