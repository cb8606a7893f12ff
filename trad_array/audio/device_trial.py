"""Try a sound card: what each channel hears, whether two carry one signal, and how the card keeps time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.audio.capture_rule import CaptureCounts, CaptureFormat, RecoveryRule
from trad_array.audio.captured import Captured
from trad_array.audio.card_clock import Drift
from trad_array.audio.sound_card import SoundCard
from trad_array.errors import DeviceError

_USUAL = RecoveryRule()


@dataclass(frozen=True, slots=True)
class ChannelLevel:
    """What one channel heard.

    channel : counted from 1
    rms_dbfs : dB re full scale = 1, of what moves about the mean; None when nothing does
    peak_dbfs : dB re full scale = 1, of the largest sample; None when all are zero
    """

    channel: int
    rms_dbfs: float | None
    peak_dbfs: float | None


@dataclass(frozen=True, slots=True)
class DeviceTrial:
    """What a trial of a sound card found.

    heard_s : s, of sound that came
    levels : of every opened channel
    correlation : (open_channels, open_channels), of the channels at the same instant, -1 to 1; None where a channel
        does not move
    drift : speed of the card against the clock; None when too little was heard
    counts : what was lost
    """

    device: str
    format: CaptureFormat
    heard_s: float
    levels: tuple[ChannelLevel, ...]
    correlation: tuple[tuple[float | None, ...], ...]
    drift: Drift | None
    counts: CaptureCounts

    @property
    def silent(self) -> tuple[int, ...]:
        """Channels that do not move at all: no microphone is so quiet."""
        return tuple(level.channel for level in self.levels if level.rms_dbfs is None)

    def alike(self, *, over: float = 0.999) -> tuple[tuple[int, int], ...]:
        """Pairs of channels that carry one signal (our limit: two microphones' own noise differs by more)."""
        n = len(self.levels)
        pairs = ((a, b, self.correlation[a][b]) for a in range(n) for b in range(a + 1, n))
        return tuple((a + 1, b + 1) for a, b, r in pairs if r is not None and abs(r) > over)


@dataclass(frozen=True, slots=True, eq=False)
class TrialSums:
    """Sums over what was heard.

    n : samples
    total, peak : (channels,)
    products : (channels, channels)
    """

    n: int
    total: NDArray[np.float64]
    products: NDArray[np.float64]
    peak: NDArray[np.float64]


def trial_start(channels: int) -> TrialSums:
    """Nothing heard yet."""
    return TrialSums(0, np.zeros(channels), np.zeros((channels, channels)), np.zeros(channels))


def trial_step(sums: TrialSums, captured: Captured) -> TrialSums:
    """Take a piece of sound."""
    samples = captured.full_scale().astype(np.float64)
    return TrialSums(
        sums.n + samples.shape[1],
        sums.total + samples.sum(axis=1),
        sums.products + samples @ samples.T,
        np.maximum(sums.peak, np.abs(samples).max(axis=1)),
    )


def trial_levels(sums: TrialSums) -> tuple[tuple[ChannelLevel, ...], tuple[tuple[float | None, ...], ...]]:
    """Levels and correlations of what was heard; `sums.n` must be over 0."""
    mean = sums.total / sums.n
    covariance = sums.products / sums.n - np.outer(mean, mean)
    # Below the last bit of the sums a channel does not move.
    still = np.diag(covariance) <= 1e-12 * np.maximum(np.diag(sums.products) / sums.n, 1e-12)
    power = np.where(still, 1.0, np.diag(covariance))
    levels = tuple(
        ChannelLevel(
            channel=k + 1,
            rms_dbfs=None if still[k] else float(10 * np.log10(power[k])),
            peak_dbfs=None if sums.peak[k] == 0.0 else float(20 * np.log10(sums.peak[k])),
        )
        for k in range(len(mean))
    )
    r = np.clip(covariance / np.sqrt(np.outer(power, power)), -1.0, 1.0)
    correlation = tuple(
        tuple(None if still[a] or still[b] else float(r[a, b]) for b in range(len(mean))) for a in range(len(mean))
    )
    return levels, correlation


def try_device(
    device: str,
    format: CaptureFormat,
    *,
    seconds: float,
    rule: RecoveryRule = _USUAL,
    clock: Callable[[], float] = time.monotonic,
) -> DeviceTrial:
    """Listen to all channels that the format opens for some seconds.

    Raises
    ------
    DeviceError
        If the device is not there, cannot be opened, or gives no sound at all.
    """
    every = replace(format, channel_map=tuple(range(1, format.open_channels + 1)))
    sums = trial_start(format.open_channels)
    card = SoundCard(device, every, n_mics=format.open_channels, rule=rule, clock=clock)
    try:
        until_s = None
        for piece in card.pieces():
            now = clock()
            until_s = now + seconds if until_s is None else until_s
            if isinstance(piece, Captured):
                sums = trial_step(sums, piece)
            if now >= until_s or sums.n >= seconds * card.fs:
                break
        drift, counts = card.drift, card.counts
    finally:
        card.close()
    if not sums.n:
        raise DeviceError(f"sound card {device!r}: opened, expected sound, found none in {seconds:g} s")
    levels, correlation = trial_levels(sums)
    return DeviceTrial(device, every, sums.n / every.samplerate_hz, levels, correlation, drift, counts)
