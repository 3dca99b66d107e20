"""How soon does the Error Flow tab show a hundred runs, or one very long run?

    python benchmarks/tab.py runs                       # 100 runs of one LSTM layer
    python benchmarks/tab.py long                       # 100,000 steps × T = 1,000 × 8 LSTM layers
    python benchmarks/tab.py long --load-fast false     # TensorBoard's loader in Python

It writes the event files that the callbacks would write, without training, starts TensorBoard,
waits until it has loaded them, and opens the tab in headless Chromium. It prints the seconds from
the page's first request until the overview, and the charts of the error over time, are drawn, and
the processor time of the server until then; the milliseconds from a move of the slider to the next
frame; and the JavaScript heap.
"""

import argparse
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil
from errorflow.callbacks.recording.blocks import BlockWriter
from errorflow.callbacks.recording.memory import Memory
from errorflow.callbacks.recording.rows import Rows
from errorflow.layers.rnn.statistics import STATISTICS, VERSION
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

NAMES = [statistic.name for statistic in STATISTICS]  # of an LSTM
SHORT = 2_000  # training steps of each run, in the case `runs`
READ = 32  # rows that a callback reads together


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=["runs", "long"])
    parser.add_argument("--load-fast", choices=["true", "false"], default="true")
    parser.add_argument("--runs", type=int, default=100, help="number of runs, of the case `runs`")
    parser.add_argument("--steps", type=int, default=100_000, help="of the case `long`")
    parser.add_argument(
        "--write", type=Path, help="an empty folder for the files, or one with them"
    )
    return parser.parse_args()


