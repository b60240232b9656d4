"""`shift_test`: do two samples differ, and in which columns?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend.seeds import check_seed
from statinf.errors import one_of
from statinf.shifts.missingness import filled
from statinf.shifts.reading import read_samples
from statinf.shifts.samples import check_columns
from statinf.shifts.shift_test_result import ShiftTest
from statinf.shifts.table import SHIFT_TEST


@SHIFT_TEST.document
def shift_test(
    formula: str,
    source: Any,
    target: Any,
    *,
    weights: Any = None,
    target_weights: Any = None,
    missing: str = "drop",
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> ShiftTest:
    """Test whether covariates have the same law in two samples.

    Parameters
    ----------
    formula : str
        `~ covariates`, read against the source.
    source, target : data frame
        As `statinf.lm` takes them.
    weights, target_weights : str or array, optional
        Row weights of the source and of the target, taken as known: a column's name, or one number a row. Rows of weight zero
        are absent, and the unit of weights does not matter. Where they differ within a sample the hypothesis is that the
        weighted laws are the same: p-values are then by random signs, right for many rows instead of exact, and the
        classifier is left out.
    missing : {"drop", "indicator"}
        "drop" leaves rows with a missing value out, as `na_action` says. "indicator" keeps them: for each variable with
        missing values in either sample a 0/1 column `NAME_missing` joins the formula, and what is missing is filled in by one
        value for both samples. A shift of what is missing is then a shift. The variable's own test is on the values that are
        there.
    seed : int
        Of permutations and folds. The order of the rows does not matter: what is drawn goes by their contents.
    na_action, context
        As in `statinf.lm`.
    **options
        {methods}

    Returns
    -------
    ShiftTest
        Without weights that differ, the tests of the whole law are exact at any sample size, ties included. Their
        sizes and those of the tests of single columns were simulated: `benchmarks/results/shift_test_size.md`, and
        `shift_test_weights_size.md` beside it for weights and missing values.

    Raises
    ------
    DataError, OptionError
        If the frames or options cannot be used.

    References
    ----------
    Gretton et al. (2012), JMLR 13; Szekely and Rizzo (2013), Journal of Statistical Planning and Inference 143; Lopez-Paz
    and Oquab (2017), arXiv 1610.06545; Benjamini and Hochberg (1995), JRSS B 57.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> survey, trainees = data[data["treat"] == 0], data[data["treat"] == 1]
    >>> found = si.shift_test("~ age + educ + married", survey, trainees, permutations=199)
    >>> found.p_values["mmd"]
    0.005

    A shift of what is missing is a shift too:

    >>> fewer = trainees.assign(re74=trainees["re74"].where(trainees["re74"] > 0))
    >>> found = si.shift_test("~ educ + re74", survey, fewer, tests="columns", missing="indicator")
    >>> found.columns.names
    ('educ', 're74', 're74_missing')
    """
    method, settings = SHIFT_TEST.read("", options)
    check_seed(seed)
    one_of("missing", missing, ("drop", "indicator"))
    absent, kind = None, ""
    if missing == "indicator":
        made = filled(formula, source, target, weights, target_weights, context=context)
        formula, source, target, absent, kind = made.formula, made.source, made.target, made.absent, made.kind
    samples = read_samples(
        formula, source, target, weights=weights, target_weights=target_weights, na_action=na_action, context=context, seed=seed
    )  # fmt: skip
    check_columns(samples)
    tests, columns = method.estimate(samples, settings, absent)
    return ShiftTest(
        method="shift_test",
        formula=samples.recipe.formula,
        citation=method.reference,
        nobs=len(samples.xs),
        tests=tests,
        columns=columns,
        permutations=settings.permutations,
        n_target=len(samples.xt),
        seed=seed,
        signs=samples.unequal,
        kind=kind or samples.source.kind,
        dropped=samples.source.dropped,
        dropped_target=samples.target.dropped,
    )
