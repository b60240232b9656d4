"""What a result answers a question with: a test, a set, bounds, a curve."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from html import escape
from typing import Any, Self

import numpy as np

from statinf.frames import to_caller
from statinf.internal import internal


@dataclass(frozen=True, repr=False)
class Finding:
    """An answer that prints as a sentence and tidies to a data frame.

    Attributes
    ----------
    frame_kind : str
        Kind of data frame that `tidy` makes, as `Frame.kind` names it.

    Examples
    --------
    >>> import statinf as si
    >>> found = si.lm("mpg ~ wt + qsec", si.datasets.load("mtcars"), vcov="iid").test("wt = 0")
    >>> found
    wt = 0: F(1, 29) = 108.78, p = 2.519e-11
    >>> found.tidy().round(3)
      hypothesis  statistic  df  df_denominator  p_value
    0     wt = 0     108.78   1            29.0      0.0
    """

    frame_kind: str = field(default="pandas", kw_only=True)

    def tidy(self) -> Any:
        """The answer as one row, in the caller's kind of data frame."""
        import pandas as pd

        return to_caller(pd.DataFrame({name: [value] for name, value in self.items().items()}), self.frame_kind)

    @internal
    def items(self) -> dict[str, Any]:
        """What the row of `tidy` holds: numbers and words, arrays left out."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "frame_kind"}
        return {name: value for name, value in own.items() if isinstance(value, int | float | str | np.number)}

    @internal
    def handed(self, kind: str) -> Self:
        """The same answer, whose tables are of a kind of data frame."""
        return replace(self, frame_kind=kind)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>".replace("\n", "<br>")

    def _repr_markdown_(self) -> str:
        return str(self).replace("\n", "  \n")
