"""One question on one data set through all six families: the lines that are shown are those that run.

Does eligibility for a 401(k) pension plan make households save more? Each step asks one thing more of the same
households. The words are written from the fits, so that they say what came out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from statinf.cli.tour_steps import STEPS, TourStep

TITLE = "A tour: one question through six families"
INTRO = (
    "Does eligibility for a 401(k) pension plan make American households save more? Employers decide who is eligible, and "
    "those who are earn more to begin with. The data are households of the Survey of Income and Program "
    "Participation of 1991 (Abadie 2003); eligibility counts as random given income, age and family. Money is in "
    "thousands of dollars, brackets are 95% intervals, and every sentence is written from the fits."
)


@dataclass(frozen=True)
class Told:
    """A step that was run.

    Attributes
    ----------
    step : TourStep
    words : str
    draw : callable
        Draws the figure; returns matplotlib axes.
    """

    step: TourStep
    words: str
    draw: Callable[[], Any]

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.step.code.strip()}\n```\n\n{self.words}"


def walk(steps: tuple[TourStep, ...] | None = None) -> Iterator[Told]:
    """Run the steps one after the other.

    Parameters
    ----------
    steps : tuple of TourStep, optional
        All by default.

    Yields
    ------
    Told
    """
    import warnings

    from statinf.errors import NumericalWarning

    names: dict[str, Any] = {}
    for step in STEPS if steps is None else steps:
        with warnings.catch_warnings():
            # what they warn of, few effective rows, the words of the step say as well
            warnings.simplefilter("ignore", NumericalWarning)
            exec(compile(step.code, f"<tour: {step.name}>", "exec"), names)
        words = " ".join(step.words(names).split())
        yield Told(step, words, lambda step=step: step.draw(names))
