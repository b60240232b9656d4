"""Devices, sharding over several of them, and the compilation cache; each in its own process where JAX must be told first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from statinf.backend import accelerated, enforce_device, row_sharded_sum, set_device
from statinf.backend.device import chosen_device, devices
from statinf.errors import OptionError

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, **environment: str) -> str:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    made = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-2_000:]
    return made.stdout


def test_importing_the_backend_imports_no_jax():
    assert run("import sys, statinf.backend, statinf.formula; print('jax' in sys.modules)").strip() == "False"


def test_one_device_gives_the_plain_sum():
    x = np.random.default_rng(1).normal(size=(300, 2))
    with set_device("cpu"):
        np.testing.assert_allclose(row_sharded_sum(_column_sums, x), x.sum(axis=0), rtol=1e-12)


def _column_sums(x):
    return x.sum(axis=0)


def test_choosing_a_device():
    with set_device("cpu"):
        assert chosen_device().platform == "cpu" and not accelerated()
        assert all(d.platform == "cpu" for d in devices())
        with enforce_device(None):
            assert chosen_device().platform == "cpu"
    assert chosen_device() is None
    with enforce_device("cpu"):
        assert chosen_device().platform == "cpu"
    assert chosen_device() is None
    with pytest.raises(OptionError, match="device='quantum' is not known; choose one of"):
        set_device("quantum")


def test_a_device_that_is_not_there():
    assert "JAX finds none here" in run(
        """
from statinf.backend import set_device
from statinf.errors import OptionError
try:
    set_device("tpu")
except OptionError as error:
    print(error)
"""
    )


def test_a_device_is_chosen_for_one_thread():
    import threading

    found = []
    with set_device("cpu"):
        thread = threading.Thread(target=lambda: found.append(chosen_device()))
        thread.start()
        thread.join()
    assert found == [None]


def test_the_compilation_cache_serves_the_next_process(tmp_path):
    code = """
import sys, numpy as np, jax
from statinf.backend import enable_compile_cache, kernel
folder = enable_compile_cache(sys.argv[1] if len(sys.argv) > 1 else PATH)
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None)
@kernel
def cubed(x):
    return (x ** 3).sum()
assert cubed(np.arange(10.0)) == 2025.0
print(len(hits), len([f for f in folder.iterdir()]), folder)
""".replace("PATH", repr(str(tmp_path / "cache")))
    first, second = run(code).split(), run(code).split()
    assert int(first[1]) >= 1 and first[2] == second[2] and "jaxlib-" in first[2]
    assert int(first[0]) == 0 and int(second[0]) >= 1
    # Nothing is kept unless it was asked for.
    assert not (tmp_path / "other").exists()
