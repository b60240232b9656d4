"""`si.conformal`: prediction sets with finite-sample coverage, from a formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend import reporting
from statinf.backend.seeds import check_seed
from statinf.conformity import mondrian
from statinf.conformity.class_result import ClassSets
from statinf.conformity.few_rows import warn_infinite
from statinf.conformity.outcomes import read_method, warn_two_values
from statinf.conformity.problem import ConformalMethod, ConformalProblem
from statinf.conformity.regions.result import Regions
from statinf.conformity.result import Conformal
from statinf.conformity.shift import read_ratio
from statinf.conformity.table import CONFORMAL
from statinf.errors import OptionError, check_level
from statinf.formula import Design, Recipe, design
from statinf.formula.frame import Frame
from statinf.formula.scale import check_sizes
from statinf.passes import block_table


@CONFORMAL.document
def conformal(
    formula: str,
    data: Any,
    *,
    model: Any = None,
    method: str | None = None,
    level: float = 0.9,
    weights: Any = None,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Conformal | ClassSets | Regions:
    """Prediction sets that hold a new outcome with a probability of at least `level`.

    A numeric outcome gets intervals or unions of intervals, an outcome of categories (text, truth values, `C(y)`) sets of
    classes, and several numbers together, `cbind(y1, y2) ~ x`, a region.
    Coverage holds in finite samples whatever the model, if calibration and new rows are exchangeable. It is marginal:
    an average over rows. `method="mondrian"` makes it hold in groups, `"conditional"` over the span of the formula's second
    part; `"localized"`, `"cqr"`, `score="normalised"` and the `"cp2"` methods adapt sets to the row, `weights=` moves
    it to another population.

    Parameters
    ----------
    formula : str
        `outcome ~ covariates`, or `outcome ~ covariates | groups` for methods that calibrate on held-out rows. The second
        part of `"conditional"` may hold any terms, such as `g1 + bs(x)`. Several outcomes are `cbind(y1, y2)` or `y1 + y2`.
    data : data frame
        pandas, polars, pyarrow, duckdb, or a dict of columns; of "split" and "cqr" with linear models also data that are
        read in blocks (`statinf.blocks`), whose rows are split by a hash of their values.
    model : str or object, optional
        A learner's name, a learner from `statinf.learners`, or any scikit-learn estimator. By default least squares;
        `"rq"` for `"cqr"` and directional quantiles, a mixture density network (`"mdn"`) for `"pcp"` and the `"cp2"` methods.
        Sets of classes take any name of a probability and any object with `predict_proba`; by default multinomial logit.
    method : str, optional
        By default `"split"` for numbers, `"lac"` for categories and `"dqr"` for several outcomes.

        {methods}
    level : float
        Coverage in (0, 1).
    weights : Weights, callable or str, optional
        The density ratio target/source: a `Weights` that scores new rows, a function of a data frame, or a column
        that new data hold too. It is not a weight of rows in the model's fit.
    seed : int
        Of the split, the folds, the model's random numbers and the draws.
    na_action : {"drop", "raise"}
    context : mapping, optional
        Functions and numbers that the formula uses by name.
    progress : bool, optional
        A bar for long work: None shows it in a terminal or notebook after 2 s.
    **options
        Of the method, as listed there.

    Returns
    -------
    Conformal, ClassSets or Regions
        `predict`, `predict_set`, `contains`, `p_values`, `coverage`, `plot`, `summary`. For `"cps"` a
        `PredictiveSystem`, which has `quantile`, `cdf`, `interval`, `sample` and `crps` too. For categories `ClassSets`, for
        several outcomes `Regions`.

    Raises
    ------
    FormulaError, DataError
        If the formula or the data cannot be used.
    OptionError
        If the method does not take an option, or options do not go together.

    Warns
    -----
    StatinfWarning
        If calibration rows are so few that sets are infinite, with the number that would do; if the outcome of a method
        for numbers is 0 or 1; if a class is absent from the training rows.

    References
    ----------
    `statinf methods` lists the paper of each method.

    Examples
    --------
    >>> import statinf as si
    >>> cars = si.datasets.load("mtcars")
    >>> fit = si.conformal("mpg ~ wt + qsec", cars, method="jackknife+", level=0.9)
    >>> fit.predict(cars.head(2)).round(1)
       estimate  lower  upper
    0      21.8   16.0   27.2
    1      21.0   15.3   26.5

    Coverage in overlapping groups, thresholds from rows that are near, and a distribution for each row:

    >>> birds = si.datasets.load("penguins").dropna()
    >>> old, new = birds[::2], birds[1::2].head(2)
    >>> in_groups = si.conformal("body_mass_g ~ flipper_length_mm | sex + species", old, method="conditional")
    >>> in_groups.predict(new).round(0)
       estimate   lower   upper
    1    3417.0  2769.0  4065.0
    4    3759.0  3111.0  4406.0
    >>> near = si.conformal("body_mass_g ~ flipper_length_mm", old, method="localized")
    >>> near.predict(new).round(0)
       estimate   lower   upper
    1    3417.0  2598.0  4236.0
    4    3759.0  2940.0  4577.0
    >>> law = si.conformal("body_mass_g ~ flipper_length_mm", old, method="cps")
    >>> law.cdf(new, 3500).round(2)
       estimate  lower  upper
    1      0.49   0.48   0.50
    4      0.23   0.21   0.24
    """
    level = check_level(level)
    check_seed(seed)
    table = block_table(data, formula, options.get("by"), options.get("split"))
    if table is not None:
        from statinf.conformity.conformal_passes import conformal_passes

        record, settings = CONFORMAL.read("split" if method is None else method, options)
        assert isinstance(record, ConformalMethod)
        return conformal_passes(
            formula, table, record, settings, model=model, level=level, weights=weights, seed=seed, na_action=na_action,
            context=context, progress=progress,
        )  # fmt: skip
    ratio = read_ratio(weights)
    chosen, settings, classes, frame = read_method(method, options, formula, data, weights, context)
    if ratio is not None and not chosen.held_out:
        held_out = "'lac' or 'aps'" if classes else "'split' or 'cqr'"
        raise OptionError(
            f"weights= needs calibration rows that the model has not seen; use method={held_out}, not {chosen.name!r}."
        )
    response = "categories" if classes else "matrix" if chosen.outcome == "several" else "numeric"
    d = _design(chosen, settings, formula, frame, response=response, na_action=na_action, context=context)
    # A `Weights` scores the caller's own data, of which a file or a lazy table holds columns that were not read.
    problem = ConformalProblem(d, data if hasattr(weights, "score") else frame, model, level, ratio, seed, progress)
    if not classes:
        warn_two_values(chosen, d.y, formula)
    with reporting(progress):
        procedure = chosen.estimate(problem, settings)
    groups = None if chosen.second != "groups" or problem.groups is None else problem.groups[0]
    warn_infinite(procedure, level, groups)
    shared: dict[str, Any] = {
        "method": chosen.name,
        "formula": formula,
        "citation": getattr(procedure, "reference", chosen.reference),
        "nobs": d.n,
        "level": level,
        "procedure": procedure,
        "kind": d.kind,
        "dropped": dict(d.dropped),
        "groups": groups,
        "ratio": ratio,
        "seed": seed,
        # As it is now; of a file and a lazy table only the formula's columns were read.
        "data": data if frame.unread else frame,
    }
    return _result(chosen, classes, d.recipe, shared)


def _result(chosen: ConformalMethod, classes: bool, recipe: Recipe, shared: Mapping[str, Any]) -> Any:
    """The kind of result that the method's outcome has."""
    if classes:
        return ClassSets(recipe=recipe.with_levels(shared["procedure"].levels), **shared)
    if chosen.outcome == "several":
        return chosen.result(recipe=recipe, **shared)
    return (chosen.result or Conformal)(recipe=recipe, unions=chosen.unions, **shared)


def _design(chosen: ConformalMethod, settings: Any, formula: str, frame: Frame, **options: Any) -> Design:
    """The rows as the method takes them, its groups among the parts of the formula.

    Raises
    ------
    OptionError
        If groups are missing, or there is an offset.
    """
    by = settings.by if chosen.held_out else None
    if chosen.grouped and by is None and "|" not in formula:
        raise OptionError(
            f"method={chosen.name!r} needs groups: by='column', or a second part 'outcome ~ covariates | column'."
        )
    d = design(
        mondrian.with_groups(formula, by),
        frame,
        roles=("covariates", mondrian.ROLE) if chosen.held_out else ("covariates",),
        **options,
    )
    if d.offset is not None:
        raise OptionError("conformal prediction takes no offset(); subtract it from the outcome.")
    check_sizes(d)
    return d
