"""Seconds by stage, and seconds of each training step."""

import contextlib
import functools
import threading
import time

EPOCHS = "epochs"  # the stage of the training steps


class Clock:
    """Seconds by stage of the main thread; the innermost stage counts.

    Attributes:
        taken: [processor seconds, seconds] by stage.
    """

    def __init__(self, seconds_before):
        self.taken = {"Python": [time.process_time(), seconds_before]}
        self._stages, self._last = ["other"], self._now()

    @staticmethod
    def _now():
        return time.process_time(), time.perf_counter()

    def note(self):
        """Add the time since the last change to the present stage."""
        now, taken = self._now(), self.taken.setdefault(self._stages[-1], [0.0, 0.0])
        for kind in (0, 1):
            taken[kind] += now[kind] - self._last[kind]
        self._last = now

    @contextlib.contextmanager
    def stage(self, name):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.note()
        self._stages.append(name)
        try:
            yield
        finally:
            self.note()
            self._stages.pop()

    def wrap(self, owner, method, name):
        """Let a function be a stage."""
        function = getattr(owner, method)

        @functools.wraps(function)
        def timed(*args, **kwargs):
            with self.stage(name):
                return function(*args, **kwargs)

        setattr(owner, method, timed)


class Steps:
    """Processor seconds and seconds of each training step, without what is a stage in it."""

    def __init__(self, clock):
        self.clock, self.taken = clock, []

    def begin(self, *_, **__):
        self.clock.note()
        self.before = list(self.clock.taken.get(EPOCHS, (0.0, 0.0)))

    def end(self, *_, **__):
        self.clock.note()
        after = self.clock.taken.get(EPOCHS, (0.0, 0.0))
        self.taken.append([now - before for now, before in zip(after, self.before, strict=True)])

    def compiling(self, train_data):
        """Return the processor seconds and the seconds of compiling in the first epoch."""
        from errorflow.pipelines.training.compile_time import compiling

        steps = train_data.steps
        shapes = getattr(train_data, "shapes", lambda epoch: [0] * steps)(0)
        of_first = self.taken[: len(shapes)]
        return [compiling(shapes, [each[kind] for each in of_first]) for kind in (0, 1)]
