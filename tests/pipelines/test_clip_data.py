"""Clips of every source: the motion in embedded clips, the user's videos, TFDS datasets."""

import contextlib
import importlib.util
import os
import socket
import subprocess
import sys
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest
from errorflow.pipelines.core.errors import UserError
from errorflow.pipelines.datasets.clips import clip_folder, ffmpeg, moving_digits, videos
from errorflow.pipelines.datasets.clips.clip_data import load_clips
from errorflow.pipelines.datasets.clips.moving_digits import ACTIONS
from errorflow.pipelines.datasets.clips.videos import (
    evenly_spaced_frames,
    read_clip,
    spaced_indices,
)
from errorflow.pipelines.datasets.splits import SPLITS
from PIL import Image

no_ffmpeg = pytest.mark.skipif(
    importlib.util.find_spec("imageio_ffmpeg") is None, reason="imageio-ffmpeg is not installed"
)

# Of y (down), x, angle (anticlockwise) and log size in a frame's step: which, and how fast.
SPEEDS = {
    "move_up": (0, -1.3, -0.7),
    "move_down": (0, 0.7, 1.3),
    "move_left": (1, -1.3, -0.7),
    "move_right": (1, 0.7, 1.3),
    "turn_right": (2, np.radians(-12), np.radians(-6)),
    "turn_left": (2, np.radians(6), np.radians(12)),
    "shrink": (3, -np.log(1.06), -np.log(1.03)),
    "grow": (3, np.log(1.03), np.log(1.06)),
    "stay": (0, 0, 0),
}


@pytest.fixture
def bar():
    """A digit whose place, angle and size can be read off its moments, [1, 28, 28]."""
    digit = np.zeros([1, 28, 28], np.uint8)
    digit[0, 4:24, 11:17] = 255
    return digit


@pytest.fixture
def tfds_folder(tmp_path, monkeypatch):
    """TFDS' default folder, for one test alone."""
    import tensorflow_datasets as tfds

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "tfds"))


def measured(video):
    """y, x, angle and log size of the bar in each frame, [F, 4]."""
    grey = video[..., 0].astype(float)
    mass = grey.sum(axis=(1, 2))
    axis = np.arange(grey.shape[1])
    y, x = grey.sum(axis=2) @ axis / mass, grey.sum(axis=1) @ axis / mass
    dy, dx = axis[:, None] - y[:, None, None], axis - x[:, None, None]
    yy, xx, xy = ((grey * m).sum(axis=(1, 2)) for m in (dy**2, dx**2, dx * dy))
    angle = np.unwrap(np.arctan2(-2 * xy, xx - yy)) / 2
    return np.stack([y, x, angle, np.log(mass) / 2], axis=1)


def test_frame_labels_say_what_leads_to_the_frame_and_nothing_leaves_it(bar, monkeypatch):
    monkeypatch.setattr(moving_digits, "_NOISE", 0.0)
    for clip in moving_digits.clips(bar, 10 * len(ACTIONS), seed=1):
        changes = np.diff(measured(clip.video), axis=0)
        for change, label in zip(changes, clip.frame_labels[1:], strict=True):
            which, low, high = SPEEDS[ACTIONS[label]]
            tolerance = np.array([0.05, 0.05, 0.03, 0.01])
            assert low - tolerance[which] <= change[which] <= high + tolerance[which]
            others = np.arange(4) != which
            assert (np.abs(change) < tolerance)[others].all()  # the size too: nothing is cut off


def test_the_label_of_a_clip_is_its_longer_action(bar):
    lengths = set()
    for number, clip in enumerate(moving_digits.clips(bar, 20 * len(ACTIONS), seed=2)):
        steps = clip.frame_labels[1:]
        assert clip.frame_labels[0] == steps[0]
        assert np.count_nonzero(np.diff(steps)) == 1
        assert clip.label == number % len(ACTIONS) == np.bincount(steps).argmax()
        lengths.add(int(np.sum(steps == clip.label)))
    assert lengths == {10, 11, 12, 13}


