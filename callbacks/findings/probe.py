"""The error of one prediction alone, measured on a few examples: what a finding says about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..recording.rows import Rows
from ..recording.tables import Tables, tables
from .decay import Decay, decay
from .finding import every_steps, percent, short
from .places import Places

COST = "cost"  # a statistic: the time of the measurement, as a share of an epoch's time
COMPILING = "compiling"  # a statistic: seconds of compiling before the measurement


@dataclass(frozen=True)
class Probe:
    """Errors that `recording.probe` measured in one layer, at some training steps.

    Attributes:
        tables: as in `ErrorFlow.history`, of the error of one prediction of each example.
        prediction: which one: "last" or "first" in time; "only" if every example has a single one;
            "all" if the loss cannot be separated by predictions.
        examples: the number of examples.
        cost: [N] the time that each measurement took, as a share of an epoch's.
        compiling: [N] seconds of compiling before it.
    """

    tables: Tables
    prediction: str
    examples: int
    cost: np.ndarray
    compiling: np.ndarray

    def decay(self, backwards: bool | None) -> Decay:
        """Return the decay of the latest measurement."""
        return decay({name: table[-1:] for name, table in self.tables.items()}, backwards)

    def each(self, backwards: bool | None) -> np.ndarray:
        """Return `first_to_last` of every measurement that is defined."""
        shares = decay(self.tables, backwards).each
        return shares[~np.isnan(shares)]

    @property
    def evidence(self) -> Mapping[str, Any]:
        return {
            "examples": self.examples,
            "prediction": self.prediction,
            "measured_after": int(self.tables["step"][-1]),
            "cost": float(self.cost[-1]),
            "compiling": float(np.sum(self.compiling)),
        }


def probe_of(rows: Rows, about: Mapping[str, Any]) -> Probe:
    """Return the measurements that rows of the kind "error_probe" hold, with their metadata."""
    named = tables(rows)
    return Probe(
        named, about["prediction"], about["examples"], named[COST][:, 0], named[COMPILING][:, 0]
    )


def probe_in_words(probe: Probe, measured: Decay, places: Places) -> str:
    """Return "of the error of the last prediction, step 1 receives 0.2 of what reaches …".

    Args:
        probe: the measurements, of which the latest counts.
        measured: its decay.
        places: the words for the first and the last step.
    """
    words = f"of the error of the {probe.prediction} prediction, "
    words += places.receives_of_largest(measured)
    if not measured.enters_everywhere and abs(measured.half_life) < measured.steps:
        change = "halving" if measured.half_life > 0 else "doubling"
        words += f", {change} {every_steps(abs(measured.half_life))}"
    step = int(probe.tables["step"][-1])
    cost = f"{percent(probe.cost[-1])} of an epoch's time"
    if compiling := float(np.sum(probe.compiling)):
        cost += f" after {short(compiling)} s of compiling"
    return (
        f"{words} (measured on {probe.examples} example{'s' if probe.examples > 1 else ''} after "
        f"training step {step:,}, in {cost})"
    )
