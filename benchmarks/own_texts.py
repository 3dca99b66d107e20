"""Do documents and names learn on a person's own texts, with no flag but --data-dir?

    python benchmarks/own_texts.py                                 # all sets, seeds 1 2 3
    python benchmarks/own_texts.py --sets reviews "file names" --seeds 1 --output part.csv
    python benchmarks/own_texts.py --summary part1.csv part2.csv   # the table of earlier runs

Each seed draws a set of `own_text_sets.py` anew and trains three times: `errorflow TASK train
--data-dir DIR`, a stock Keras LSTM and a stock Keras CNN (TextVectorization, Embedding, LSTM or
Conv1D and the maximum over time, Adam at 1e-3, batches of 32, 30 epochs, early stopping). The peers
get the same training and validation texts. All are measured on fresh texts of the same kind; time
is processor time from the files to the predictions, and the ratio is to the faster peer.
"""

import argparse
import csv
import os
import statistics
import tempfile
import time
from pathlib import Path

from own_text_sets import SETS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH, EPOCHS, PATIENCE, WORDS = 32, 30, 5, 20_000
LONGEST = 500  # words or characters that the peers read
COLUMNS = ("set", "seed", "contestant", "accuracy", "macro_f1", "most_frequent", "seconds")
PEERS = ("Keras LSTM", "Keras CNN")


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS], metavar="SET")
    parser.add_argument("--seeds", nargs="+", type=int, default=(1, 2, 3))
    parser.add_argument("--output", type=Path, default=Path("own_texts.csv"))
    parser.add_argument("--summary", nargs="+", type=Path, help="files to summarise; no training")
    parser.add_argument("--only-ours", action="store_true", help="do not train the peers")
    return parser.parse_args()


def write(task, texts_of, folder):
    """Write <class>/<number>.txt for documents, <class>.txt for names."""
    for label, texts in texts_of.items():
        if task == "names":
            (folder / f"{label}.txt").write_text("\n".join(texts), encoding="utf-8")
            continue
        (folder / label).mkdir()
        for number, text in enumerate(texts):
            (folder / label / f"{number}.txt").write_text(text, encoding="utf-8")


def ours(task, folder, texts):
    """Return the predicted labels of texts, after a training with default settings."""
    from errorflow import pipelines

    with tempfile.TemporaryDirectory() as runs:
        run = pipelines.train(task, data_dir=folder, run_dir=runs)
        return [row["label"] for row in run.predict(texts)]


def stock(kind, task, folder, texts):
    """Return the predicted labels of texts, after a training of a stock Keras network."""
    import keras
    import tensorflow as tf

    data = splits(task, folder)
    vectorize = keras.layers.TextVectorization(
        max_tokens=WORDS,
        split="character" if task == "names" else "whitespace",
        output_sequence_length=LONGEST if task == "documents" else None,
    )
    vectorize.adapt(tf.constant(data.train.texts))
    x = keras.Input([None], dtype="int64")
    model = keras.Model(x, network(kind, x, vectorize.vocabulary_size(), len(data.labels)))
    model.compile("adam", "sparse_categorical_crossentropy")
    stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)

    def ids(texts):
        return shortened(vectorize(tf.constant(texts)).numpy())

    validation = ids(data.validation.texts), data.validation.labels
    x, y = ids(data.train.texts), data.train.labels
    model.fit(
        x, y, BATCH, EPOCHS, verbose=0, validation_data=validation, callbacks=[stop], shuffle=True
    )
    probabilities = model.predict(ids(texts), 256, verbose=0)
    return [data.labels[i] for i in probabilities.argmax(axis=1)]


def splits(task, folder):
    """Return the texts as errorflow splits them."""
    from errorflow.pipelines.core.config import replace
    from errorflow.pipelines.registry import load_task

    chosen = load_task(task)
    return chosen.read_data(replace(chosen.config(), data_dir=folder))


