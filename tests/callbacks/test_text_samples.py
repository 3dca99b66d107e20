"""Tables of examples and predictions in TensorBoard's Text tab."""

import copy
import html
import re

import event_files
import keras
import numpy as np
from errorflow.callbacks import TextSamples
from errorflow.callbacks.text_samples import markdown_table
from tensorboard.plugin_util import markdown_to_safe_html

HARD = ["a|b", "<b>&amp;</b>", "*_~`[x](y)`~_*", "two\r\nlines", "\\|", "", "# no title", None]


def cells(text):
    """The table as a browser shows it: a list of its lines."""
    lines = re.findall("<tr>(.*?)</tr>", markdown_to_safe_html(text), re.DOTALL)
    table = [re.findall("<t[hd]>(.*?)</t[hd]>", line, re.DOTALL) for line in lines]
    return [[html.unescape(cell.replace("<br>", "\n")) for cell in line] for line in table]


def test_cells_show_their_text_literally():
    shown = cells(markdown_table([{"in|put": text, "length": 3} for text in HARD]))
    texts = [str(text).replace("\r", "") for text in HARD]
    assert shown == [["in|put", "length"], *([text, "3"] for text in texts)]
    assert markdown_table([]) == ""


def test_a_row_with_a_long_text_is_one_cell():
    rows = [{"text": "long " * 20, "right": "yes"}, {"text": "short", "right": "no"}]
    shown = cells(markdown_table(rows))
    first = "right: yes\n" + "long " * 20
    assert shown == [["right · text"], [first.strip()], ["right: no\nshort"]]


def test_each_epoch_writes_a_table_of_at_most_20_rows(tmp_path):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    calls = []

    def rows():
        calls.append(1)
        return [{"row": f"<{i}|", "call": len(calls)} for i in range(25)]

    samples = copy.deepcopy(TextSamples(rows, tmp_path))
    model.fit(np.ones([2, 1]), np.ones([2, 1]), epochs=2, verbose=0, callbacks=[samples])
    values, metadata = event_files.read(tmp_path / "validation")
    tables = {step: cells(at["samples"].item()) for step, at in values.items() if at}
    assert [*tables] == [1, 2]
    for step, table in tables.items():
        assert table == [["row", "call"], *([f"<{i}|", str(step)] for i in range(20))]
    assert metadata["samples"].plugin_data.plugin_name == "text"
