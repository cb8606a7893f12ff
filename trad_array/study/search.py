"""Moving microphones within what is allowed until an aim is met as well as can be.

Layouts are searched by preview and confirmed by simulation, on events that the search has not seen: the best of many
looks better than it is on the events that chose it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import comb
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trad_array.errors import ConfigError, MissingExtra
from trad_array.study.as_json import digest_of
from trad_array.study.outcomes import Difference, Share, paired_difference, share
from trad_array.study.pair_tables import PreviewSpec
from trad_array.study.ranking import layout_name, possible_layouts
from trad_array.study.records import Choice, Condition, DetectionPart
from trad_array.study.search_aims import (
    Tell,
    cable_lengths_m,
    judge_of,
    simulate_aim,
    worst_cell_difference,
)
from trad_array.study.search_history import History
from trad_array.study.search_records import FEWEST_MICS, MOST_MICS, SearchPlan, condition_at

if TYPE_CHECKING:
    from trad_array.study.world import World

HISTORY, SIMULATED = "search.jsonl", "simulated"
# Raised when a preview gives other numbers.
_VERSION = 1
# Layouts drawn before the first exchange and before each further one. Our choice, measured in docs/studies.md.
_FIRST, _AGAIN = 64, 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """One layout of the short list.

    preview : value by which it was searched; simulated : value on the events of the search, or None
    """

    choice: Choice
    preview: float
    simulated: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """One layout, on fresh events.

    value : of the aim: P(right), or for "time-to-alarm" the time in s
    share : P(right) with all microphones; decisive : with the loss that hurts most for "one-dead", else the same
    cable_m : m, 0 when nobody said where cables end
    """

    choice: Choice
    value: float
    share: Share
    decisive: Share
    cable_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What `optimise` found.

    method : that was used; n_possible : layouts that there are; n_tried : previewed
    candidates : short list, best by simulation first
    best, reference : on fresh events
    difference : P(right) of the best minus that of the reference, event by event, of what is decisive
    worst_difference : of the worst cell, its value and 95 % interval, for aims that look at it; else None
    history : (n_tried, n_mics), layouts in the order in which they were tried, and (n_tried,), their values
    """

    plan: SearchPlan
    condition: Condition
    method: str
    n_possible: int
    n_tried: int
    candidates: tuple[Candidate, ...]
    best: Judged
    reference: Judged
    difference: Difference
    worst_difference: tuple[float, float, float] | None
    history: tuple[NDArray[np.intp], NDArray[np.float64]]


def optimise(
    world: "World",
    plan: SearchPlan,
    *,
    free: Sequence[int] | None = None,
    reference: Choice | None = None,
    workers: int = 1,
    folder: Path | None = None,
    spec: PreviewSpec | None = None,
    tell: Tell | None = None,
) -> Found:
    """Search a layout of a study's points.

    Parameters
    ----------
    world : World
    plan : SearchPlan
    free : indices of the points where microphones may stand; None takes all
    reference : layout to compare with; None takes the study's
    workers : threads of the previews and processes of the simulations
    folder : where what was tried and simulated is kept and found again, or None
    tell : told of stage, done and all

    Raises
    ------
    ConfigError
        If there are fewer points than microphones, or no condition is as the plan asks.
    MissingExtra
        If the method needs a package that is not installed.
    """
    tell = tell or (lambda _stage, _done, _total: None)
    study, condition = world.study, condition_at(world.study, plan)
    reference = study.choices[0] if reference is None else reference
    points = np.arange(len(study.points)) if free is None else np.unique(np.asarray(free, dtype=np.intp))
    if not FEWEST_MICS <= plan.mics <= min(MOST_MICS, len(points)):
        most = min(MOST_MICS, len(points))
        raise ConfigError(f"mics: expected {FEWEST_MICS} to {most} for {len(points)} points, found {plan.mics}")
    kept = None if folder is None else folder / SIMULATED
    judge = judge_of(world, plan, condition, spec=spec, workers=workers, tell=tell)
    history = History(
        judge,
        plan.trials,
        None if folder is None else folder / HISTORY,
        _digest(world, plan, condition, points, spec),
    )
    method = _method(plan, n_possible=comb(len(points), plan.mics))
    steps = {"exhaustive": _all_of_them, "exchange": _exchange, "optuna": _optuna}[method]
    for _ in steps(world, plan, points, history):
        tell("searched", len(history.tried), plan.trials if method != "exhaustive" else comb(len(points), plan.mics))
    short = [Choice(layout_name(study.points, key), key) for key in history.best(plan.shortlist)]
    if not short:
        raise ConfigError(f"candidates: expected {plan.mics} points that are far enough apart, found none")
    tested = simulate_aim(world, short, plan, condition, events=plan.events, workers=workers, folder=kept, tell=tell)
    paid = plan.cable_price * cable_lengths_m(study.points, np.array([c.points for c in short]), plan)
    order = sorted(range(len(short)), key=lambda k: (-(tested[k].value - paid[k]), -history.tried[short[k].points], k))
    best = short[order[0]]
    fresh = simulate_aim(
        world,
        [best, reference],
        plan,
        condition,
        events=plan.confirm_events,
        fresh=True,
        workers=workers,
        folder=kept,
        tell=tell,
    )
    ours, theirs = fresh
    worst = plan.aim.endswith("worst-cell")
    judged = [
        Judged(
            each.choice,
            each.value if plan.aim != "time-to-alarm" else -each.value,
            share(study, each.whole),
            share(study, each.decisive),
            float(cable_lengths_m(study.points, np.array([each.choice.points]), plan)[0]),
        )
        for each in fresh
    ]
    return Found(
        plan,
        condition,
        method,
        comb(len(points), plan.mics),
        len(history.tried),
        tuple(Candidate(short[k], history.tried[short[k].points], tested[k].value) for k in order),
        judged[0],
        judged[1],
        paired_difference(ours.decisive, theirs.decisive),
        worst_cell_difference(ours.decisive, theirs.decisive, seed=study.seed) if worst else None,
        (np.array(list(history.tried), dtype=np.intp), np.array(list(history.tried.values()))),
    )


