"""How much longer a forecast takes beside one busy process on each core: at most 2.2 times is the bar.

python -m benchmarks.busy_machine [--what fit|forecast] [--model smollm2-135m] [--repeats 2]

`fit` is what was slow: a forecaster fitted anew to the shipped calibration, and one taken from the
shipped fits, in one process with as many BLAS threads as there are cores. `forecast` is the whole
command on the demo's data. Results go to `benchmarks/results/busy_machine.json`; where other work ran on
the machine, `load_before` shows it, and the ratio is then of little use.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "busy_machine.json"
BAR = 2.2
_SPIN = "while True: pass"
_FIT = """
import time
from driftline.analyses import fit_forecaster, shipped_calibration
from driftline.analyses.forecasting import shipped_forecaster
held = shipped_calibration()
started = time.monotonic()
fit_forecaster(held.runs, held)
fitted = time.monotonic()
shipped_forecaster(held, target=False)
print(fitted - started, time.monotonic() - fitted)
"""


def main() -> None:
    """Measure alone and beside busy processes, in turn, and write the fastest of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=("fit", "forecast"), default="fit")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--repeats", type=int, default=2)
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    runs: dict[str, list[dict[str, float]]] = {"alone": [], "busy": []}
    for _ in range(arguments.repeats):
        for kind, seconds in runs.items():
            num_busy = os.cpu_count() or 1
            busy = [_busy() for _ in range(num_busy)] if kind == "busy" else []
            try:
                seconds.append(_measured(arguments.what, arguments.model))
            finally:
                for process in busy:
                    process.kill()
                    process.wait()
    fastest = {
        kind: {name: min(each[name] for each in seconds) for name in seconds[0]}
        for kind, seconds in runs.items()
    }
    ratios = {name: fastest["busy"][name] / fastest["alone"][name] for name in fastest["alone"]}
    found = {
        "num_cores": os.cpu_count(),
        "load_before": round(load, 2),
        "model": arguments.model if arguments.what == "forecast" else None,
        "seconds": fastest,
        "ratio": {name: round(ratio, 2) for name, ratio in ratios.items()},
        "meets_the_bar": all(ratio <= BAR for ratio in ratios.values()),
    }
    held = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.write_text(json.dumps({**held, arguments.what: found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _busy() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", _SPIN])


def _measured(what: str, model: str) -> dict[str, float]:
    """Seconds of each part, in a process with the threads that a user has by default."""
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    if what == "fit":
        command = [sys.executable, "-c", _FIT]
        said = subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout.split()
        return {"fit": float(said[-2]), "shipped": float(said[-1])}
    demo = Path(str(files("driftline.demo")))
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-c", "from driftline.cli import main; main()", "forecast", model),
            *("--data", str(demo / "data.jsonl"), "--config", str(demo / "config.yaml")),
            *("--suite", "core", "--out", f"{folder}/run"),
        ]
        started = time.monotonic()
        done = subprocess.run(command, env=environment, check=False, capture_output=True)
        if done.returncode not in (0, 1, 3):
            raise SystemExit(done.stderr.decode())
        return {"forecast": time.monotonic() - started}


if __name__ == "__main__":
    main()
