"""What each vignette found, a record for each that was run, so that the work can be resumed."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from statinf.errors import StatinfError
from statinf.optional import MissingPackageError
from statinf.vignette.catalog import Vignette, available, describe, find
from statinf.vignette.parse import Cell, read
from statinf.vignette.run import execute
from statinf.vignette.verdicts import Verdict, found_in

RECORDS = "reproduced"


@dataclass(frozen=True)
class Record:
    """What one run of a vignette found.

    Attributes
    ----------
    name, title, about : str
        About: the description in the front matter, which names the papers.
    size : str
        "smoke", "reduced" or "full".
    source : str
        Digest of what the vignette computes.
    version : str
        Of statinf.
    machine : str
    seconds : float
        By the clock.
    busy : float
        Seconds of processor time, all threads together: what a machine with nothing else to do needs at most.
    verdicts : tuple of Verdict
    error : str
        Why the run failed, or empty.
    """

    name: str
    title: str
    about: str
    size: str
    source: str
    version: str
    machine: str
    seconds: float
    busy: float
    verdicts: tuple[Verdict, ...]
    error: str = ""

    def save(self, folder: str | Path) -> Path:
        """Write the record below a folder; returns the file."""
        file = Path(folder) / RECORDS / f"{self.name}.{self.size}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".part")
        draft.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        # a file is there whole or not at all, also if the work is cut off here
        os.replace(draft, file)
        return file


def sources(name: str | None = None) -> list[Vignette]:
    """All vignettes, or the one of a name."""
    return available() if name is None else [describe(find(name))]


def record_of(vignette: Vignette, size: str) -> Record:
    """Run a vignette and keep its verdicts; a run that fails becomes a record of its error.

    Raises
    ------
    MissingPackageError
        If a package is not installed: that says something of the environment and nothing of the vignette.
    """
    begun, busy = time.perf_counter(), _processor_time()
    verdicts: list[Verdict] = []
    error = ""
    try:
        done = execute(vignette.path, size=size)
        for outputs in done.outputs.values():
            verdicts += found_in(outputs)
    except MissingPackageError:
        raise
    except StatinfError as failure:
        error = str(failure).splitlines()[0]
    from statinf import __version__

    return Record(
        vignette.name,
        vignette.title,
        vignette.description,
        size,
        _digest(vignette),
        __version__,
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        round(time.perf_counter() - begun, 1),
        round(_processor_time() - busy, 1),
        tuple(verdicts),
        error,
    )


def _processor_time() -> float:
    """Seconds of this process and of those it has started and seen end, as a vignette's kernel is."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def is_current(record: Record, vignette: Vignette) -> bool:
    """Whether the vignette still computes, and statinf still is, what it did when the record was made."""
    from statinf import __version__

    return not record.error and record.source == _digest(vignette) and record.version == __version__


def read_records(folder: str | Path) -> dict[tuple[str, str], Record]:
    """Records below a folder, by name and size; one that cannot be read counts as none, and is made again."""
    known = {}
    for file in sorted((Path(folder) / RECORDS).glob("*.json")):
        try:
            held = json.loads(file.read_text(encoding="utf-8"))
            made = Record(**{**held, "verdicts": tuple(Verdict(**line) for line in held["verdicts"])})
        except (ValueError, TypeError, LookupError):
            continue
        known[made.name, made.size] = made
    return known


def _digest(vignette: Vignette) -> str:
    """Of what a vignette's cells compute: words around them, comments and layout change nothing."""
    document = read(vignette.path)
    told = [repr(document.meta.get("params"))]
    for part in document.parts:
        if isinstance(part, Cell) and part.runs:
            try:
                told.append(ast.dump(ast.parse(part.source)))
            except SyntaxError:  # a cell with a magic
                told.append(part.source)
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
