"""What to ask of a sound card, when its sound counts as gone, and what went wrong."""

import math
from dataclasses import dataclass

from trad_array.audio.files import MAX_FS, MIN_FS
from trad_array.errors import ConfigError

DTYPES = ("int16", "int32", "float32")


@dataclass(frozen=True, slots=True)
class CaptureFormat:
    """What to ask of a sound card.

    samplerate_hz : Hz
    dtype : "int16", "int32" or "float32"
    open_channels : channels that the device is opened with, often more than there are microphones
    channel_map : channel of each microphone, counted from 1
    block_s : s, of sound that the driver hands over at a time

    Raises
    ------
    ConfigError
        If one of them is out of range, or the map does not fit the channels.
    """

    samplerate_hz: int = 48_000
    dtype: str = "int32"
    open_channels: int = 4
    channel_map: tuple[int, ...] = (1, 2, 3, 4)
    block_s: float = 0.05

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype: expected {', '.join(DTYPES)}, found {self.dtype!r}")
        check_shape(self.samplerate_hz, self.open_channels, self.channel_map, self.block_s)

    @property
    def block_frames(self) -> int:
        """Samples of each channel in a block."""
        return max(1, round(self.block_s * self.samplerate_hz))


def check_shape(samplerate_hz: int, open_channels: int, channel_map: tuple[int, ...], block_s: float) -> None:
    """Raise `ConfigError` when what is asked of a live source is out of range, or the map does not fit the channels."""
    if not MIN_FS <= samplerate_hz <= MAX_FS:
        raise ConfigError(f"samplerate_hz: expected {MIN_FS} to {MAX_FS} Hz, found {samplerate_hz}")
    if not 1 <= open_channels <= 256:
        raise ConfigError(f"open_channels: expected 1 to 256, found {open_channels}")
    listed = ",".join(map(str, channel_map)) or "none"
    if not channel_map or len(set(channel_map)) < len(channel_map):
        raise ConfigError(f"channel_map: expected each channel once, found {listed}")
    if not all(1 <= c <= open_channels for c in channel_map):
        raise ConfigError(f"channel_map: expected channels 1 to {open_channels}, found {listed}")
    if not 0.001 <= block_s <= 1.0:
        raise ConfigError(f"block_s: expected 0.001 to 1 s, found {block_s:g}")


def check_map(channel_map: tuple[int, ...], n_mics: int) -> None:
    """Raise `ConfigError` unless there is one channel for each microphone."""
    if len(channel_map) != n_mics:
        raise ConfigError(f"channel_map: expected {n_mics} channels, one for each microphone, found {len(channel_map)}")


@dataclass(frozen=True, slots=True)
class RecoveryRule:
    """When sound counts as gone, and how a device is brought back (our choice).

    silent_s : s without a callback, whatever the stream says
    again_s, longest_again_s : s, pause after a failed attempt; doubled each time, up to the longest: after that, an
        attempt and three good seconds a device that is back must be told within 10 s
    give_up_s : s that one attempt may take; if it hangs longer, nothing in this process helps
    close_s : s that letting go of the device may take
    queue_s : s of sound that may wait to be taken
    loss_s : s of sound behind the clock that count as lost; never less than two and a half blocks, since where in a
        block a virtual device hands it over may jump
    window_s : s, of the windows in which frames are held against the clock; a loss is known after two to three
    """

    silent_s: float = 2.0
    again_s: float = 0.5
    longest_again_s: float = 4.0
    give_up_s: float = 60.0
    close_s: float = 2.0
    queue_s: float = 10.0
    loss_s: float = 0.1
    window_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("silent_s", "again_s", "longest_again_s", "give_up_s", "close_s", "queue_s", "loss_s", "window_s"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: expected a time over 0 s, found {getattr(self, name):g}")


@dataclass(frozen=True, slots=True)
class CaptureCounts:
    """What went wrong since the card was opened first.

    lost : samples of each channel that are missing, for whatever reason
    dropped : of these, samples that found the queue full
    overflows : times the driver said that it threw sound away
    reopened : times the device was brought back
    """

    lost: int = 0
    dropped: int = 0
    overflows: int = 0
    reopened: int = 0
