"""Named suites of the localization benchmark: which conditions, how many scenes of each, who else hears them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from scenes import Condition

FOUR_MICS = ("row-corners", "row-frame", "pack-corners")
CONTAINER = "container"
SUITES = (*FOUR_MICS, CONTAINER)

RT60S_S = (0.0, 0.2, 0.4, 0.64)
SNRS_DB = (-20.0, -10.0, 0.0, 10.0, 20.0)
# Where the issue of weak sounds is measured, dB.
WEAK_DB = {"row-corners": -25.0, "row-frame": -20.0, "pack-corners": -25.0}
# The whole grid: `run.py --full`.
GRID_SNRS_DB = (-30.0, -25.0, -20.0, -15.0, -10.0, 0.0, 10.0, 20.0)
GRID_MISMATCHES = ("M0", "M1", "M2", "M2-all", "air", "jet")
GRID_DURATIONS_S = (0.1, 0.5, 1.0, 2.0)
# Windows after the onset of a vent, s, for the time to an answer.
WINDOWS_S = (0.1, 0.2, 0.4, 0.7, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Group:
    """Scenes that one line of a table, or several, are counted from.

    conditions : taken in turn
    snrs_db : every scene at all of these levels, instead of that of its condition
    scenes : how many; peers : the first so many are heard by the peers too
    dead : a microphone is silenced in turn as well; windows : growing windows, s
    bare : only our localizer, not even plain SRP
    taps : every array is calibrated first, and then hears some vents; scenes counts arrays
    """

    name: str
    conditions: tuple[Condition, ...]
    scenes: int
    snrs_db: tuple[float, ...] = ()
    peers: int = 0
    dead: bool = False
    windows: tuple[float, ...] = ()
    bare: bool = False
    taps: bool = False

    @property
    def layout(self) -> str:
        """Name of the layout."""
        return self.conditions[0].layout


def quick(suites: Sequence[str], *, scenes: int, peers: int) -> list[Group]:
    """Every line of the table."""
    groups = [group for layout in suites if layout in FOUR_MICS for group in _of_layout(layout, scenes, peers)]
    if CONTAINER in suites:
        condition = Condition(CONTAINER, 0.4, 0.0, "M1")
        groups.insert(0, Group(f"{CONTAINER}: M1", (condition,), scenes, bare=True))
    return groups


def full(suites: Sequence[str], *, scenes: int) -> list[Group]:
    """Layout x RT60 x SNR x mismatch x duration, ours and plain SRP."""
    return [
        Group(
            f"grid: {layout} {mismatch} {rt60_s:g} {duration_s:g}",
            (Condition(layout, rt60_s, 0.0, mismatch, duration_s),),
            scenes,
            snrs_db=GRID_SNRS_DB,
        )
        for layout in suites
        if layout in FOUR_MICS
        for mismatch in GRID_MISMATCHES
        for rt60_s in RT60S_S
        for duration_s in GRID_DURATIONS_S
    ]


def _of_layout(layout: str, n: int, peers: int) -> list[Group]:
    usual = Condition(layout, 0.4, 10.0)
    level = replace(usual, snr_db=0.0)
    mixed = tuple(Condition(layout, rt60_s, snr_db) for snr_db in (-15.0, *SNRS_DB[1:]) for rt60_s in RT60S_S)
    loud = tuple(Condition(layout, rt60_s, snr_db) for snr_db in (0.0, 10.0, 20.0) for rt60_s in RT60S_S)
    groups = [
        Group(f"{layout}: exact", mixed, n, peers=peers),
        Group(f"{layout}: weak", (Condition(layout, 0.64, WEAK_DB[layout]),), n, peers=peers),
        *(Group(f"{layout}: {m}", (replace(usual, mismatch=m),), n, peers=peers) for m in ("air", "jet", "M2-all")),
        *(
            Group(
                f"{layout}: levels {m}",
                (replace(level, mismatch=m),),
                n,
                snrs_db=SNRS_DB,
                peers=peers // 2,
                dead=m == "M1",
            )
            for m in ("M0", "M1", "M2")
        ),
        *(
            Group(
                f"{layout}: elsewhere {m}", tuple(replace(c, mismatch=m, place="elsewhere") for c in loud), n, bare=True
            )
            for m in ("M0", "M1")
        ),
        Group(f"{layout}: guard", tuple(replace(c, mismatch="M1", place="guard") for c in loud), n // 4, bare=True),
        *(
            Group(f"{layout}: calibrated {m}", (replace(usual, mismatch=m),), arrays, bare=True, taps=True)
            for m, arrays in (("M2", n // 8), ("M2-all", n // 16))
        ),
        Group(
            f"{layout}: answer",
            (replace(level, mismatch="M1", duration_s=2.0),),
            n // 4,
            snrs_db=(0.0, 10.0),
            windows=WINDOWS_S,
            bare=True,
        ),
    ]
    if layout == "row-frame":
        groups.append(Group(f"{layout}: short", (Condition(layout, 0.64, -10.0, "M0", 0.1),), n, peers=peers))
    return [group for group in groups if group.scenes]
