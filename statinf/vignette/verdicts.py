"""What a vignette found beside what its paper says: a table that pages show and `statinf reproduce --all` collects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

MIME = "application/vnd.statinf.verdicts+json"
"""Key of a cell's output under which the verdicts stand as data."""

_HEADINGS = {"paper": "paper", "ours": "here", "tolerance": "tolerance", "verdict": "verdict", "reason": "why"}


@dataclass(frozen=True)
class Verdict:
    """One claim of a paper, or one number of other software, beside what was found.

    Attributes
    ----------
    claim : str
        What is claimed.
    ours : str
        What was found here.
    holds : bool
        Whether it is within the tolerance.
    paper : str
        The number or statement of the paper, where the claim does not name it.
    tolerance : str
        How far the two may lie apart, and why.
    reason : str
        Why they differ, if they do.
    """

    claim: str
    ours: str
    holds: bool
    paper: str = ""
    tolerance: str = ""
    reason: str = ""

    @property
    def verdict(self) -> str:
        """In one word: "holds" or "differs"."""
        return "holds" if self.holds else "differs"


def verdict(claim: str, ours: Any, holds: Any, *, paper: Any = "", tolerance: str = "", reason: str = "") -> Verdict:
    """One line of a vignette's verdicts.

    Parameters
    ----------
    claim : str
    ours : object
        Shown as text.
    holds : bool
    paper : object, optional
        Shown as text.
    tolerance, reason : str, optional
        The reason is kept where the claim does not hold.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> from statinf.vignette import verdict
    >>> verdict("the interval covers", f"{0.948:.2f}", abs(0.948 - 0.95) < 0.02, paper=".95").verdict
    'holds'
    """
    return Verdict(str(claim), str(ours), bool(holds), str(paper), tolerance, "" if holds else reason)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a vignette, shown as a table.

    Attributes
    ----------
    lines : tuple of Verdict

    Examples
    --------
    >>> from statinf.vignette import Verdicts, verdict
    >>> print(Verdicts([verdict("the slope is that of R", "-5.344", True, paper="-5.3445")]))
                              paper    here verdict
    claim
    the slope is that of R  -5.3445  -5.344   holds
    """

    lines: tuple[Verdict, ...]

    def __init__(self, lines: Iterable[Verdict]) -> None:
        object.__setattr__(self, "lines", tuple(lines))

    def to_frame(self) -> Any:
        """A pandas data frame with a row per claim, without the columns that no line fills."""
        import pandas as pd

        rows = [{"claim": line.claim} | {name: getattr(line, name) for name in _HEADINGS} for line in self.lines]
        frame = pd.DataFrame(rows, columns=["claim", *_HEADINGS])
        empty = [name for name in ("paper", "tolerance", "reason") if not frame[name].astype(bool).any()]
        return frame.drop(columns=empty).rename(columns=_HEADINGS).set_index("claim")

    def __str__(self) -> str:
        # the blanks that pandas sets behind the index's name are of no use
        return "\n".join(line.rstrip() for line in str(self.to_frame()).splitlines())

    def _html(self) -> str:
        """A table whose cells carry their heading, so that a narrow page can set a claim's cells below one another."""
        frame = self.to_frame()
        heads = "".join(f'<th scope="col">{name}</th>' for name in ("claim", *frame.columns))
        rows = []
        for claim, cells in zip(frame.index, frame.itertuples(index=False), strict=True):
            named = zip(frame.columns, cells, strict=True)
            data = "".join(f'<td data-label="{name}">{escape(cell)}</td>' for name, cell in named)
            held = cells[list(frame.columns).index("verdict")]
            rows.append(f'<tr class="{held}"><th scope="row">{escape(claim)}</th>{data}</tr>')
        body = "\n".join(rows)
        return f'<table class="verdicts">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Mapping[str, Any]:
        return {
            "text/plain": str(self),
            "text/html": self._html(),
            MIME: {"verdicts": [asdict(line) for line in self.lines]},
        }


def found_in(outputs: Iterable[Mapping[str, Any]]) -> list[Verdict]:
    """The verdicts among the outputs of a cell.

    Parameters
    ----------
    outputs : iterable of mapping
        Jupyter outputs.
    """
    bundles = (output.get("data", {}).get(MIME) for output in outputs)
    return [Verdict(**line) for bundle in bundles if bundle for line in bundle["verdicts"]]
