"""`balance`: weights that make treatment groups comparable."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.balancing.arms import Linear, Sample, Solution, check_sample
from statinf.balancing.columns import (
    Columns,
    check_moments,
    expanded,
    formula_columns,
    independent,
    present_levels,
    with_all_levels,
    without_constants,
)
from statinf.balancing.groups import read_design
from statinf.balancing.order import in_content_order
from statinf.balancing.table import ALIASES, METHODS
from statinf.balancing.weights import BalanceWeights
from statinf.errors import OptionError, StatinfError, one_of
from statinf.formula import Design, as_frame
from statinf.inference.sandwich import intersect
from statinf.results.listed import load_method


def balance(
    formula: str,
    data: Any,
    *,
    method: str = "ipw",
    estimand: str = "ATE",
    treated: Any = None,
    weights: Any = None,
    by: str | Sequence[str] | None = None,
    moments: int = 1,
    interactions: bool = False,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    **options: Any,
) -> BalanceWeights:
    """Estimate weights that balance covariates between two treatment arms.

    Parameters
    ----------
    formula : str
        `treatment ~ covariates`. The treatment has two values, numbers or labels. Splines, transforms and interactions
        are written in the formula.
    data : data frame
        As `statinf.lm` takes it.
    method : {"ipw", "entropy", "cbps", "sbw", "energy", "kernel", "ipm"}
        "ipw" weights by a modelled propensity; "cbps" by one that balances the columns; "entropy" and "sbw" find the weights
        closest to uniform, in entropy or variance, that balance the columns; "energy", "kernel" and "ipm" balance whole
        distributions.
    estimand : {"ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"}
        Whose average effect the weights are for; the overlap (ATO), matching (ATM) and entropy (ATEN) tilts need a propensity.
    treated : object, optional
        The value that counts as treated. By default the one that is not the reference by its name (0, "control", "placebo",
        "untreated", "no", "FALSE", "none", "" in any spelling); of other pairs the later one, and the summary says so.
    weights : array of shape (rows,) or str, optional
        Sampling weights. They are multiplied into the weights returned.
    by : str or sequence of str, optional
        Columns; weights are estimated within each of their combinations.
    moments : int
        2 balances squares of the continuous columns too, and so on.
    interactions : bool
        Balance the products of all pairs of columns too.
    seed : int
        Of what is random: landmarks, the adversarial metrics, the bootstrap behind `tols="auto"`.
    na_action, context
        As in `statinf.lm`.
    **options
        Of the method. ipw: `link` ("logit", "probit"), `stabilize`, `trim`, `truncate`. cbps: `over`, `twostep`, `separate`.
        sbw: `tols` (a number, one a column, a mapping from columns or terms, or "auto"), `negative`. energy: `improved`,
        `penalty`. kernel: `bandwidth`, `dimensions`, `landmarks`, `mean_first`. ipm: `ipm` ("mmd", "sipm", "wasserstein",
        "energy"), `form` ("nonparametric", "parametric"), `bandwidth`, `slope`, `ridge`, `optimizer`, `epochs`, `lr`,
        `lr_adv`, `adv_steps`, `n_discriminators`. All but ipw and energy take `tol`, all take `max_iter`.

    Returns
    -------
    BalanceWeights
        Goes into any verb as `weights=`, whose standard errors then account for its estimation; energy and the adversarial
        metrics have no theory for that, and the label of the standard errors says that weights are taken as known.

    Raises
    ------
    DataError
        If the treatment does not have two values, an arm is empty, or no column is left.
    InfeasibleError
        If no weights balance the columns; the message names the column, the gap and the smallest feasible tolerance.
    NotIdentifiedError
        If covariates separate the arms.
    OptionError
        If an option is not one of the method's.

    References
    ----------
    Hainmueller (2012), Political Analysis 20; Imai and Ratkovic (2014), JRSS B 76; Zubizarreta (2015), JASA 110; Huling and Mak
    (2024), arXiv 2004.13962; Hazlett (2020), arXiv 1605.00155; Kong et al. (2023), arXiv 2305.13715; Li, Morgan and Zaslavsky
    (2018), arXiv 1404.1785. Each method's module states its estimand and assumptions.

    Examples
    --------
    >>> import statinf as si
    >>> data = si.datasets.load("lalonde")
    >>> formula = "treat ~ age + educ + C(race) + married + nodegree + re74 + re75"
    >>> w = si.balance(formula, data, method="entropy", estimand="ATT")
    >>> fit = si.lm("re78 ~ treat", data, weights=w)
    >>> round(float(fit.params["treat"]), 2), round(float(fit.std_errors["treat"]), 2), fit.cov.label
    (1273.26, 789.74, 'HC0, weights estimated')
    >>> bool(w.diagnostics()["smd_after"].abs().max() < 1e-8)
    True
    """
    method, estimand = ALIASES.get(str(method).lower(), method), str(estimand).upper()
    module = load_method(METHODS, "balance", method)
    one_of("estimand", estimand, ("ATE", "ATT", "ATC", "ATO", "ATM", "ATEN"))
    check_seed(seed)
    check_moments(moments)
    if hasattr(weights, "used") and hasattr(weights, "values"):
        raise OptionError(
            "weights= takes sampling weights as an array or a column name; to multiply two estimated weights write w1 * w2, to "
            "take estimated ones as known give weights=w.full()."
        )
    frame = as_frame(data)
    by = [by] if isinstance(by, str) else list(by or ())
    design, arms = read_design(
        formula, frame, treated=treated, weights=weights, na_action=na_action, context=context, cluster=by or None
    )
    used = design.weights > 0
    plain, shown, columns = _columns(module, design, used, options, moments, interactions)
    options = _options(module, method, options, seed, columns)
    codes, names = _groups(design, by)
    problem = _Problem(
        module,
        columns,
        arms.treated,
        design.weights,
        used,
        estimand,
        options,
        None if codes is None else codes[used],
        names,
    )
    solution = problem.solve(design.weights)
    linear = cache(solution.linear) if solution.linear is not None else None
    return BalanceWeights(
        method=method,
        formula=formula.strip(),
        citation=module.CITATION,
        nobs=int(used.sum()),
        values=solution.values,
        used=design.rows,
        n_total=design.n_total,
        identity=design.identity,
        estimand=estimand,
        derivative=None if linear is None else lambda: linear().derivative,
        influence=None if linear is None else lambda: linear().influence,
        leverage=None if linear is None else lambda: linear().leverage,
        kind=design.kind,
        treated=arms.treated,
        sampling=design.weights,
        columns=shown,
        names=shown.names,
        treatment=arms.name,
        treatment_level=arms.level,
        control_level=arms.other,
        level_note=arms.note,
        propensity=solution.propensity,
        coef=_formula_coefficients(solution, plain, columns, codes),
        recipe=design.recipe,
        details=_carried_back(solution.details, columns),
        iterations=solution.iterations,
        residual=solution.residual,
        groups=codes,
        group_names=names,
        treated_as_fixed=getattr(module, "FIXED", "") if linear is None else "",
        solver=lambda m: problem.solve_many(m, solution),
    )


def _columns(
    module: ModuleType, design: Design, used: np.ndarray, options: dict[str, Any], moments: int, interactions: bool
) -> tuple[Columns, Columns, Columns]:
    """The formula's columns, those with every level of a factor, and the ones that the method balances."""
    plain = formula_columns(design.parts[0], used)
    shown = with_all_levels(plain, design.recipe)
    levels = getattr(module, "ALL_LEVELS", False) or (hasattr(module, "all_levels") and module.all_levels(options))
    weights = design.weights[used]
    columns = expanded(shown if levels else present_levels(plain, design.recipe), weights, moments, interactions)
    return plain, shown, without_constants(columns) if levels else independent(columns, weights)


