"""`fit.randomization_test`: the treatment of a linear regression, assigned anew."""

from __future__ import annotations

from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import (
    DataError,
    NotIdentifiedError,
    OptionError,
    StatinfWarning,
    check_level,
    issue_warning,
    one_of,
)
from statinf.formula.design import Design
from statinf.inference.assignments import Assignment, PartialRegression, assigned_draws
from statinf.inference.inverted_test import RandomizationTest, outermost
from statinf.inference.moments import Moments, small_sample

SIDES = ("two-sided", "less", "greater")


def randomization_test(
    fit: Any,
    treatment: str,
    *,
    permutations: int = 9999,
    by: str | None = None,
    cluster: str | None = None,
    statistic: str = "t",
    null: float = 0.0,
    side: str = "two-sided",
    interval: str = "symmetric",
    level: float = 0.95,
    seed: int = 0,
) -> RandomizationTest:
    """Test that a treatment which was assigned at random adds the same number to every row's outcome.

    The treatment's values are exchanged between rows, within the blocks and between the clusters of the experiment, while
    outcomes (less their effect under the null hypothesis) and covariates stay. The p-value is exact for the sharp null
    hypothesis whatever the law of the outcomes; with the studentised statistic it holds in large samples for the average
    effect too (Wu and Ding 2021, arXiv 1809.07419).

    Parameters
    ----------
    fit : LinearFit
    treatment : str
        The coefficient, or the column that makes it; no other term may hold that column.
    permutations : int
        Random assignments; all different ones where there are no more of them.
    by : str, optional
        Column of the blocks within which the treatment was assigned.
    cluster : str, optional
        Column of the clusters that were assigned together.
    statistic : {"t", "estimate"}
        Studentised by the fit's covariance (iid, HC0 to HC3, or clustered HC0 and HC1), clustered by `cluster` if that is
        given; or the coefficient itself.
    null : float
        What the treatment adds per unit under the null hypothesis.
    side : {"two-sided", "less", "greater"}
    interval : {"symmetric", "equal-tailed"}
        Of two-sided p-values and limits.
    level : float
        Of the interval, which is the set of effects that are not rejected.
    seed : int

    Returns
    -------
    RandomizationTest

    Raises
    ------
    NotIdentifiedError
        If the fit is no linear regression, or its treatment enters other terms.
    DataError
        If the treatment varies within clusters, blocks cut clusters, or nothing can be exchanged.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("mtcars")
    >>> print(si.lm("mpg ~ am + wt", data, vcov="HC2").randomization_test("am", permutations=999, by="cyl"))
    am adds 0 to every row: t = -0.0149904 (HC2), p = 0.994, 95% interval [-4.26725, 4.07849]
    Randomisation test, within blocks of cyl: 999 random assignments of 32 units.
    """
    what = "a randomisation test"
    _check_fit(fit, what)
    one_of("statistic", statistic, ("t", "estimate"))
    one_of("side", side, SIDES)
    one_of("interval", interval, ("symmetric", "equal-tailed"))
    check_level(level)
    check_seed(seed)
    _check_numbers(permutations, null)
    moments: Moments = fit.linear_moments(what)
    if moments.copies is not None:
        raise NotIdentifiedError(
            f"{what} exchanges rows, and with weights_kind='frequency' a row stands for several: repeat them."
        )
    design: Design = fit._need_rows("random assignments")
    name, column = _treatment(fit, design, treatment)
    seen = design.weights > 0
    assignment = _assignment(design, column[seen], name, by, cluster, seen)
    regression, label = _regression(fit, moments, design, name, cluster, statistic, seen)
    _warn_rows(fit, design, column, name, cluster, seen)
    draws = assigned_draws(regression, assignment, permutations, seed)
    estimate = float(fit.theta[fit.terms.index(name)])
    gap = estimate - null
    low, high = outermost(draws.confidence_set(level, side, interval))
    places = [f"clusters of {cluster}"] if cluster else []
    places += [f"within blocks of {by}"] if by else []
    return RandomizationTest(
        hypothesis=f"{name} adds {null:g} to every row",
        statistic=gap / draws.std_error,
        p_value=draws.p_value(gap, side, interval),
        side=side,
        interval=interval,
        conf_low=estimate - high,
        conf_high=estimate - low,
        level=level,
        estimate=estimate,
        null=float(null),
        draws=draws.size,
        enumerated=not draws.added,
        seed=seed,
        null_draws=draws,
        studentized=label,
        design=" ".join(places) or "complete",
        units=len(assignment.values),
    ).handed(fit.kind)


def _check_fit(fit: Any, what: str) -> None:
    if getattr(fit, "absorbed", None) is not None:
        raise NotIdentifiedError(
            f"{what} would have to take absorbed effects out of every assignment: write their factors as C() in the formula."
        )


def _check_numbers(permutations: Any, null: Any) -> None:
    if isinstance(permutations, bool) or not isinstance(permutations, int | np.integer) or permutations < 19:
        raise OptionError(f"permutations={permutations!r}: give a whole number of at least 19, such as 9999.")
    if isinstance(null, bool) or not isinstance(null, int | float | np.number) or not np.isfinite(null):
        raise OptionError(f"null={null!r} is what the treatment adds: a finite number.")


