"""The statistics that are recorded for each layer's gradient. Imports no TensorFlow."""

STATISTICS = ("norm", "ratio", "dead")
DEAD_AFTER = 100  # recorded steps without any gradient, after which a unit counts as dead
