"""The accelerator's benchmark goes its ways on the processor, and without an accelerator measures nothing."""

from __future__ import annotations

import json

import pytest

from benchmarks import gpu, harness

WORK = {work.run.__name__: work for work in gpu.WORK}


def test_without_an_accelerator_it_says_so_and_succeeds(capsys):
    assert gpu.main([]) == 0
    assert "finds cpu alone. Nothing was measured." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["balancing", "ratio_grid", "permutations"])
def test_both_ways_agree_and_nothing_is_recorded(name, capsys, monkeypatch):
    monkeypatch.setattr(harness, "keep", None)
    assert gpu.compared(WORK[name], 1, small=True, here=True)
    assert "on the processor: numbers agree" in capsys.readouterr().out


def test_the_sweep_names_the_fastest_block(capsys, monkeypatch):
    slow = {(16, 8): 3.0, (32, 16): 1.0, (64, 16): 2.0}

    def timed(run, size, repeat):
        from statinf.stochastic import tiles

        return [1.0 + size * slow[tiles.ACCELERATOR_BLOCK, tiles.ACCELERATOR_CHAIN] * 1e-6], None

    monkeypatch.setattr(gpu, "timed", timed)
    assert gpu.sweep(1000, tuple(slow)) == (32, 16)
    out = capsys.readouterr().out
    assert "block 32, chain 16: 1.00 microseconds a row" in out and "ACCELERATOR_CHAIN = 32, 16" in out


def test_what_is_recorded(tmp_path, capsys, monkeypatch):
    work = WORK["permutations"]
    monkeypatch.setattr(harness, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu, "timed", lambda run, size, repeat: ([1.0, 2.0, 4.0], gpu.np.ones(3)))
    monkeypatch.setattr(gpu, "on_two_cores", lambda work, repeat: ([20.0], gpu.np.ones(3) + 1e-12))
    assert gpu.compared(work, 3, small=False, here=False)
    (kept,) = json.loads((tmp_path / "gpu.json").read_text())
    assert kept["ours"] == 2.0 and kept["ratio"] == 10.0 and kept["ours_error"] < 2e-12
    assert "cores" in kept["machine"] and "jax" in kept["machine"]["versions"]


@pytest.mark.slow
def test_everything_small(capsys, monkeypatch):
    monkeypatch.setenv("STATINF_BENCHMARK_B", "128")
    assert gpu.main(["--cpu", "--small"]) == 0
    made = gpu.on_two_cores(gpu.Work(**{**vars(WORK["ratio_grid"]), "cores": 50_000}), 1)
    assert made[1].shape == (10, 10)