def shortened(ids):
    """Cut the padding that all rows have, [N, T]."""
    return ids[:, : max(8, int((ids != 0).sum(axis=1).max(initial=0)))]


def network(kind, ids, vocabulary, classes):
    import keras

    is_lstm = kind == "Keras LSTM"
    x = keras.layers.Embedding(vocabulary, 64, mask_zero=is_lstm)(ids)
    if is_lstm:
        x = keras.layers.LSTM(64)(x)
    else:
        x = keras.layers.Conv1D(128, 5, padding="same", activation="relu")(x)
        x = keras.layers.GlobalMaxPooling1D()(x)
    return keras.layers.Dense(classes, "softmax")(keras.layers.Dropout(0.5)(x))


def measure(name, seed, contestant):
    """Train once; return a row of results."""
    import keras
    from sklearn.metrics import accuracy_score, f1_score

    task = SETS[name].task
    brought, fresh = SETS[name].draw_all(seed)
    texts = [text for of_label in fresh.values() for text in of_label]
    true = [label for label, of_label in fresh.items() for _ in of_label]
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        write(task, brought, Path(folder))
        began = time.process_time()
        if contestant == "errorflow":
            predicted = ours(task, folder, texts)
        else:
            predicted = stock(contestant, task, folder, texts)
        seconds = time.process_time() - began
    figures = (
        accuracy_score(true, predicted),
        f1_score(true, predicted, average="macro", zero_division=0),
        max(map(len, fresh.values())) / len(true),
    )
    return (name, seed, contestant, *(round(f, 4) for f in figures), round(seconds, 1))


def train_all(args):
    import errorflow.pipelines.training.workflow  # noqa: F401  (its import is not timed)

    contestants = ["errorflow", *(() if args.only_ours else PEERS)]
    is_new = not args.output.exists()
    with args.output.open("a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(COLUMNS)
        for seed in args.seeds:
            for name in args.sets:
                for contestant in contestants:
                    row = measure(name, seed, contestant)
                    print(*row, sep="  ", flush=True)
                    writer.writerow(row)
                    file.flush()


def summarise(files):
    """Print a line per set: figures of each contestant, means over the seeds, and time ratio."""
    rows = [row for file in files for row in csv.DictReader(file.open(newline=""))]
    contestants = ["errorflow", *PEERS]
    ratios, wins = [], []
    print("set: accuracy/macro-F1 of", ", ".join(contestants), "| least of errorflow | time ratio")
    for name in dict.fromkeys(row["set"] for row in rows):
        of = {c: [r for r in rows if (r["set"], r["contestant"]) == (name, c)] for c in contestants}
        of = {c: found for c, found in of.items() if found}
        mean = {
            c: [statistics.mean(float(r[key]) for r in of[c]) for key in ("accuracy", "macro_f1")]
            for c in of
        }
        figures = "  ".join(f"{a:.3f}/{f:.3f}" for a, f in mean.values())
        least = min(float(row["accuracy"]) for row in of["errorflow"])
        line = f"{name:28} {figures}  | {least:.3f}"
        if len(of) == len(contestants):
            seconds = {c: statistics.mean(float(r["seconds"]) for r in of[c]) for c in of}
            ratios.append(seconds["errorflow"] / min(seconds[p] for p in PEERS))
            wins.append([mean["errorflow"][i] - max(mean[p][i] for p in PEERS) for i in (0, 1)])
            line += f"  | {ratios[-1]:.2f}  {wins[-1][0]:+.3f}/{wins[-1][1]:+.3f}"
        print(line)
    if ratios:
        print(
            f"means: time ratio {statistics.geometric_mean(ratios):.2f}; better than the better"
            f" peer by {statistics.mean(w[0] for w in wins):+.3f} in accuracy,"
            f" {statistics.mean(w[1] for w in wins):+.3f} in macro-F1"
        )


def main():
    args = options()
    if not args.summary:
        train_all(args)
    summarise(args.summary or [args.output])


if __name__ == "__main__":
    main()
