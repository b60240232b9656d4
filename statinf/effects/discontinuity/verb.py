"""`si.rd`: regression discontinuity."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from statinf.effects.discontinuity.cutoff_fit import CutoffFit
from statinf.effects.discontinuity.method import RdMethod
from statinf.effects.discontinuity.options import RobustOptions, check_cutoff, check_kernel
from statinf.effects.discontinuity.problem import read_problem
from statinf.effects.discontinuity.several import fit_cutoffs, is_several
from statinf.effects.table import RD
from statinf.errors import OptionError, one_of
from statinf.inference.vcov import VcovSpec


@RD.document
def rd(
    formula: str,
    data: Any,
    *,
    cutoff: Any = 0.0,
    method: str = "robust",
    fuzzy: str | None = None,
    kernel: str = "triangular",
    donut: float = 0.0,
    vcov: Any = None,
    weights: Any = None,
    cluster: Any = None,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Estimate the jump of a mean where a running variable passes a cutoff.

    Rows at the cutoff belong to the right side. The effect is that of being there (sharp), or of the treatment that jumps
    there (`fuzzy=`), for those at the cutoff.

    Parameters
    ----------
    formula : str
        `outcome ~ running`, or `outcome ~ running | covariates`. Covariates add precision; identification does not rest on them.
    data : data frame
        As `statinf.lm` takes it.
    cutoff : float, sequence of float, or str
        Several cutoffs that every row faces, each of which gets the rows up to its neighbours; or a column with each row's
        own cutoff. Then there is a robust row for each and one for their average, `pooled`.
    method : {"robust", "honest"}
    fuzzy : str, optional
        Column of the treatment, if crossing the cutoff does not settle it.
    kernel : {"triangular", "epanechnikov", "uniform"}
    donut : float
        Rows nearer to the cutoff are left out.
    vcov : str or mapping, optional
        "NN" (default), nearest neighbours; "HC0" to "HC3"; `{"cluster": "column", "type": "CR1"}`, CR1 to CR3. Bandwidths are
        chosen for these errors; `with_vcov` keeps them.
    weights : array of shape (rows,), str or Weights, optional
        Multiply the kernel's weights. Those of a `Weights` are taken as known.
    cluster : str or array, optional
        Column to cluster by.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions that the formula uses by name.
    **options
        {methods}

    Returns
    -------
    RdFit, HonestFit or CutoffsFit
        With `sides()`, and `first_stage` of fuzzy designs.

    Raises
    ------
    DataError, FormulaError, OptionError
        If the data, the formula or an option cannot be used.
    NotIdentifiedError
        If the rows near the cutoff do not determine the polynomials, or the treatment does not jump.

    Examples
    --------
    >>> import statinf as si
    >>> senate = si.datasets.load("senate")
    >>> fit = si.rd("vote ~ margin", senate)
    >>> fit.tidy()[["term", "estimate", "std_error", "conf_low", "conf_high"]].round(3)
                 term  estimate  std_error  conf_low  conf_high
    0    conventional     7.414      1.459     4.555     10.273
    1  bias-corrected     7.507      1.459     4.647     10.366
    2          robust     7.507      1.741     4.094     10.919
    """
    chosen, settings = RD.read(method, options)
    assert isinstance(chosen, RdMethod)
    kernel = check_kernel(kernel)
    several = is_several(cutoff)
    if several and not isinstance(settings, RobustOptions):
        raise OptionError(f"cutoff={cutoff!r}: several cutoffs are for method='robust'.")
    place = 0.0 if several else check_cutoff(cutoff)
    one_of("na_action", na_action, ("drop", "raise"))
    if fuzzy is not None and not isinstance(fuzzy, str):
        raise OptionError(f"fuzzy={fuzzy!r} is not the name of a column.")
    if several and donut:
        raise OptionError("donut= is for one cutoff.")
    if not isinstance(donut, Real) or isinstance(donut, bool) or not float(donut) >= 0:
        raise OptionError(f"donut={donut!r} is not a number of at least 0.")
    spec = VcovSpec.read(vcov, cluster, CutoffFit.vcov_kinds)
    problem = read_problem(
        formula,
        data,
        cutoff=place,
        fuzzy=fuzzy,
        kernel=kernel,
        donut=float(donut),
        several=several,
        vcov=spec,
        weights=weights,
        cluster=cluster,
        na_action=na_action,
        context=context,
    )
    if several:
        return fit_cutoffs(problem, cutoff, settings, chosen)
    return chosen.fit.of(problem.design, chosen.estimate(problem, settings), spec, method=chosen)
