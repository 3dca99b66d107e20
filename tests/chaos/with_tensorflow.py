"""Imported once by the server that forks the processes: all that takes seconds to import."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import errorflow.pipelines.commands.recorded
import errorflow.pipelines.training.loop
import errorflow.pipelines.training.workflow
import keras
import matplotlib.pyplot
import pandas
import sklearn.metrics
import tensorflow as tf
import tensorflow_datasets as tfds

__all__ = ["errorflow", "keras", "matplotlib", "pandas", "sklearn", "tf", "tfds"]
