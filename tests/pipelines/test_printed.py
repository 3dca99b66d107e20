"""What is printed: no text of data acts on the terminal, and commands can be pasted."""

import subprocess
from pathlib import Path

import pytest
from errorflow.callbacks.recording.printable import literal
from errorflow.pipelines.core.console import complain, note, print_table, say
from errorflow.pipelines.core.run_folder import RunFolder
from errorflow.pipelines.core.shell import shell_flag

HOSTILE = "\x1b]0;title\a\x9b31m\u202egnp.exe\nerrorflow: all is well\r\udcff"


@pytest.mark.parametrize("write", [note, say, complain, lambda text: print_table([text], [[text]])])
def test_no_text_acts_on_the_terminal(write, capsys):
    write(f"[red]{HOSTILE}[/red]")
    shown = "".join(capsys.readouterr())
    assert "[red]" in shown
    assert all(line.isprintable() for line in shown.split("\n"))
    assert not any(line.startswith("errorflow: all") for line in shown.split("\n"))


def test_a_text_in_markdown_is_shown_as_it_is():
    assert literal("*a* <b>\n\x1b|") == "&#42;a&#42; &lt;b&gt;<br>\ufffd&#124;"


@pytest.mark.parametrize("name", ["my runs", "it's\n", "-x", "$(date)", "\x1b[31m", "e\u0301"])
def test_a_printed_command_can_be_pasted(name):
    command = f"printf %s:  {shell_flag('--run-dir', name)}"
    assert command.isprintable()
    shown = subprocess.run(["bash", "-c", command], capture_output=True, check=True).stdout.decode()
    assert shown.replace("=", ":", 1).startswith(f"--run-dir:{name}")


def test_the_flags_of_a_run_whose_folder_has_a_blank():
    assert RunFolder(Path("my runs/names/a")).flags == "--name a --run-dir 'my runs'"
