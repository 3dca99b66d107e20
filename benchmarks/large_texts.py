"""How much memory does a training take on texts that are larger than it should be?

    python benchmarks/large_texts.py documents                 # 2 GB of label<TAB>text
    python benchmarks/large_texts.py documents --kind csv      # as a table with quotes
    python benchmarks/large_texts.py pronounce --gigabytes 2   # 2 GB of source<TAB>target

It writes texts of made-up words to a temporary folder, reads and splits them as `errorflow <task>
train` does, trains for some steps, and prints for each phase its time and the most memory so far:
the process' own (anonymous) memory, without pages of files, which the system can drop at any time.
"""

import argparse
import itertools
import os
import random
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
WORDS, PHRASES = 30_000, 20_000
LETTERS = "etaoinshrdlcumwfgypbvk"


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=["documents", "pronounce"])
    parser.add_argument("--kind", choices=["tabs", "csv"], default="tabs")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=200, help="training steps")
    return parser.parse_args()


def phrases(draw):
    """Return phrases of words, of which few are frequent and many rare."""
    words = ["".join(draw.choices(LETTERS, k=draw.randint(2, 9))) for _ in range(WORDS)]
    weights = [*itertools.accumulate(1 / (n + 10) for n in range(WORDS))]
    return [" ".join(draw.choices(words, cum_weights=weights, k=12)) for _ in range(PHRASES)]


def rows(task, kind, draw):
    """Yield lines without end; a hundredth repeats the line before."""
    some, line = phrases(draw), ""
    if kind == "csv":
        yield "label,text\n" if task == "documents" else "source,target\n"
    for number in itertools.count():
        if number % 100 != 1:
            label = number % 7
            if task == "documents":
                columns = f"topic {label}", f"{some[label]} {' '.join(draw.choices(some, k=11))}"
            else:
                chosen = draw.choices(some, k=3)
                columns = " ".join(chosen), " ".join(chosen[::-1])
            first, second = columns
            line = f"{first}\t{second}\n" if kind == "tabs" else f'"{first}","{second}, ""so"""\n'
        yield line


def write(path, args):
    size = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows(args.task, args.kind, random.Random(0)):
            file.write(row)
            size += len(row)
            if size > args.gigabytes * 1e9:
                return


class Memory(threading.Thread):
    """Watch the most anonymous memory of this process."""

    def __init__(self):
        super().__init__(daemon=True)
        self.most, self.began = 0.0, time.perf_counter()

    def run(self):
        while True:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            self.most = max(self.most, int(status.partition("RssAnon:")[2].split()[0]) / 1e6)
            time.sleep(0.05)

    def show(self, phase):
        print(
            f"{time.perf_counter() - self.began:7.0f} s  {self.most:5.2f} GB  {phase}", flush=True
        )


def main():
    args = options()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("texts.csv" if args.kind == "csv" else "texts.tsv")
        write(path, args)
        memory = Memory()
        memory.start()
        train(args, path, memory)


def train(args, path, memory):
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.registry import load_task
    from errorflow.pipelines.training.loop import compile_training

    task = load_task(args.task)
    settings = {"data_dir": path, "model": "gru"}
    if args.task == "pronounce":
        settings |= {"source": "word", "target": "word", "units": 64, "max_length": 60}
    config = replace(task.config(), **settings).resolved()
    memory.show(f"{path.stat().st_size / 1e9:.2f} GB of text; TensorFlow is loaded")
    found = task.find_data(config)
    memory.show("texts are read, and assigned to the splits")
    data = task.read_data(config, found)
    memory.show(f"{len(data.train):,} for training; {len(data.left_out):,} left out, and listed")
    spec = task.build_training(config, data)
    memory.show("their symbols are in a file; the network is built")
    model = compile_training(spec, config)
    model.fit(spec.train_data.dataset(), steps_per_epoch=args.steps, verbose=0)
    memory.show(f"{args.steps} training steps of {spec.train_data.size}")


if __name__ == "__main__":
    main()