def _options(module: ModuleType, method: str, given: dict[str, Any], seed: int, columns: Columns) -> dict[str, Any]:
    """The method's options, checked against its signature."""
    parameters = inspect.signature(module.solve).parameters
    named = [p.name for p in parameters.values() if p.kind is p.KEYWORD_ONLY and p.name not in ("seed", "base")]
    extra = getattr(module, "MORE_OPTIONS", ())
    unknown = [name for name in given if name not in (*named, *extra)]
    if unknown:
        raise OptionError(
            f"{', '.join(map(repr, unknown))} is not an option of method={method!r}; it takes {', '.join((*named, *extra))}."
        )
    options = dict(given)
    if "seed" in parameters:
        options["seed"] = seed
    if isinstance(options.get("tols"), Mapping):
        options["tols"] = _tolerances(options["tols"], columns)
    return options


def _tolerances(tols: Mapping[str, float], columns: Columns) -> np.ndarray:
    """One tolerance a column from a mapping of columns or terms; those not named must balance exactly."""
    out = np.zeros(len(columns.names))
    for key, value in tols.items():
        hit = [key in (name, term) for name, term in zip(columns.names, columns.terms, strict=True)]
        if not any(hit):
            raise OptionError(f"tols names {key!r}, which is not balanced; the columns are {', '.join(columns.names)}.")
        out[hit] = value
    return out


