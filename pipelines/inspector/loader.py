"""The entry point of the tab. An error in this module would stop TensorBoard, so it imports next to
nothing; the rest is imported where TensorBoard catches errors."""

from typing import Any

from tensorboard.plugins.base_plugin import TBLoader


class Loader(TBLoader):
    """Gives TensorBoard the Error Flow tab."""

    def load(self, context: Any) -> Any:
        from .plugin import Inspector

        return Inspector(context)
