"""One side of the races in a process of its own: `python -m benchmarks.race.server ours|peers ROWS`.

It makes the rows, then forks for each race, so that a first call finds the rows in memory and no package loaded; before a
warm call the memory that its calls take is at hand. Requests are lines with the name of a function: the answer is a line of
JSON with the seconds it took, its numbers and its version. A line `end` ends the fork.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
import time
import warnings
from importlib import metadata
from typing import Any

_AT_FIRST = 0


def _peak() -> int:
    """The most bytes that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _have_memory(size: int) -> None:
    """Write to as many bytes as the calls before took, and free them.

    A guest gives free memory back to its host after a second or two, in which the other side runs; to fetch it again takes ten
    times as long as to write to it, on the next call's time. On a machine of its own nobody waits for that.
    """
    import numpy as np

    np.empty(max(size, 0) // 8)[::512] = 0.0


def answer(module: Any, name: str, rows: Any, *, warm: bool) -> dict[str, Any]:
    """The time, numbers and version of one call."""
    gc.collect()
    if warm:
        _have_memory(_peak() - _AT_FIRST)
    begun = time.perf_counter()
    try:
        found = getattr(module, name)(rows)
    except ImportError as error:
        return {"missing": str(error)}
    except Exception as error:  # the other side goes on, and the record says why this one has no time
        return {"failed": f"{type(error).__name__}: {error}"[:300]}
    took = time.perf_counter() - begun
    package = name.split("__")[1] if "__" in name else "statinf-toolkit"
    package = getattr(module, "PACKAGES", {}).get(package, package)
    return {"seconds": took, "found": found, "package": package, "version": _version(package)}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def main() -> None:
    global _AT_FIRST
    out, sys.stdout = sys.stdout, sys.stderr  # what packages print is no answer
    warnings.simplefilter("ignore")
    from benchmarks.race.rows import Rows

    module = importlib.import_module(f"benchmarks.race.{sys.argv[1]}")
    rows = Rows(int(sys.argv[2]))
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            continue
        _AT_FIRST, warm = _peak(), False
        while line and line.strip() != "end":
            print(json.dumps(answer(module, line.strip(), rows, warm=warm)), file=out, flush=True)
            line, warm = sys.stdin.readline(), True
        print("{}", file=out, flush=True)  # the next request waits for this: the parent reads it
        os._exit(0)


if __name__ == "__main__":
    main()
