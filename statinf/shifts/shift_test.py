"""`shift_test`: do two samples differ, and in which columns?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend.seeds import check_seed
from statinf.shifts.samples import check_columns, read_samples
from statinf.shifts.shift_test_result import ShiftTest
from statinf.shifts.table import SHIFT_TEST


@SHIFT_TEST.document
def shift_test(
    formula: str,
    source: Any,
    target: Any,
    *,
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
    seed : int
        Of permutations and folds. The order of the rows does not matter: what is drawn goes by their contents.
    na_action, context
        As in `statinf.lm`.
    **options
        {methods}

    Returns
    -------
    ShiftTest
        The tests of the whole law are exact at any sample size, ties included. Their sizes, and those of the tests of
        single columns, were simulated: `benchmarks/results/shift_test_size.md`.

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
    """
    method, settings = SHIFT_TEST.read("", options)
    check_seed(seed)
    samples = read_samples(formula, source, target, na_action=na_action, context=context, seed=seed)
    check_columns(samples)
    tests, columns = method.estimate(samples, settings)
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
        kind=samples.source.kind,
        dropped=samples.source.dropped,
        dropped_target=samples.target.dropped,
    )
