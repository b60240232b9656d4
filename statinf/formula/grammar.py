"""Products, powers and brackets of terms, read by formulaic's grammar behind guards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, reduce
from itertools import combinations_with_replacement
from math import comb
from typing import Any

from statinf.errors import FormulaError, StatinfWarning, issue_warning
from statinf.formula.quiet import quiet
from statinf.formula.scan import short

MAX_PRODUCT = 12_000
MAX_FACTORS = 60
MAX_NESTING = 500


@dataclass(frozen=True)
class TermText:
    """A product of factors as written, with a numeric multiplier."""

    factors: tuple[str, ...]
    scale: float = 1.0

    @property
    def key(self) -> tuple[frozenset[str], float]:
        return frozenset(self.factors), self.scale


def product_of(factors: tuple[str, ...], scale: float, whole: str) -> TermText:
    if len(factors) > MAX_FACTORS:
        raise FormulaError(
            f"the formula {short(whole)} has a product of {len(factors)} factors; at most {MAX_FACTORS}."
        )
    return TermText(factors, scale)


def by_grammar(text: str, dot: list[str], whole: str) -> tuple[bool, list[TermText]]:
    """Whether a piece of a formula holds the constant, and its other terms.

    Raises
    ------
    FormulaError
        If the grammar cannot read it, or it expands to too many terms.
    """
    from formulaic.parser import DefaultFormulaParser
    from formulaic.parser.types import Factor

    parser = DefaultFormulaParser(
        include_intercept=False, feature_flags=DefaultFormulaParser.FeatureFlags.NONE, operator_resolver=_operators()
    )
    context: dict[str, Any] = {"__formulaic_variables_available__": dot, "__formulaic_variables_used_lhs__": []}
    try:
        with quiet(text):
            tree = parser.get_ast(text, context=context)
            powers: list[tuple[str, str, str]] = []
            if _count(tree, len(dot), powers) > MAX_PRODUCT:
                raise FormulaError(
                    f"the formula expands to more than {MAX_PRODUCT:,} products; write fewer * or a lower power."
                )
            terms = list(parser.get_terms(text, context=context))  # type: ignore[call-overload]
    except FormulaError:
        raise
    except RecursionError:
        raise FormulaError(f"the formula {short(whole)} is nested too deeply; write it flatter.") from None
    except Exception as error:
        # The grammar raises whatever it stumbles on: any failure here is the formula's.
        reason = re.sub(r"[^ -~]|\[[\d;]*m", "", (str(error).splitlines() or [type(error).__name__])[0])
        raise FormulaError(f"the formula {short(whole)} cannot be read: {short(reason)}") from None
    for power in powers:
        _warn_power(*power)
    constant, out = False, []
    for term in terms:
        names = tuple(f.expr for f in term.factors if f.eval_method is not Factor.EvalMethod.LITERAL)
        scales = [f.expr for f in term.factors if f.eval_method is Factor.EvalMethod.LITERAL]
        if not names:
            constant = True
            continue
        out.append(product_of(names, _scale(scales, whole), whole))
    return constant, out


@cache
def _operators() -> Any:
    """The grammar's operators, `%in%` as in R, and powers without products that come twice."""
    from formulaic.parser import DefaultOperatorResolver
    from formulaic.parser.types import Operator, OrderedSet

    def product(terms: Any) -> Any:
        return reduce(lambda x, y: x * y, terms)

    def nested(left: Any, right: Any) -> Any:
        # As in R, `a %in% b` is a:b, and each term on the left is crossed with all on the right.
        whole = product(right)
        return OrderedSet(term * whole for term in left)

    def power(base: Any, exponent: Any) -> Any:
        times = min(int(next(iter(exponent)).factors[0].expr), len(base))
        return OrderedSet(product(picked) for picked in combinations_with_replacement(base, times))

    ours = (
        Operator("in", arity=2, precedence=250, associativity="left", to_terms=nested),
        *(Operator(s, arity=2, precedence=500, associativity="right", to_terms=power) for s in ("**", "^")),
    )

    class Operators(DefaultOperatorResolver):
        @property
        def operators(self) -> list[Any]:
            named = {o.symbol for o in ours}
            return [*(o for o in super().operators if o.symbol not in named), *ours]

    return Operators()


def _scale(literals: Sequence[str], whole: str) -> float:
    scale = 1.0
    for literal in literals:
        try:
            scale *= float(literal)
        except ValueError:
            raise FormulaError(f"{short(literal)} in {short(whole)} is no number to scale a term with.") from None
    if not 0.0 < abs(scale) < float("inf"):
        raise FormulaError(f"a term of {short(whole)} is multiplied by {scale:g}; give a finite number other than 0.")
    return scale


def _count(node: Any, dot: int, powers: list[tuple[str, str, str]]) -> int:
    """An upper bound of the number of terms below a node of the grammar's tree; powers of a name are noted."""
    symbol = getattr(getattr(node, "operator", None), "symbol", None)
    if symbol is None:
        return 1
    if symbol == ".":
        return dot
    if symbol in ("|", "~"):
        raise FormulaError(f"'{symbol}' may not stand inside brackets; it separates whole parts of a formula.")
    if symbol in ("**", "^"):
        base, power = node.args[0], str(node.args[1])
        if not (power.isascii() and power.isdigit() and 1 <= len(power) <= 2 and int(power)):
            raise FormulaError(
                "a power in the formula is not a whole number from 1 to 99; for x squared write I(x**2)."
            )
        if getattr(base, "operator", None) is None:
            powers.append((str(base), symbol, power))
        return _picks(_count(base, dot, powers), int(power))
    if symbol == "-" and str(node.args[-1]) in ("0", "1"):
        raise FormulaError("the intercept can only be left out of a whole part: write '- 1' or '0 +' outside brackets.")
    sizes = [_count(a, dot, powers) for a in node.args]
    if symbol in ("in", "/") and sizes[0 if symbol == "/" else 1] > MAX_NESTING:
        raise FormulaError(f"more than {MAX_NESTING} terms are crossed with one another; at most {MAX_FACTORS} can be.")
    if symbol == "in":
        return sizes[0]
    if len(sizes) == 2 and symbol in ("*", ":"):
        product = sizes[0] * sizes[1]
        return min(product + (sum(sizes) if symbol == "*" else 0), MAX_PRODUCT**2)
    return sum(sizes)


def _picks(terms: int, power: int) -> int:
    """How many products a power of a sum makes: choices of `power` terms with repetition."""
    if power > terms:
        return max(terms, 1) ** power
    return comb(min(terms, MAX_PRODUCT) + power - 1, power)


def _warn_power(base: str, symbol: str, power: str) -> None:
    message = f"'{base}{symbol}{power}' means '{base}' in a formula (a power of terms); write I({base}**{power}) for the power."
    issue_warning(message, StatinfWarning)