def test_a_clip_depends_on_seed_and_number_alone(bar):
    def drawn(number, seed):
        return [clip.video.tobytes() for clip in moving_digits.clips(bar, number, seed)]

    assert drawn(5, 0) == drawn(9, 0)[:5]
    assert len({*drawn(5, 0), *drawn(5, 1)}) == 10


def test_the_splits_share_no_digit(tfds_folder):
    from errorflow.pipelines.datasets.clips.moving_digit_clips import MovingDigits

    digits = MovingDigits().digits()
    assert [len(digits[split]) for split in SPLITS] == [3600, 400, 1000]
    seen = {image.tobytes() for images in digits.values() for image in images}
    assert len(seen) == 5000


def test_the_embedded_clips(tfds_folder, monkeypatch):
    from errorflow.pipelines.datasets.clips.moving_digit_clips import MovingDigits

    numbers = {"train": 27, "validation": 9, "test": 18}
    monkeypatch.setattr(MovingDigits, "NUMBERS", numbers)
    data = load_clips()
    assert data.labels == list(ACTIONS)
    assert data.counts["stay"] == {"train": 3, "validation": 1, "test": 2}
    assert (data.problems, data.source[:14]) == ([], "moving_digits/")
    digits = MovingDigits().digits()
    for seed, split in enumerate(SPLITS):
        part = getattr(data, split)
        assert part.clips.shape == (numbers[split], 16, 32, 32, 1)
        made = moving_digits.clips(digits[split], numbers[split], seed)
        of = {clip.video.tobytes(): (clip.label, clip.frame_labels.tolist()) for clip in made}
        for clip, label, frame_labels in zip(
            part.clips, part.labels, part.frame_labels, strict=True
        ):
            assert of.pop(clip.tobytes()) == (label, frame_labels.tolist())
    assert data.train.frame_weights.tolist() == [0] + [1] * 15
    fewer = load_clips("moving_digits", frames=4, size=16, limit=18)
    assert fewer.train.clips.shape == (18, 4, 16, 16, 1)
    assert fewer.content_hash == data.content_hash
    np.testing.assert_array_equal(
        load_clips(frames=4).test.clips, data.test.clips[:, [0, 5, 10, 15]]
    )
    with pytest.raises(UserError, match=r"^--frames 17: the clips of moving_digits have 16 frames"):
        load_clips(frames=17)


@pytest.mark.slow
def test_the_whole_of_the_embedded_clips(tfds_folder):
    data = load_clips()
    for split, number in {"train": 6000, "validation": 500, "test": 1000}.items():
        part = getattr(data, split)
        assert part.clips.shape == (number, 16, 32, 32, 1)
        assert np.ptp(np.bincount(part.labels)) <= 1
        again = (part.frame_labels[:, 1:] == part.labels[:, None]).sum(axis=1)
        assert again.min() == 10
        assert again.max() == 13


def ramp(count, colour=(255, 255, 255), height=24, width=40):
    """Frames [count, H, W, 3] that go from black to the colour."""
    light = np.linspace(0, 1, count)[:, None, None, None]
    frames = np.broadcast_to(light * np.array(colour), [count, height, width, 3])
    return np.rint(frames).astype(np.uint8)


