"""Options of a method as one frozen record: default, range and meaning of each, checked before any row is read.

A method's options are a dataclass that inherits from `Options`, its fields made by `number`, `count`, `flag`, `choice`,
`value` or `fixed`. An option that several methods share is a field of a class that they inherit from. The record is the
only place that knows a default or a range: verbs, their documentation and the tables of methods read it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Integral, Real
from typing import Any

import numpy as np

from statinf.errors import OptionError, nearest
from statinf.spellings import hint

_KEY = "option"
_MOST = 10**9


@dataclass(frozen=True)
class OptionRule:
    """What one option accepts.

    Attributes
    ----------
    meaning : str
        One line, for documentation.
    accepts : str
        The values accepted, in words.
    check : callable
        From the option's name and a value to the value in normal form; raises `OptionError`.
    """

    meaning: str
    accepts: str
    check: Callable[[str, Any], Any]


def _field(default: Any, meaning: str, accepts: str, check: Callable[[str, Any], Any]) -> Any:
    rule = OptionRule(meaning, accepts, check)
    if isinstance(default, dict | list):
        return field(default_factory=lambda: default.copy(), metadata={_KEY: rule})
    return field(default=default, metadata={_KEY: rule})


def number(
    default: float | str | None,
    meaning: str,
    *,
    low: float = -np.inf,
    high: float = np.inf,
    open_low: bool = False,
    open_high: bool = False,
    also: Sequence[Any] = (),
    infinite: bool = False,
) -> Any:
    """A real number in [low, high]; `open_low` and `open_high` leave an end out, `also` lists further values (such as None).

    Infinity, under which a tolerance asks for nothing, is taken where `infinite` says that it has a meaning.
    """
    accepts = _range_words("a number", low, high, open_low, open_high, also)

    def check(name: str, value: Any) -> Any:
        if _is_listed(value, also):
            return value
        inside = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
        made = float(value) if inside else np.nan
        above = made > low if open_low else made >= low
        below = made < high if open_high else made <= high
        if not (inside and above and below):
            raise OptionError(f"{name}={value!r} is not {accepts}.")
        if not (infinite or np.isfinite(made)):
            raise OptionError(f"{name}={value!r} is not a finite number; give {accepts}.")
        return made

    return _field(default, meaning, accepts, check)


def count(
    default: int | str | None, meaning: str, *, low: int = 1, high: float = np.inf, also: Sequence[Any] = ()
) -> Any:
    """A whole number of at least `low`; `also` lists further values."""
    accepts = _range_words("a whole number", low, high, False, False, also)

    def check(name: str, value: Any) -> Any:
        if _is_listed(value, also):
            return value
        if not isinstance(value, Integral) or isinstance(value, bool | np.bool_) or not low <= int(value) <= high:
            raise OptionError(f"{name}={value!r} is not {accepts}.")
        if int(value) > _MOST:
            raise OptionError(f"{name}={value!r} is more than can be counted to or held; {_MOST:,} is the most.")
        return int(value)

    return _field(default, meaning, accepts, check)


def flag(default: bool | None, meaning: str) -> Any:
    """True or False; None too where it is the default."""
    accepts = "True or False" if default is not None else "True, False or None"

    def check(name: str, value: Any) -> Any:
        if value is None and default is None:
            return value
        if not isinstance(value, bool | np.bool_):
            raise OptionError(f"{name}={value!r} is not {accepts}.")
        return bool(value)

    return _field(default, meaning, accepts, check)


def choice(default: str | None, allowed: Sequence[str], meaning: str, *, none: bool = False) -> Any:
    """One of several words; None too where it is the default, or where `none` says so."""
    words, none = tuple(allowed), none or default is None
    accepts = ", ".join(map(repr, words)) + (" or None" if none else "")

    def check(name: str, value: Any) -> Any:
        if value is None and none:
            return value
        if not isinstance(value, str) or value not in words:
            near = nearest(str(value), words)
            raise OptionError(f"{name}={value!r} is not known; choose one of {accepts}.{near}")
        return value

    return _field(default, meaning, accepts, check)


def value(default: Any, meaning: str, accepts: str, check: Callable[[str, Any], Any] | None = None) -> Any:
    """Anything that `check(name, value)` passes: arrays, mappings, learners; None and the default pass unchecked."""

    def checked(name: str, given: Any) -> Any:
        if check is None or given is None or given is default:
            return given
        return check(name, given)

    return _field(default, meaning, accepts, checked)


@dataclass(frozen=True, kw_only=True)
class Options:
    """Base of every record of options; checks each of its fields at birth.

    Raises
    ------
    OptionError
        For a value outside an option's range.
    """

    def __post_init__(self) -> None:
        for one in fields(self):
            rule = rule_of(one)
            if rule is not None:
                object.__setattr__(self, one.name, rule.check(one.name, getattr(self, one.name)))
        self.check()

    def check(self) -> None:
        """Refuse options that exclude each other; for methods that have such."""

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Options by name, in the order of documentation."""
        return tuple(f.name for f in fields(cls))

    @classmethod
    def rules(cls) -> dict[str, tuple[OptionRule, Any]]:
        """The rule and the default of every option by name."""
        out = {}
        for one in fields(cls):
            rule = rule_of(one)
            made = one.default if one.default_factory is MISSING else one.default_factory()
            if rule is not None:
                out[one.name] = (rule, made)
        return out


def rule_of(one: Field[Any]) -> OptionRule | None:
    """The rule of a field; None for a field that is no option."""
    return one.metadata.get(_KEY)


def refuse_unknown(
    given: Mapping[str, Any], takes: Sequence[str], verb: str, method: str, others: Mapping[str, Sequence[str]]
) -> None:
    """Raise an `OptionError` for the first option that a method does not take.

    Parameters
    ----------
    given : mapping
        Options as the caller wrote them.
    takes : sequence of str
        What the method takes.
    verb, method : str
    others : mapping of str to sequence of str
        Options of the verb's other methods by name, and under "" those that every method takes.
    """
    for name in given:
        if name in takes:
            continue
        where = f"si.{verb}(method={method!r})" if method else f"si.{verb}"
        owners = [other for other, names in others.items() if other and name in names]
        mine = ", ".join(takes) or "no options of its own"
        if owners:
            listed = ", ".join(repr(o) for o in owners)
            raise OptionError(f"{name}= is an option of method={listed}, not of {method!r}; {where} takes {mine}.")
        known = [*takes, *others.get("", ())]
        said = _pointing(hint("option", name), known) or nearest(name, known)
        raise OptionError(f"{name}= is not an option of {where}; it takes {mine}.{said and ' ' + said.strip()}")


def _pointing(said: str, known: Sequence[str]) -> str:
    """A hint, unless all it does is to name an option that is not to be had here."""
    named = re.findall(r"(\w+)=", said)
    return "" if said.endswith("=.") and not set(named) & set(known) else said


def _is_listed(given: Any, also: Sequence[Any]) -> bool:
    return any(given is a or (isinstance(a, str) and isinstance(given, str) and given == a) for a in also)


def _range_words(noun: str, low: float, high: float, open_low: bool, open_high: bool, also: Sequence[Any]) -> str:
    bounds = []
    if np.isfinite(low):
        bounds.append(f"above {low:g}" if open_low else f"at least {low:g}")
    if np.isfinite(high):
        bounds.append(f"below {high:g}" if open_high else f"at most {high:g}")
    words = f"{noun} {' and '.join(bounds)}" if bounds else noun
    return words + "".join(f", or {a!r}" for a in also)
