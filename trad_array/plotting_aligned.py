"""The sound of all microphones, shifted by the delays of one place: where they agree, the sound came from there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from trad_array.errors import AudioError
from trad_array.records import CellMap, FloatArray
from trad_array_geometry import Layout, travel_times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Band of the default localizer (`trad_array.localization.event_correlations.EventSpec`), Hz.
BAND_HZ = (2_000.0, 7_000.0)
# More microphones than this have no room above each other; the loudest are drawn.
MOST_CHANNELS = 8
SHIFTED, UNSHIFTED, SUM = "#0B4F8A", "#B5B5B5", "#D55E00"

# Half the height of a row, in root mean squares of a channel.
_ROW_RMS = 3.2
# Steps a sample of a drawn line.
_FINE = 8
_GUIDES = 5
_ENVELOPE_S = 5e-3


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Channels before and after the shift, each band-passed.

    mics : (n,), indices of the layout's microphones
    unshifted, shifted : (n, n_samples), full scale = 1
    delays_s : (n,), s, expected arrival at each microphone, relative to the mean
    before, after : (n,), correlation of each channel with the mean of the others, from the onset on
    disagreement_s : s, median over pairs of how far the measured delay lies from the expected one
    place : what the delays belong to, in words
    """

    mics: NDArray[np.intp]
    unshifted: NDArray[np.float64]
    shifted: NDArray[np.float64]
    delays_s: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    disagreement_s: float
    place: str


def align(
    samples: FloatArray,
    cell_map: CellMap,
    layout: Layout,
    *,
    fs: int,
    onset: int = 0,
    band_hz: tuple[float, float] = BAND_HZ,
    most: int = MOST_CHANNELS,
) -> Alignment:
    """Shift the channels by the travel times from the best cell, or from the best place elsewhere if that is likelier.

    The speed of sound is the map's; known delays of channels are part of the shift. Nothing is fitted to the sound, so
    that what is seen is the answer's own doing.

    Parameters
    ----------
    samples : array, shape (layout.n_mics, n), full scale = 1
    onset : index of the first sample of the event; what lies before does not count for the correlations
    most : of more microphones the loudest are taken

    Raises
    ------
    AudioError
        If the samples have another number of channels than the layout, or less than 10 ms follow the onset.
    """
    if len(samples) != layout.n_mics:
        raise AudioError(f"expected {layout.n_mics} channels, found {len(samples)}")
    if samples.shape[1] - onset < 0.01 * fs:
        raise AudioError(f"expected 10 ms from the onset on, found {1000 * (samples.shape[1] - onset) / fs:.1f} ms")
    mics = np.unique(cell_map.pairs)
    point, place = _place(cell_map, layout)
    arrivals = travel_times(point[None], layout.mics, speed_of_sound=cell_map.speed_of_sound)[0] + layout.mic_delay_s
    first, second = cell_map.pairs.T
    off = np.abs(arrivals[first] - arrivals[second] - cell_map.pair_delays_s)
    filtered = _shifted(samples[mics], np.zeros(len(mics)), fs=fs, band_hz=band_hz)
    loudest = np.sort(np.argsort(-filtered[:, onset:].std(axis=1), kind="stable")[:most])
    mics, filtered = mics[loudest], filtered[loudest]
    delays_s = arrivals[mics] - arrivals[mics].mean()
    shifted = _shifted(samples[mics], delays_s, fs=fs, band_hz=band_hz)
    return Alignment(
        mics,
        filtered,
        shifted,
        delays_s,
        before=_with_the_others(filtered[:, onset:]),
        after=_with_the_others(shifted[:, onset:]),
        disagreement_s=float(np.median(off)),
        place=f"{place} at {cell_map.speed_of_sound:.1f} m/s",
    )


