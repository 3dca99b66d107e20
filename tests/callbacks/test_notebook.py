"""In a notebook, callbacks, figures and results of analyses show themselves."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NOTEBOOK = """\
---
kernelspec:
  name: python3
  display_name: Python 3
---

```{code-cell}
import keras
import numpy as np
from errorflow.callbacks import ErrorFlow
from errorflow.layers import SimpleRNN, error_matrix, horizon

model = keras.Sequential([keras.Input((6, 2)), SimpleRNN(3, name="rnn"), keras.layers.Dense(1)])
model.compile("sgd", "mse")
x, y = np.ones([40, 6, 2]), np.ones([40, 1])
flow = ErrorFlow(live=True)
flow
```

```{code-cell}
_ = model.fit(x, y, batch_size=2, verbose=0, callbacks=[flow])
```

```{code-cell}
flow
```

```{code-cell}
flow.plot()
```

```{code-cell}
horizon(model, x)
```

```{code-cell}
error_matrix(model, x, y)
```

```{code-cell}
import matplotlib.pyplot
flow.plot()
```

```{code-cell}
%matplotlib inline
flow.plot()
```
"""


@pytest.fixture(name="outputs", scope="module")
def outputs_(tmp_path_factory):
    """What each cell shows, without the texts that it prints."""
    pytest.importorskip("jupytext")
    spec = importlib.util.spec_from_file_location("execute", ROOT / "docs" / "execute.py")
    assert spec is not None and spec.loader is not None
    execute = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(execute)
    path = tmp_path_factory.mktemp("notebook") / "notebook.md"
    path.write_text(NOTEBOOK, encoding="utf-8")
    cells = [cell for cell in execute.execute(path).cells if cell.cell_type == "code"]
    return [[o.data for o in cell.outputs if o.output_type != "stream"] for cell in cells]


def test_a_notebook_shows_callbacks_figures_and_results(outputs):
    before, live, flow, plot, horizon, matrix, beside_pyplot, inline = outputs
    assert "no training step has been recorded yet" in before[0]["text/html"]
    for view in (live, flow):  # the live view ends as what the callback shows
        (data,) = view
        assert "rnn" in data["text/html"] and "receives" in data["text/html"]
        assert data["text/html"].count("<img") == 1
    for picture in (plot, beside_pyplot, inline):
        assert ["image/png" in data for data in picture] == [True]
    for result, sentence in ((horizon, "going back in time"), (matrix, "the error of the loss")):
        (data,) = result
        assert sentence in data["text/html"] and "<img" in data["text/html"]
