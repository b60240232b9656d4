"""Side-by-side timings: interleaved runs, medians, the error of both, peak memory; kept as JSON and as a table.

A benchmark is a file ``benchmarks/<family>.py`` that calls `compare` once for each piece of work::

    from benchmarks.harness import compare

    if __name__ == "__main__":
        compare("rq, n = 1e4", ours, peer, peer_name="statsmodels", error=lambda beta: abs(beta - truth).max())
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
_REST = 0.1
"""Seconds between two timed calls: the threads of a BLAS library spin on after their last product."""
VERSIONS = ("statinf-toolkit", "jax", "numpy", "scipy", "pandas", "statsmodels", "scikit-learn")


@dataclass(frozen=True)
class Comparison:
    """One piece of work done by us and by a peer.

    Times are medians in seconds, with (lowest, highest) in `ours_range` and `peer_range`. `ratio` is the peer's time
    over ours: above 1 we are faster. Errors are None where none was asked for; memory is the peak of a fresh process
    over what it held before the call, in MB. A comparison without a peer has None in the peer's fields. Races of whole
    verbs say their number of rows, the package's family and the times of a first call in a fresh process (cold).
    """

    name: str
    peer_name: str
    ours: float
    ours_range: tuple[float, float]
    peer: float | None
    peer_range: tuple[float, float] | None
    ratio: float | None
    repeat: int
    ours_error: float | None
    peer_error: float | None
    ours_memory: float | None
    peer_memory: float | None
    note: str
    machine: dict[str, Any]
    n: int | None = None
    family: str = ""
    cold: float | None = None
    peer_cold: float | None = None


_SHORT, _AGAIN = 1.0, 2
"""Work below so many seconds is done again in its turn, and the median counts: while a long peer ran the system may have taken
its memory back."""


def _rest() -> None:
    # Busy, because a processor that slept is slow at first.
    until = time.monotonic() + _REST
    while time.monotonic() < until:
        pass


def compare(
    name: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any] | None = None,
    *,
    repeat: int = 5,
    warmup: int = 1,
    check: Callable[[Any, Any], Any] | None = None,
    error: Callable[[Any], float] | None = None,
    memory: bool = False,
    peer_name: str = "peer",
    peer_version: str | None = None,
    note: str = "",
    family: str | None = None,
    folder: Path | None = None,
) -> Comparison:
    """Time `ours` and `peer` in turn (A B A B ...) and keep the result under the family's name.

    Parameters
    ----------
    name : str
        The work and its size; a later comparison of the same name replaces this one.
    ours, peer : callable
        Do the work and return its result; what both need is prepared outside. They must do all of it: a lazily computed
        result is asked for its numbers here, a JAX array is waited for.
    repeat, warmup : int
        Timed and untimed runs of each. ``warmup=0`` times a first call, compilation included.
    check : callable, optional
        ``check(ours_result, peer_result)`` on the last results: raises if the two did not do the same work. It may
        return the error of both as a pair, or one number, the distance between them, noted as the error of ours.
    error : callable, optional
        ``error(result)``: distance of a result from the truth, applied to both.
    memory : bool
        Measure peak memory in a fresh process each; the callables must then be importable (functions at the top of a
        module, or functools.partial of them).
    peer_name, peer_version : str, optional
        What the peer is called in the table; its version is looked up if it is an installed package of that name.
    note : str, optional
        What a reader must know, such as a tolerance.
    family : str, optional
        Name of the result files; by default that of the running script.
    folder : Path, optional
        Where they are; by default ``benchmarks/results``.

    Returns
    -------
    Comparison
    """
    callables = [ours] if peer is None else [ours, peer]
    times: list[list[float]] = [[] for _ in callables]
    results: list[Any] = [None] * len(callables)
    for turn in range(warmup + repeat):
        for k, work in enumerate(callables):
            results[k] = None  # the result before must not weigh on memory or the garbage collector now
            _rest()
            spent, results[k] = _timed(work)
            if turn >= warmup:
                again = [_timed(work)[0] for _ in range(_AGAIN if spent < _SHORT else 0)]
                times[k].append(statistics.median([spent, *again]))
    errors: list[float | None] = [None, None]
    if error is not None:
        errors[: len(results)] = [float(error(result)) for result in results]
    if check is not None:
        told = check(results[0], results[1] if peer is not None else None)
        if told is not None and not isinstance(told, bool):
            pair = tuple(told) if isinstance(told, tuple | list) else (told, None)
            errors = [None if value is None else float(value) for value in pair]
        elif told is False:
            raise AssertionError(f"{name}: ours and {peer_name} did not give the same result")
    peaks = [peak_memory(work) if memory else None for work in callables]
    medians = [statistics.median(t) for t in times]
    both = peer is not None
    done = Comparison(
        name=name,
        peer_name=_with_version(peer_name, peer_version) if both else "",
        ours=medians[0],
        ours_range=(min(times[0]), max(times[0])),
        peer=medians[1] if both else None,
        peer_range=(min(times[1]), max(times[1])) if both else None,
        ratio=medians[1] / medians[0] if both else None,
        repeat=repeat,
        ours_error=errors[0],
        peer_error=errors[1],
        ours_memory=peaks[0],
        peer_memory=peaks[1] if both else None,
        note=note,
        machine=machine(),
    )
    keep(done, family or Path(sys.argv[0]).stem, folder or RESULTS)
    print(_line(done), flush=True)
    return done


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = _wait(work())
    return time.perf_counter() - begun, result


def _wait(result: Any) -> Any:
    """Wait for JAX arrays, which are handed out before they are computed."""
    if "jax" in sys.modules:
        import jax

        jax.block_until_ready(result)
    return result


def peak_memory(work: Callable[[], Any]) -> float:
    """Peak resident memory of one call in a fresh process, in MB over what it held before the call."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, work).result()


