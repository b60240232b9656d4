"""`shift_test`: do two samples differ, and in which columns?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from statinf.backend.seeds import check_seed
from statinf.errors import OptionError, one_of
from statinf.results import Result, Table, format_number, format_p, to_caller
from statinf.shifts import classifier, permutation
from statinf.shifts.columns import ColumnTests, column_tests
from statinf.shifts.kernels import bandwidths, kernel_sums, warn_scales
from statinf.shifts.samples import two_samples

TESTS = ("mmd", "energy", "classifier", "columns")
LABELS = {"mmd": "maximum mean discrepancy", "energy": "energy distance", "classifier": "classifier, held-out AUC"}
CITATION = (
    "permutation tests of Gretton et al. (2012), Szekely and Rizzo (2013) and Lopez-Paz and Oquab (2017); columns by "
    "Kolmogorov-Smirnov or chi-square, adjusted by Benjamini and Hochberg (1995)"
)


@dataclass(frozen=True)
class Global:
    """A test of equal laws.

    Attributes
    ----------
    name : str
    statistic, p_value : float
    null : ndarray, shape (permutations,)
        The statistic under permuted labels.
    facts : mapping of str to float
    """

    name: str
    statistic: float
    p_value: float
    null: np.ndarray
    facts: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ShiftTest(Result):
    """Tests of equal covariate laws in source and target.

    Attributes
    ----------
    tests : tuple of Global
    columns : ColumnTests or None
    permutations, n_target, seed : int
    kind : str
        Kind of data frame that tables come back in.
    """

    tests: tuple[Global, ...]
    columns: ColumnTests | None
    permutations: int
    n_target: int
    seed: int
    kind: str = "pandas"

    beside = ("p_values",)

    @property
    def p_values(self) -> dict[str, float]:
        """p-values of the tests of equal laws, by name."""
        return {t.name: t.p_value for t in self.tests}

    def tidy(self) -> Any:
        """One row a test, in the caller's kind of data frame.

        Returns
        -------
        data frame
            Columns test, column, statistic, p_value, p_adjusted, effect. Tests of the whole law have no column; the
            adjustment is over columns. The effect is the standardised mean difference (or the largest difference of a
            share) of a column, and the area under the curve of the classifier.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for t in self.tests:
            effect = t.statistic if t.name == "classifier" else np.nan
            rows.append(
                {
                    "test": t.name,
                    "column": "",
                    "statistic": t.statistic,
                    "p_value": t.p_value,
                    "p_adjusted": np.nan,
                    "effect": effect,
                }
            )
        if (c := self.columns) is not None:
            for j, name in enumerate(c.names):
                rows.append(
                    {
                        "test": c.tests[j],
                        "column": name,
                        "statistic": c.statistic[j],
                        "p_value": c.p_value[j],
                        "p_adjusted": c.adjusted[j],
                        "effect": c.effect[j],
                    }
                )
        return to_caller(pd.DataFrame(rows), self.kind)

    def summary(self) -> Table:
        """All tests, the whole law first."""
        rows = [(LABELS[t.name], format_number(t.statistic), format_p(t.p_value), "", "") for t in self.tests]
        cut = len(rows)
        if (c := self.columns) is not None:
            for j in np.argsort(c.p_value, kind="stable"):
                numbers = (format_number(c.statistic[j]), format_p(float(c.p_value[j])), format_p(float(c.adjusted[j])))
                rows.append((f"{c.names[j]} ({c.tests[j]})", *numbers, format_number(c.effect[j])))
        facts = (
            ("Formula", self.formula),
            ("Source rows", str(self.nobs)),
            ("Target rows", str(self.n_target)),
            ("Permutations", str(self.permutations)),
        )
        return Table(
            ("test", "statistic", "p", "adjusted p", "effect"),
            tuple(rows),
            title="Tests of covariate shift",
            facts=facts,
            notes=(f"Method: {self.citation}.",),
            rules=(cut,) if 0 < cut < len(rows) else (),
        )

    def plot(self, kind: str = "columns", *, level: float = 0.05, **options: Any) -> Any:
        """A figure.

        Parameters
        ----------
        kind : {"columns", "null"}
            Effect size of every column, those significant after adjustment filled; or the permutation law of each test
            of the whole law, with what was observed.
        level : float
            False discovery rate.

        Returns
        -------
        matplotlib axes, or an array of them
        """
        one_of("kind", kind, ("columns", "null"))
        from statinf.plotting import shift as figures

        if kind == "null":
            if not self.tests:
                raise OptionError("no test of the whole law was made; ask for tests=('mmd', ...).")
            return figures.plot_nulls([(LABELS[t.name], t.statistic, t.null, t.p_value) for t in self.tests], **options)
        if self.columns is None:
            raise OptionError("columns were not tested; ask for tests=(..., 'columns').")
        c = self.columns
        return figures.plot_columns(c.names, c.effect, c.adjusted < level, level=level, **options)


