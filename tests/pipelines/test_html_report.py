"""`errorflow report`: one self-contained file with the findings of the callbacks."""

import html
import json
import re

import event_files
import keras
import numpy as np
import pytest
from errorflow.callbacks import ErrorFlow, LayerGradients
from errorflow.callbacks.recording.blocks import pack
from errorflow.callbacks.recording.rows import Rows
from errorflow.layers import SimpleRNN
from errorflow.pipelines.cli import main
from errorflow.pipelines.commands.report import page
from errorflow.pipelines.core import run_lifecycle as lifecycle
from errorflow.pipelines.core.config import replace
from errorflow.pipelines.core.files import write_json
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.names import NamesConfig

T = 12


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder of two runs, {name: the sentences of its callbacks}); to read only."""
    folder, sentences = tmp_path_factory.mktemp("trained") / "runs", {}
    random = np.random.default_rng(0)
    x, y = random.normal(size=(64, T, 2)), random.normal(size=(64, 1))
    for name, units in (("a", 3), ("b", 4)):
        config = replace(NamesConfig(), run_dir=folder, name=name, units=units)
        run = RunFolder(folder / "names" / name)
        lifecycle.begin_in(run, "names", config, {})
        model = keras.Sequential(
            [keras.Input((T, 2)), SimpleRNN(units, name="rnn"), keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.SGD(1e-3, global_clipnorm=1e-3), "mse")
        flow, gradients = callbacks = ErrorFlow(run.logs), LayerGradients(run.logs)
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[*callbacks])
        flow.plot().savefig(run.plots / "curves.png")
        run.update(test={"accuracy": 0.25 * units})
        sentences[name] = [*flow.verdict(), *(finding.sentence for finding in gradients.findings())]
    return folder, sentences


def test_the_report_has_the_findings_of_the_callbacks(trained, tmp_path, capsys):
    folder, by_run = trained
    file = tmp_path / "report.html"
    assert main(["report", "a", "b", "--run-dir", str(folder), "--to", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    page = file.read_text(encoding="utf-8")
    for sentences in by_run.values():
        assert len(sentences) == 2  # the second one: clipped
        assert all(sentence.replace("'", "&#x27;") in page for sentence in sentences)
    assert "Pascanu, Mikolov" in page
    assert "<td>units</td><td>3</td><td>4</td>" in page
    assert "<td>test accuracy</td><td>0.7500</td><td>1.0000</td>" in page
    sources = re.findall(r'(?:src|href)="([^"]{10})', page)
    assert sources == ["data:image"] * 4  # over time, over depth, and one of each run
    assert "<script" not in page


def test_without_names_the_report_is_about_the_latest_run(trained, tmp_path):
    file = tmp_path / "report.html"
    assert main(["report", "--run-dir", str(trained[0]), "--to", str(file)]) == 0
    assert "<h1>names/b</h1>" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "flags, message",
    [
        (["zzz"], "no run 'zzz'"),
        (["a", "--to", "none/r.html"], "--to none/r.html: there is no folder"),
        (["a", "--to", "."], "--to .: is a folder"),
    ],
)
def test_a_mistake_is_one_line(trained, flags, message, capsys, monkeypatch):
    monkeypatch.chdir(trained[0].parent)
    assert main(["report", *flags]) == 2
    assert message in capsys.readouterr().err
    assert not list(trained[0].parent.glob("*.html"))


def test_texts_of_data_are_never_markup(tmp_path):
    evil = "<img src=x onerror=alert(1)><script>alert(1)<_script>$\\frac$"
    run = RunFolder(tmp_path / "names" / evil)
    finding = {"layer": evil, "kind": evil}
    settings = f"{json.dumps(evil)}: {json.dumps(evil)}"
    run.plots.mkdir(parents=True)
    results = {"test": {evil: 0.5}, "findings": [finding], "verdict": [evil]}
    write_json(run.results_file, {"status": "finished", **results})
    run.config_file.write_text(settings)
    (run.plots / f"{evil}.png").write_bytes(b"<script>alert(1)</script>")
    flow = json.dumps({"kind": "error_flow", "name": evil, "statistics": ["hidden", "valid"]})
    values = np.ones([2, 4, 3], np.float32)
    rows = pack(Rows(np.arange(1, 5), np.full(4, 3), values, ["hidden", "valid"]))
    event_files.write(run.logs, "errorflow", flow=(flow.encode(), rows), bad=(b"[]", rows))
    text = page([run])
    assert "<img src=x" not in text and "<script" not in text
    assert text.count(html.escape(evil)) >= 8
    assert "Content-Security-Policy\" content=\"default-src 'none'" in text
    assert "description is not a JSON object" in text
