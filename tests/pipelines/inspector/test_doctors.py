"""The doctor's answers as the server of the tab, and the report, show them."""

import html
import json

import doctor_runs
import pytest
import report_runs
from errorflow.pipelines.commands.recorded import open_logs
from errorflow.pipelines.commands.report.page import page
from errorflow.pipelines.inspector.answers import Answers
from errorflow.pipelines.inspector.trainings import training_of, trial_of

HOSTILE = "<img src=x onerror=top.hacked=1>"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(A folder of runs, one that the doctor has treated); to read only."""
    folder = tmp_path_factory.mktemp("runs")
    run = report_runs.run_folder(folder, "a", flow=report_runs.flow("rnn"))
    doctor_runs.treat(run, doctor_runs.answer(HOSTILE).as_json())
    return folder, run


def answers(folder):
    """The tab's server on a folder."""
    (place, _) = open_logs({"": folder})
    return Answers(*place, folder)


@pytest.mark.parametrize(
    "run, training, trial",
    [
        (
            "names/a/doctor/trials/lstm+clip-norm/seed-7/run/logs/train",
            "names/a/doctor/lstm+clip-norm/seed-7",
            ("names/a", ("lstm", "clip-norm"), 7),
        ),
        (
            "doctor/trials/untreated/seed-0/run/logs/train",
            "doctor/untreated/seed-0",
            ("folder", (), 0),
        ),
        ("names/doctor/logs/train", "names/doctor", None),
    ],
)
def test_a_trial_has_the_name_of_its_run_and_its_remedies(run, training, trial):
    assert training_of(run, "/some/folder") == training
    assert trial_of(training, "/some/folder") == trial


def test_a_run_that_was_treated_says_so_and_its_trials_say_whose_they_are(runs):
    listed = {one["run"]: one for one in answers(runs[0]).answer("runs")}
    assert listed["names/a"]["doctor"]["trials"] == 7
    assert listed["names/a"]["call"] == f"errorflow names doctor --run {runs[1].path}"
    trial = listed["names/a/doctor/lstm/seed-0"]
    assert (trial["doctor"], trial["call"], trial["trial"]["run"]) == (None, "", "names/a")


@pytest.mark.parametrize(
    "below, run", [("", "names/a"), ("names/a", "a"), ("names/a/logs", "logs")]
)
def test_the_answer_is_found_from_each_folder_that_tensorboard_may_show(runs, below, run):
    answer = answers(runs[0] / below).answer("doctor", {"run": run})
    untreated, lstm, orthogonal, forget_bias = answer["rows"]
    assert lstm["title"] == "an LSTM in place of a SimpleRNN"
    assert (lstm["status"], lstm["kind"]) == ("cure", "vanishing")
    assert lstm["cells"][0] == untreated["cells"][0] == "vanishing 3/3"
    assert lstm["cells"][2].startswith("0.61")
    assert lstm["cells"][3:] == ["× 1.5", "× 4"]
    assert answer["command"].startswith("errorflow names train --config ")
    assert forget_bias["sentence"] == HOSTILE
    seen = [len(row["trials"]) for row in (untreated, lstm, orthogonal, forget_bias)]
    assert seen == ([0, 0, 0, 0] if below.endswith("logs") else [0, 2, 2, 0])


def test_a_run_without_records_is_listed_if_it_was_treated(tmp_path):
    run = report_runs.run_folder(tmp_path, "crashed")
    (run.logs / "train").rename(tmp_path / "elsewhere")
    doctor_runs.treat(run, doctor_runs.answer().as_json())
    listed = {one["run"]: one for one in answers(tmp_path / "names").answer("runs")}
    assert listed["crashed"]["doctor"]["trials"] == 7


WHOLE = json.dumps(doctor_runs.answer().as_json())
DAMAGED = {
    "empty": "",
    "list": "[]",
    "no key": "{}",
    "one key": '{"version": 1}',
    "later version": '{"version": 99}',
    "cut": WHOLE[: len(WHOLE) // 2],
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_answer_is_one_line_and_hides_nothing_else(tmp_path, content):
    run = report_runs.run_folder(tmp_path, "a", flow=report_runs.flow("rnn"))
    (run.path / "doctor").mkdir()
    (run.path / "doctor" / "doctor.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^doctor\.json: [^\n]+$"):
        answers(tmp_path).answer("doctor", {"run": "names/a"})
    text = html.unescape(page([run]))
    assert text.count("<li>names/a: doctor.json: ") == 1
    assert "rnn: vanishing" in text and 'id="doctor"' not in text
    assert f"<code>errorflow names doctor --run {run.path}</code>" in text


def test_the_report_has_the_table_the_pictures_and_the_command(runs):
    text = html.unescape(page([runs[1]]))
    section = text.split('<section id="doctor"')[1].split("</section>")[0]
    assert "an LSTM in place of a SimpleRNN (Hochreiter & Schmidhuber 1997)</th>" in section
    assert f"<td>cure: {doctor_runs.answer().best.judgement.sentence}</td>" in section
    assert section.count("<img alt=") == 2
    assert f"errorflow names train --config {runs[1].path}/doctor/best/config.yaml" in section
    summary = text.split('id="summary"')[1].split("</section>")[0]
    assert f"The doctor</a>: {doctor_runs.answer(HOSTILE).sentence}." in summary
    assert f"not applicable: {HOSTILE}" in section and HOSTILE not in page([runs[1]])