def shift_test(
    formula: str,
    source: Any,
    target: Any,
    *,
    tests: Sequence[str] = TESTS,
    permutations: int = 999,
    sigma: Any = None,
    folds: int = 5,
    scale: bool = False,
    seed: int = 0,
    na_action: str = "drop",
    context: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> ShiftTest:
    """Test whether covariates have the same law in two samples.

    Parameters
    ----------
    formula : str
        `~ covariates`, read against the source.
    source, target : data frame
        As `statinf.lm` takes them.
    tests : sequence of {"mmd", "energy", "classifier", "columns"}
        The maximum mean discrepancy with a Gaussian kernel, the energy distance and a cross-fitted linear-quadratic
        classifier test the whole law by permutation, with exact p-values. "columns" tests each variable.
    permutations : int
    sigma : float, optional
        Bandwidth of the Gaussian kernel; the median distance of the pooled rows by default.
    folds : int
        Of the classifier.
    scale : bool
        Divide columns by their standard deviation over both samples for "mmd" and "energy".
    seed : int
    na_action, context
        As in `statinf.lm`.
    progress : bool, optional
        None shows a bar in a terminal on work over two seconds.

    Returns
    -------
    ShiftTest

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
    >>> found = si.shift_test("~ age + educ + married", survey, trainees, permutations=199, scale=True)
    >>> found.p_values["mmd"]
    0.005
    """
    chosen = tuple(dict.fromkeys(tests if not isinstance(tests, str) else (tests,)))
    for name in chosen:
        one_of("tests", name, TESTS)
    check_seed(seed)
    if isinstance(permutations, bool) or not isinstance(permutations, int | np.integer) or permutations < 1:
        raise OptionError(f"permutations={permutations!r}: give a whole number of at least 1.")
    samples = two_samples(formula, source, target, na_action=na_action, context=context)
    n, m = len(samples.xs), len(samples.xt)
    if "classifier" in chosen and (not isinstance(folds, int | np.integer) or not 2 <= folds <= (n + m) // 2):
        raise OptionError(f"folds={folds!r}: give a whole number between 2 and {(n + m) // 2}.")
    pooled = np.concatenate([samples.xs, samples.xt])
    if scale:
        pooled = (pooled - pooled.mean(axis=0)) / pooled.std(axis=0)
    elif {"mmd", "energy"} & set(chosen):
        warn_scales(samples.xs, samples.xt, samples.names)
    made: list[Global] = []
    for name in chosen:
        if name == "mmd":
            made.append(_mmd(pooled, n, sigma, permutations, seed, progress))
        elif name == "energy":
            value, null = permutation.energy(pooled, n, permutations, seed, progress)
            made.append(Global(name, value, permutation.p_value(value, null), null, {}))
        elif name == "classifier":
            value, null = classifier.area_under_curve(pooled, n, permutations, folds, seed)
            made.append(Global(name, value, permutation.p_value(value, null), null, {}))
    return ShiftTest(
        method="shift_test",
        formula=samples.recipe.formula,
        citation=CITATION,
        nobs=n,
        tests=tuple(made),
        columns=column_tests(samples, target) if "columns" in chosen else None,
        permutations=int(permutations),
        n_target=m,
        seed=seed,
        kind=samples.source.kind,
    )


def _mmd(x: np.ndarray, n: int, sigma: Any, permutations: int, seed: int, show: bool | None) -> Global:
    width = float(bandwidths(sigma, x[:n], x[n:], seed, None)[0])
    value, null = permutation.mmd(x, n, width, permutations, seed, show)
    facts = {"sigma": width}
    if len(x) <= 20_000:
        m = len(x) - n
        within = tuple(
            float(kernel_sums(part, part, np.full(len(part), 1.0 / len(part)), width).mean()) for part in (x[:n], x[n:])
        )
        facts["unbiased"] = permutation.unbiased(value, n, m, within) if min(n, m) > 1 else np.nan  # type: ignore[arg-type]
    return Global("mmd", value, permutation.p_value(value, null), null, facts)
