"""Does errorflow work on this machine's GPU, and how fast is it there?

    python benchmarks/gpu.py                        # every part, in less than 10 minutes
    python benchmarks/gpu.py --parts exact speed    # some parts
    python benchmarks/gpu.py --reduced              # every part in a small form on the CPU

Each part runs in a process of its own, on the first GPU (CUDA_VISIBLE_DEVICES chooses another one),
and prints one line. What the parts measured is written to gpu.json after each of them, with the end
of the log of a part that failed. The exit code is 0 if all parts passed, 1 if one of them failed or
had no time left, and 2 if nothing could run, as on a machine without a GPU.

If TensorFlow has no kernels for a new GPU, they are compiled at their first use: run the script
again, or give it more time, as with --minutes 40.

Please send gpu.json to the project: nobody has measured errorflow on a GPU yet.
"""

import argparse
import contextlib
import datetime
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpu_parts import PARTS

HERE = Path(__file__).parent
MINUTES = 10.0
LOG_LINES = 40  # of a part that failed, in gpu.json
SHOWN = 2  # failures in the line of a part
TIDY_UP = 8  # seconds that are left for the end


def options():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="parts: " + "; ".join(f"{name}: {part.question}" for name, part in PARTS.items()),
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=[*PARTS], metavar="PART")
    parser.add_argument("--reduced", action="store_true", help="small forms of the parts, on CPU")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for all parts together")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    return parser.parse_args()


def main():
    args = options()
    if importlib.util.find_spec("errorflow") is None:
        return refuse("errorflow is not installed here: pip install -e '.[gpu]'")
    began = time.monotonic()
    results = {"date": f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC"}
    results |= {"reduced": args.reduced, "passed": False, "parts": {}}
    names = dict.fromkeys(["devices", *args.parts])
    try:
        write(args.output, results)
    except OSError as error:
        return refuse(f"cannot write {args.output}: {error.strerror}")
    print(f"{len(names)} parts, at most {args.minutes:g} minutes", file=sys.stderr)
    # A killed search's trials may still write for a moment.
    with tempfile.TemporaryDirectory(prefix="errorflow-gpu-", ignore_cleanup_errors=True) as folder:
        for name in names:
            result = run(name, args, Path(folder), began)
            results["parts"][name] = result
            results["seconds"] = round(time.monotonic() - began, 1)
            statuses = [of["status"] for of in results["parts"].values()]
            results["passed"] = statuses == ["passed"] * len(names)
            write(args.output, results)
            print(line(name, result), flush=True)
            if name == "devices" and not args.reduced and not gpus(result):
                return refuse(f"no other part was run; {args.output} has the log")
    return 0 if results["passed"] else 1


def refuse(reason):
    """Print why nothing more is run, and return the exit code."""
    print(f"benchmarks/gpu.py: {reason}", file=sys.stderr)
    return 2


def gpus(result):
    """Return the GPUs that the part `devices` found."""
    return result.get("figures", {}).get("gpus", [])


def run(name, args, folder, began):
    """Run a part in a process of its own, and return its entry in gpu.json."""
    start = time.monotonic()
    left = began + 60 * args.minutes - TIDY_UP - start
    seconds = min(PARTS[name].seconds * args.minutes / MINUTES, left)
    if seconds < 1:
        return {"status": "no time left", "seconds": 0.0}
    own = folder / name
    own.mkdir()
    command = [sys.executable, "-m", "gpu_parts", name, str(own), f"{seconds:.0f}"]
    with (own / "log.txt").open("wb") as log:
        code = call(command + ["--reduced"] * args.reduced, environment(args.reduced), log, seconds)
    return {**outcome(own, code), "seconds": round(time.monotonic() - start, 1)}


def environment(reduced):
    """Return the environment variables of a part, which is not one of several workers."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("TF_CONFIG", "SLURM_"))}
    own |= {"TF_CPP_MIN_LOG_LEVEL": "1", "PYTHONUNBUFFERED": "1"}
    own["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), own.get("PYTHONPATH")]))
    if reduced:
        own["CUDA_VISIBLE_DEVICES"] = "-1"
    else:
        own.setdefault("CUDA_VISIBLE_DEVICES", "0")
    return own


def call(command, variables, log, seconds):
    """Run a command; return its exit code, or None if it took too long.

    At the end, the processes that it started are ended too.
    """
    process = subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that all its processes can be ended at once
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def outcome(folder, code):
    """Return what a part that has ended wrote, or why it wrote nothing."""
    log = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    tail = {"log": log[-LOG_LINES:]}
    if code is None:
        return {"status": "took too long", **tail}
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        reason = next((text for text in reversed(log) if text.strip()), "it wrote nothing")
        return {"status": "crashed", "exit_code": code, "summary": reason[:200], **tail}
    status = "failed" if report["failures"] or code else "passed"
    return {"status": status, **report, **(tail if status == "failed" else {})}


def line(name, result):
    """Return the line of a part."""
    failures = result.get("failures", [])
    more = [f"and {len(failures) - SHOWN} more"] if len(failures) > SHOWN else []
    text = "; ".join(failures[:SHOWN] + more) or result.get("summary", "")
    return f"{name:10} {result['status']:13} {result['seconds']:6.1f} s  {text}"


def write(path, results):
    """Write the results, so that the file is complete at any time."""
    temporary = path.with_name(f".writing-{path.name}")
    temporary.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
