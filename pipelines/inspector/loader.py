"""The entry point of the tab. An error in this module would stop TensorBoard, so it imports next to
nothing; the rest is imported where TensorBoard catches errors."""

from typing import Any

from tensorboard.plugins.base_plugin import TBLoader

SAMPLES = 1_000  # blocks of rows that TensorBoard loads of a tag


class Loader(TBLoader):
    """Gives TensorBoard the Error Flow tab."""

    def fix_flags(self, flags: Any) -> None:
        """Let TensorBoard load all blocks: its default for a plugin that it does not know is 10.

        Thus the tables are complete in plain `tensorboard` and in notebooks, too.
        """
        if isinstance(flags.samples_per_plugin, dict):
            flags.samples_per_plugin.setdefault("errorflow", SAMPLES)

    def load(self, context: Any) -> Any:
        from .plugin import Inspector

        return Inspector(context)
