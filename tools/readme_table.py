"""Bring the table of methods in README.md up to date; with ``--check`` only say whether it is."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from statinf.cli.families import all_methods
from statinf.cli.methods import markdown

README = Path(__file__).resolve().parents[1] / "README.md"
BLOCK = re.compile(r"(<!-- methods: begin.*? -->\n).*?(<!-- methods: end -->)", re.DOTALL)


def updated(text: str) -> str:
    """README's text with the table of the methods that there are now."""
    if not BLOCK.search(text):
        raise SystemExit(f"{README} has no '<!-- methods: begin -->' and '<!-- methods: end -->'")
    return BLOCK.sub(lambda found: f"{found[1]}{markdown(all_methods())}\n{found[2]}", text)


def main() -> int:
    before = README.read_text(encoding="utf-8")
    after = updated(before)
    if "--check" in sys.argv[1:]:
        return int(before != after)
    README.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
