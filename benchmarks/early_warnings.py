"""When is a fault said while a model trains, and is anything said where there is none?

    python benchmarks/early_warnings.py                    # 1 run of each training, seed 100
    python benchmarks/early_warnings.py --runs 4           # seeds 100 to 103

The small trainings of `findings.py`, each with one known fault or none, train for 320 steps with
`EarlyWarning`. For each fault the script prints the number of runs, in how many of them the right
kind of warning was given, at which training steps, and all other warnings. Clipping and closed
gates are no reason for a warning, nor is the short range of an error where errors enter at many
time steps.
"""

import argparse
import collections
import contextlib
import os
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EPOCHS = 2  # of 160 training steps
KINDS = {  # of warnings, by the kind of the finding
    "vanishing": "vanishing",
    "starving": "vanishing",
    "exploding": "exploding",
    "exploding over depth": "exploding",
    "dead units": "dead",
    "no gradient": "stuck",
    "not finite": "diverged",
}


@contextlib.contextmanager
def warned():
    """Let each call of `fit` train longer, with an `EarlyWarning`; yield the list of warnings."""
    import keras
    from errorflow.callbacks import EarlyWarning
    from errorflow.callbacks.recording.step_recorder import StepRecorder

    given, fit = [], keras.Model.fit

    def longer(model, *args, callbacks, **options):
        recorders = [callback for callback in callbacks if isinstance(callback, StepRecorder)]
        warning = EarlyWarning(*recorders, report=given.append)
        return fit(model, *args, callbacks=[*callbacks, warning], epochs=EPOCHS, **options)

    with mock.patch.object(keras.Model, "fit", longer):
        yield given


def expected_kinds(training, faults):
    """Return the kinds of warnings that a training should lead to."""
    if training.__module__ == "faulty_at_every_step":
        return set()
    return {KINDS[fault] for fault in faults if fault in KINDS}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=100, help="first seed")
    parser.add_argument("--runs", type=int, default=1, help="number of runs of each training")
    args = parser.parse_args()
    import faulty_at_every_step  # noqa: F401  registers its trainings, too
    from faulty_trainings import TRAININGS
    from findings import kinds_of

    runs, steps, others = collections.Counter(), collections.defaultdict(list), []
    for faults, training in TRAININGS:
        expected = expected_kinds(training, faults)
        name = ", ".join(sorted(expected)) or "none"
        for seed in range(args.first, args.first + args.runs):
            with warned() as warnings:
                kinds_of(training, seed)
            runs[name] += 1
            right = [warning.step for warning in warnings if warning.kind in expected]
            steps[name] += right[:1]
            others += [
                f"{training.__name__}, seed {seed}, {warning.kind}: {warning.sentence}"
                for warning in warnings
                if warning.kind not in expected
            ]
    print(f"{'fault':12} runs warned  at training step")
    for name, count in runs.items():
        at = f"{min(steps[name])} to {max(steps[name])}" if steps[name] else ""
        print(f"{name:12} {count:4} {len(steps[name]):6}  {at}")
    print(f"other warnings: {len(others)}", *others, sep="\n")


if __name__ == "__main__":
    main()
