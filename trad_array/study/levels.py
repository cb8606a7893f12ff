"""How loud the vents of a study are: as loud as the reference layout hears them at the ratio asked for."""

import numpy as np
import scipy.fft

from trad_array.study.hiss import PEAK_HZ, hiss_density
from trad_array.study.records import Study
from trad_array.study.world import World

# Humps over which the level is averaged, evenly spaced on a logarithmic scale.
_PEAKS = 9


def hiss_power(world: World, rt60_s: float) -> float:
    """Mean power of a steady hiss of rms 1 at 1 m, over cells, humps and the reference layout's microphones."""
    return world.kept(("hiss power", rt60_s), lambda: _hiss_power(world, rt60_s))


def _hiss_power(world: World, rt60_s: float) -> float:
    study, bank = world.study, world.bank(rt60_s)
    points = np.array(study.choices[0].points)
    rows = bank.cell_rows[study.site.cells, 0]
    total = 0.0
    for row in rows:
        spectra = scipy.fft.rfft(bank.responses(np.array([row]), points)[0], axis=-1)
        power = (spectra.real**2 + spectra.imag**2).mean(axis=0)
        frequencies = np.linspace(0.0, bank.fs / 2, len(power))
        peaks = np.geomspace(*PEAK_HZ, _PEAKS)
        density = np.mean([hiss_density(frequencies, float(peak), fs=bank.fs) for peak in peaks], axis=0)
        total += float((power * density).mean())
    return total / len(rows)


def source_gain(study: Study, snr_db: float, *, power: float) -> float:
    """Factor on a hiss of rms 1 at 1 m.

    power : what `hiss_power` says of the room
    """
    noise = 10.0 ** (study.site.noise_dbfs / 10.0)
    return float(np.sqrt(10.0 ** (snr_db / 10.0) * noise / power))