def write_film(path, frames):
    """As a video, a .gif or a folder of frames, as the suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [Image.fromarray(frame) for frame in frames]
    if path.suffix == ".gif":
        images[0].save(path, save_all=True, append_images=images[1:], duration=40)
    elif path.suffix:
        import imageio_ffmpeg

        size = frames.shape[2], frames.shape[1]
        codec = "libvpx-vp9" if path.suffix == ".webm" else None
        writer = imageio_ffmpeg.write_frames(
            str(path), size, codec=codec, quality=9, macro_block_size=2, ffmpeg_log_level="error"
        )
        with contextlib.closing(writer):
            writer.send(None)
            for frame in frames:
                writer.send(frame.tobytes())
    else:
        path.mkdir()
        for number, image in enumerate(images):
            image.save(path / f"frame {number}.png")
    return path


VIDEOS = [pytest.param(f"a:b%d{suffix}", marks=no_ffmpeg) for suffix in videos.VIDEOS]


@pytest.mark.parametrize("name", [*VIDEOS, "video.gif", "frames"])
def test_frames_are_evenly_spaced_in_every_kind_of_video(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / name, ramp(41, (255, 255, 0)))
    clip = read_clip(name, 5, (15, 15, 3))
    assert (clip.shape, clip.dtype) == ((5, 15, 15, 3), np.uint8)
    expected = ramp(5, (255, 255, 0), 15, 15).astype(int)
    assert np.abs(clip - expected).max() < 12  # the loss of the colour palette
    assert read_clip(name, 5, (15, 15, 1)).shape == (5, 15, 15, 1)
    few = read_clip(name, 82, (4, 4, 1))[:, 0, 0, 0]  # more than there are
    assert len(few) == 82
    assert 35 < len(np.unique(few)) <= 41


@pytest.mark.parametrize("name", [*VIDEOS[:1], "video.gif", "frames"])
def test_the_longer_side_of_frames_is_cropped_at_both_ends(tmp_path, name):
    frames = np.zeros([3, 16, 48, 3], np.uint8)
    frames[:, :, 16:32] = np.array([255, 250, 245])[:, None, None, None]  # .gif drops equal ones
    clip = read_clip(write_film(tmp_path / name, frames), 2, (8, 8, 1))
    assert clip[:, :, 1:-1].min() > 230


def test_frames_of_a_stream_are_even_and_few_are_held():
    alive: set[int] = set()
    most = 0

    def video(length):
        nonlocal most
        for number in range(length):
            frame = np.array([number])
            alive.add(number)
            weakref.finalize(frame, alive.discard, number)
            most = max(most, len(alive))
            yield frame

    for length in [*range(1, 60), 127, 128, 129, 1000, 9999]:
        frames = evenly_spaced_frames(video(length), 4)[:, 0]
        gap = max(1, (length - 1) / 3)
        assert np.abs(frames - np.linspace(0, length - 1, 4)).max() <= max(0.5, gap / 8)
    assert most <= 8 * 4 * 2 + 2
    np.testing.assert_array_equal(spaced_indices(3, 5), [0, 0, 1, 2, 2])


@pytest.mark.parametrize("name", [*VIDEOS[:1], "video.gif"])
def test_memory_does_not_grow_with_the_video(tmp_path, name):
    """A read of the pipe of ffmpeg returns more if the reader is late, up to 64 KiB."""
    peaks, lengths = [], (60, 1200)
    for length in lengths:
        path = write_film(tmp_path / str(length) / name, ramp(length))
        read_clip(path, 2, (24, 24, 3))  # the first call imports and caches modules
        tracemalloc.start()
        read_clip(path, 2, (24, 24, 3))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    frame = 24 * 24 * 3
    assert peaks[1] - peaks[0] < (lengths[1] - lengths[0]) * frame / 10
    assert peaks[1] < lengths[1] * frame / 4


def test_frames_in_a_folder_are_in_the_order_of_their_numbers(tmp_path):
    for number in (1, 2, 10, 9, 100):
        Image.new("L", (4, 4), number).save(tmp_path / f"f{number}.png")
    (tmp_path / "notes.txt").write_text("no frame")
    assert read_clip(tmp_path, 5, (4, 4, 1))[:, 0, 0, 0].tolist() == [1, 2, 9, 10, 100]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("no.mp4", None, "no such file or folder"),
        (
            "notes.txt",
            b"x",
            "not a video suffix; give .mp4, .m4v, .mov, .avi, .mkv, .webm, ",
        ),
        ("empty.mp4", b"", "empty file"),
        pytest.param("text.mp4", b"text" * 99, "broken video (", marks=no_ffmpeg),
        ("text.gif", b"text" * 99, "broken video ("),
    ],
)
def test_files_that_are_not_videos_are_refused(tmp_path, name, content, complaint):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as error:
        read_clip(tmp_path / name, 4, (8, 8, 3))
    assert str(error.value).startswith(f"{tmp_path / name}: {complaint}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [*VIDEOS[:1], "video.gif", "frames"])
def test_single_frames_and_truncated_videos_are_refused(tmp_path, name):
    path = write_film(tmp_path / "1" / name, ramp(2)[1:])
    with pytest.raises(UserError) as error:
        read_clip(path, 4, (8, 8, 3))
    assert str(error.value) == f"{path}: one frame only; a clip needs at least two"
    path = write_film(tmp_path / "2" / name, ramp(30))
    file = path / "frame 29.png" if path.is_dir() else path
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    kind = "image" if path.is_dir() else "video"
    with pytest.raises(UserError, match="broken") as error:
        read_clip(path, 4, (8, 8, 3))
    assert str(error.value).startswith(f"{file}: broken {kind} (")


@no_ffmpeg
@pytest.mark.parametrize(
    "name", ["-i.mp4", "concat:a|b.mp4", "http:x.mp4", "pipe:0.mp4", "é\n.mp4"]
)
def test_no_name_is_an_option_or_an_address(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path(name).write_bytes(write_film(tmp_path / "whole" / "x.mp4", ramp(4)).read_bytes())
    assert read_clip(name, 4, (8, 8, 1)).shape == (4, 8, 8, 1)


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "dash": "<MPD><Period><AdaptationSet><Representation><BaseURL>{}</BaseURL></Representation>"
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
}


@no_ffmpeg
@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_playlist_is_no_video_and_nothing_that_it_names_is_read(tmp_path, kind, suffix):
    film = write_film(tmp_path / "x.mp4", ramp(4))
    path = tmp_path / f"list{suffix}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        port = server.getsockname()[1]
        for named in (film, f"file:{film}", "x.mp4", f"http://127.0.0.1:{port}/x.mp4"):
            path.write_text(PLAYLISTS[kind].format(named, port=port))
            with pytest.raises(UserError, match="broken video"):
                read_clip(path, 4, (8, 8, 3))
        with pytest.raises(BlockingIOError):
            server.accept()  # nobody has called


@pytest.mark.parametrize("code", ["sleep 99", "yes >&2", "printf 1; sleep 99"])
def test_an_ffmpeg_that_hangs_is_ended(tmp_path, monkeypatch, code):
    pytest.importorskip("imageio_ffmpeg")
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{code}\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    monkeypatch.setattr(ffmpeg, "PATIENCE", 0.2)
    (tmp_path / "x.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match="no frame in 0 seconds"):
        read_clip(tmp_path / "x.mp4", 4, (8, 8, 3))


@pytest.mark.parametrize("name", [*VIDEOS[:1], "video.gif"])
def test_too_long_videos_are_refused(tmp_path, monkeypatch, name):
    path = write_film(tmp_path / name, ramp(9))
    monkeypatch.setattr(videos, "LONGEST", 5)
    with pytest.raises(UserError, match=r"too long a video .more than 5 frames"):
        read_clip(path, 4, (8, 8, 3))


def test_large_gifs_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    path = write_film(tmp_path / "x.gif", ramp(9))
    monkeypatch.setattr(videos, "LONGEST_GIF", 3 * 24 * 40)
    with pytest.raises(UserError, match=r"too long a video .4 frames of 40 x 24 pixels"):
        read_clip(path, 4, (8, 8, 3))
    content = path.read_bytes()
    path.write_bytes(content[:6] + b"\xff" * 4 + content[10:])
    with pytest.raises(UserError, match="too large"):
        read_clip(path, 4, (8, 8, 3))


@no_ffmpeg
def test_frames_much_longer_than_wide_are_cropped_before_they_are_scaled(tmp_path):
    path = write_film(tmp_path / "x.avi", ramp(3, width=4, height=4096))
    assert read_clip(path, 3, (64, 64, 1)).shape == (3, 64, 64, 1)


def test_a_gif_may_end_anywhere(tmp_path):
    """The file is broken, or is a video of the frames before the end."""
    whole = write_film(tmp_path / "whole.gif", ramp(3)).read_bytes()
    outcomes = set()
    for length in range(1, len(whole)):
        (tmp_path / "cut.gif").write_bytes(whole[:length])
        try:
            outcomes.add(read_clip(tmp_path / "cut.gif", 3, (4, 4, 1)).shape)
        except UserError:
            outcomes.add("refused")
    assert outcomes == {"refused", (3, 4, 4, 1)}


def write_class(folder, colour, count):
    """VideoFiles that differ in length, and a file that is none."""
    for number in range(count):
        write_film(folder / f"{number}.gif", ramp(5 + number, colour))
    (folder / "README.txt").write_text("no video")


@pytest.fixture
def folder(tmp_path):
    """Two classes of eight videos each."""
    write_class(tmp_path / "my" / "blue", (0, 0, 255), 8)
    write_class(tmp_path / "my" / "red", (255, 0, 0), 4)
    for number in range(4):
        write_film(tmp_path / "my" / "red" / f"frames {number}", ramp(15 + number, (255, 0, 0)))
    return tmp_path / "my"


def test_a_folder_gives_every_video_once(folder):
    data = load_clips(data_dir=folder, frames=3, size=8)
    parts = [getattr(data, split) for split in SPLITS]
    assert data.labels == ["blue", "red"]
    assert sum(map(len, parts)) == 16
    assert all(min(tally.values()) > 0 for tally in data.counts.values())
    assert data.problems == []
    assert data.left_out == [
        (str(folder / label / "README.txt"), "not a video", "") for label in ("blue", "red")
    ]
    assert data.source == f"{folder} (2 classes)"
    for part in parts:
        assert part.clips.shape[1:] == (3, 8, 8, 3)
        assert part.frame_labels is None
        blue = part.clips[:, -1, 4, 4, 2] > 200
        np.testing.assert_array_equal(part.labels, np.where(blue, 0, 1))
    limited = load_clips(data_dir=folder, frames=3, size=8, limit=4, seed=1)
    assert len(limited.train) == 4
    assert limited.content_hash == data.content_hash
    folder.rename(folder.with_name("elsewhere"))
    again = load_clips(data_dir=folder.with_name("elsewhere"), frames=3, size=8, limit=4, seed=1)
    assert again.content_hash == data.content_hash
    assert sorted(map(bytes, again.train.clips)) == sorted(map(bytes, limited.train.clips))


def test_grey_videos_have_one_channel(tmp_path):
    for label, colour in {"dark": (90, 90, 90), "light": (255, 255, 255)}.items():
        write_class(tmp_path / label, colour, 3)
    assert load_clips(data_dir=tmp_path, size=8).train.clips.shape == (2, 16, 8, 8, 1)


def test_broken_and_repeated_videos_are_reported_and_left_out(folder):
    (folder / "red" / "broken.gif").write_bytes((folder / "red" / "0.gif").read_bytes()[:90])
    (folder / "red" / "empty.gif").touch()
    (folder / "blue" / "again.gif").write_bytes((folder / "blue" / "0.gif").read_bytes())
    (folder / "blue" / "red.gif").write_bytes((folder / "red" / "0.gif").read_bytes())
    data = load_clips(data_dir=folder, frames=3, size=8)
    assert sum(sum(tally.values()) for tally in data.counts.values()) == 17
    left_out = {item.where: f"{item.reason}: {item.detail}" for item in data.left_out}
    assert left_out[f"{folder / 'red' / 'broken.gif'}"].startswith("broken video: ")
    assert left_out[f"{folder / 'red' / 'empty.gif'}"] == "empty file: "
    assert left_out[f"{folder / 'blue' / 'again.gif'}"] == (
        f"repeated video of its class: the same as {folder / 'blue' / '0.gif'}"
    )
    assert data.problems == ["1 videos are the same in classes blue and red"]


def test_ready_splits_are_taken_as_they_are(tmp_path):
    for split, count in {"train": 6, "test": 2}.items():
        write_class(tmp_path / split / "blue", (0, 0, 255), count)
        write_class(tmp_path / split / "red", (255, 0, 0), count)
    write_class(tmp_path / "test" / "green", (0, 255, 0), 1)
    data = load_clips(data_dir=tmp_path, frames=3, size=8)
    assert data.counts["red"]["test"] == 2
    assert data.counts["red"]["train"] + data.counts["red"]["validation"] == 6
    assert data.labels == ["blue", "red"]
    assert data.problems == [
        f"{tmp_path}: no validation split; carved from train",
        "test: 4 of 5 videos are in train too",
        "class 'green': no training item",
    ]
    assert [item.reason for item in data.left_out[:-1]] == ["not a video"] * 5
    green = tmp_path / "test" / "green" / "0.gif"
    assert data.left_out[-1][:2] == (str(green), "its class has no training item")
    write_class(tmp_path / "dev" / "red", (255, 9, 0), 1)
    write_class(tmp_path / "dev" / "green", (0, 255, 0), 1)
    data = load_clips(data_dir=tmp_path, frames=3, size=8)
    assert data.counts["red"] == {"train": 6, "validation": 1, "test": 2}
    assert data.problems[0] == "no validation video of 1 classes: blue"
    video = write_film(tmp_path / "train" / "red" / "own.gif", ramp(9, (9, 99, 9)))
    before = load_clips(data_dir=tmp_path, frames=3, size=8).content_hash
    video.rename(tmp_path / "test" / "red" / "own.gif")  # it was learned from
    assert load_clips(data_dir=tmp_path, frames=3, size=8).content_hash != before


def test_a_class_called_train_is_not_a_split(folder):
    (folder / "red").rename(folder / "train")
    assert load_clips(data_dir=folder, frames=3, size=8).labels == ["blue", "train"]


def test_videos_are_found_at_any_depth_and_under_names_of_any_bytes(tmp_path):
    for number, label in enumerate(["caf\udce9", "red"]):
        for split in ("TRAIN", "Valid", "Testing"):
            folder = tmp_path / "data" / split / label
            write_film(folder / "sub" / "a.gif", ramp(5 + number, (9, len(split), 0)))
            write_film(folder / "sub" / "frames", ramp(5 + number, (99, len(split), 0)))
    (tmp_path / "data" / "TRAIN" / "red" / "__MACOSX").mkdir()
    (tmp_path / "data" / "TRAIN" / "red" / "more.txt").touch()
    listing = clip_folder.find_videos(tmp_path)
    assert [len(listing.files_of[split]) for split in SPLITS] == [4, 4, 4]
    assert [item.reason for item in listing.left_out] == ["not a video"]
    data = load_clips(data_dir=tmp_path, frames=3, size=8)
    assert data.labels == ["caf\N{REPLACEMENT CHARACTER}", "red"]


def test_pipes_are_not_waited_for_and_frames_may_have_broken_metadata(folder):
    os.mkfifo(folder / "red" / "pipe.gif")
    for number in range(3):
        name = folder / "blue" / "photos" / f"{number}.jpg"
        name.parent.mkdir(exist_ok=True)
        exif = b"Exif\0\0II*\0\xff\xff\xff" if number else b""
        Image.new("RGB", (4, 4), (0, 0, 80 * number)).save(name, exif=exif)
    data = load_clips(data_dir=folder, frames=3, size=8)
    assert sum(sum(tally.values()) for tally in data.counts.values()) == 17
    assert data.left_out[-1][:2] == (
        str(folder / "red" / "pipe.gif"),
        "a pipe or device, not a file",
    )


def unlink(*paths):
    for path in paths:
        path.unlink()


def one_class(folder):
    (folder / "red").rename(folder.parent / "red")


def one_film(folder):
    unlink(*sorted((folder / "blue").iterdir())[1:])


def all_broken(folder):
    for path in (folder / "blue").iterdir():
        path.write_text(f"no video {path.name}")


def no_film(folder):
    unlink(*(folder / "blue").iterdir())


def no_folder(folder):
    folder.rename(folder.parent / "gone")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (one_class, "only one class (blue); add a second"),
        (
            one_film,
            "1 different videos in class 'blue', at least 3 of its own are needed: one each",
        ),
        (all_broken, "0 different videos in class 'blue' (8 cannot be read, first {}/blue/"),
        (no_film, "only one class (red), no video in blue; add a second"),
        (no_folder, "no such file or folder; expected " + clip_folder.LAYOUT),
    ],
)
def test_an_unusable_folder_is_refused(folder, spoil, complaint):
    spoil(folder)
    with pytest.raises(UserError) as error:
        load_clips(data_dir=folder)
    assert str(error.value).startswith(f"--data-dir {folder}: {complaint.format(folder)}")
    assert "\n" not in str(error.value)


def test_videos_need_a_package_and_nothing_needs_tensorflow(folder):
    code = f"""
