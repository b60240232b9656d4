"""`si.cvar`: regressions that minimise the conditional value at risk of their losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.errors import OptionError
from statinf.formula.scale import check_sizes
from statinf.inference.vcov import VcovSpec
from statinf.models import regression as common
from statinf.quantile import bootstraps
from statinf.quantile.cvar.fit import KINDS, CvarFit
from statinf.quantile.cvar.options import check_tail_level
from statinf.quantile.cvar.problem import cvar_problem
from statinf.quantile.table import CVAR


@CVAR.document
def cvar(
    formula: str,
    data: Any,
    *,
    level: float = 0.95,
    method: str = "exact",
    loss: Any = "absolute",
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> CvarFit:
    """Fit a linear predictor whose worst losses are smallest on average.

    The fit minimises the mean of the worst share 1 - level of the losses, their conditional value at risk (expected
    shortfall, superquantile). `level=0` minimises the mean loss.

    Parameters
    ----------
    formula : str
        `outcome ~ terms`, with `offset()` if there is one.
    data : data frame
        As `statinf.lm` takes it.
    level : float
        In [0, 1): 0.95 looks at the worst 5 percent of the rows.
    method : {"exact", "spl+", "spl", "sgm"}
    loss : {"absolute", "squared", "pinball", "logistic"} or callable
        |r|, r^2 / 2, the check loss at `tau` (0.5), the negative log-likelihood of outcomes 0 and 1, or a convex function
        `loss(y, prediction)` of one row written with jax.numpy.
    vcov : str or mapping, optional
        "HC0" (default), the sandwich with the density of the losses at their quantile; "HC1"; `{"cluster": "column"}`;
        "boot", or `{"boot": kind, "replicas": 500}` with kind "pairs", "bayesian" or "multiplier".
    weights : array of shape (rows,), str or Weights, optional
        Multiply each row's share. With a `Weights` the standard errors account for its estimation.
    cluster : str, sequence of str or array, optional
        Column to cluster by.
    seed : int
        Of streams and of `vcov="boot"`.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    progress : bool, optional
        None shows a bar in a terminal or a notebook on work over a second.
    **options
        {methods}

    Returns
    -------
    CvarFit
        With `var`, `cvar`, `risk()` (both with standard errors), `gap` and `plot("tail")`.

    Raises
    ------
    ConvergenceError
        If the minimum is not reached to `tol`, or a stream runs off.
    FormulaError, DataError, OptionError
        If the formula, the data or an option cannot be used; the message says what to do.

    References
    ----------
    Rockafellar and Uryasev (2000), Journal of Risk 2; Meng and Gower (2023), ICML.

    Examples
    --------
    >>> import statinf as si
    >>> fit = si.cvar("foodexp ~ income", si.datasets.load("engel"), level=0.9)
    >>> fit.params.round(4).to_dict()
    {'Intercept': 183.8147, 'income': 0.4768}
    >>> round(fit.cvar, 3)
    252.397
    """
    chosen, settings = CVAR.read(method, {"loss": loss, **options})
    level = check_tail_level(level)
    check_seed(seed)
    spec = VcovSpec.read(vcov, cluster, KINDS)
    if spec.kind == "boot":
        spec = replace(spec, settings={"seed": seed} | dict(spec.settings))
        bootstraps.check_settings(spec.settings)
        if spec.settings["boot"] not in ("pairs", "bayesian", "multiplier"):
            raise OptionError(
                f"vcov boot={spec.settings['boot']!r} is not for si.cvar; use 'pairs', 'bayesian' or 'multiplier'."
            )
    made = common.regression_design(
        formula, data, weights=weights, vcov=spec, cluster=cluster, na_action=na_action, context=context
    )
    check_sizes(made)
    problem = cvar_problem(made, settings.make_loss(), level, allow_small=settings.allow_small, seed=seed)
    with reporting(progress):
        found = chosen.estimate(problem, settings)
        if spec.kind == "boot":
            return CvarFit.of(made, found, method=chosen).with_vcov(spec)
        return CvarFit.of(made, found, spec, method=chosen)
