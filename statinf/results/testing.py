"""What every result with coefficients and a covariance tests: hypotheses, families of them, random assignment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np

from statinf.errors import NotIdentifiedError, OptionError, check_level, nearest, one_of
from statinf.inference.hypotheses import EquivalenceTest, OneSidedTest, WaldTest, equivalence_test, one_sided, wald
from statinf.inference.inverted_test import WildTest
from statinf.inference.restrictions import restrictions
from statinf.internal import internal
from statinf.results.protocol import Predictive

if TYPE_CHECKING:
    from statinf.inference.covariance import Covariance
    from statinf.inference.moments import Moments

SIDES = ("two-sided", "less", "greater")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HypothesisTests(Predictive):
    """Tests of coefficients; `Estimated` has what they read."""

    if TYPE_CHECKING:
        terms: tuple[str, ...]
        theta: np.ndarray
        cov: Covariance

        @property
        def estimable(self) -> np.ndarray: ...

    @internal
    def linear_moments(self, what: str) -> Moments:
        """The moments of a linear regression with known weights; `what` needs them."""
        raise NotIdentifiedError(f"{what} is for linear regressions, si.lm(...); '{self.method}' is none.")

    def test(
        self,
        hypothesis: Any,
        values: Any = None,
        *,
        null: Any = None,
        side: str = "two-sided",
        equivalence: Any = None,
        bootstrap: str | None = None,
        **options: Any,
    ) -> WaldTest | OneSidedTest | EquivalenceTest | WildTest:
        """Test of linear restrictions: Wald, one-sided, of equivalence, or by the wild bootstrap.

        Parameters
        ----------
        hypothesis : str, sequence of str, or ndarray of shape (m, q)
            Equations such as "x1 = x2, x3 = 0" or ["x1 = x2", "x3 = 0"], a term such as "C(g)" for all of its
            coefficients, or a matrix.
        values : array, shape (m,), optional
            Right-hand sides for a matrix; zeros by default.
        null : float, or array of shape (m,), optional
            The right-hand side of expressions without `=`: `fit.test("x", null=1)` is `fit.test("x = 1")`.
        side : {"two-sided", "less", "greater"}
            Alternative of one restriction.
        equivalence : (float, float), optional
            Bounds that one expression is to lie between: two one-sided tests, whose larger p-value is that of
            equivalence. An infinite bound leaves a test of non-inferiority or non-superiority.
        bootstrap : {"wild"}, optional
            Of a linear regression with standard errors that are clustered, or robust (HC0 to HC3).
        **options
            `level` (0.95) of intervals, of one-sided tests too. With `bootstrap="wild"`: `replicas` (9999; all sign changes
            where there are no more of them), `law` ("rademacher", "webb", "mammen", "normal"), `restricted` (True: the
            null hypothesis is imposed on the residuals), `interval` ("symmetric" or "equal-tailed" two-sided p-values
            and limits), `type` (such as "11", "31" or "33"; see `statinf.inference.wild`), `by` and `seed`.

        Returns
        -------
        WaldTest, OneSidedTest, EquivalenceTest or WildTest
            A Wald test is F with (m, residual) degrees of freedom, or chi-square where tables use the normal. A wild
            test of one restriction has the interval of all values that it does not reject.

        Raises
        ------
        OptionError
            If the hypothesis or an option cannot be read, or options exclude each other.
        NotIdentifiedError
            If the hypothesis has an aliased coefficient, or the fit cannot test it.

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.load("mtcars")
        >>> fit = si.lm("mpg ~ wt + qsec", data, vcov="iid")
        >>> print(fit.test("wt = 0, qsec = 0"))
        wt = 0, qsec = 0: F(2, 29) = 69.0331, p = 9.395e-12
        >>> print(fit.test("qsec", null=0.5, side="greater"))
        qsec = 0.5 against greater: t(29) = 1.61951, p = 0.05808, 95% interval [0.4789, inf]
        >>> firms = si.lm("invest ~ value + capital", si.datasets.load("grunfeld"), cluster="firm")
        >>> print(firms.test("capital = 0", bootstrap="wild"))
        capital = 0: t = 2.66167, p = 0.02148 (0.02246 with ties), 95% interval [0.0308017, 0.369071]
        Wild bootstrap, null imposed, type 11: all 2048 sign changes, 11 clusters of firm.
        """
        matrix, right, text = restrictions(hypothesis, values, self.terms, null)
        if (matrix[:, ~self.estimable] != 0).any():
            raise NotIdentifiedError(f"'{text}' involves an aliased coefficient, which has no estimate.")
        one_of("side", side, SIDES)
        matrix, ok = matrix[:, self.estimable], self.estimable
        if bootstrap is not None:
            if equivalence is not None:
                raise OptionError("equivalence= has no bootstrap; compare its bounds with the interval of side='less'.")
            one_of("bootstrap", bootstrap, ("wild",))
            from statinf.results.wild import read_options, wild_test

            return wild_test(self, matrix, right, text, side, read_options(options)).handed(self.kind)
        level = _level_alone(options, side != "two-sided" or equivalence is not None)
        if side == "two-sided" and equivalence is None:
            return wald(self.theta[ok], self.cov, matrix, right, self.cov.df, text).handed(self.kind)
        if len(right) != 1:
            what = "equivalence=" if equivalence is not None else f"side={side!r}"
            raise OptionError(f"{what} is for one restriction; '{text}' has {len(right)}.")
        if equivalence is None:
            return one_sided(self.theta[ok], self.cov, matrix[0], float(right[0]), side, text, level).handed(self.kind)
        bounds = _bounds(equivalence, side)
        if right[0] != 0.0:
            raise OptionError(
                f"equivalence= bounds an expression, such as 'x' or 'x1 - x2'; '{text}' has a value of its own."
            )
        if not level > 0.5:
            raise OptionError(f"level={level!r}: the interval of equivalence has 2 level - 1, so give more than 0.5.")
        label = re.sub(r"\s*=\s*0(\.0*)?\s*$", "", text).strip()
        return equivalence_test(self.theta[ok], self.cov, matrix[0], bounds, label, level).handed(self.kind)

    def adjust(
        self,
        method: str = "holm",
        *,
        terms: Any = None,
        level: float = 0.95,
        replicas: int | None = None,
        law: str | None = None,
        seed: int = 0,
    ) -> Any:
        """P-values of several coefficients, adjusted for their number.

        Parameters
        ----------
        method : str
            Any false rejection is bounded by "holm", "hochberg", "hommel", "bonferroni", "sidak"; by "sup-t", the largest of
            the jointly normal or t statistics, by quadrature, with the fewest degrees of freedom (R's multcomp); and by
            "romano-wolf", step-down by the draws of `fit.bootstrap`, or else by multipliers of the influence values. The
            expected share of false rejections is bounded by "bh" and "by".
        terms : str or sequence of str, optional
            Coefficients of the family, or factors, which stand for all of theirs; all but intercepts by default.
        level : float
            Of the simultaneous limits.
        replicas, law : int and str, optional
            Of the multipliers of "romano-wolf": 9999 and "mammen".
        seed : int
            Of "romano-wolf" and "sup-t".

        Returns
        -------
        data frame
            Columns term, estimate, std_error, statistic, p_value, adj_p_value; with "bonferroni", "sidak", "sup-t" and
            "romano-wolf" also conf_low and conf_high, which hold for all terms at once.

        Examples
        --------
        >>> import statinf as si
        >>> fit = si.lm("mpg ~ wt + qsec + hp", si.datasets.load("mtcars"))
        >>> fit.adjust("holm").round(4)[["term", "p_value", "adj_p_value"]]
           term  p_value  adj_p_value
        0    wt   0.0000        0.000
        1  qsec   0.1731        0.204
        2    hp   0.1020        0.204
        """
        from statinf.results.adjusting import adjust

        return adjust(self, method, terms, level, replicas, law, seed)  # pyright: ignore[reportArgumentType]

    def randomization_test(self, treatment: str, **options: Any) -> Any:
        """Test of the sharp null hypothesis by assigning the treatment anew; for linear regressions.

        See `statinf.results.reassigned.randomization_test` for the options.

        Examples
        --------
        >>> import statinf as si
        >>> data = si.datasets.load("nsw")
        >>> print(si.lm("re78 ~ treat + age + educ", data).randomization_test("treat", permutations=199))
        treat adds 0 to every row: t = 2.55182 (HC1), p = 0.01, 95% interval [470.749, 2862.03]
        Randomisation test, complete: 199 random assignments of 445 units.
        """
        from statinf.results.reassigned import randomization_test

        known = tuple(signature(randomization_test).parameters)[2:]
        for name in options:
            if name not in known:
                raise OptionError(
                    f"{name}= is no option of randomization_test(); it takes {', '.join(known)}.{nearest(name, known)}"
                )
        return randomization_test(self, treatment, **options)


def _level_alone(options: dict[str, Any], used: bool) -> float:
    """The level of tests without a bootstrap; other options are refused."""
    if options:
        from statinf.results.wild import refuse_without

        refuse_without(options, ("level",))
    if options and not used:
        raise OptionError("level= is of one-sided tests, of equivalence and of bootstrap='wild'; a Wald test has none.")
    return check_level(options.get("level", 0.95))


def _bounds(equivalence: Any, side: str) -> tuple[float, float]:
    """The two bounds, checked."""
    if side != "two-sided":
        raise OptionError("equivalence= makes two one-sided tests; leave side= out.")
    try:
        low, high = (float(b) for b in equivalence)
    except (TypeError, ValueError):
        raise OptionError(f"equivalence={equivalence!r} takes two bounds, such as (-0.1, 0.1).") from None
    if not low < high:
        raise OptionError(f"equivalence={equivalence!r}: the first bound must lie below the second.")
    if not (np.isfinite(low) or np.isfinite(high)):
        raise OptionError(f"equivalence={equivalence!r} bounds nothing; give one finite bound at least.")
    return low, high
