"""Write constraints.txt: the newest versions that fit pyproject.toml, on Python 3.11 and on 3.12 or later.

Run in the project's environment: ``python tools/make_constraints.py [--upgrade]``. Without ``--upgrade`` versions that
are already there stay.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "constraints.txt"
HEADER = "# Tested versions. Made by tools/make_constraints.py; names, versions and markers only.\n"
SPLIT = "python_full_version {} '3.12'"
# Build tools of the environment itself, which pip manages
SKIPPED = {"pip", "setuptools", "statinf-toolkit", "wheel"}
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)\s*(?:;\s*(.*\S))?\s*$")


def resolve(python: str, kept: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Name -> (version, marker) for one Python version and later, on every system."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.txt"
        # versions in the output file are uv's preferences
        out.write_text("".join(f"{name}=={version}\n" for name, (version, _) in kept.items()))
        command = [sys.executable, "-m", "uv", "pip", "compile", str(ROOT / "pyproject.toml"), "--extra", "dev"]
        command += ["--universal", "--python-version", python, "--fork-strategy", "fewest", "--output-file", str(out)]
        command += ["--no-annotate", "--no-header", "--no-emit-index-url", "--no-emit-find-links"]
        never = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=never)
        return parse(out.read_text(), python)


def parse(text: str, python: str) -> dict[str, tuple[str, str]]:
    """Pins of a requirements text that hold for one Python version."""
    pins = {}
    for line in text.splitlines():
        found = PIN.match(line)
        if not found or found[1] in SKIPPED:
            continue
        name, version, marker = found[1], found[2], found[3] or ""
        other = SPLIT.format(">=" if python == "3.11" else "<")
        if other in marker:
            continue
        marker = re.sub(r"python_full_version (<|>=) '3\.12'( and )?", "", marker)
        pins[name] = (version, marker.removeprefix("(").removesuffix(")") if marker.count("(") == 1 else marker)
    return pins


def line(name: str, version: str, *markers: str) -> str:
    """One requirement; the version split comes first."""
    present = [f"({m})" if " or " in m and len(markers) > 1 and all(markers) else m for m in markers if m]
    return f"{name}=={version}" + (f" ; {' and '.join(present)}" if present else "") + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = parser.parse_args().upgrade
    before = TARGET.read_text() if TARGET.exists() and not upgrade else ""
    old = resolve("3.11", parse(before, "3.11"))
    new = resolve("3.12", parse(before, "3.12"))
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) == new.get(name):
            lines.append(line(name, *old[name]))
            continue
        for pins, sign in ((old, "<"), (new, ">=")):
            if name in pins:
                lines.append(line(name, pins[name][0], SPLIT.format(sign), pins[name][1]))
    TARGET.write_text(HEADER + "".join(lines))


if __name__ == "__main__":
    main()
