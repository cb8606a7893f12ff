"""What was learned of a site, and a chain that uses it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trad_array.chain import Chain
from trad_array.detection.calibration import Calibration
from trad_array.detection.threshold import Maxima, Threshold
from trad_array.detection.trigger import Trigger
from trad_array.errors import ConfigError
from trad_array.localization.gate import Gate
from trad_array.localization.robust import Robust
from trad_array_geometry import frozen_array

# Where a vent hisses, and where only fans are; Hz.
HISS_HZ, LOW_HZ = (2_000.0, 7_000.0), (0.0, 1_000.0)


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """How loud normal sound is.

    hz : (n_bands,), Hz, centres of the mel bands
    low, middle, high : (n_mics, n_bands), dB re full scale: 10 %, median and 90 % of seconds without an event
    """

    hz: NDArray[np.float64]
    low: NDArray[np.float64]
    middle: NDArray[np.float64]
    high: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("hz", "low", "middle", "high"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))
        if not self.low.shape == self.middle.shape == self.high.shape == (len(self.low), len(self.hz)):
            raise ConfigError("levels: expected one for each microphone and band, found other shapes")

    def between(self, low_hz: float, high_hz: float) -> NDArray[np.float64]:
        """Mean of the median levels of a band, shape (n_mics,), dB."""
        inside = (self.hz >= low_hz) & (self.hz <= high_hz)
        return np.asarray(self.middle[:, inside].mean(axis=1))

    def with_more(self, other: "Levels", *, weight: float) -> "Levels":
        """Both together, the other with a weight between 0 and 1; quantiles are averaged, not made anew."""
        low, middle, high = (
            getattr(self, name) + weight * (getattr(other, name) - getattr(self, name))
            for name in ("low", "middle", "high")
        )
        return Levels(self.hz, low, middle, high)


@dataclass(frozen=True, slots=True)
class Period:
    """What was heard in one go.

    date : ISO
    hours : h, of normal sound
    sounds : runs of everyday sounds in it
    abnormal : runs that looked like a cell and were left out
    unplaced : sounds that lasted and were placed nowhere: alarms whatever the threshold
    hiss_db, low_db : (n_mics,), dB re full scale, median level of the hiss band and of the band below it
    """

    date: str
    hours: float
    sounds: int
    abnormal: int
    unplaced: int
    hiss_db: tuple[float, ...]
    low_db: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LearnedFrom:
    """A recording: its file name, the SHA-256 of its files (first 16 digits), and how much of it was heard, s."""

    name: str
    digest: str
    heard_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """All that was learned of a site.

    layout, mics : id of the layout and names of its microphones
    scorer : class of the scorer whose scores were calibrated
    version, date : of the toolkit, and of the last learning
    sounds : highest log-odds "from a cell" of everyday sounds, one for each run of them
    peaks : the same of their fused scores
    calibration : scores of each microphone to the site's own robust z
    levels : how loud normal sound is
    periods, recordings : what it was learned from, in the order of time
    gate, trigger : the thresholds, or None while there is too little sound
    hours_missing : h, of normal sound for them; 0 when they are there
    """

    layout: str
    mics: tuple[str, ...]
    scorer: str
    version: str
    date: str
    sounds: Maxima
    peaks: Maxima
    calibration: Calibration
    levels: Levels
    periods: tuple[Period, ...]
    recordings: tuple[LearnedFrom, ...]
    gate: Threshold | None = None
    trigger: Threshold | None = None
    hours_missing: float = 0.0

    @property
    def hours(self) -> float:
        """Hours of normal sound behind the thresholds; what was heard long ago counts less."""
        return self.sounds.hours


def gate_of(chain: Chain) -> Gate:
    """The gate of a chain; raises `ConfigError` when its localizer has none."""
    if not isinstance(chain.localizer, Robust):
        raise ConfigError(
            f"localizer: expected robust, whose gate has a threshold, found {type(chain.localizer).__name__}"
        )
    return chain.localizer.certainty.gate


def trigger_of(chain: Chain) -> Trigger:
    """The trigger of a chain; raises `ConfigError` when its events are not found by one."""
    if not isinstance(chain.hearing.events, Trigger):
        raise ConfigError(f"events: expected a trigger, found {type(chain.hearing.events).__name__}")
    return chain.hearing.events


def require_same(site: Site, chain: Chain, *, name: str) -> None:
    """Raise `ConfigError` when a site is not that of a chain; `name` is the file's."""
    if (site.layout, site.mics) != (chain.layout.id, chain.layout.mic_names):
        raise ConfigError(
            f"{name}: expected layout {chain.layout.id} with microphones {', '.join(chain.layout.mic_names)}, "
            f"found {site.layout} with {', '.join(site.mics)}"
        )
    scorer = type(chain.hearing.scorer).__name__
    if site.scorer != scorer:
        raise ConfigError(f"{name}: expected what was learned with the scorer {scorer}, found {site.scorer}")


def calibrated(chain: Chain, calibration: Calibration) -> Chain:
    """The chain with another calibration of its scores."""
    return replace(chain, hearing=replace(chain.hearing, calibration=calibration))


def apply_site(site: Site, chain: Chain, *, name: str = "site") -> Chain:
    """The chain with the site's thresholds and calibration.

    Raises
    ------
    ConfigError
        If the site is of another layout or scorer, has no thresholds yet, or the chain's parts have none.
    """
    require_same(site, chain, name=name)
    if site.gate is None or site.trigger is None:
        raise ConfigError(
            f"{name}: expected thresholds, found {site.hours:.1f} h of sound and none yet: "
            f"{site.hours_missing:.1f} h are missing, add to them with `trad-array learn --add-to`"
        )
    gate, trigger = gate_of(chain), trigger_of(chain)
    assert isinstance(chain.localizer, Robust)
    certainty = replace(chain.localizer.certainty, gate=replace(gate, threshold=site.gate.value))
    on = max(site.trigger.value, trigger.off)
    return replace(
        calibrated(chain, site.calibration).with_events(replace(trigger, on=on)),
        localizer=replace(chain.localizer, certainty=certainty),
    )