import importlib.util, pathlib, sys
importlib.util.find_spec = lambda name: None
from errorflow.pipelines.datasets.clips.clip_data import UserError, load_clips
folder = pathlib.Path({str(folder)!r})
print(len(load_clips(data_dir=folder).train) > 8, "tensorflow" in sys.modules)
(folder / "red" / "video.mp4").touch()
try: load_clips(data_dir=folder)
except UserError as error: print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.splitlines() == [
        "True False",
        "reading video files needs the package imageio-ffmpeg, which is not installed: pip install"
        " 'errorflow[video]', or give .gif files or folders of frames",
    ]


@pytest.mark.parametrize("side", [None, 8])
def test_a_tfds_set_of_videos(tfds_folder, side):
    import tensorflow_datasets as tfds
    from errorflow.pipelines.datasets.builders import Builder, prepare

    class VideoFiles(Builder, skip_registration=False):
        name = f"tiny_films_{side or 0}"
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            video = tfds.features.Video(shape=(None, side, side, 3))
            label = tfds.features.ClassLabel(names=["red", "blue"])
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict({"video": video, "label": label})
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(40), "test": self._generate_examples(6)}

        def _generate_examples(self, number):
            for i in range(number):
                colour = (255, 0, 0) if i % 2 == 0 else (0, 0, 255)
                size = {"height": 10, "width": 20} if side is None else {"height": 8, "width": 8}
                yield i, {"video": ramp(5 + i, colour, **size), "label": i % 2}

    prepare(VideoFiles)
    data = load_clips(VideoFiles.name, frames=3, size=8)
    assert data.problems == [f"{VideoFiles.name}: no validation split left; a tenth of train each"]
    assert sum(map(len, (data.train, data.validation))) == 40
    assert data.train.clips.shape[1:] == (3, 8, 8, 3)
    assert data.train.frame_labels is None
    for part in (data.train, data.validation, data.test):
        ends = np.where(part.labels == 0, [[255], [0], [0]], [[0], [0], [255]]).T
        np.testing.assert_array_equal(part.clips[:, -1, 4, 4], ends)
        middle = part.clips[:, 1].max(axis=(1, 2, 3))
        assert (middle >= 100).all()
        assert (middle <= 160).all()
        assert not part.clips[:, 0].any()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("ucf1O1", "no such TFDS dataset; did you mean ucf101"),
        ("mnist", r"not a dataset of videos with a class: it has 0 videos and 1 class labels"),
        ("ucf101", r"not on this machine; fetch it with: .*t.builder\('ucf101'\)"),
    ],
)
def test_an_unusable_set_is_refused(tfds_folder, name, complaint):
    with pytest.raises(UserError, match=f"^--dataset {name}: {complaint}"):
        load_clips(name)
