"""Series: forecast time series, or predict their class or values (many-to-one, aligned, delayed).

errorflow series train                                      weekly CO2 at Mauna Loa, an LSTM
errorflow series train --dataset gunpoint                   a class for each series
errorflow series train --data-dir load.csv --target load --past 96 --future 24
errorflow series predict load.csv                           the forecast after its last row
"""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from ..core.run_folder import RunFolder
from ..training.inputs import Reader
from ..training.prediction import PredictSettings
from ..training.task import BaseTask, ModelCard, TrainingFunctions, Verb
from .config import DEFAULT, SPACE, SeriesConfig

if TYPE_CHECKING:
    from ..training.export import Step

USAGE = """\
```python
import errorflow.layers, keras, numpy as np

model = keras.saving.load_model("checkpoints/best.keras")
model.get_layer("scale").columns     # the columns that it reads
model(np.zeros(model.input_shape[1:])[None])  # {"value", "low", "high"}, or {"label", …}
```

The model takes values in the units of the data, [B, P, D], and returns forecasts [B, F, K], or
values [B, K], in these units, with an interval that should hold 80 % of the values; or the class of
each series and its probabilities. Missing values are nan, but for the last one of a forecast; so is
what follows the end of a shorter series."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig(PredictSettings):
    """Which run, and for which series."""

    files: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    """Tables with the columns of the training data, .npz files with x, folders or globs of these.
    Without any, or for -, stdin: the rows of one table, with a header."""


class Series(BaseTask):
    """Forecast time series, or predict their class or values."""

    name = "series"
    config = SeriesConfig
    space = SPACE
    card = ModelCard("Forecasts time series, or predicts a class or values of them.", USAGE)
    train_about = "Train a network on time series, record the error flow, and keep everything."
    evaluate_about = (
        "Evaluate a network beside simple methods: MASE, sMAPE, RMSE; accuracy and macro-F1."
    )
    next_commands = ("errorflow series predict {run} FILE",)

    @property
    def verbs(self) -> list[Verb]:
        about = "Forecast what follows the last row of each series, or predict its class or values."
        return [Verb("predict", about, PredictConfig, self._predict)]

    def find_data(self, config: SeriesConfig) -> Any:
        from ..datasets.series.embedded import load_embedded
        from ..datasets.series.load_series import load_series
        from ..datasets.series.series_files import read_series
        from ..datasets.series.series_tables import SeriesReading

        settings = config.data
        if settings.data_dir is not None:
            reading = read_series(settings.data_dir, settings.reading)
        else:
            reading = SeriesReading(load_embedded(settings.dataset or DEFAULT))
        data = load_series(reading, settings.examples(config.optimisation.seed))
        config.check_for(data.train.problem.kind)
        return data

    def read_data(self, config: SeriesConfig, found: Any = None) -> Any:
        return self.find_data(config) if found is None else found

    def write_data(self, config: SeriesConfig, data: Any, folder: Path) -> dict[str, Any]:
        from ..datasets.series.python_data import write_series

        write_series(data, folder)
        return {"encoding": None}

    def training_functions(self) -> TrainingFunctions:
        from . import training

        return training

    def predict(self, run: RunFolder, inputs: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield what follows each series, or its class or values.

        Of a forecast: {"file", "series", "time": [F], "value", "low", "high": {target: [F]}}; of a
        class: {"file", "series", "label", "probabilities"}; of values: {"file", "series", "value",
        "low", "high": {target: number, or [T]}}.

        Args:
            run: the run whose best model predicts.
            inputs: paths of tables or .npz files.

        Raises:
            UserError: a file cannot be used.
        """
        from .forecaster import Forecaster

        forecaster = Forecaster.of_run(run)
        for name in inputs:
            yield from forecaster.rows(str(name))

    def input_reader(self, column: str | None = None) -> Reader:
        from .prediction import file_reader

        return file_reader()

    def raw_inputs(self, run: RunFolder) -> Callable[[str], Any]:
        from .forecaster import Forecaster

        return Forecaster.of_run(run).inputs

    def input_steps(self, config: SeriesConfig) -> "tuple[Step, ...]":
        from ..training.export_steps import step

        return (step("fill_gaps", by="the value before", longest=config.data.max_gap),)

    def _predict(self, config: PredictConfig) -> int:
        from .prediction import predict_files

        return predict_files(self.name, config.files, config)


TASK = Series()
