"""What may stand on which side and in which part of a formula."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from statinf.errors import FormulaError, StatinfWarning, issue_warning
from statinf.formula import expression as ex
from statinf.formula.factors import Factor
from statinf.formula.parse import FormulaText

Terms = Sequence[tuple[str, tuple[str, ...], float]]
_TREATMENT = "treatment"


def check_sides(text: FormulaText, roles: Sequence[str], response: str) -> None:
    """Refuse a formula with more parts or outcomes than the method takes.

    Raises
    ------
    FormulaError
    """
    if len(text.parts) > len(roles):
        raise FormulaError(_too_many(text, roles))
    if response == "none" and text.response:
        raise FormulaError(f"this method takes a formula without an outcome: '~ {text.text.split('~', 1)[1].strip()}'.")
    if response in ("numeric", "matrix", "categories", "ordered") and not text.response:
        raise FormulaError("the formula has no outcome on the left of '~'; write 'outcome ~ covariates'.")
    if response in ("numeric", "categories", "ordered") and len(text.response) > 1:
        named = ", ".join(text.quoted.get(name, name) for name in text.response)
        raise FormulaError(
            f"the formula has {len(text.response)} outcomes, {named}, and this method takes one. Methods that "
            "take several together are 'dqr' and 'st-dqr' of si.conformal, for regions that hold all of them."
        )


def _too_many(text: FormulaText, roles: Sequence[str]) -> str:
    found = f"the formula has {len(text.parts)} parts after '~', this method takes {len(roles)}: {' | '.join(roles)}."
    terms = text.parts[1].terms
    if tuple(roles) != ("covariates",) or len(text.parts) != 2 or not terms or not all(term.factors for term in terms):
        return found
    names = [[text.quoted.get(name, name) for name in term.factors] for term in terms]
    first = names[0][0]
    return (
        f"{found} For fixed effects give absorb='{' + '.join(map('^'.join, names))}' to si.lm or si.glm, or write + C({first}), "
        f"one coefficient per level; for standard errors by group give cluster='{first}'."
    )


def check_apart(
    outcome: Sequence[Factor],
    parts: Mapping[str, Terms],
    offsets: Sequence[Factor],
    factors: Mapping[str, Factor],
    scope: ex.Scope,
) -> None:
    """Refuse an outcome that explains itself, and a treatment that stands in a further part.

    Parameters
    ----------
    outcome : sequence of Factor
    parts : mapping of str to terms
        By role, in order.
    offsets : sequence of Factor
    factors : mapping of str to Factor
    scope : Scope

    Raises
    ------
    FormulaError
        If a term is the outcome or the treatment itself. A term that is computed from it draws a warning.
    """
    everywhere = [(role, t) for role, terms in parts.items() for t in terms]
    seen: dict[str, Factor] = {}
    for left in outcome:
        first = seen.setdefault(core(left, scope), left)
        if first is not left:
            raise FormulaError(
                f"'{first.label}' and '{left.label}' are the same outcome; name it once on the left of '~'."
            )
        if any(core(left, scope) == core(f, scope) for f in offsets):
            raise FormulaError(f"the outcome '{left.label}' stands in an offset as well; remove it there.")
        for _, found in _uses(left, everywhere, factors, scope):
            _refuse_or_warn(
                left, found, f"the outcome '{left.label}' stands on the right of '~' as well", factors, scope
            )
    others = [(role, t) for role, t in everywhere if role != _TREATMENT]
    for _, labels, _ in parts.get(_TREATMENT, ()):
        if len(labels) == 1 and (treatment := factors[labels[0]]).columns:
            for role, found in _uses(treatment, others, factors, scope):
                what = f"the treatment '{treatment.label}' stands among the {role} as well"
                _refuse_or_warn(treatment, found, what, factors, scope)


def _uses(
    factor: Factor,
    terms: Sequence[tuple[str, tuple[str, tuple[str, ...], float]]],
    factors: Mapping[str, Factor],
    scope: ex.Scope,
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Role and factor labels of the terms that hold every column of a factor."""
    wanted = set(factor.columns)
    for role, (_, labels, _) in terms:
        members = [factors[label] for label in labels]
        # A function of the caller's may take an earlier value, which is another variable.
        if wanted <= {c for f in members for c in f.columns} and not any(_calls_context(f, scope) for f in members):
            yield role, labels


def _calls_context(factor: Factor, scope: ex.Scope) -> bool:
    return bool(scope.context) and any(ex.call_name(n) in scope.context for n in ast.walk(factor.node))


def _refuse_or_warn(
    factor: Factor, labels: tuple[str, ...], what: str, factors: Mapping[str, Factor], scope: ex.Scope
) -> None:
    if len(labels) == 1 and core(factors[labels[0]], scope) == core(factor, scope):
        raise FormulaError(f"{what}; remove it from one of the two.")
    if factor.logical and ex.column_name(factor.node, scope) is None:
        # An outcome cut at a threshold is explained by its own column on purpose.
        return
    issue_warning(f"{what}, in the term '{':'.join(labels)}'.", StatinfWarning)


def core(factor: Factor, scope: ex.Scope) -> str:
    """What a factor is without a `C()` or `I()` around a column or an expression."""
    node: ast.AST = factor.node
    while isinstance(node, ast.Call) and ex.call_name(node) in ("C", "I") and node.args:
        node = node.args[0]
    return ex.column_name(node, scope) or ast.unparse(node)
