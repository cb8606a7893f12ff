"""acoular: delay and sum, MUSIC and CLEAN-SC, in the frequency domain, focused on the cells.

It is near-field and takes any points as a grid. The lines between 2 and 7 kHz are evaluated and added. What had to be
set or patched, and why:

- Its cache files are switched off.
- In 26.8 `BeamformerMusic` weighs each noise vector with its eigenvalue, so that in a reverberant room the strongest
  reflection decides alone: 5 of 10 instead of 10 of 10 right in the frame layout. It is given eigenvalues of 1, which
  is MUSIC as published (Schmidt 1986).
- Maps of single lines are divided by the power of their line (the trace of its cross-spectral matrix) before they are
  added: without it the loudest lines decide alone. acoular leaves that to its user. MUSIC has no such scale.
- The steering is "classic" (phases only): "true location", which expects levels to fall with distance, named 15 to 16
  of 20 instead of 20 with CLEAN-SC in the pack at an SNR of -10 dB, because the microphones' levels do not say as much.
- CLEAN-SC is told that there is one source (one iteration, no damping) and gets blocks of 256: left to itself, with
  blocks of 1024, it named 12 instead of 20 of 20 in the frame layout at -10 dB.
- Its loops run in one thread, like everything that is measured here.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from peer_common import N_FRAME, band_bins, finite, heard_and_mics

from trad_array_geometry import Layout

with warnings.catch_warnings():
    # It warns that it uses one thread when numpy was there first.
    warnings.simplefilter("ignore")
    import acoular

numba.set_num_threads(1)
acoular.config.global_caching = "none"


_ONE_SOURCE: dict[str, dict[str, Any]] = {
    "BeamformerBase": {},
    "BeamformerMusic": {"n": 1},
    "BeamformerCleansc": {"n_iter": 1, "damp": 1.0},
}


class _UnitEigenvalues(acoular.PowerSpectra):  # type: ignore[misc]
    """Spectra whose eigenvectors all count the same."""

    def _calc_eigvals(self) -> NDArray[np.float64]:
        return np.ones_like(self._evd[0])


@dataclass(frozen=True, slots=True)
class Acoular:
    """A beamformer of acoular on the cells: Hann blocks with 50 % overlap, steering "classic".

    method : "BeamformerBase" (delay and sum without the diagonal), "BeamformerMusic" or "BeamformerCleansc"
    n_frame : samples of a block
    """

    method: str
    name: str
    n_frame: int = N_FRAME

    def scores(
        self, samples: NDArray[np.float32], *, fs: int, layout: Layout, speed_of_sound: float
    ) -> NDArray[np.float64]:
        heard, mics = heard_and_mics(samples, layout)
        music = self.method == "BeamformerMusic"
        spectra = (_UnitEigenvalues if music else acoular.PowerSpectra)(
            source=acoular.TimeSamples(data=np.ascontiguousarray(heard.T), sample_freq=float(fs)),
            block_size=self.n_frame,
            window="Hanning",
            overlap="50%",
        )
        steer = acoular.SteeringVector(
            grid=acoular.ImportGrid(pos=layout.cells.T),
            mics=acoular.MicGeom(pos_total=mics.T),
            env=acoular.Environment(c=speed_of_sound),
            steer_type="classic",
        )
        beamformer = getattr(acoular, self.method)(freq_data=spectra, steer=steer, **_ONE_SOURCE[self.method])
        bins = band_bins(self.n_frame, fs)
        lines = slice(int(bins[0]), int(bins[-1]) + 1)
        with np.errstate(invalid="ignore"):  # CLEAN-SC divides by the power of a silent line
            maps = beamformer.result[lines]
        if not music:
            power = np.trace(spectra.csm[lines], axis1=1, axis2=2).real
            maps = maps / np.maximum(power, 1e-12 * power.max() + 1e-300)[:, None]
        return finite(maps.sum(axis=0))


PEERS = (
    Acoular("BeamformerBase", "acoular DAS"),
    Acoular("BeamformerMusic", "acoular MUSIC"),
    Acoular("BeamformerCleansc", "acoular CLEAN-SC", n_frame=256),
)
