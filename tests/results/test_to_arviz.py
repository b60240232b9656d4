"""arviz's container on a machine that has seen nothing, and where there is no home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from statinf.errors import DataError
from statinf.results import to_arviz

ROOT = Path(__file__).resolve().parents[2]

CODE = """
import warnings, sys
warnings.simplefilter("error")
import numpy as np
from statinf.results.to_arviz import draws_to_arviz
made = draws_to_arviz(np.arange(6.0).reshape(3, 2), ("a", "b"))
import arviz
assert arviz.preview is sys.modules["arviz.preview"] and arviz.preview.__file__
print(made.posterior["theta"].values.tolist())
"""


def run(folder: Path, **homes: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "MPL")) and k not in ("HOME", "TMPDIR")}
    return subprocess.run(
        [sys.executable, "-c", CODE],
        env=kept | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"} | homes,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(os.name != "posix", reason="a home below a device")
def test_without_a_word_and_without_a_home(tmp_path):
    """A home that cannot be made, for every package that would like to keep something there."""
    done = run(tmp_path, HOME="/dev/null/home", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]]"


def test_what_arviz_cannot_be_imported_for_is_named(monkeypatch):
    def fails(name):
        raise PermissionError(13, "Permission denied", "/root/.cache/arviz")

    monkeypatch.setattr(to_arviz, "importlib", SimpleNamespace(import_module=fails))
    with pytest.raises(DataError, match="XDG_CACHE_HOME"):
        to_arviz.draws_to_arviz(np.zeros((3, 1)), ("a",))
