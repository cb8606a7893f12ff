"""What detectors are fitted, chosen and tested on: three corpora that share neither takes nor cabins.

The *training* corpus is a folder in the data set's form: cabins in one fan state and at one level, and vents in them
for kinds that learn from both. The *tuning* takes choose between our own systems; their seed is nobody else's. The
*test* takes are cabins in a fan state and at levels that training has not heard ("shifted domain"): vents, everyday
sounds that are no vents, and nothing but the cabin. *Home* takes are vents and cabins like those of the training. The
name of the corpus is part of every take's seed, see `takes.rng_of`. All of it is simulated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from takes import FS, NORMAL, VENT, Surroundings, Take, Wish, make_take, rng_of

from trad_array.audio.files import write_recording
from trad_array.simulation import NEGATIVE_KINDS
from trad_array.simulation.saving import write_truth
from trad_array_geometry import load_layout

LAYOUTS = ("row-corners", "row-frame", "pack-corners")
# Seeds that no reported number may come from: 1 and 11 to 16 were looked at while the gate's threshold and margins were
# chosen, 100 to 105 fitted the localizer, 200 chooses between our systems, 300 is where thresholds of a site are
# learned, see `day`, 400 to 405 fit the gate.
TUNING_SEED = 200
TUNING_SEEDS = (1, *(first + n for first in (11, 100, TUNING_SEED, 300, 400) for n in range(6)))
SNRS_DB = (-25.0, -20.0, -15.0, -10.0, -5.0, 0.0)
# Levels at which everyday sounds are played, full band, dB, those of `day`: as loud as the vents that must be heard,
# and louder.
NEGATIVE_SNRS_DB = (-10.0, 20.0)
LONG_SNRS_DB = {"speech": (-10.0, 15.0), "rain": (0.0, 20.0)}
# How often a kind of sound comes in a day, or how many minutes of it there are (rain, speech). The converter whines
# always and is in every cabin.
A_DAY = {"air-tool": 20, "door": 50, "contactor": 200, "extinguisher": 1, "hvac": 48, "speech": 60, "rain": 120}

# A monitor has heard its cabin for long when something sounds: a floor that is tracked has settled after 10 s.
ONSET_S = 12.0

_RT60_S = (0.2, 0.6)
# Fan states and levels by corpus; the levels are 8 dB to either side of what training has heard, 6 dB for tuning.
_LEVEL_DBFS = -45.0
_TRAINING = Surroundings(_RT60_S, (1.0,), (_LEVEL_DBFS - 1.0, _LEVEL_DBFS + 1.0))
_FAN_SPEED = {"tuning": 1.35, "test": 1.6}
_OFF_DB = {"tuning": 6.0, "test": 8.0}
_TRAINING_SECONDS = 10.0
_TRAINING_SNRS_DB = (-20.0, 0.0)


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything.

    training : normal recordings of 10 s, and as many with a vent; epochs : of networks, rounds of boosted trees
    tuning, vents, home : takes with a vent, over all layouts; longest_s : of the vents
    negatives : takes of each kind of everyday sound
    normals : stretches of nothing but a cabin, of `normal_s` each; at home half as many
    encoder_step : encoders of other people hear one window in so many
    training_encoders : recordings that encoders are given to learn from
    patch_hop : frames between the patches that the cnn is trained on
    """

    training: int
    epochs: int
    tuning: int
    vents: int
    home: int
    longest_s: float
    negatives: int
    normals: int
    normal_s: float
    encoder_step: int
    training_encoders: int
    patch_hop: int

    @property
    def normal_hours(self) -> float:
        """Length of the normal sound, h."""
        return self.normals * self.normal_s / 3600.0


QUICK = Size(30, 10, 12, 48, 18, 3.1, 15, 24, 60.0, 4, 4, 16)
FULL = Size(100, 200, 60, 300, 90, 30.0, 100, 1440, 60.0, 1, 100, 8)


@dataclass(frozen=True, slots=True)
class Place:
    """One take of a corpus, by what it follows from.

    suite : "training", "tuning", "home" or "test"
    kind : of sound; layout : name; seed, number : see `takes.rng_of`
    """

    suite: str
    kind: str
    layout: str
    seed: int
    number: int


