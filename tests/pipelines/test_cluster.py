"""The workers of a training, as TF_CONFIG names them; every mistake is one line. No TensorFlow."""

import json

import pytest
from errorflow.pipelines.core.cluster import training_cluster
from errorflow.pipelines.core.errors import UserError

HOSTS = ["a:1000", "b:1000", "c:1000"]


def tf_config(monkeypatch, cluster=None, task=("worker", 0)):
    cluster = {"worker": HOSTS} if cluster is None else cluster
    config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


@pytest.mark.parametrize("strategy", ["multi-worker", "auto"])
def test_workers_are_numbered_in_their_order(monkeypatch, strategy):
    tf_config(monkeypatch, task=("worker", 2))
    cluster = training_cluster(strategy)
    assert (cluster.workers, cluster.index, cluster.is_chief) == (tuple(HOSTS), 2, False)


def test_a_chief_comes_before_the_workers(monkeypatch):
    cluster = {"worker": HOSTS[1:], "chief": HOSTS[:1]}
    tf_config(monkeypatch, cluster, ("chief", 0))
    assert training_cluster("multi-worker").is_chief
    tf_config(monkeypatch, cluster, ("worker", 0))
    second = training_cluster("multi-worker")
    assert (second.workers, second.index) == (tuple(HOSTS), 1)


@pytest.mark.parametrize("text", ["", "{}", '{"cluster": {}}', '{"cluster": {"worker": []}}'])
def test_without_workers_a_process_is_on_its_own(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    for strategy in ("none", "mirrored", "auto"):
        cluster = training_cluster(strategy)
        assert (cluster.size, cluster.workers, cluster.is_chief) == (1, (), True)
    with pytest.raises(UserError, match="neither TF_CONFIG nor Slurm names the workers"):
        training_cluster("multi-worker")


@pytest.mark.parametrize("strategy", ["none", "mirrored"])
def test_several_workers_need_their_strategy(monkeypatch, strategy):
    tf_config(monkeypatch)
    with pytest.raises(UserError, match=r"names 3 workers.*: add --strategy multi-worker, or"):
        training_cluster(strategy)
    tf_config(monkeypatch, {"worker": HOSTS[:1]})
    assert training_cluster(strategy).size == 1


@pytest.mark.parametrize(
    ("cluster", "task", "message"),
    [
        (None, ("worker", 3), "task.index must be from 0 to 2, since the cluster has 3 tasks"),
        (None, ("worker", -1), "task.index must be from 0 to 2"),
        (None, ("worker", None), "task.index must be from 0 to 2"),
        (None, ("worker", True), "task.index must be from 0 to 2"),
        (None, ("evaluator", 0), "task.type must be worker, got 'evaluator'"),
        (None, (None, 0), "task.type must be worker, got None"),
        ({"worker": HOSTS, "ps": ["d:1"]}, ("worker", 0), "cluster.ps: errorflow trains with"),
        ({"worker": HOSTS, "chief": ["d:1", "e:1"]}, ("worker", 0), "names more than one task"),
        ({"worker": ["a:1", "b:1", "a:1"]}, ("worker", 0), "a:1 occurs more than once"),
        ({"worker": ["a"]}, ("worker", 0), "cluster.worker must hold host:port, got 'a'"),
        ({"worker": ["a:70000"]}, ("worker", 0), "must hold host:port, got 'a:70000'"),
        ({"worker": [7]}, ("worker", 0), "must hold host:port, got 7"),
        ({"worker": "a:1"}, ("worker", 0), "cluster.worker must be a list of host:port"),
        (["a:1"], ("worker", 0), "cluster must be a JSON object"),
    ],
)
def test_a_wrong_tf_config_is_one_line(monkeypatch, cluster, task, message):
    tf_config(monkeypatch, cluster, task)
    with pytest.raises(UserError) as error:
        training_cluster("multi-worker")
    assert str(error.value).startswith("TF_CONFIG is not valid: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["{", "[]", "3", "[" * 10_000])
def test_a_tf_config_that_is_no_json_object_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=r"^TF_CONFIG is not valid: it .*JSON"):
        training_cluster("auto")
