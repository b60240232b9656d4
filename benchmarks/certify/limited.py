"""Studies of `si.multinomial`, `si.ordered` and `si.tobit`, on the samples of `benchmarks.limited_coverage`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from typing import Any

from benchmarks.certify.study import Shown, Study
from benchmarks.limited_coverage import FIRST, LEVEL, TRUTH, draw, fit, new_limits
from statinf.results import Fit

SIZES = (50, 200, 1000)
COLUMNS = "a normal covariate x, a binary one d"
DESIGNS = {
    "multinomial": f"three classes, {COLUMNS}",
    "ordered": f"three ordered categories of a latent logistic outcome, {COLUMNS}",
    "tobit": f"a normal outcome censored at zero in four of ten rows, {COLUMNS}",
}
WORDS = {"multinomial": "probability of a class", "ordered": "probability of a class", "tobit": "expected outcome"}


def _held(made: Fit, name: str, truth: float, quantity: str, clusters: int = 0) -> Shown:
    low, high = made.conf_int(LEVEL).loc[name]
    return Shown(made, quantity, bool(low <= truth <= high), clusters)


def independent(verb: str, n: int, seed: int) -> Iterator[Any]:
    # Made where an interval is asked for, so that a sample of separated classes is counted as refused.
    @cache
    def whole() -> Fit:
        return fit(verb, draw(n, seed))

    def made(kind: str, quantity: str) -> Shown:
        one, true = whole().with_vcov(kind), TRUTH[verb]
        if quantity == "new":
            low, high = new_limits(verb, one)
            return Shown(one, f"{WORDS[verb]} of a new row", bool(low <= true["new"] <= high))
        words = (
            "slope"
            if quantity == FIRST[verb]
            else {"1|2": "cutpoint", "c: d": "slope of a binary column"}.get(quantity, quantity)
        )
        return _held(one, quantity, true[quantity], words)

    for kind in ("iid", "HC0", "HC1"):
        for quantity in TRUTH[verb]:
            yield partial(made, kind, quantity)


def clustered(verb: str, n: int, seed: int) -> Iterator[Any]:
    @cache
    def whole() -> Fit:
        return fit(verb, draw(n, seed, shared=0.5))

    def made(kind: str) -> Shown:
        one = whole().with_vcov({"cluster": "id", "type": kind})
        return _held(one, FIRST[verb], TRUTH[verb][FIRST[verb]], "slope", n // 5)

    for kind in ("HC0", "HC1"):
        yield partial(made, kind)


STUDIES = tuple(
    study
    for verb, design in DESIGNS.items()
    for study in (
        Study(verb, verb, design, SIZES, partial(independent, verb)),
        Study(
            f"{verb}_clusters",
            verb,
            f"{design}; clusters of five rows that share x and a part of the error",
            SIZES,
            partial(clustered, verb),
        ),
    )
)
