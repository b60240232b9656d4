"""Bars of progress: after a second, on a terminal, with a rate and an end; silent elsewhere, one at a time, gone at the end."""

from __future__ import annotations

import io
import re
import sys
import time
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsRegressor
from tqdm.std import tqdm

import statinf as si
from statinf.backend import counted_bar, map_threads, progress, progress_bar, reporting
from statinf.learners import Network
from statinf.shifts import permutation


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass at every look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def terminal(monkeypatch):
    out = Terminal()
    # not as sys.stderr, which pytest sets anew between a fixture and its test
    monkeypatch.setattr(progress, "_seen", lambda: True)
    monkeypatch.setattr(progress, "_class", lambda: partial(tqdm, file=out))
    monkeypatch.setattr(progress, "_shown", progress.ContextVar("fresh", default=None))
    return out


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(progress, "clock", Clock(0.6))


def test_a_bar_has_a_rate_and_an_end(terminal, slow):
    assert list(progress_bar(range(50), label="work")) == list(range(50))
    shown = terminal.getvalue()
    assert re.search(r"work: +\d+%\|.*\| \d+/50 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+(it/s|s/it)\]", shown)
    # wiped at the end
    assert shown.endswith("\r") and not shown.rstrip("\r").rpartition("\r")[2].strip()


def test_short_work_shows_nothing(terminal):
    list(progress_bar(range(1000), label="work"))
    assert terminal.getvalue() == ""


def test_logs_stay_quiet(monkeypatch, slow):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    list(progress_bar(range(50), label="work"))
    assert log.getvalue() == ""
    list(progress_bar(range(50), label="work", show=True))
    assert "work" in log.getvalue()


def test_a_verbs_choice_reaches_the_loops_below_it(terminal, slow):
    with reporting(False), reporting(None):
        list(progress_bar(range(50), label="work"))
    assert terminal.getvalue() == ""
    with reporting(False):
        list(progress_bar(range(50), label="told", show=True))
    assert "told" in terminal.getvalue()


def test_one_bar_at_a_time(terminal, slow):
    for _ in progress_bar(range(9), label="outer"):
        list(progress_bar(range(9), label="inner"))
    assert "outer" in terminal.getvalue() and "inner" not in terminal.getvalue()
    # a single item says nothing: the loop within it does
    for _ in progress_bar(range(1), label="alone"):
        list(progress_bar(range(9), label="deep"))
    assert "deep" in terminal.getvalue() and "alone" not in terminal.getvalue()


def test_a_long_item_is_seen_while_it_lasts(terminal, monkeypatch):
    monkeypatch.setattr(progress, "DELAY", 0.01)
    monkeypatch.setattr(progress, "_TICK", 0.02)
    for _ in progress_bar(range(2), label="long"):
        until = time.monotonic() + 2.0
        while "0/2" not in terminal.getvalue() and time.monotonic() < until:
            time.sleep(0.02)
        break
    assert "long:   0%" in terminal.getvalue()


def test_threads_move_a_bar(terminal, slow):
    assert map_threads(lambda i: i * i, range(40), label="blocks") == [i * i for i in range(40)]
    assert re.search(r"blocks: .*/40 ", terminal.getvalue())


def test_a_bar_by_hand(terminal, slow):
    with counted_bar(1e6, "rows", unit=" rows", scaled=True) as bar:
        for _ in range(10):
            bar.say("widest 0.1")
            bar.advance(1e5)
    assert "1.00M" in terminal.getvalue() and "widest 0.1" in terminal.getvalue()


def test_an_interrupt_takes_the_bar_away_though_its_traceback_lives(terminal, monkeypatch):
    monkeypatch.setattr(progress, "_TICK", 0.02)
    monkeypatch.setattr(progress, "clock", Clock(0.6))

    def work() -> None:
        for i in progress_bar(range(99), label="cut"):
            if i == 20:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as kept:
        work()
    until = time.monotonic() + 3.0
    while progress._WATCHED and time.monotonic() < until:
        time.sleep(0.02)
    assert not progress._WATCHED and kept.traceback
    assert "cut" in terminal.getvalue() and not terminal.getvalue().rstrip("\r").rpartition("\r")[2].strip()


def frame(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, n))
    t = (x + rng.normal(size=n) > 0).astype(float)
    return pd.DataFrame({"x": x, "z": z, "t": t, "y": x + t + rng.normal(size=n), "event": rng.random(n) < 0.8})


D = frame()
ONE, OTHER = D[:90], D[90:]
WORK = {
    "balance-energy": lambda: si.balance("t ~ x + z", D, method="energy", rank=20),
    "balance-kernel": lambda: si.balance("t ~ x + z", D, method="kernel"),
    "density_ratio-ulsif": lambda: si.density_ratio("~ x + z", ONE, OTHER, method="ulsif"),
    "density_ratio-kliep": lambda: si.density_ratio("~ x + z", ONE, OTHER, method="kliep"),
    "density_ratio-kmm": lambda: si.density_ratio("~ x + z", ONE, OTHER, method="kmm"),
    "stack": lambda: si.stack("y ~ x + z", D, models=["lm", "ridge"]),
    "crq": lambda: si.crq("cbind(y, event) ~ x", D, tau=0.3),
    "crq-powell": lambda: si.crq("np.minimum(y, 1.0) ~ x", D, tau=0.3, method="powell", limit=1.0),
    "cate-s": lambda: si.cate("y ~ t | x + z", D, method="s"),
    "effect-irm": lambda: si.effect("y ~ t | x + z", D, method="irm", outcome_model=KNeighborsRegressor(3)),
    "conformal-jackknife+": lambda: si.conformal("y ~ x", D, method="jackknife+", model=KNeighborsRegressor(3)),
    "bootstrap": lambda: si.lm("y ~ x", D).bootstrap(2000),
    "pipeline": lambda: si.bootstrap(lambda d, w: (w @ d["y"]) / w.sum(), D, kind="bayesian", weighted=True),
    "shift_test": lambda: permutation.energy(np.zeros((6000, 1)), np.arange(6000) < 3000, 1, 0, None),
    "lsa": lambda: si.lsa("y ~ x", pd.concat([D] * 20), replicas=0),
    "td": lambda: si.td("y ~ x", pd.concat([D] * 20), next=["z"], discount=0.5, replicas=0),
    "ngboost": lambda: si.ngboost("y ~ x", D, n_estimators=60),
    "network": lambda: Network(hidden=(2,), epochs=20).fit(D[["x"]].to_numpy(), D["y"].to_numpy()),
}


COMPILED = ("ngboost", "network", "td")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in COMPILED)) for n in WORK])
@pytest.mark.filterwarnings("ignore")
def test_work_that_takes_long_reports(name, terminal, monkeypatch):
    monkeypatch.setattr(progress, "clock", Clock(1.1))
    WORK[name]()
    assert re.search(r"\d+(\.\d+k?)?/\d+(\.\d+k?)? \[.*/", terminal.getvalue()), terminal.getvalue()[-300:]
    assert all(bar.ended for bar in progress._WATCHED)
