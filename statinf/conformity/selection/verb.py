"""`si.conformal_select`: new rows whose outcome passes a threshold, with a bound on the share of wrong choices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.conformity.labelled import row_labels
from statinf.conformity.selection.problem import SelectMethod, SelectProblem, named_models, read_problem
from statinf.conformity.selection.ratios import Ratios, read_ratios
from statinf.conformity.selection.result import Selection
from statinf.conformity.selection.scoring import Scored
from statinf.conformity.selection.thresholds import check_threshold
from statinf.conformity.table import CONFORMAL_SELECT
from statinf.errors import OptionError, StatinfWarning, check_fdr, issue_warning, one_of

DIRECTIONS = ("greater", "less")


@CONFORMAL_SELECT.document
def conformal_select(
    formula: str,
    data: Any,
    newdata: Any,
    *,
    threshold: Any = 0.0,
    fdr: float = 0.1,
    models: Any = None,
    method: str = "cs",
    direction: str = "greater",
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Selection:
    """Select new rows whose outcome, not yet known, passes a threshold.

    Of the rows selected a share of at most `fdr` does not pass, on average over samples (the false discovery rate), whatever
    the model, if labelled and new rows are exchangeable.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`.
    data, newdata : data frame
        Rows with a recorded outcome, and rows to select from, whose outcome is not read.
    threshold : float, str, array or pair
        One number, a column of both samples, one number per new row, or a pair: those of data and those of newdata.
    fdr : float
        False discovery rate, in (0, 1).
    models : str, object, list or mapping, optional
        Learners of the outcome, or of whether it passes: names, learners of `statinf.learners` or scikit-learn
        estimators; a mapping names them. Methods that choose among models take several.
    method : str
        {methods}
    direction : {"greater", "less"}
        Whether outcomes above or below the threshold are looked for.
    weights : Weights, callable, str or pair, optional
        Density ratio of the population of the new rows over that of the labelled ones: a `Weights` that scores rows, a
        function of a data frame, a column of both samples, a pair of arrays, or a formula such as `~ x1 + x2`, whose
        logistic regression of which sample a row is from gives an approximate ratio. For `method="cs"`.
    seed : int
        Of the split, the models' random numbers and the pruning.
    na_action : {"drop", "raise"}
        What happens to labelled rows with missing values. New rows with missing values are not selected.
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        A bar for long work: None shows it in a terminal or notebook after 2 s.
    **options
        Of the method, as listed there.

    Returns
    -------
    Selection
        `selected`, `p_values`, `fdp_curve`, `tidy`, `plot`, `summary`.

    Raises
    ------
    FormulaError, DataError
        If the formula or the data cannot be used; if every calibration row passes its threshold.
    OptionError
        If the method does not take an option, or options do not go together.

    Warns
    -----
    StatinfWarning
        If calibration rows are so few that nothing can be selected.

    References
    ----------
    Jin and Candes (2023), JMLR 24, arXiv 2210.01408; Jin and Candes (2025), Biometrika, arXiv 2307.09291; Bai and Jin (2024),
    arXiv 2411.17983.

    Examples
    --------
    >>> import statinf as si
    >>> patients = si.datasets.load("diabetes").sample(frac=1, random_state=0)
    >>> labelled, new = patients.iloc[:300], patients.iloc[300:]
    >>> found = si.conformal_select("progression ~ bmi + bp + s5", labelled, new, threshold=150, fdr=0.2)
    >>> found.selected.sum(), (new["progression"][found.selected] <= 150).sum()
    (np.int64(35), np.int64(3))
    """
    chosen, settings = CONFORMAL_SELECT.read(method, options)
    assert isinstance(chosen, SelectMethod)
    fdr = check_fdr(fdr)
    one_of("direction", direction, DIRECTIONS)
    check_seed(seed)
    check_threshold(threshold)
    ratios = _ratios(weights, chosen)
    problem = read_problem(
        formula,
        data,
        newdata,
        threshold=threshold,
        ratios=None if ratios is None else ratios.settled(data, newdata, context, seed),
        models=named_models(models, chosen.several, chosen.name, chosen.models),
        sign=1.0 if direction == "greater" else -1.0,
        seed=seed,
        na_action=na_action,
        context=context,
        progress=progress,
    )
    with reporting(progress):
        scored: Scored = chosen.estimate(problem, settings)
    _warn_few(scored, problem, fdr)
    return Selection(
        method=chosen.name,
        formula=formula,
        citation=chosen.reference,
        nobs=problem.design.n,
        kind=problem.new.kind,
        dropped=dict(problem.design.dropped),
        dropped_new=dict(problem.lost),
        fdr=fdr,
        direction=direction,
        scored=scored,
        found=scored.select(fdr),
        usable=problem.usable,
        thresholds=problem.thresholds.new,
        index=problem.new.index,
        labels=row_labels(problem.new.index),
        recipe=problem.design.recipe,
        seed=seed,
    )


def _ratios(weights: Any, chosen: SelectMethod) -> Ratios | None:
    """Density ratios, for methods that take them."""
    ratios = read_ratios(weights)
    if ratios is not None and not chosen.weighted:
        takes = ", ".join(repr(m.name) for m in CONFORMAL_SELECT.values() if getattr(m, "weighted", False))
        raise OptionError(f"weights= goes with method={takes}; method={chosen.name!r} assumes exchangeable rows.")
    return ratios


def _warn_few(scored: Scored, problem: SelectProblem, fdr: float) -> None:
    if scored.smallest > fdr:
        issue_warning(
            f"Nothing can be selected: with {scored.calibration.shape[1]} calibration rows no p-value is below "
            f"{scored.smallest:.3g}, and fdr is {fdr:g}. Calibrate on more rows.",
            StatinfWarning,
        )