def _method(plan: SearchPlan, *, n_possible: int) -> str:
    if plan.method != "auto":
        return plan.method
    return "exhaustive" if n_possible <= plan.trials else "exchange"


def _all_of_them(world: "World", plan: SearchPlan, points: NDArray[np.intp], history: History) -> Iterator[None]:
    """Every layout there is; raises `ConfigError` when these are more than the trials."""
    n_possible = comb(len(points), plan.mics)
    if n_possible > plan.trials:
        raise ConfigError(f'trials: expected at least {n_possible} for method = "exhaustive", found {plan.trials}')
    layouts = possible_layouts(world.study.points, points, plan.mics, most=n_possible, seed=world.study.seed)
    for first in range(0, len(layouts), 256):
        history.values(layouts[first : first + 256])
        yield


def _exchange(world: "World", plan: SearchPlan, points: NDArray[np.intp], history: History) -> Iterator[None]:
    """From the best of some drawn layouts, one microphone is moved at a time as long as that helps; and again.

    The exchange of Fedorov (Theory of Optimal Experiments, 1972), one place after the other.
    """
    rng = np.random.default_rng([world.study.seed, 0x5345])
    idle = 0
    while history.left > 0 and idle < 100:
        before = history.left
        drawn = np.array(
            [rng.choice(points, plan.mics, replace=False) for _ in range(_AGAIN if history.tried else _FIRST)]
        )
        values = history.values(drawn)
        yield
        current, value = np.sort(drawn[int(values.argmax())]), float(values.max())
        moved = True
        while moved and history.left > 0:
            moved = False
            for slot in rng.permutation(plan.mics):
                rest = np.delete(current, slot)
                others = np.setdiff1d(points, current)
                trials = np.sort(np.column_stack([np.tile(rest, (len(others), 1)), others]), axis=1)
                if not len(trials):
                    break
                found = history.values(trials)
                yield
                if found.max() > value:
                    # Slots are counted anew: the layout is ascending.
                    current, value, moved = trials[int(found.argmax())], float(found.max()), True
                    break
        idle = idle + 1 if history.left == before else 0


def _optuna(world: "World", plan: SearchPlan, points: NDArray[np.intp], history: History) -> Iterator[None]:
    """Tree-structured Parzen estimator over the places of each microphone (Bergstra et al., NIPS 24, 2011)."""
    try:
        import optuna
    except ImportError as trouble:
        raise MissingExtra("optuna", "study") from trouble
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=world.study.seed, multivariate=True)
    search = optuna.create_study(direction="maximize", sampler=sampler)
    idle = 0
    while history.left > 0 and idle < 1_000:
        before = history.left
        trial = search.ask()
        at = [trial.suggest_int(f"mic_{k}", 0, len(points) - 1) for k in range(plan.mics)]
        if len(set(at)) < plan.mics:
            search.tell(trial, -1.0)
        else:
            value = float(history.values(points[[at]])[0])
            search.tell(trial, max(value, -1.0))
        idle = idle + 1 if history.left == before else 0
        yield


def _digest(
    world: "World", plan: SearchPlan, condition: Condition, points: NDArray[np.intp], spec: PreviewSpec | None
) -> str:
    """Of all that a previewed value depends on."""
    study = replace(
        world.study, name="", choices=world.study.choices[:1], conditions=(condition,), detection=DetectionPart()
    )
    aim = [plan.mics, plan.aim, plan.cable, plan.cable_price, plan.cable_to_m]
    return digest_of([_VERSION, study, aim, points, PreviewSpec() if spec is None else spec])
