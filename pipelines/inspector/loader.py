"""What TensorBoard imports when it starts. A fault in here would stop it: so there is next to
nothing, and the rest is imported where TensorBoard catches what goes wrong."""

from tensorboard.plugins.base_plugin import TBLoader


class Loader(TBLoader):
    """Hands TensorBoard the Error Flow tab."""

    def load(self, context):
        from .plugin import Inspector

        return Inspector(context)
