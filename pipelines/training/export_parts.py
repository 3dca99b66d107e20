"""What ONNX and LiteRT share: a file per part of the network, and what stands beside the files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from .export import Job
from .export_comparison import Arrays, difference
from .export_signature import (
    described,
    in_lists,
    one_of,
    write_meaning,
    write_sample,
    write_signature,
)
from .network_parts import Run, in_keras, named, parts_of

Batches = dict[str, list[Arrays]]


def describe_parts(
    job: Job,
    folder: Path,
    runs: Mapping[str, Run],
    batches: Batches,
    *,
    suffixes: Sequence[str],
    batch: int | None,
    **further: Any,
) -> float:
    """Write signature, tables and samples; return the largest difference of the outputs.

    Args:
        job: what is exported.
        folder: the folder of the files: model, or encoder and decoder, with each of the suffixes.
        runs: the function that runs the file of each part, with the first suffix.
        batches: what each part reads.
        suffixes: those of the files of a part.
        batch: the number of examples that a file takes; None: any.
        further: further entries of signature.json.
    """
    parts = parts_of(job.model)
    differences, files, requests, replies = [], {}, {}, {}
    for name, part in parts.items():
        run, original = runs[name], in_keras(part)
        differences += [difference(run(inputs), original(inputs)) for inputs in batches[name]]
        first = one_of(batches[name])
        answer = run(first)
        described_part = _described(named(part), first, answer, batch)
        files |= {f"{name}{suffix}": described_part for suffix in suffixes}
        requests[name] = {"inputs": in_lists(first)}
        replies[name] = {"outputs": in_lists(answer)}
    alone = len(parts) == 1
    write_sample(
        folder,
        requests["model"] if alone else requests,
        replies["model"] if alone else replies,
    )
    write_meaning(folder, job)
    write_signature(folder, job, files, False, tables=job.inputs.meaning_file, **further)
    return max(differences)


def _described(
    model: keras.Model, inputs: Arrays, outputs: Arrays, batch: int | None
) -> dict[str, Any]:
    def rows(specs: Any, arrays: Arrays) -> list[dict[str, Any]]:
        return [
            described(name, arrays[name].dtype.name, [batch, *spec.shape[1:]])
            for name, spec in specs.items()
        ]

    return {"inputs": rows(model.input, inputs), "outputs": rows(model.output, outputs)}
