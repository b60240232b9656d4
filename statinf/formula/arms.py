"""Which level of a treatment counts as treated, and which is the reference: one rule for every verb with arms."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from numbers import Number
from typing import Any

from statinf.errors import OptionError

_REFERENCE = frozenset(
    (
        "", "0", "false", "no", "none", "never", "off", "nil", "absent", "control", "controls", "ctrl", "ctl", "placebo",
        "sham", "vehicle", "dummy", "untreated", "nontreated", "unexposed", "nonexposed", "not treated", "not exposed",
        "no treatment", "comparison", "comparator", "baseline", "reference", "ref", "usual care", "standard care",
        "standard of care", "treatment as usual", "waitlist", "wait list", "waiting list", "observation", "withheld",
    )
)  # fmt: skip
_TREATED = frozenset(
    (
        "1",
        "true",
        "yes",
        "on",
        "treated",
        "treatment",
        "treat",
        "trt",
        "exposed",
        "active",
        "intervention",
        "experimental",
    )
)
_PAIRS = frozenset((("n", "y"), ("f", "t"), ("c", "t"), ("nein", "ja"), ("non", "oui")))
"""Reference and treated level of pairs that mean something only together."""
_NOT = ("un", "non", "not ", "non ", "no ", "without ")


def treatment_levels(
    levels: Sequence[Any], treated: Any = None, reference: Any = None, *, name: str = "treatment"
) -> tuple[Any, Any, bool]:
    """The level that counts as treated, the one it is compared with, and whether that was told or could be read off.

    A level named by `treated` or `reference` is found by value or by its text, in any case. Otherwise labels such as
    "control", "Placebo", "untreated", "no", "FALSE", "none", "" or 0 are the reference in any spelling, and so is one
    that denies the other ("uninsured" beside "insured"). Failing that, the first level is the reference and the last of
    two is treated.

    Parameters
    ----------
    levels : sequence
        The distinct levels that occur, in their order; at least two.
    treated, reference : object, optional
        Levels chosen by the caller.
    name : str
        The treatment's column, for messages.

    Returns
    -------
    treated : object
        None where there are three levels or more and the caller named none.
    reference : object
    recognised : bool
        False where only the order of the levels decided.

    Raises
    ------
    OptionError
        If a level that was named does not occur, or one level is named for both.

    Examples
    --------
    >>> treatment_levels(("drug", "placebo"))
    ('drug', 'placebo', True)
    >>> treatment_levels(("a", "b"))
    ('b', 'a', False)
    >>> treatment_levels(("a", "b"), treated="a")
    ('a', 'b', True)
    """
    levels = list(levels)
    on = None if treated is None else _find(treated, levels, "treated", name)
    off = None if reference is None else _find(reference, levels, "reference", name)
    if on is not None and on == off:
        raise OptionError(
            f"treated= and reference= both name {levels[on]!r} of '{name}'; they are two different levels."
        )
    two = len(levels) == 2
    if two and (on is not None or off is not None):
        on = 1 - off if on is None else on  # type: ignore[operator]
        return levels[on], levels[1 - on], True
    if off is not None:
        return None if on is None else levels[on], levels[off], True
    found = _recognised([_text(level) for level in levels])
    if found == on:
        found = None
    off = (0 if on != 0 else 1) if found is None else found
    if two and on is None:
        on = 1 - off
    return None if on is None else levels[on], levels[off], found is not None


def order_note(name: str, treated: Any, reference: Any) -> str:
    """The sentence for summaries of results whose treated level was decided by the order of the levels alone."""
    return (
        f"Treated is {name} = {_shown(treated)}, the later of its two levels in order, compared with {_shown(reference)}; "
        "treated= chooses."
    )


def _recognised(texts: list[str]) -> int | None:
    """Position of the one level that is a reference by its name, if there is one."""
    hits = [k for k, text in enumerate(texts) if text in _REFERENCE]
    if len(hits) == 1:
        return hits[0]
    if len(texts) != 2 or hits:
        return None
    for k in (0, 1):
        own, other = texts[k], texts[1 - k]
        if (own, other) in _PAIRS or any(own == denial + other for denial in _NOT):
            return k
    treated = [k for k, text in enumerate(texts) if text in _TREATED and text != "1"]
    return 1 - treated[0] if len(treated) == 1 else None


def _text(level: Any) -> str:
    """A level as a word: lower case, one space between parts, without "group" or "arm" at the end."""
    if isinstance(level, Number) and not isinstance(level, bool):
        value = complex(level).real  # type: ignore[arg-type]
        return str(int(value)) if value.is_integer() else repr(value)
    words = re.sub(r"[\s_\-./]+", " ", str(level)).strip().casefold()
    return re.sub(r" (group|arm|condition)$", "", words) if level is not None else ""


def _find(wanted: Any, levels: list[Any], option: str, name: str) -> int:
    for same in (lambda v: _equal(v, wanted), lambda v: str(v) == str(wanted), lambda v: _text(v) == _text(wanted)):
        hits = [k for k, level in enumerate(levels) if same(level)]
        if len(hits) == 1:
            return hits[0]
    shown = [_shown(level) for level in levels]
    close = get_close_matches(str(wanted), [s.strip("'") for s in shown], n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = f"{', '.join(shown[:12])}{', ...' if len(shown) > 12 else ''}"
    raise OptionError(f"{option}={wanted!r} is not a level of '{name}' on the rows used; they are {listed}.{hint}")


def _equal(level: Any, wanted: Any) -> bool:
    try:
        return bool(level == wanted)
    except (TypeError, ValueError):
        return False


def _shown(level: Any) -> str:
    return f"{level:g}" if isinstance(level, float) else repr(level) if isinstance(level, str) else str(level)
