"""`errorflow report`: one self-contained file with findings, figures, charts and saved plots."""

import csv
import html
import json
import re

import event_files
import keras
import numpy as np
import pytest
import report_runs
import tensorflow as tf
from errorflow.callbacks import ErrorFlow, LayerGradients
from errorflow.callbacks.text_samples import markdown_table
from errorflow.layers import SimpleRNN
from errorflow.pipelines.cli import main
from errorflow.pipelines.commands.report.modules import import_map, modules_of
from errorflow.pipelines.commands.report.page import page
from errorflow.pipelines.core import run_lifecycle as lifecycle
from errorflow.pipelines.core.config import replace
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
        model.compile(keras.optimizers.SGD(1e-3, global_clipnorm=1e-3), "mse", jit_compile=False)
        flow, gradients = callbacks = ErrorFlow(run.logs), LayerGradients(run.logs)
        model.fit(x, y, batch_size=4, verbose=0, callbacks=[*callbacks])
        flow.plot().savefig(run.plots / "curves.png")
        run.history_file.write_text(
            f"epoch,accuracy,val_accuracy\n1,0.5,0.6\n2,0.75,{0.1 * units:.2f}\n"
        )
        figures = {"monitor": "val_accuracy", "best_epoch": 1, "epochs": 2, "parameters": 19}
        run.update(**figures, test={"accuracy": 0.25 * units})
        sentences[name] = [
            finding.first_sentence for finding in (*flow.findings(), *gradients.findings())
        ]
    return folder, sentences


