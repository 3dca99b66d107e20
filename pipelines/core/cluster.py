"""The workers that train one network together, as a launcher describes them in the environment.

A worker is a process; it may have several GPUs. TF_CONFIG names the workers (Kubernetes operators,
Ray Train, cloud services and `errorflow launch` set it), or Slurm does for the tasks of one `srun`.

Nothing here imports TensorFlow, except to read the addresses that Slurm implies.
"""

import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

from .errors import UserError, brief

_TYPES = ("chief", "worker")
_FIRST_PORT = 12_000  # of Slurm's jobs; below the ports that Linux gives to connections
_PORTS = 20_000


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a training, and the one that this process is.

    Attributes:
        size: the number of workers.
        index: the index of this worker; 0 is the chief.
        listed: host:port of each worker, if the environment lists them.
    """

    size: int = 1
    index: int = 0
    listed: tuple[str, ...] = ()

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run folder; a process on its own is its own chief."""
        return self.index == 0

    @property
    def workers(self) -> tuple[str, ...]:
        """host:port of each worker; () if this process is on its own."""
        return self.listed if self.listed or self.size == 1 else _slurm_addresses()


def cluster_of(strategy: Any) -> Cluster:
    """Return the cluster that `multi_worker.make_strategy` has made a strategy for."""
    return getattr(strategy, "cluster", Cluster())


def training_cluster(strategy: str) -> Cluster:
    """Return the cluster in which this process trains with `--strategy`.

    Raises:
        UserError: the environment is not valid, it names no workers although the strategy needs
            them, or it names several although the strategy has one.
    """
    if strategy in ("multi-worker", "auto"):
        cluster = _from_tf_config() or _from_slurm()
        if cluster is None and strategy == "multi-worker":
            raise UserError(
                "--strategy multi-worker: neither TF_CONFIG nor Slurm names the workers; start them"
                " with `srun`, with a launcher that sets TF_CONFIG or, on this machine, with"
                " `errorflow launch --workers 2 -- TASK train ...`"
            )
        return cluster or Cluster()
    # Tasks of one srun may well be trainings of their own; the processes of a TF_CONFIG are not.
    several = _from_tf_config()
    if several is not None and several.size > 1:
        raise UserError(
            f"TF_CONFIG names {several.size} workers, but --strategy {strategy} trains in one"
            " process: add --strategy multi-worker, or unset TF_CONFIG"
        )
    return Cluster()


def without_cluster(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that names no workers, for a process that trains on its own."""
    naming = ("TF_CONFIG", "SLURM_STEP_NUM_TASKS")
    return {name: value for name, value in environment.items() if name not in naming}


# TF_CONFIG


def _from_tf_config() -> Cluster | None:
    """Return the cluster that TF_CONFIG describes; None if it describes none.

    Raises:
        UserError: TF_CONFIG is not valid.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    config = _parse(text) if text else {}
    cluster = _mapping(config, "cluster")
    addresses = {kind: _addresses(kind, cluster[kind]) for kind in cluster}
    if not any(addresses.values()):
        return None
    if len(addresses.get("chief", ())) > 1:
        raise _invalid("cluster.chief names more than one task")
    workers = tuple(address for kind in _TYPES for address in addresses.get(kind, ()))
    if twice := next((address for address in workers if workers.count(address) > 1), None):
        raise _invalid(f"the address {twice} occurs more than once")
    return Cluster(len(workers), _own_index(config, addresses), workers)


def _parse(text: str) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(f"it is not JSON ({error})") from None
    if not isinstance(config, dict):
        raise _invalid(f"it must be a JSON object, got {brief(config)}")
    return config


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = config.get(key, {})
    if not isinstance(value, dict):
        raise _invalid(f"{key} must be a JSON object, got {brief(value)}")
    return value


def _addresses(kind: str, addresses: Any) -> tuple[str, ...]:
    """Return the checked addresses of the tasks of one type."""
    if kind not in _TYPES:
        raise _invalid(
            f"cluster.{kind}: errorflow trains with tasks of the types chief and worker only"
        )
    if not isinstance(addresses, list):
        raise _invalid(f"cluster.{kind} must be a list of host:port, got {brief(addresses)}")
    for address in addresses:
        match = re.fullmatch(r"\S+:(\d{1,5})", address) if isinstance(address, str) else None
        if match is None or not 0 < int(match[1]) < 2**16:
            raise _invalid(f"cluster.{kind} must hold host:port, got {brief(address)}")
    return tuple(addresses)


def _own_index(config: Mapping[str, Any], addresses: Mapping[str, tuple[str, ...]]) -> int:
    """Return the index of this worker among the chief and the workers."""
    task = _mapping(config, "task")
    kind, index = task.get("type"), task.get("index")
    if not isinstance(kind, str) or kind not in addresses:
        raise _invalid(f"task.type must be {' or '.join(addresses)}, got {brief(kind)}")
    index = int(index) if isinstance(index, str) and re.fullmatch(r"\d{1,9}", index) else index
    count = len(addresses[kind])
    if type(index) is not int or not 0 <= index < count:
        raise _invalid(
            f"task.index must be from 0 to {count - 1}, since the cluster has {count} tasks of the"
            f" type {kind}; got {brief(index)}"
        )
    return index if kind == _TYPES[0] else index + len(addresses.get(_TYPES[0], ()))


def _invalid(reason: str) -> UserError:
    return UserError(f"TF_CONFIG is not valid: {reason}")


# Slurm


def _from_slurm() -> Cluster | None:
    """Return the cluster of the tasks of this `srun`; None outside of one.

    Raises:
        UserError: Slurm's variables contradict each other.
    """
    size, index = _slurm_number("SLURM_STEP_NUM_TASKS"), _slurm_number("SLURM_PROCID")
    if size is None or index is None:
        return None
    if not index < size:
        raise UserError(
            f"SLURM_PROCID is {index}, but SLURM_STEP_NUM_TASKS is {size}: start the workers with"
            " one `srun`"
        )
    return Cluster(size, index)


def _slurm_number(name: str) -> int | None:
    text = os.environ.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


def _slurm_addresses() -> tuple[str, ...]:
    """Return host:port of each task of this `srun`; the ports depend on the job and its step.

    Raises:
        UserError: Slurm's variables are missing or not valid, or its tasks are not in blocks.
    """
    import tensorflow as tf

    job, step = _slurm_number("SLURM_JOB_ID") or 0, _slurm_number("SLURM_STEP_ID") or 0
    size, index = _slurm_number("SLURM_STEP_NUM_TASKS") or 0, _slurm_number("SLURM_PROCID") or 0
    try:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_FIRST_PORT + (997 * job + 101 * step) % _PORTS,
            gpus_per_node=size,  # the resolver ends the list at the last GPU: as if each task had
            gpus_per_task=1,  # one; Slurm itself shows each task its GPUs
            auto_set_gpu=False,
        )
        tasks = resolver.cluster_spec().job_tasks("worker")
    except (RuntimeError, ValueError) as error:
        raise UserError(f"Slurm's variables do not name the workers: {error}") from None
    addresses = tuple(sorted(tasks, key=_slurm_order))
    node, host = os.environ.get("SLURMD_NODENAME"), addresses[index].rpartition(":")[0]
    if node not in (None, host):
        raise UserError(
            f"task {index} of this srun runs on {node}, not on {host}: add --distribution=block to"
            " srun"
        )
    return addresses


def _slurm_order(address: str) -> list[Any]:
    """Return the key by which Slurm sorts nodes: n2 comes before n10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", address)]
