"""``python -m statinf.cli``."""

import sys

from statinf.cli import main

if __name__ == "__main__":
    sys.exit(main())