def _groups(design: Design, by: list[str]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Codes of the groups, -1 for those without a row of positive weight, and their names."""
    if not by:
        return None, ()
    used = design.weights > 0
    codes = np.full(design.n, -1)
    codes[used] = intersect([design.cluster_codes(name)[used] for name in by])
    labels = [
        np.asarray(design.frame.categories(name).levels, dtype=object)[design.frame.categories(name).codes[design.rows]]
        for name in by
    ]
    first = [int(np.argmax(codes == g)) for g in range(int(codes.max()) + 1)]
    return codes, tuple(", ".join(f"{name}={label[i]}" for name, label in zip(by, labels, strict=True)) for i in first)


@dataclass(frozen=True)
class _Problem:
    """A method with its data: columns and groups of the rows `used`, treatment and sampling weights of all of them."""

    module: ModuleType
    columns: Columns
    treated: np.ndarray
    sampling: np.ndarray
    used: np.ndarray
    estimand: str
    options: dict[str, Any]
    codes: np.ndarray | None
    names: tuple[str, ...]

    def sample(self) -> Sample:
        """Rows of positive sampling weight."""
        return Sample(self.columns.values, self.treated[self.used], self.sampling[self.used], self.columns.names)

    def solve(self, sampling: np.ndarray) -> Solution:
        """The method within each group, for sampling weights (n,), put back in the order of all rows."""
        sample, n = self.sample(), len(self.used)
        place, s = np.flatnonzero(self.used), sampling[self.used]
        groups = np.zeros(sample.n, dtype=int) if self.codes is None else self.codes
        parts: list[tuple[np.ndarray, Solution]] = []
        for g in range(int(groups.max()) + 1):
            rows = np.flatnonzero((groups == g) & (s > 0))
            whole = len(rows) == sample.n
            small = Sample(
                sample.x if whole else sample.x[rows],
                sample.treated if whole else sample.treated[rows],
                s if whole else s[rows],
                sample.names,
            )
            try:
                check_sample(small)
                parts.append((place[rows], self._solve_one(small)))
            except StatinfError as error:
                if self.codes is None:
                    raise
                raise type(error)(f"group {self.names[g]}: {error}") from error
            if len(rows) == n:
                return parts[0][1]
        return _combine(n, parts, self.names)

    def _solve_one(self, sample: Sample) -> Solution:
        solve = partial(self.module.solve, estimand=self.estimand, **self.options)
        # What is drawn by a row's place is drawn by its contents instead.
        return in_content_order(sample, solve) if getattr(self.module, "BY_PLACE", False) else solve(sample)

    def solve_many(self, multipliers: np.ndarray, first: Solution) -> np.ndarray:
        """Weights for every row of multipliers: in one batch where the method has one, else one problem after the other."""
        n = len(self.used)
        if multipliers.shape[1] != n or np.any(~(multipliers >= 0)):
            raise OptionError(
                f"multipliers has shape {multipliers.shape}; give nonnegative numbers of shape (replicas, {n})."
            )
        sampling = multipliers * self.sampling
        if hasattr(self.module, "solve_many") and self.codes is None and not self.options:
            out = np.zeros(sampling.shape)
            out[:, self.used] = self.module.solve_many(self.sample(), sampling[:, self.used], self.estimand, first)
            return out
        out = np.full(sampling.shape, np.nan)
        for b, s in enumerate(sampling):
            try:
                out[b] = self.solve(s).values
            except StatinfError:
                continue
        return out


def _combine(n: int, parts: list[tuple[np.ndarray, Solution]], names: tuple[str, ...]) -> Solution:
    values = np.zeros(n)
    propensity = np.full(n, np.nan) if all(s.propensity is not None for _, s in parts) else None
    for rows, solution in parts:
        values[rows] = solution.values
        if propensity is not None:
            propensity[rows] = solution.propensity

    def linear() -> Linear:
        made = [(rows, solution.linear()) for rows, solution in parts if solution.linear is not None]
        width = sum(one.derivative.shape[1] for _, one in made)
        derivative, influence, leverage = np.zeros((n, width)), np.zeros((n, width)), np.zeros(n)
        start = 0
        for rows, one in made:
            stop = start + one.derivative.shape[1]
            derivative[rows, start:stop], influence[rows, start:stop], leverage[rows] = (
                one.derivative,
                one.influence,
                one.leverage,
            )
            start = stop
        return Linear(derivative, influence, leverage)

    known = all(s.linear is not None for _, s in parts)
    details = parts[0][1].details if not names else {name: s.details for name, (_, s) in zip(names, parts, strict=True)}
    residuals = [s.residual for _, s in parts]
    return Solution(
        values, linear if known else None, sum(s.iterations for _, s in parts), max(residuals), propensity, details
    )


def _carried_back(details: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """Coefficients and multipliers in units of the columns as the caller gave them."""
    out: dict[str, Any] = {}
    for key, value in details.items():
        if key in ("coefficients", "coefficients_control"):
            out[key] = columns.raw_coefficients(value)
        elif key == "multipliers":
            out[key] = {arm: columns.raw_slopes(slope) for arm, slope in value.items()}
        else:
            out[key] = _carried_back(value, columns) if isinstance(value, Mapping) else value
    return out


def _formula_coefficients(
    solution: Solution, plain: Columns, columns: Columns, codes: np.ndarray | None
) -> np.ndarray | None:
    """Propensity coefficients in the order of the formula's columns, NaN where a column was dropped."""
    found = solution.details.get("coefficients") if codes is None else None
    if found is None or "coefficients_control" in solution.details or not set(columns.names) <= set(plain.names):
        return None
    out = np.full(len(plain.names) + 1, np.nan)
    found = columns.raw_coefficients(found)
    out[0] = found[0]
    for name, value in zip(columns.names, found[1:], strict=True):
        out[1 + plain.names.index(name)] = value
    return out