def aligned_channels(
    samples: FloatArray,
    cell_map: CellMap,
    layout: Layout,
    ax: "Axes",
    *,
    fs: int,
    onset: int = 0,
    start_s: float = 0.0,
    zoom_s: float = 6e-3,
    envelope_ax: "Axes | None" = None,
) -> "Axes":
    """All microphones above each other, shifted by the delays of the best place, over the unshifted ones in grey.

    Shown is the loudest stretch; below the channels is their mean, which stays as large as they are only where they
    agree. Beside each channel stands its correlation with the mean of the others, before and after the shift, over the
    whole event.

    Parameters
    ----------
    samples : array, shape (layout.n_mics, n), full scale = 1
    cell_map : of the event
    ax : the axes to draw on
    fs : Hz
    onset : index of the first sample of the event
    start_s : time of the first sample, for the axis
    zoom_s : length of the stretch that is shown
    envelope_ax : axes for the levels of the whole sound, with the stretch marked

    Raises
    ------
    AudioError
        See `align`.
    """
    found = align(samples, cell_map, layout, fs=fs, onset=onset)
    first, last = loudest_stretch(found.shifted, fs=fs, onset=onset, length_s=zoom_s)
    time_ms = 1000 * (start_s + (first + np.arange((last - first) * _FINE) / _FINE) / fs)
    _draw_rows(found, layout, ax, first=first, last=last, time_ms=time_ms)
    ax.set_xlim(float(time_ms[0]), float(time_ms[-1]))
    ax.set_xlabel(f"time, ms ({BAND_HZ[0] / 1000:g} to {BAND_HZ[1] / 1000:g} kHz)")
    ax.set_title(
        f"Shifted by the travel times from {found.place}\n"
        f"mean correlation with the others {found.before.mean():.2f} before, {found.after.mean():.2f} after; "
        f"measured delays are {1e6 * found.disagreement_s:.0f} us off (median)"
    )
    if envelope_ax is not None:
        _draw_envelopes(found, layout, envelope_ax, fs=fs, start_s=start_s, stretch=(first, last))
    return ax


def loudest_stretch(samples: NDArray[np.float64], *, fs: int, onset: int, length_s: float) -> tuple[int, int]:
    """First and last sample of the loudest stretch after the onset, every channel counting the same."""
    n = min(round(length_s * fs), samples.shape[1] - onset)
    event = samples[:, onset:]
    power = np.mean((event / np.maximum(event.std(axis=1, keepdims=True), 1e-12)) ** 2, axis=0)
    total = np.concatenate([[0.0], np.cumsum(power)])
    first = onset + int((total[n:] - total[:-n]).argmax())
    return first, first + n


def _place(cell_map: CellMap, layout: Layout) -> tuple[NDArray[np.float64], str]:
    """Where the sound probably came from, m, and its name."""
    if not cell_map.from_a_cell and cell_map.place_m is not None:
        where = np.array(cell_map.place_m)
        name = "the best place elsewhere" if cell_map.place in (None, "room") else f"the place near {cell_map.place}"
        return where, f"{name} ({', '.join(f'{v:.2f}' for v in where)} m)"
    return layout.cells[cell_map.best], f"cell {layout.cell_names[cell_map.best]}"


def _shifted(
    samples: FloatArray, delays_s: NDArray[np.float64], *, fs: int, band_hz: tuple[float, float]
) -> NDArray[np.float64]:
    """Each channel band-passed and moved earlier by its delay, by the phases of one long transform."""
    n = samples.shape[1]
    size = scipy.fft.next_fast_len(n + round(0.1 * fs), real=True)
    hz = np.fft.rfftfreq(size, 1 / fs)
    # Edges of 200 Hz, raised cosine: no ringing that would look like a sound.
    low, high = band_hz
    inside = np.clip(np.minimum(hz - low, high - hz) / 200.0 + 0.5, 0.0, 1.0)
    gain = 0.5 - 0.5 * np.cos(np.pi * inside)
    spectra = scipy.fft.rfft(samples.astype(np.float64), size, axis=1)
    moved = scipy.fft.irfft(spectra * gain * np.exp(2j * np.pi * hz * delays_s[:, None]), size, axis=1)
    return np.asarray(moved[:, :n])


