"""What every result can do: print itself, render itself in a document, be saved."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from statinf.errors import NotIdentifiedError
from statinf.results.table import Table


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """An immutable result.

    Attributes
    ----------
    method : str
        Name of the method, as `method=` takes it or as the verb is called.
    formula : str
    citation : str
        The paper that the method implements.
    nobs : int
        Rows used, those of weight zero left out.
    """

    method: str
    formula: str
    citation: str = ""
    nobs: int = 0

    offers: ClassVar[str] = "summary() and plot()"
    """What a result without standard errors offers in their place."""

    def summary(self) -> Table:
        """The result as a table that prints as text and renders as HTML, Markdown, LaTeX and Typst."""
        raise NotImplementedError

    def plot(self, **options: Any) -> Any:
        """A figure; returns the matplotlib axes."""
        raise NotIdentifiedError(f"a result of '{self.method}' has no plot; it offers {self.offers}.")

    def __repr__(self) -> str:
        return self.summary().to_text()

    def _repr_html_(self) -> str:
        return self.summary().to_html()

    def _repr_markdown_(self) -> str:
        return self.summary().to_markdown()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the result to a file that `statinf.load` reads; the caller's data stay out of it.

        The file is a zip archive of JSON and NumPy arrays: reading it runs no code.
        """
        from statinf.results.store import save

        return save(self, path)

    def __getstate__(self) -> dict[str, Any]:
        unsaved = {f.name for f in fields(self) if not f.metadata.get("saved", True)}
        known = {f.name for f in fields(self)}
        return {k: (None if k in unsaved else v) for k, v in self.__dict__.items() if k in known}

    def _no_standard_errors(self, asked: str) -> NotIdentifiedError:
        return NotIdentifiedError(f"'{self.method}' has no large-sample theory for {asked}; it offers {self.offers}.")