def _treatment(fit: Any, design: Design, treatment: str) -> tuple[str, np.ndarray]:
    """Name and values (n,) of the treatment's one column, which no other term may share."""
    matrix, recipe = design.parts[0], design.recipe
    blocks = recipe.parts[0].layout.blocks
    uses = {b.term: {c for f in b.factors for c in recipe.factors[f].columns} for b in blocks}
    term = next((t for t, s in matrix.terms.items() if t in uses and treatment in matrix.names[s]), None)
    if term is None:
        term = next((t for t, used in uses.items() if used == {treatment}), None)
    if term is None:
        known = ", ".join(n for n in matrix.names if n != "Intercept")
        raise OptionError(f"treatment={treatment!r} is no coefficient of the fit; there are {known}.")
    shared = [t for t, used in uses.items() if t != term and used & uses[term]]
    shared += [f for f in recipe.offset if set(recipe.factors[f].columns) & uses[term]]
    if shared:
        raise NotIdentifiedError(
            f"'{treatment}' is also in {', '.join(map(repr, shared))}: an assignment would change these terms too. Test it in "
            "a fit without them."
        )
    place = matrix.terms[term]
    if place.stop - place.start != 1:
        raise NotIdentifiedError(
            f"'{term}' has {place.stop - place.start} columns; a randomisation test is of one. Keep the rows of two arms, "
            "or give each arm a column of its own."
        )
    name = matrix.names[place.start]
    if not fit.estimable[place.start]:
        raise NotIdentifiedError(f"'{name}' is aliased: other columns determine it.")
    return name, np.asarray(matrix.values[:, place.start])


def _codes(design: Design, name: str, seen: np.ndarray) -> np.ndarray:
    return np.unique(design.cluster_codes(name)[seen], return_inverse=True)[1]


def _assignment(
    design: Design, values: np.ndarray, name: str, by: str | None, cluster: str | None, seen: np.ndarray
) -> Assignment:
    """Units, their treatments and their blocks, on rows of positive weight."""
    blocks = np.zeros(len(values), np.intp) if by is None else _codes(design, by, seen)
    unit = np.arange(len(values)) if cluster is None else _codes(design, cluster, seen)
    if cluster is not None:
        first = np.unique(unit, return_index=True)[1]
        for what, given in ((f"the treatment '{name}'", values), (f"the block by='{by}'", blocks)):
            if (given[first][unit] != given).any():
                raise DataError(f"{what} varies within clusters of '{cluster}', which are assigned as a whole.")
        values, blocks = values[first], blocks[first]
    spread = [np.ptp(values[blocks == b]) > 0 for b in range(int(blocks.max()) + 1)]
    if not any(spread):
        where = f"within the blocks of '{by}'" if by else "on the rows used"
        raise DataError(f"the treatment '{name}' does not vary {where}; there is nothing to exchange.")
    return Assignment(values, blocks, unit)


def _regression(
    fit: Any, moments: Moments, design: Design, name: str, cluster: str | None, statistic: str, seen: np.ndarray
) -> tuple[PartialRegression, str]:
    """The regression less its other columns, and the name of its variance."""
    assert moments.columns is not None and moments.residual is not None
    kept = [t for t, ok in zip(fit.terms, fit.estimable, strict=True) if ok]
    place = kept.index(name)
    root = np.sqrt(design.weights[seen])
    columns = moments.columns[seen] * root[:, None]
    basis = np.linalg.qr(np.delete(columns, place, axis=1))[0]
    own = columns[:, place] - basis @ (basis.T @ columns[:, place])
    kind, codes, label = _variance(fit, design, cluster, seen) if statistic == "t" else ("", None, "")
    factor = 1.0
    if kind == "iid":
        factor = 1.0 / moments.df_resid
    elif codes is not None:
        groups = int(codes.max()) + 1
        factor = groups / (groups - 1.0)
    if kind == "HC1":
        factor *= small_sample(moments.nobs - (codes is not None), moments.df_resid)
    return PartialRegression(root, basis, moments.residual[seen] * root, own, kind, codes, factor), label


def _variance(fit: Any, design: Design, cluster: str | None, seen: np.ndarray) -> tuple[str, np.ndarray | None, str]:
    """Kind, clusters and name of the variance that studentises."""
    kind = fit._undrawn_kind
    clustered = isinstance(kind, dict) and set(kind) <= {"cluster", "type", "df", "factor"}
    if cluster is not None and not clustered:
        return "HC1", _codes(design, cluster, seen), f"clustered by {cluster} (HC1)"
    if clustered:
        variant = kind.get("type", "HC1")
        if isinstance(kind["cluster"], str) and variant in ("HC0", "HC1"):
            return variant, _codes(design, kind["cluster"], seen), fit._undrawn.label
    elif kind in ("iid", "HC0", "HC1", "HC2", "HC3"):
        return kind, None, fit._undrawn.label
    raise OptionError(
        f"a randomisation test does not studentise by standard errors that are {fit._undrawn.label}: take fit.with_vcov('HC2'), "
        "clusters of one column with type 'HC1', or statistic='estimate'."
    )


def _warn_rows(fit: Any, design: Design, column: np.ndarray, name: str, cluster: str | None, seen: np.ndarray) -> None:
    """Warn where rows are exchanged of a treatment that is constant in the fit's clusters."""
    kind = fit._undrawn_kind
    if cluster is not None or not isinstance(kind, dict) or not isinstance(kind.get("cluster"), str):
        return
    codes, values = _codes(design, kind["cluster"], seen), column[seen]
    first = np.unique(codes, return_index=True)[1]
    if len(first) < len(values) and (values[first][codes] == values).all():
        issue_warning(
            f"'{name}' is constant within the clusters of '{kind['cluster']}', and single rows are exchanged: give "
            f"cluster={kind['cluster']!r} if whole clusters were assigned.",
            StatinfWarning,
        )
