"""What ends a training with several workers, and how the others learn of it.

    a worker is killed, hangs, or its machine is cut off   the others end after `SILENT_SECONDS`, or
                                                           at once if its connections are closed
    a worker fails, or is stopped by a signal              it tells the others, which end at once
    a worker does not start, or cannot reach the chief     the others end after `START_SECONDS`

A worker that is lost cannot be replaced while the others go on: all end, and the same command with
--resume goes on after the last complete epoch.
"""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from .cluster import Cluster
from .errors import UserError, WorkerLost
from .rendezvous import meet, named
from .stop_request import listen_again, recovered

START_SECONDS = 300  # in which all workers must have started
REGISTER_SECONDS = 60  # in which TensorFlow connects the workers that have met
SILENT_SECONDS = 20  # without a sign of life, after which a worker is lost
LONGEST_END = 60  # seconds in which the others have ended after a worker is lost

RESUME = "start all workers again with --resume to go on after the last complete epoch"
_UNAVAILABLE = 14  # code of tf.errors.UnavailableError, which ends all collective operations
_LONGEST = 400  # characters of a reason; the service truncates a very long one
_REPORTED = re.compile(r"from /job:worker/task:(\d+): <errorflow (\w+)>(.*?)</errorflow>", re.S)
_TASK = re.compile(r"/job:worker/replica:0/task:(\d+)(?!\d|/device)")
T = TypeVar("T")


def start_together(make_strategy: Callable[[], T], cluster: Cluster) -> T:
    """Return the strategy of the workers, when all of them have started.

    Raises:
        WorkerLost: a worker has not started, or cannot be reached.
        UserError: this process cannot be a worker.
    """
    meet(cluster, START_SECONDS)
    _configure_service(cluster)
    try:
        return make_strategy()
    except Exception as error:
        raise _start_failure(error, cluster) from None
    finally:
        listen_again()  # TensorFlow has taken SIGTERM for itself


def _configure_service(cluster: Cluster) -> None:
    """Bound the times that TensorFlow's coordination service waits."""
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager.context import context

    job = coordination_config_pb2.CoordinatedJob(name="worker", num_tasks=cluster.size)
    context().configure_coordination_service(
        service_type="standalone",
        service_leader=_task(0),
        cluster_register_timeout_in_ms=REGISTER_SECONDS * 1000,
        heartbeat_timeout_in_ms=SILENT_SECONDS * 1000,
        coordinated_jobs=[job],
    )
    settings = context().coordination_service
    settings.cluster_register_with_barrier = True  # or the chief waits for the others for an hour
    settings.agent_destruction_without_shutdown = True  # or a process waits for those that are lost


def _task(number: int) -> str:
    return f"/job:worker/replica:0/task:{number}"


def _start_failure(error: Exception, cluster: Cluster) -> Exception:
    """Return why the workers have not come together, although they have met."""
    if "Could not start gRPC server" in str(error):
        return UserError(f"cannot listen on {cluster.workers[cluster.index]}: another process does")
    if "program startup" in str(error):
        return UserError("several workers: train before anything else uses TensorFlow")
    return _loss(str(error), cluster) if _is_of_workers(error) else error


@contextlib.contextmanager
def ended_together(cluster: Cluster) -> Iterator[None]:
    """If the block fails on one worker, end it on all of them.

    Raises:
        WorkerLost: another worker has ended or cannot be reached.
        UserError: also if that of another worker has ended this one.
    """
    if cluster.size == 1:
        yield
        return
    try:
        with recovered(), _in_words(cluster):
            yield
    except BaseException as error:
        _report(error)
        raise


@contextlib.contextmanager
def _in_words(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _is_of_workers(error):
            raise
        raise _loss(str(error), cluster) from error


def _report(error: BaseException) -> None:
    """Tell the other workers why this one ends; their collective operations fail with that."""
    from tensorflow.python.eager.context import context

    kinds = {UserError: "mistake", WorkerLost: "loss"}
    reason = str(error) or type(error).__name__
    if isinstance(error, KeyboardInterrupt):
        reason = "stopped by a signal"
    text = f"<errorflow {kinds.get(type(error), 'end')}>{reason[:_LONGEST]}</errorflow>"
    with contextlib.suppress(Exception):  # this worker is cut off, or nobody is there any more
        context().report_error_to_cluster(_UNAVAILABLE, text)


def _is_of_workers(error: Exception) -> bool:
    """Whether an error says that TensorFlow's workers do not work together."""
    import tensorflow as tf

    signs = ("Collective ops is aborted", "/job:worker/", "CoordinationService", "</errorflow>")
    return isinstance(error, tf.errors.OpError) and any(sign in str(error) for sign in signs)


def _loss(text: str, cluster: Cluster) -> UserError:
    """Return why the training ends, from the text of TensorFlow's error."""
    if reported := _REPORTED.search(text):
        number, kind, reason = reported.groups()
        if kind == "loss":  # that worker has learnt it from another one
            return WorkerLost(reason)
        if kind == "mistake":
            return UserError(f"worker {number}: {reason}")
        return WorkerLost(f"worker {number} has ended ({reason}): {RESUME}")
    lost = {int(number) for number in _TASK.findall(text)} - {cluster.index}
    lost = lost or (_others(cluster) if cluster.is_chief else {0})  # all depend on the chief
    fate = "cannot be reached any more"
    if "sending heartbeats" in text:
        fate = f"gave no sign of life for {SILENT_SECONDS} s"
    return WorkerLost(f"{named(cluster, lost)} {fate}: {RESUME}")


def _others(cluster: Cluster) -> set[int]:
    return {*range(cluster.size)} - {cluster.index}
