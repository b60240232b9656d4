"""Work shared by four devices and by two processes gives the numbers of one, and a lost process is an error with a name."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import statinf as si
from statinf.backend import host_part, over_hosts, weighted_sums
from statinf.backend.device import placement
from statinf.errors import OptionError

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WORK = (
    "sums", "replicas of lsa", "multiplier bootstrap", "pairs bootstrap", "refits of a logit", "ulsif", "kernel balancing", "MMD",
    "MMD without a factor", "energy distance",
)  # fmt: skip
HOSTS = ("replicas of lsa", "replicas after more rows", "path", "bootstrap", "wild", "pipeline", "permutations")


def start(script: str, *given: str, flags: str = "") -> subprocess.Popen:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags}
    return subprocess.Popen(
        [sys.executable, str(HERE / script), *given], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen, code: int = 0) -> str:
    try:
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == code, err[-3000:]
    return out


def of_four(*given: str) -> dict:
    return json.loads(ended(start("four_devices.py", *given, flags="--xla_force_host_platform_device_count=4")))


@pytest.fixture(scope="module")
def four():
    return of_four()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hosts")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    processes = [start("two_hosts.py", str(number), port, str(folder)) for number in range(2)]
    try:
        ended(processes[0])
        ended(processes[1], 9)
    finally:
        for process in processes:
            process.kill()
    return folder


@pytest.mark.parametrize("name", WORK)
def test_four_devices_give_the_numbers_of_one(four, name):
    assert four["found"][name] < 1e-10


def test_callers_settings_stay_and_missing_devices_are_told(four):
    assert four["unchanged"] and set(four["found"]) == set(WORK)
    assert four["refused"] == "count=9: JAX finds 4 cpu device(s) in this process."


@pytest.mark.slow
def test_networks_on_four_devices():
    found = of_four("--networks")["found"]
    assert found["networks of folds"] < 1e-10 and found["quantile process"] < 1e-10


@pytest.mark.parametrize("name", HOSTS)
def test_two_processes_give_the_numbers_of_one(two, name):
    alone = np.load(two / "alone.npz")[name]
    for number in range(2):
        shared = np.load(two / f"shared{number}.npz")[name]
        np.testing.assert_allclose(shared, alone, rtol=0, atol=1e-10 * np.abs(alone).max())


def test_a_process_that_fails_ends_or_is_silent_is_named(two):
    first, second = (json.loads((two / f"said{number}.json").read_text()) for number in range(2))
    assert "Call jax.distributed.initialize" in first["unconnected"]
    assert first["plain"] == second["plain"]
    assert "process 1 of 2 runs on other data, replicas or another seed" in first["other"]
    assert "process 0 of 2 runs on other data" in second["other"]
    assert "process 1 of 2 failed" in first["failed"] and second["failed"] == "no memory left here"
    assert "no answer from process 1 within 0.5 s" in first["silent"]
    assert "lost the connection to process 1: it has ended" in first["killed"]
    assert all(float(first[name].split()[0]) < 30 for name in ("silent", "killed"))


def test_one_process_and_one_device_share_with_nobody():
    assert placement().count == 1 and not placement().hosts
    assert list(host_part(range(5))) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(over_hosts(lambda own: np.array(own, float), range(3)), [0.0, 1.0, 2.0])
    w, z = np.random.default_rng(0).normal(size=(2, 5, 5))
    np.testing.assert_array_equal(weighted_sums(w, z), w @ z)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 0}, "count=0: give how many devices"),
        ({"count": True}, "count=True"),
        ({"count": "both"}, "count='both'"),
        ({"count": 99}, "count=99: JAX finds 1 cpu"),
        ({"wait": 0}, "wait=0: give a number of seconds"),
        ({"hosts": True}, "hosts=True: the processes are not connected"),
    ],
)
def test_what_cannot_be_shared(given, said):
    with pytest.raises(OptionError, match=said):
        si.set_device("cpu", **given)


def test_a_choice_of_devices_ends_with_its_block():
    with si.set_device("cpu", "all"):
        assert placement().count == "all"
        with si.set_device("cpu"):
            assert placement().count == 1
        assert placement().count == "all"
    assert placement().count == 1
