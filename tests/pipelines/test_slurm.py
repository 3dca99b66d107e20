"""The workers of a training under Slurm: the tasks of one `srun`, in the order of their ranks."""

import pytest
from errorflow.pipelines.core.cluster import training_cluster
from errorflow.pipelines.core.errors import UserError

# What `srun --nodes=3 --ntasks=5` sets for its fourth task, without the numbers of job and step.
STEP = {
    "SLURM_STEP_NUM_TASKS": "5",
    "SLURM_STEP_NODELIST": "n[9-11]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_PROCID": "3",
    "SLURMD_NODENAME": "n10",
}


@pytest.fixture
def step(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)


def test_addresses_are_in_the_order_of_the_ranks(step):
    cluster = training_cluster("multi-worker")
    assert (cluster.size, cluster.index, cluster.is_chief) == (5, 3, False)
    hosts, ports = zip(*(address.split(":") for address in cluster.workers), strict=True)
    assert hosts == ("n9", "n9", "n10", "n10", "n11")
    assert int(ports[1]) - int(ports[0]) == int(ports[3]) - int(ports[2]) == 1


def test_two_jobs_on_the_same_nodes_use_different_ports(step, monkeypatch):
    addresses = set()
    for job in ("100", "101"):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        addresses |= {*training_cluster("multi-worker").workers}
    assert len(addresses) == 10


def test_tasks_that_are_not_in_blocks_are_refused(step, monkeypatch):
    monkeypatch.setenv("SLURMD_NODENAME", "n9")
    with pytest.raises(UserError, match="task 3 of this srun runs on n9, not on n10: add --dist"):
        _ = training_cluster("multi-worker").workers
