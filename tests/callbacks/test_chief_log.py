"""What goes wrong with event files under several workers does not stop the chief alone."""

import pytest
from errorflow.callbacks.recording.chief_log import ChiefLog


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path):
    (tmp_path / "file").touch()
    log = ChiefLog(tmp_path / "file" / "train")
    with pytest.warns(UserWarning, match="gets no more event files.*recording go on") as said:
        log.text("a", "b")
        log.text("a", "b")
        log.close()
    assert len(said) == 1
