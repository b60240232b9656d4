"""Run the benchmarks named on the command line, by default all: ``python -m benchmarks [NAME ...]``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    helpers = {"__init__", "__main__", "harness", "scoreboard"}
    files = sorted(f for f in HERE.glob("*.py") if f.stem not in helpers and not f.name.startswith("_"))
    unknown = set(names) - {f.stem for f in files}
    if unknown:
        print(
            f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(f.stem for f in files)}", file=sys.stderr
        )
        return 2
    places = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    failed = []
    for file in files:
        if names and file.stem not in names:
            continue
        print(f"== {file.stem}", flush=True)
        # A process each: what one compiles or allocates is not counted for the next. As a module, because a script's
        # folder comes first in the path, where `coverage` would hide the package that numba asks for.
        if subprocess.run(
            [sys.executable, "-m", f"benchmarks.{file.stem}"], env={**os.environ, "PYTHONPATH": places}, check=False
        ).returncode:
            failed.append(file.stem)
    subprocess.run(
        [sys.executable, "-m", "benchmarks.scoreboard"], env={**os.environ, "PYTHONPATH": places}, check=False
    )
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