@pytest.fixture(scope="module")
def report(trained, tmp_path_factory):
    """The report of both runs."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    flags = ["--run-dir", str(trained[0]), "--to", str(file)]
    assert main(["report", "a", "b", *flags]) == 0
    return file.read_text(encoding="utf-8")


def test_the_report_has_the_findings_of_the_callbacks(trained, report):
    text = html.unescape(report)
    for sentences in trained[1].values():
        assert len(sentences) == 2  # the second one: clipped
        assert all(sentence in text for sentence in sentences)
    assert "Pascanu, Mikolov" in text


def test_the_report_has_figures_and_settings_side_by_side(report):
    assert '<th scope="row">units</th><td>3</td><td>4</td>' in report
    assert '<th scope="row">test accuracy</th><td>0.7500</td><td>1.0000</td>' in report


def test_the_summary_is_true_of_the_numbers(report):
    assert "<h1>Error flow of names/a and 1 more run</h1>" in report
    summary = html.unescape(report.split('id="summary"')[1].split("</section>")[0])
    assert "The runs differ in units (3, 4)." in summary
    assert "The best validation accuracy is 0.6000, in epoch 1." in summary
    assert "On the test split: accuracy 0.7500." in summary
    assert "names/a and names/b have the same best validation accuracy, 0.6000." in summary


def test_each_figure_is_numbered_and_each_section_is_in_the_contents(report):
    numbers = re.findall(r"<figcaption><b>Figure (\d+)\.</b>", report)
    assert numbers == [str(n) for n in range(1, report.count("<figure") + 1)]
    listed = re.findall(r'<li><a href="#(\w+)">', report)
    assert listed == ["runs", "time", "depth", "plots"]
    assert set(listed) <= set(re.findall(r'<section id="(\w+)"', report))


def test_a_saved_plot_is_described(report):
    (alt, *_) = re.findall(r'<img alt="([^"]*)" width=', report)
    assert alt.startswith("Learning curves, names/a. Line charts of 1 figure over 2 epochs")
    assert "training rises from 0.5 to 0.75, validation falls from 0.6 to 0.3" in alt


def test_a_confusion_matrix_is_described(tmp_path):
    run = report_runs.run_folder(tmp_path, "a", flow=report_runs.flow("rnn"))
    (run.plots / "confusion.png").write_bytes(report_runs.picture())
    with (run.plots / "confusion.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["true", "x", "y"], ["x", 7, 1], ["y", 0, 2]])
    text = html.unescape(page([run]))
    assert "9 of 10 examples (90.0%) have their true label." in text
    assert "The most frequent mistake, 1 time: “x” predicted as “y”." in text


def test_an_error_matrix_has_the_epochs_that_its_slider_selects(tmp_path):
    values = np.tril(np.ones([4, 4]))[:, None] * np.linspace(1, 20, 20)[:, None]  # [4, 20, 4]
    matrix = report_runs.record("error_matrix", "rnn", "0123", values)
    text = page([report_runs.run_folder(tmp_path, "a", matrix=matrix)])
    answers = json.loads(re.findall(r'id="answers">(.*?)</script>', text)[0])
    epochs = [query["step"] for query, _ in answers["table"]]
    assert (len(epochs), epochs[0], epochs[-1]) == (8, 1, 20)
    assert all(table["epochs"] == epochs for _, table in answers["table"])
    assert "the error of the last loss step: 20 at time step 4 to 20 at time step 1" in text


def test_without_names_the_report_is_about_the_latest_run(trained, tmp_path, capsys):
    file = tmp_path / "report.html"
    assert main(["report", "--run-dir", str(trained[0]), "--to", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert "<h1>Error flow of names/b</h1>" in file.read_text(encoding="utf-8")


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


def test_what_is_damaged_is_said_and_hides_nothing_else(tmp_path):
    rnn = report_runs.flow("rnn")
    run = report_runs.run_folder(tmp_path, "a", flow=rnn, bad=(b"[]", rnn[1]), empty=_no_block())
    (run.plots / "curves.png").write_bytes(b"<script>alert(1)</script>")
    event_files.write(run.logs / "validation", "errorflow")
    (run.logs / "validation" / "events.out.tfevents.2").write_bytes(b"\0" * 99)
    text = html.unescape(page([run]))
    damaged = text.split('<section id="damaged"')[1]
    for what in ("description is not a JSON object", "events.out.tfevents.2", "curves.png", "lstm"):
        assert what in damaged
    assert "rnn: vanishing" in text.split('<section id="damaged"')[0]


def _no_block():
    content, _ = report_runs.flow("lstm")
    return content, np.ones(3, np.float32)


def test_texts_of_data_are_never_markup(tmp_path):
    evil = "<img src=x onerror=alert(1)><script>alert(1)<_script>$\\frac$"
    run = report_runs.run_folder(
        tmp_path,
        evil,
        {"test": {evil: 0.5}, "findings": [{"layer": evil, "kind": evil}], "verdict": [evil]},
        settings=f"{json.dumps(evil)}: {json.dumps(evil)}",
        flow=report_runs.flow(evil),
        bad=(b"[]", np.ones(3, np.float32)),
    )
    (run.plots / f"{evil}.png").write_bytes(report_runs.picture())
    text = page([run])
    assert "<img src=x" not in text and "<script>" not in text
    assert text.count(str(html.escape(evil)).replace("&quot;", "&#34;")) >= 8


def test_a_long_sample_is_a_line_of_figures_and_its_text(tmp_path):
    run = report_runs.run_folder(tmp_path, "a")
    with tf.summary.create_file_writer(str(run.logs / "validation")).as_default():
        tf.summary.text("samples", markdown_table([{"right": "no", "text": "long " * 20}]), step=1)
    assert "right: no\nlong long" in page([run])


def test_only_scripts_and_styles_of_the_file_act(report):
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', report)
    (nonce,) = re.findall(r"script-src 'nonce-([\w-]{22})';", policy)
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'nonce-{nonce}'" in policy and "unsafe" not in policy
    acting = re.findall(r"<(?:script|style)[^>]*>", report)
    assert acting.count('<script type="application/json" id="answers">') == 1
    assert sum(f'nonce="{nonce}"' in tag for tag in acting) == len(acting) - 1 == 3
    assert not re.findall(r'(?:src|href)="(?!data:image/|#)', report)


def test_modules_that_import_one_another_become_one_import_map():
    sources = {
        "report.js": 'import { b } from "./b.js";\nimport {\n  c,\n} from "./vendor/c.js";\n',
        "b.js": 'import { c } from "./vendor/c.js";\nexport const b = "from";\n',
        "vendor/c.js": 'export { c } from "./d.js";\n',
        "vendor/d.js": "export const c = 1;\n",
        "unused.js": "",
    }
    modules = modules_of("report.js", sources.__getitem__)
    assert {*modules} == {*sources} - {"unused.js"}
    assert modules["report.js"].count('from "errorflow/') == 2
    assert 'from "errorflow/vendor/d.js"' in modules["vendor/c.js"]
    assert import_map({"a.js": "1;"}) == {
        "imports": {"errorflow/a.js": "data:text/javascript;base64,MTs="}
    }


def test_three_runs_of_long_trainings_are_smaller_than_3_mb(tmp_path):
    layers = [f"block_{n}/conv" for n in range(40)]
    runs = [
        report_runs.run_folder(
            tmp_path,
            f"run-{n}",
            **{f"flow/{k}": report_runs.flow(f"lstm_{k}", 600, 200, k) for k in range(4)},
            **{f"gates/{k}": report_runs.gates(f"lstm_{k}", 20, 200, k) for k in range(4)},
            gradients=report_runs.gradients(layers, 600),
        )
        for n in range(3)
    ]
    text = page(runs)
    assert 1_000_000 < len(text.encode()) < 3_000_000
    assert text.count("lstm_3: vanishing") >= 3  # nothing is left out for it