def _with_the_others(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of each channel with the mean of the others, all made equally loud; shape (n_channels,)."""
    centred = samples - samples.mean(axis=1, keepdims=True)
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    rest = unit.sum(axis=0) - unit
    return np.asarray(np.sum(unit * rest, axis=1) / np.maximum(np.linalg.norm(rest, axis=1), 1e-12))


def _draw_rows(
    found: Alignment, layout: Layout, ax: "Axes", *, first: int, last: int, time_ms: NDArray[np.float64]
) -> None:
    """A row for each channel and one for their mean, with names, shifts and correlations at the sides."""
    scale = _ROW_RMS * np.maximum(found.shifted[:, first:last].std(axis=1, keepdims=True), 1e-12)
    after, before = (_finely(x, first, last) / scale for x in (found.shifted, found.unshifted))
    rows = 2.0 * np.arange(len(found.mics), -1, -1)
    grey = None
    for k, row in enumerate(rows):
        is_mean = k == len(found.mics)
        (grey,) = ax.plot(time_ms, row + (before.mean(axis=0) if is_mean else before[k]), color=UNSHIFTED, linewidth=1)
        colour = SUM if is_mean else SHIFTED
        (line,) = ax.plot(time_ms, row + (after.mean(axis=0) if is_mean else after[k]), color=colour, linewidth=1.8)
        line.set_label("mean of the shifted" if is_mean else "shifted" if k == 0 else "_")
        grey.set_label("as recorded" if is_mean else "_")
        words = f"{found.before[k]:.2f} → {found.after[k]:.2f}" if not is_mean else ""
        ax.annotate(words, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=12, color=SHIFTED)
    ax.annotate("correlation\nwith others", (1.01, 1.0), xycoords="axes fraction", va="bottom", fontsize=9)
    for at in _peaks(after.mean(axis=0)):
        ax.axvline(float(time_ms[at]), color="#DDDDDD", linewidth=1.0, zorder=0)
    names = [f"{layout.mic_names[m]}\n{1e6 * d:+.0f} us" for m, d in zip(found.mics, found.delays_s, strict=True)]
    ax.set_yticks(rows, [*names, "mean"])
    ax.set_ylim(-1.2, float(rows[0]) + 1.2)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=3, frameon=False)


def _finely(samples: NDArray[np.float64], first: int, last: int) -> NDArray[np.float64]:
    """A stretch with `_FINE` steps a sample, shape (n_channels, (last - first) * _FINE): sound has no corners."""
    margin = 128  # the ends of a resampled stretch are not to be trusted
    padded = np.pad(samples, ((0, 0), (margin, margin)))[:, first : last + 2 * margin]
    n = padded.shape[1]
    fine = _FINE * np.fft.irfft(np.fft.rfft(padded, axis=1), n * _FINE, axis=1)
    return np.asarray(fine[:, margin * _FINE : (n - margin) * _FINE])


def _peaks(mean: NDArray[np.float64]) -> list[int]:
    """Indices of the highest peaks of the mean, for lines that guide the eye."""
    inner = np.flatnonzero((mean[1:-1] > mean[:-2]) & (mean[1:-1] >= mean[2:])) + 1
    return sorted(int(k) for k in inner[np.argsort(-mean[inner], kind="stable")[:_GUIDES]])


def _draw_envelopes(
    found: Alignment, layout: Layout, ax: "Axes", *, fs: int, start_s: float, stretch: tuple[int, int]
) -> None:
    """Level of every channel over the whole sound, and where the rows above were taken."""
    from matplotlib import colormaps
    from scipy.ndimage import uniform_filter1d

    size = max(1, round(_ENVELOPE_S * fs))
    power = uniform_filter1d(found.shifted**2, size, axis=1)[:, ::8]
    time_s = start_s + np.arange(power.shape[1]) * 8 / fs
    colours = colormaps["viridis"](np.linspace(0.0, 0.85, len(power)))
    for mic, line, colour in zip(found.mics, power, colours, strict=True):
        ax.plot(time_s, 10 * np.log10(np.maximum(line, 1e-12)), color=colour, linewidth=1, label=layout.mic_names[mic])
    ax.axvspan(*(start_s + k / fs for k in stretch), color=SUM, alpha=0.5, linewidth=2, label="above")
    ax.set_xlim(float(time_s[0]), float(time_s[-1]))
    ax.set_xlabel("time, s")
    ax.set_ylabel("level, dB re\nfull scale")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9, ncols=1 + len(power) // 5)
