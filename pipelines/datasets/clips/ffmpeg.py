"""The frames of a video file, decoded by ffmpeg, which may read that file and nothing else.

A file that calls itself a video may be a playlist of other files and addresses, claim frames of any
size, or make a decoder hang. ffmpeg comes with the optional package imageio-ffmpeg.
"""

import contextlib
import os
import resource
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...core.requirements import require_packages
from ..left_out import UnreadableFile

PATIENCE = 60.0  # seconds in which a frame must come
_MEMORY = 2**31  # bytes of address space
_LARGEST_BLOCK = 2**29  # bytes of memory at a time
_LARGEST_FRAME = 2**25  # pixels; frames of 8K have fewer
_STEEPEST = 64  # longer frames are cropped before they are scaled, when one side would be huge
# Containers and streams of video. There is no playlist among them: hls, dash, concat, imf, sdp and
# others would read the files and addresses that they name.
_DEMUXERS = (
    *("mov", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "asf", "flv", "live_flv"),
    *("ogg", "m4v", "h263", "h264", "hevc", "av1", "obu", "ivf", "vc1", "mjpeg", "gif", "apng"),
    *("dv", "mxf", "nut", "rm", "wtv", "gxf", "nsv", "yuv4mpegpipe"),
)
_CHUNK = 2**16  # bytes


def check_installed() -> None:
    """Raise `UserError` if the package that reads video files is missing."""
    otherwise = ", or give .gif files or folders of frames"
    require_packages("reading video files", ["imageio-ffmpeg"], otherwise)


def video_frames(path: Path, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """Yield the frames of a video file, uint8 [H, W, C], scaled and with the longer side cropped.

    Raises:
        UnreadableFile: it is no video, is broken, or has no frame for `PATIENCE` seconds.
        UserError: the package is missing.
    """
    check_installed()
    process = _start(_command(path, shape))
    size, count, pixels, errors = int(np.prod(shape)), 0, bytearray(), bytearray()
    try:
        for chunk in _output(process, path, errors):
            pixels += chunk
            while len(pixels) >= size:
                yield np.frombuffer(bytes(pixels[:size]), np.uint8).reshape(shape)
                del pixels[:size]
                count += 1
        if pixels or (errors and not count):
            raise UnreadableFile(path, "broken video", _last_line(errors))
    finally:
        with process, contextlib.suppress(ProcessLookupError):  # closes the pipes, and waits
            os.killpg(process.pid, signal.SIGKILL)


def _command(path: Path, shape: tuple[int, int, int]) -> list[str]:
    import imageio_ffmpeg

    height, width, channels = shape
    kind = "gray" if channels == 1 else "rgb24"
    cut = f"crop=min(iw\\,ih*{_STEEPEST}):min(ih\\,iw*{_STEEPEST})"
    fit = f"scale={width}:{height}:force_original_aspect_ratio=increase:flags=area"
    return [
        imageio_ffmpeg.get_ffmpeg_exe(),
        *("-nostdin", "-hide_banner", "-loglevel", "error", "-max_alloc", str(_LARGEST_BLOCK)),
        *("-protocol_whitelist", "file", "-format_whitelist", ",".join(_DEMUXERS)),
        *("-max_pixels", str(_LARGEST_FRAME), "-threads", "1"),  # videos are read in parallel
        *("-i", f"file:{path.absolute()}"),  # no name is taken for an option or an address
        *("-vf", f"{cut},{fit},format=rgb24,format={kind},crop={width}:{height}"),
        # Each frame once: ffmpeg would repeat some if the frame rate varies.
        *("-fps_mode", "passthrough", "-pix_fmt", kind, "-vcodec", "rawvideo"),
        *("-f", "image2pipe", "-"),
    ]


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,  # Ctrl-C is not for it
    )
    if hasattr(resource, "prlimit"):  # Linux
        resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    return process


def _output(process: Any, path: Path, errors: bytearray) -> Iterator[bytes]:
    """Yield what a process writes to stdout; the end of stderr goes to `errors`."""
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        began = time.monotonic()
        while selector.get_map():
            ready = selector.select(max(0.0, began + PATIENCE - time.monotonic()))
            if time.monotonic() - began > PATIENCE:
                raise UnreadableFile(path, "broken video", f"no frame in {PATIENCE:.0f} seconds")
            streams: list[Any] = [key.fileobj for key, _ in ready]
            for stream in streams:
                chunk = stream.read1(_CHUNK)
                if not chunk:
                    selector.unregister(stream)
                elif stream is process.stderr:
                    errors[:] = (errors + chunk)[-_CHUNK:]
                else:
                    yield chunk
                    began = time.monotonic()


def _last_line(errors: bytearray) -> str:
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no reason known"