class Training:
    """The event files of one training, as `ErrorFlow`, `LayerGradients` and Keras write them."""

    def __init__(self, folder, layers, time_steps, draw):
        self._log = EventFileWriter(str(folder / "train"))
        self._validation = EventFileWriter(str(folder / "validation"))
        self._layers, self._time_steps, self._draw = layers, time_steps, draw
        self._memory, self._blocks = Memory(every=1), {}
        self._half_lives = draw.uniform(1, time_steps, size=layers)

    def train(self, steps, epochs):
        last = 0
        while last < steps:
            first, last = last, min(last + READ * self._memory.stride, steps)
            read = np.arange(first + 1, last + 1)
            chosen = read[read % self._memory.stride == 0]
            new = {f"lstm_{n}": self._errors(chosen, n) for n in range(self._layers)}
            self._write("error_flow", self._memory.add(new), {"backwards": [], "joined": {}}, last)
        every = max(1, steps // 2_000)
        gradients = self._gradients(np.arange(every, steps + 1, every))
        about = {"layers": [*map(str, range(self._layers))], "clip_norm": None, "every": every}
        self._write("layer_gradients", {"": gradients}, about, steps)
        self._flush(steps)
        for epoch in range(epochs):
            self._scalars(epoch)
        for log in (self._log, self._validation):
            log.close()

    def _errors(self, steps, layer):
        """Return rows whose error decays going back in time, [9, N, T]."""
        back = np.arange(self._time_steps)[::-1]
        decay = 0.5 ** (back / self._half_lives[layer])
        noise = self._draw.lognormal(sigma=0.3, size=[len(NAMES), len(steps), 1])
        values = (decay * noise).astype(np.float32)
        values[NAMES.index("valid")] = 32
        values[NAMES.index("injected"), :, :-1] = 0
        return Rows(steps, np.full(len(steps), self._time_steps), values, NAMES)

    def _gradients(self, steps):
        values = self._draw.lognormal(size=[3, len(steps), self._layers]).astype(np.float32)
        return Rows(steps, np.full(len(steps), self._layers), values, ["norm", "ratio", "dead"])

    def _write(self, kind, rows, about, step):
        for name, of_name in rows.items():
            if (kind, name) not in self._blocks:
                described = {"version": VERSION, "kind": kind, "name": name}
                described |= {"statistics": list(of_name.statistics), **about}
                tag = "/".join(filter(None, (kind, "rows", name)))
                self._blocks[kind, name] = BlockWriter(tag, described)
            self._blocks[kind, name].add(of_name)
        self._flush(step, only_full=True)

    def _flush(self, step, only_full=False):
        for blocks in self._blocks.values():
            summary = summary_pb2.Summary()
            if blocks.is_full() or not only_full:
                blocks.move_to(summary)
                self._log.add_event(event_pb2.Event(step=step, summary=summary))

    def _scalars(self, epoch):
        for log in (self._log, self._validation):
            for name, value in (("loss", 1 / (1 + epoch)), ("accuracy", 1 - 0.5 / (1 + epoch))):
                summary = scalar_pb(f"epoch_{name}", value)
                log.add_event(event_pb2.Event(step=epoch, summary=summary))


def write(case, folder, args):
    draw = np.random.default_rng(0)
    if case == "long":
        return Training(folder / "long", 8, 1_000, draw).train(args.steps, 50)
    for number in range(args.runs):
        Training(folder / f"lstm-{number}" / "logs", 1, 20, draw).train(SHORT, 20)


@contextlib.contextmanager
def tensorboard(folder, load_fast):
    """Start TensorBoard; return its address and its process."""
    flags = ["--logdir", folder, "--host", "127.0.0.1", "--port", "0", "--reload_multifile=true"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", *flags, f"--load_fast={load_fast}"],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stderr or ())
        yield next(address[0] for address in found if address), psutil.Process(process.pid)
    finally:
        process.kill()
        process.communicate()


def wait_until_loaded(address, runs, steps):
    """Wait until the files are read to their end, for longer than TensorBoard's reload interval."""
    while True:
        with urllib.request.urlopen(f"{address}/data/plugin/errorflow/runs") as answer:
            listed = json.load(answer)
        if len(listed) == runs and all(run["latest"] == steps for run in listed):
            return time.sleep(8)
        time.sleep(1)


def browser():
    from selenium import webdriver

    chosen = webdriver.ChromeOptions()
    chosen.binary_location = shutil.which("chromium") or ""
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1440,1000"):
        chosen.add_argument(flag)
    chosen.add_argument("--enable-precise-memory-info")
    driver = webdriver.Chrome(chosen, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(300)
    return driver


# All that is visible is drawn: no summary and no chart is waited for.
SECONDS = """
    const frame = () => new Promise(requestAnimationFrame);
    const drawn = ".chart svg[aria-label], img, table, .problem";
    const isVisible = (one) => one.getBoundingClientRect().top < innerHeight;
    const done = () => {
      const summaries = [...document.querySelectorAll(".overview td.finding")].filter(isVisible);
      const cards = [...document.querySelectorAll("article")].filter(isVisible);
      return summaries.length + cards.length
        && summaries.every((cell) => !["", "…"].includes(cell.textContent))
        && cards.every((card) => card.querySelector(drawn))
        && !document.querySelector("[aria-busy]");
    };
    let since = null;
    for (let frames = 0; frames < 30; frames++) {  // it stays so for half a second
      await frame();
      if (!done()) frames = -1;
      else if (!frames) since = performance.now();
    }
    return since / 1000;
"""
MOVES = """
    const slider = document.querySelector("input.step"), times = [];
    for (let move = 1; move <= 40; move++) {
      await new Promise((done) => setTimeout(done, 20));
      const before = performance.now();
      slider.value = Math.round((slider.max * move) / 41);
      slider.dispatchEvent(new Event("input"));
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
      times.push(performance.now() - before);
    }
    times.sort((a, b) => a - b);
    return [times[20], times[39]];
"""


def open_tab(driver, address, view):
    """Open the tab; return the seconds until its page is drawn, from the page's first request."""
    driver.switch_to.default_content()
    driver.get("about:blank")
    driver.get(f"{address}/#errorflow&p.errorflow.view=%22{view}%22")
    while not (frames := driver.find_elements("css selector", "iframe")):
        time.sleep(0.01)
    driver.switch_to.frame(frames[0])
    return run(driver, SECONDS)


def run(driver, script):
    return driver.execute_script(f"return (async () => {{{script}}})()")


def processor_time(server):
    """Return the seconds that TensorBoard and its data server have computed."""
    processes = [server, *server.children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def measure(address, server, views):
    """Print the times of each view, the first of which finds the server's cache empty."""
    driver = browser()
    try:
        for view in views:
            before = processor_time(server)
            print(f"{view}: drawn after {open_tab(driver, address, view):.2f} s", end="")
            print(f" ({processor_time(server) - before:.2f} s of the server's processors)", end="")
            if view != "overview":
                usual, longest = run(driver, MOVES)
                print(
                    f"; a move of the slider takes {usual:.0f} ms, at most {longest:.0f} ms", end=""
                )
            heap = run(driver, "return performance.memory.usedJSHeapSize") / 1e6
            print(f"; JavaScript heap {heap:.0f} MB", flush=True)
    finally:
        driver.quit()


def main():
    args = options()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.write or Path(temporary)
        if not any(folder.iterdir()):
            write(args.case, folder, args)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"{size / 1e6:,.0f} MB of event files")
        runs, steps = (1, args.steps) if args.case == "long" else (args.runs, SHORT)
        for views in (["overview", "time"], ["time"]):
            with tensorboard(folder, args.load_fast) as (address, server):
                wait_until_loaded(address, runs, steps)
                print("TensorBoard is new, and has loaded the files")
                measure(address, server, views)


if __name__ == "__main__":
    main()