def _peak(work: Callable[[], Any]) -> float:
    before = _resident("VmRSS")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here: imports may have held more
    _wait(work())
    return (_resident("VmHWM") - before) / 1e6


def _resident(field: str) -> float:
    """Resident memory in bytes: now (VmRSS) or at its peak (VmHWM); the peak in either case where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(field)) * 1024
    except (OSError, StopIteration):
        import resource

        # not used on Linux, where a process starts with the peak of the one that made it; macOS counts in bytes
        return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def machine() -> dict[str, Any]:
    """Processors, system, versions and load now; nothing that names the machine."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    versions = {name: _version(name) for name in VERSIONS}
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "devices": _devices(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name, version in versions.items() if version},
        "load": round(load, 2),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _devices() -> list[str]:
    if "jax" not in sys.modules:
        return []
    import jax

    return sorted({device.device_kind for device in jax.devices()})


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _with_version(name: str, version: str | None) -> str:
    version = version or _version(name)
    return f"{name} {version}" if version else name


def keep(done: Comparison, family: str, folder: Path) -> None:
    """Write a comparison into ``<family>.json``, over the one of the same name and peer, and the table anew."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{family}.json"
    records = json.loads(file.read_text()) if file.exists() else []
    new = asdict(done)

    def same(record: dict[str, Any]) -> bool:
        # another version of the peer replaces the one before
        return (record["name"], record["peer_name"].split()[:1]) == (new["name"], new["peer_name"].split()[:1])

    places = [i for i, record in enumerate(records) if same(record)]
    if places:
        records[places[0]] = new
    else:
        records.append(new)
    file.write_text(json.dumps(records, indent=1) + "\n")
    (folder / f"{family}.md").write_text(table(family, json.loads(file.read_text())))


def table(family: str, records: list[dict[str, Any]]) -> str:
    """The Markdown table of a family's comparisons, with the machines below."""
    columns = [
        "Work",
        "statinf",
        "Peer",
        "Peer's time",
        "Peer / statinf",
        "Cold",
        "Peer's, cold",
        "Error",
        "Peer's error",
        "Memory",
        "Peer's memory",
    ]
    rows, machines, notes = [], [], []
    for r in records:
        note = ""
        if r["note"]:
            notes.append(r["note"])
            note = f" ({len(notes)})"
        memory = [None if r[k] is None else f"{r[k]:.0f} MB" for k in ("ours_memory", "peer_memory")]
        error = [None if r[k] is None else f"{r[k]:.1e}" for k in ("ours_error", "peer_error")]
        cold = [seconds(r.get(k)) for k in ("cold", "peer_cold")]
        ratio = None if r["ratio"] is None else f"{r['ratio']:.2g}" if r["ratio"] < 100 else f"{r['ratio']:.0f}"
        rows.append(
            [r["name"] + note, seconds(r["ours"]), r["peer_name"], seconds(r["peer"]), ratio, *cold, *error, *memory]
        )
        text = describe(r["machine"], r["repeat"])
        if text not in machines:
            machines.append(text)
    shown = [j for j in range(len(columns)) if any(row[j] not in (None, "") for row in rows)]
    lines = [f"# {family}", "", "Medians of interleaved runs; a ratio above 1 says that statinf is faster.", ""]
    lines.append("| " + " | ".join(columns[j] for j in shown) + " |")
    lines.append("|" + "|".join("---" if columns[j] in ("Work", "Peer") else "---:" for j in shown) + "|")
    lines += ["| " + " | ".join((row[j] or "").replace("|", r"\|") for j in shown) + " |" for row in rows]
    lines += [""] + [f"({i}) {note}  " for i, note in enumerate(notes, start=1)] + ([""] if notes else [])
    return "\n".join([*lines, *machines]) + "\n"


def describe(machine: dict[str, Any], repeat: int) -> str:
    """One line on a machine; the load is left to the JSON, since it differs between any two runs."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    devices = f"; {', '.join(d for d in machine['devices'] if d != 'cpu')}" if set(machine["devices"]) - {"cpu"} else ""
    where = f"{machine['cores']} cores of {machine['processor']}{devices}; {machine['system']}"
    return f"Median of {repeat}. {where}; Python {machine['python']}; {versions}.  "


def seconds(value: float | None) -> str | None:
    """A time with three digits in a unit that suits it."""
    if value is None:
        return None
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def _line(done: Comparison) -> str:
    if done.peer is None:
        return f"{done.name}: {seconds(done.ours)}"
    said = f"{done.name}: {seconds(done.ours)}, {done.peer_name} {seconds(done.peer)}, ratio {done.ratio:.2f}"
    if done.ours_error is not None:
        said += f", error {done.ours_error:.1e}" + (
            f" and {done.peer_error:.1e}" if done.peer_error is not None else ""
        )
    return said