def places(suite: str, kind: str, n: int, *, seed: int) -> tuple[Place, ...]:
    """`n` takes, the layouts in turn."""
    return tuple(Place(suite, kind, LAYOUTS[number % len(LAYOUTS)], seed, number) for number in range(n))


def test_places(size: Size, *, seed: int) -> tuple[Place, ...]:
    """Every take of the test: vents, everyday sounds, normal sound; and vents and normal sound at home."""
    negatives = [place for kind in NEGATIVE_KINDS for place in places("test", kind, size.negatives, seed=seed)]
    home = (*places("home", VENT, size.home, seed=seed), *places("home", NORMAL, size.normals // 2, seed=seed))
    return (
        *places("test", VENT, size.vents, seed=seed),
        *negatives,
        *places("test", NORMAL, size.normals, seed=seed),
        *home,
    )


def tuning_places(size: Size) -> tuple[Place, ...]:
    """Every take of the tuning: vents only."""
    return places("tuning", VENT, size.tuning, seed=TUNING_SEED)


def take_of(place: Place, size: Size) -> Take:
    """Simulate one take."""
    layout = load_layout(place.layout)
    rng = rng_of(place.suite, layout, place.kind, seed=place.seed, number=place.number)
    return make_take(layout, _wish(place, size), rng)


def negative_snr_db(place: Place) -> float:
    """The level that an everyday sound is played at, full band, dB."""
    layout = load_layout(place.layout)
    rng = rng_of(f"{place.suite} level", layout, place.kind, seed=place.seed, number=place.number)
    return float(rng.uniform(*LONG_SNRS_DB.get(place.kind, NEGATIVE_SNRS_DB)))


def _wish(place: Place, size: Size) -> Wish:
    around = surroundings(place)
    if place.suite == "training":
        return Wish(place.kind, seconds=_TRAINING_SECONDS, around=around)
    if place.kind == NORMAL:
        return Wish(NORMAL, seconds=size.normal_s, around=around)
    # Everyday sounds come from elsewhere in the room, at least 0.6 m from every cell.
    longest_s = size.longest_s if place.kind == VENT else 3.1
    return Wish(place.kind, seconds=ONSET_S + longest_s + 0.3, onset_s=ONSET_S, around=around, place="far")


def surroundings(place: Place) -> Surroundings:
    """Room, fans and level that a take is drawn from."""
    if place.suite in ("training", "home"):
        return _TRAINING
    # All layouts get both levels.
    sign = 1.0 if place.number // len(LAYOUTS) % 2 else -1.0
    level_dbfs = _LEVEL_DBFS + sign * _OFF_DB[place.suite]
    return Surroundings(_RT60_S, (_FAN_SPEED[place.suite],), (level_dbfs, level_dbfs))


def training_places(size: Size, *, seed: int) -> tuple[Place, ...]:
    """Every recording of the training corpus."""
    return (
        *places("training", NORMAL, size.training, seed=seed),
        *places("training", VENT, size.training, seed=seed),
    )


def write_training(place: Place, size: Size, folder: Path) -> None:
    """One recording of the training corpus as files of the data set's form, the truth beside an abnormal one."""
    layout, take = load_layout(place.layout), take_of(place, size)
    abnormal = place.kind == VENT
    rng = rng_of("training level", layout, place.kind, seed=place.seed, number=place.number)
    snr_db = float(rng.uniform(*_TRAINING_SNRS_DB))
    base = folder / ("abnormal" if abnormal else "normal") / f"s{place.number:04d}"
    base.parent.mkdir(parents=True, exist_ok=True)
    recording = take.at(snr_db) if abnormal else take.at(0.0)
    for channel, samples in zip(layout.mic_channels, recording.samples, strict=True):
        write_recording(base.with_name(f"{base.name}_ch{channel}.wav"), samples[None], fs=FS)
    if abnormal:
        truth = {"kind": VENT, "simulated": True, "onset_s": take.onset_s, "end_s": take.end_s, "snr_db": snr_db}
        write_truth(base.with_name(f"{base.name}_truth.json"), truth)


def seeds_of(corpus: Sequence[Place]) -> Iterator[tuple[int, ...]]:
    """State from which each take is drawn; no two corpora share one."""
    for place in corpus:
        rng = rng_of(place.suite, load_layout(place.layout), place.kind, seed=place.seed, number=place.number)
        yield tuple(int(word) for word in rng.bit_generator.state["state"].values())
