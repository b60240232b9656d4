"""`conditional_shift_test`: does a conditional law differ between two samples?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from statinf.backend.seeds import check_seed
from statinf.errors import FormulaError
from statinf.formula.scan import halves, split
from statinf.shifts.reading import read_samples
from statinf.shifts.samples import check_columns
from statinf.shifts.shift_test_result import ConditionalShiftTest
from statinf.shifts.table import CONDITIONAL_SHIFT_TEST


@CONDITIONAL_SHIFT_TEST.document
def conditional_shift_test(
    formula: str,
    source: Any,
    target: Any,
    *,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> ConditionalShiftTest:
    """Test whether the law of some columns given others is the same in two samples.

    `x1 + x2 ~ y` asks whether covariates have the same law given the outcome, which target shift assumes; `y ~ x1 + x2` whether the
    outcome has the same law given covariates, which covariate shift assumes. Both samples need all columns.

    Parameters
    ----------
    formula : str
        `columns ~ condition`, read against the source.
    source, target : data frame
        As `statinf.lm` takes them.
    seed : int
        Of the permutations. The order of the rows does not matter.
    na_action, context
        As in `statinf.lm`.
    **options
        {methods}

    Returns
    -------
    ConditionalShiftTest
        Tests by the distance of conditional means, of conditional covariances, and by their sum: `p_values` by name.

    Raises
    ------
    FormulaError, DataError, OptionError
        If the formula, the frames or options cannot be used.

    References
    ----------
    Yang, Ren and Luo (2024), arXiv 2408.06638.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> survey, trainees = data[data["treat"] == 0], data[data["treat"] == 1]
    >>> found = si.conditional_shift_test("re78 ~ age + educ + re75", survey, trainees, permutations=99)
    >>> sorted(found.p_values)
    ['conditional covariance', 'conditional mean', 'conditional total']
    """
    method, settings = CONDITIONAL_SHIFT_TEST.read("", options)
    check_seed(seed)
    left, tilde, right = halves(formula) if isinstance(formula, str) else ("", "", "")
    if not (tilde and left.strip() and right.strip()) or len(split(formula, "|")) > 1:
        raise FormulaError(f"{formula!r}: write the columns and what they are conditioned on as 'x1 + x2 ~ y'.")
    samples = read_samples(
        f"~{right}", source, target, ratio_formula=f"~ {left}", na_action=na_action, context=context, seed=seed
    )
    if not samples.design.parts[0].without_intercept().p:
        raise FormulaError(f"{formula!r} conditions on nothing; si.shift_test('~{left}', ...) compares whole laws.")
    check_columns(samples)
    return ConditionalShiftTest(
        method="conditional_shift_test",
        formula=" ".join(formula.split()),
        citation=method.reference,
        nobs=len(samples.xs),
        tests=method.estimate(samples, settings),
        columns=None,
        permutations=settings.permutations,
        n_target=len(samples.xt),
        seed=seed,
        kind=samples.source.kind,
        dropped=samples.source.dropped,
        dropped_target=samples.target.dropped,
    )
