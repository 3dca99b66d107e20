"""Hypothesis strategies for values, texts, files and folders that a program may meet."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import hypothesis
from hypothesis import strategies as st

SEED = 25
_SETTINGS = hypothesis.settings(
    database=None,  # the same examples in every run
    deadline=None,
    print_blob=False,
    suppress_health_check=[*hypothesis.HealthCheck],
)


def fuzzed(examples: int) -> Callable[[Callable], Callable]:
    """Return the decorator of a test with that number of random examples, the same in every run."""
    settings = hypothesis.settings(_SETTINGS, max_examples=examples)
    return lambda test: hypothesis.seed(SEED)(settings(test))


NUMBERS = (
    *("0", "-1", "1", "7", "1e6", "1e300", "1e999", "-1e300", "1e-400", "inf", "-inf", "nan"),
    *("9" * 25, "9" * 5000, "-" + "9" * 30, "0x10", "010", "1_000", "+5", "--5", "1e", ".5", "5."),
    *("½", "١٢", "1,5", "1 000", "true", "null", "~", "2147483648", "9223372036854775808"),
)
PATHS = (
    *("", " ", ".", "..", "/", "-", "-rf", "--", "~", "~nouser/x", "nowhere", "a/../b", "a//b"),
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/stdin", "/proc/self/mem", "/proc/self/environ"),
    *("fifo", "loop", "dangling", "empty", "file.txt", "file.txt/below", "x" * 256, "x/" * 3000),
    *("a\nb", "\udcfc", "\x1b]0;title\x07\x1b[31m", "[red]x[/red]", "é", "file:///etc/passwd"),
    *("http://127.0.0.1:1/x", "s3://bucket/x", "concat:a|b", "$HOME", "*", "a'b\"c", "\u202e.txt"),
)
WORDS = (
    *("", " ", "\t", "auto", "cpu", "gpu", "gpu:99999", "lstm", "resnet152", "mirrored", "none"),
    *("[bold]", "%s", "{}", "{0.__class__}", "\\", "'", '"', "\ufeff", "\u2028", "a" * 10_000),
    *("val_loss", "accuracy", "min:loss", "1:2:3", "127.0.0.1:x", ":", "=", "a=b", "stuck,,dead"),
)
ODD_PLACES = {
    "fifo": "fifo",
    "loop": "loop",
    "dangling": "dangling",
    "empty": "folder",
    "file.txt": b"a text\n",
}
# Names of files that a folder may hold; none has a slash.
NAMES = tuple(
    name for name in (*PATHS, *WORDS) if "/" not in name and name not in ("", ".", "..", "-rf")
)

argument = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(PATHS),
    st.sampled_from(WORDS),
    st.integers(-(10**6), 10**12).map(str),
    st.floats().map(str),
    st.text(st.characters(exclude_characters="\0"), max_size=20),
)

CHUNKS = (
    *(b"", b"\0", b"\0" * 64, b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[31m"),
    *(b"\n", b"\r", b"\r\n", b"\t", b",", b";", b"|", b'"', b"'", b"\\", b"#", b"=", b":", b"-"),
    *(b"\n\n\n", b'"""', b"[" * 3000, b"{" * 3000, b'{"a":' * 2000, b"9" * 5000, b"1e999"),
    *(b"null", b"true", b"NaN", b"Infinity", b'"', b"[]", b"{}", b"x" * 20_000, b"\xed\xa0\x80"),
    *("\u2028".encode(), "\u202e".encode(), "\ud800".encode("utf-8", "surrogatepass"), b"\x85"),
    *(b"[red]", b"!!python/object:os.system", b"../../../etc/passwd", b"/dev/zero", b"<script>"),
)


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with one to three faults: cut, flipped, doubled, replaced, or foreign bytes."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from((0, 1, 2, 7, 50, 10**6))))
        chunk = draw(
            st.one_of(
                st.sampled_from(CHUNKS),
                st.binary(max_size=12),
                st.just(content[start:end] * 2),
                st.just(bytes(end - start)),
                st.just(bytes(b ^ 0x10 for b in content[start : min(end, start + 2)])),
            )
        )
        content = content[:start] + chunk + content[end:]
    return content


@st.composite
def damaged_folder(draw: st.DrawFn, samples: Mapping[str, bytes]) -> dict[str, bytes | str]:
    """The files of a folder, some of them damaged, renamed, or no files at all.

    A value that is a text names what stands in the file's place, see `write`.
    """
    files: dict[str, bytes | str] = dict(samples)
    for name in draw(st.sets(st.sampled_from(sorted(samples)), min_size=1, max_size=2)):
        kind = draw(st.sampled_from(("damaged",) * 6 + ("special", "renamed")))
        content = files.pop(name)
        if kind == "special":
            files[name] = draw(st.sampled_from(("fifo", "folder", "loop", "dangling", "zero", "")))
        elif kind == "renamed":
            new = draw(st.sampled_from([n for n in NAMES if len(os.fsencode(n)) < 240]))
            suffix = draw(st.sampled_from(("", Path(name).suffix)))
            files[str(Path(name).with_name("x").parent / f"{new}{suffix}")] = content
        else:
            files[name] = draw(damaged(samples[name]))
    return files


def write(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write files to a folder; a text as content: fifo, folder, loop, dangling, zero, or gone."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match content:
            case bytes():
                path.write_bytes(content)
            case "fifo":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "loop":
                path.symlink_to(path.name)
            case "dangling":
                path.symlink_to("nowhere")
            case "zero":
                path.symlink_to("/dev/zero")
