"""The tables of the comparison: the one that is printed, those of the page, the rows of the results file."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from corpus import A_DAY, NEGATIVE_SNRS_DB, SNRS_DB
from judging import ALARM_SNR_DB, CLIP_SNR_DB, RECALLS, WANTED_PER_DAY, Estimate, Figures
from limit import LIMIT
from listening import FRAME_SNRS_DB
from rows import Row, median, share
from systems import PAPER, Trained

from trad_array.learning.alarm_metrics import Rate

if TYPE_CHECKING:
    from comparison import Results

_AUC_GOALS = {-25.0: 0.95, -20.0: 0.98, -15.0: 0.995}
_INFERENCE_GOAL_MS, _TRAINING_GOAL_MIN = 0.02, 10.0
_EVERYDAY = "a day of everyday sounds"


def comparison(results: "Results") -> str:
    """The one table: every system, the same takes, the same figures."""
    head = [
        "system",
        f"frame AUC at home {CLIP_SNR_DB:g} dB",
        *(f"elsewhere {db:g} dB" for db in FRAME_SNRS_DB),
        f"{CLIP_SNR_DB:g} dB, 0.5 s mean",
        f"clip AUC {CLIP_SNR_DB:g} dB",
        f"pAUC(0.1) {CLIP_SNR_DB:g} dB",
        *(f"events heard {db:g} dB, %" for db in SNRS_DB),
        "false alarms a day, normal sound at home",
        "elsewhere",
        "everyday sounds",
        "the same at 99 %",
        "latency, s",
        "fooled most by",
        "ms a frame",
        "fit, s",
    ]
    lines = [_cells(results, trained, len(head)) for trained in results.trained]
    if results.limit[0]:
        aucs = [_number(results.limit[0][db].value) for db in (*FRAME_SNRS_DB, CLIP_SNR_DB)]
        lines.append([LIMIT, "-", *aucs, *["-"] * (len(head) - 2 - len(aucs))])
    return _table(head, lines)


def _cells(results: "Results", trained: Trained, n: int) -> list[str]:
    name = trained.system.name
    if trained.trouble is not None:
        return [name, trained.trouble.partition("\n")[0], *["-"] * (n - 2)]
    f = results.figures[name]
    return [
        f"**{name}**" if name == results.chosen else name,
        _number((f.home_mean if trained.system.ours else f.home)[CLIP_SNR_DB].value),
        *(_number(_auc(f, trained)[db].value) for db in FRAME_SNRS_DB),
        _number(f.auc_mean[CLIP_SNR_DB].value),
        _number(f.clip_auc),
        _number(f.pauc),
        *(f"{100 * hits / k:.0f}" for hits, k in f.recall.values()),
        f"{f.home_normal.value:.3g}",
        f"{f.normal[RECALLS[0]].value:.3g}",
        f"{f.everyday[RECALLS[0]].value:.3g}",
        f"{f.everyday[RECALLS[1]].value:.3g}",
        _latency(f),
        _fooled_most(f),
        f"{np.median(results.frame_ms[name]):.3g}",
        f"{trained.seconds:.1f}",
    ]


def _auc(figures: Figures, trained: Trained) -> dict[float, Estimate]:
    """With the mean of 0.5 s for ours, whose score that is; else of single frames."""
    return dict(figures.auc_mean if trained.system.ours else figures.auc)


def _latency(f: Figures) -> str:
    found = f.latency
    if found.median_s is None or found.q95_s is None:
        return "-"
    return f"{found.median_s:.2f}, {found.q95_s:.2f} ({found.n_detected} of {found.n})"


def _fooled_most(f: Figures) -> str:
    worst = [found for found in f.fooled if found.n_above]
    if not worst:
        return "-"
    equal = [found.kind for found in worst if found.share == worst[0].share]
    kinds = ", ".join(equal) if len(equal) < 4 else f"{len(equal)} of {len(f.fooled)} kinds"
    return f"{kinds} ({100 * worst[0].share:.0f} %)"


def rows_of(results: "Results") -> Iterator[Row]:
    """All numbers of the comparison."""
    yield from quoted(results)
    for what, aucs in zip(("", ", first second"), results.limit, strict=True):
        for db, estimate in aucs.items():
            label = f"{LIMIT}: frame AUC, shifted domain, {db:g} dB, mean of 0.5 s{what}"
            yield _estimate(label, estimate, unit="", better="higher")
    for trained in results.trained:
        if trained.trouble is None:
            yield from _rows_of_system(results, trained)


def _rows_of_system(results: "Results", trained: Trained) -> Iterator[Row]:
    name, f = trained.system.name, results.figures[trained.system.name]
    for db, estimate in _auc(f, trained).items():
        yield _estimate(f"{name}: frame AUC, shifted domain, {db:g} dB", estimate, unit="", better="higher")
    for db, estimate in f.auc_mean.items():
        label = f"{name}: frame AUC, shifted domain, {db:g} dB, mean of 0.5 s"
        yield _estimate(label, estimate, unit="", better="higher")
    for db, estimate in f.auc_early.items():
        label = f"{name}: frame AUC, shifted domain, {db:g} dB, mean of 0.5 s, first second"
        yield _estimate(label, estimate, unit="", better="higher")
    home = f.home_mean if trained.system.ours else f.home
    yield _estimate(f"{name}: frame AUC at home, {CLIP_SNR_DB:g} dB", home[CLIP_SNR_DB], unit="", better="higher")
    n = f.recall[CLIP_SNR_DB][1]
    for what, value in (("clip AUC", f.clip_auc), ("pAUC(0.1) of frames", f.pauc)):
        if value is not None:
            yield Row(f"{name}: {what}, {CLIP_SNR_DB:g} dB", value, "", None, "higher", n, value, value)
    for db, (hits, k) in f.recall.items():
        label = f"{name}: events heard at {WANTED_PER_DAY:g} false alarm a day on normal sound, {db:g} dB"
        yield share(label, hits, k, goal=None)
    yield _normal_row(f"{name}, at home", f.home_normal, RECALLS[0])
    for recall in RECALLS:
        yield _normal_row(name, f.normal[recall], recall)
        yield _everyday_row(name, f, recall)
    if f.latency.median_s is not None and f.latency.q95_s is not None:
        for what, value in (("median", f.latency.median_s), ("95 %", f.latency.q95_s)):
            label = f"{name}: latency, {what}, {ALARM_SNR_DB:g} dB"
            yield Row(label, value, "s", None, "lower", f.latency.n_detected, value, value)
    for fooled in f.fooled:
        yield share(f"{name}: fooled by {fooled.kind} at {100 * RECALLS[0]:g} % recall", fooled.n_above, fooled.n,
                    goal=None, better="lower")  # fmt: skip
    yield median(f"{name}: time of a frame", results.frame_ms[name], unit="ms", goal=None, better="lower")
    yield Row(f"{name}: fit", trained.seconds, "s", None, "lower", 1, trained.seconds, trained.seconds)


def _normal_row(name: str, rate: Rate, recall: float) -> Row:
    label = f"{name}: false alarms on normal sound at {100 * recall:g} % recall, {ALARM_SNR_DB:g} dB"
    return Row(label, rate.value, "a day", None, "lower", rate.count, rate.low, rate.high)


def _everyday_row(name: str, f: Figures, recall: float) -> Row:
    label = f"{name}: false alarms on {_EVERYDAY} at {100 * recall:g} % recall, {ALARM_SNR_DB:g} dB"
    return _estimate(label, f.everyday[recall], unit="a day", better="lower")


def _estimate(name: str, estimate: Estimate, *, unit: str, better: str, goal: float | None = None) -> Row:
    return Row(name, estimate.value, unit, goal, better, estimate.n, estimate.low, estimate.high)


def quoted(results: "Results") -> Iterator[Row]:
    """What the README shows: goals, and the false alarms of the best system that is not ours beside ours."""
    yield from quoted_goals(results)
    theirs = [t.system.name for t in results.trained if t.trouble is None and not (t.system.ours or t.system.own)]
    if theirs:
        best = min(theirs, key=lambda name: results.figures[name].everyday[RECALLS[0]].value)
        yield _everyday_row(f"fewest of {len(theirs)} published systems, {best}", results.figures[best], RECALLS[0])
    if results.chosen is not None:
        yield _everyday_row(f"{results.chosen}, without the array gate", results.figures[results.chosen], RECALLS[0])


def quoted_goals(results: "Results") -> Iterator[Row]:
    """Rows with goals."""
    if results.chosen is not None:
        for db, estimate in results.figures[results.chosen].auc_mean.items():
            label = f"shifted domain, frame AUC at {db:g} dB, {results.chosen}"
            yield _estimate(label, estimate, unit="", better="higher", goal=_AUC_GOALS[db])
    paper = next((t for t in results.trained if t.system.name == PAPER and t.trouble is None), None)
    if paper is None:
        return
    times = results.frame_ms[PAPER]
    yield median(f"{PAPER}: a frame, one thread", times, unit="ms", goal=_INFERENCE_GOAL_MS, better="lower")
    if paper.goal_s is not None:
        minutes = paper.goal_s / 60
        how = "" if results.settings.full else f", extrapolated from {paper.epochs} epochs on {paper.recordings}"
        label = f"{PAPER}: 200 epochs on 100 recordings of 10 s x 4 channels{how}"
        yield Row(label, minutes, "min", _TRAINING_GOAL_MIN, "lower", 1, minutes, minutes)


def page(results: "Results") -> str:
    """Everything, in Markdown."""
    size, full = results.settings.size, results.settings.full
    able = [t for t in results.trained if t.trouble is None]
    hours = max((f.hours for f in results.figures.values()), default=0.0)
    blocks = [
        "## Every system, the same takes",
        _WHAT.format(
            recordings=size.training,
            epochs=size.epochs,
            reduced="" if full else " (the full form: 200, as in the paper)",
            vents=size.vents,
            home=size.home,
            longest=f"{size.longest_s:g}",
            capped="" if full else " (drawn from 0.3 to 30 s and cut; the full form does not cut them)",
            negatives=size.negatives,
            low=NEGATIVE_SNRS_DB[0],
            high=NEGATIVE_SNRS_DB[1],
            hours=f"{hours:.2g}",
            encoders=_encoder_note(size.encoder_step),
        ),
        comparison(results),
        _READING.format(schedule=", ".join(f"{kind} {n}" for kind, n in A_DAY.items()), hours=f"{hours:.2g}"),
        _chosen_note(results),
        "![Recall against false alarms a day](figures/detection-roc.png)",
        "![Missed events against false alarms a day](figures/detection-det.png)",
        _FRAMES + _frame_table(results, able),
        "### False alarms a day, with intervals\n\n" + _alarm_table(results, able),
        f"### Which sound fools whom\n\nShare of the takes of each kind that reach the threshold of 95 % recall at "
        f"{ALARM_SNR_DB:g} dB, per cent.\n\n" + _fooled_table(results, able),
        "![Which sound fools whom](figures/detection-fooled.png)",
    ]
    return "\n\n".join(block for block in blocks if block)


_WHAT = """Fitted by the library's own `fit` on {recordings} normal recordings of 10 s (fan speed x 1.0, -45 dBFS +- 1
dB, RT60 0.2 to 0.6 s, the three four-microphone layouts in turn), the supervised ones on as many more with a vent,
whose true times they are told; networks for {epochs} epochs{reduced}. Tested on cabins that none of them has heard
("shifted domain", "elsewhere"): fan speed x 1.6, 8 dB louder or softer. {vents} vents at each of six levels, of at most
{longest} s{capped}; {negatives} takes of each kind of everyday sound at {low:g} to {high:g} dB (speech to 15, rain from
0), at least 0.6 m from every cell; {hours} h of normal sound. Each cabin is heard for 12 s before anything sounds. "At
home" are {home} vents, and half as much normal sound, in cabins like those of the training; but every take is a room
of its own with fans of its own, so a detector that knows one cabin by heart gains nothing. Layouts are wrong by what
their files say. SNR is full band, of the mean power of the whole vent.{encoders}"""

_READING = """- *frame AUC*: single frames of single microphones, truly venting ones against the same cabins with
  nothing in them, all cabins pooled. Ours average over the last 0.5 s; "0.5 s mean" gives that mean to all. Below 0.5:
  the vent makes a cabin that is softer than those of the training more like them.
- *limit*: a detector of band energies that is told the spectra of the vent and of the cabin. A vent decays, so most of
  its frames are fainter than its mean level, and one microphone and 0.5 s cannot tell them.
- *clip AUC*: mean over a take of one microphone. *pAUC(0.1)*: frames, up to a false positive rate of 0.1.
- *events heard*: two of four microphones for 0.1 s, at the threshold of one false alarm a day on normal sound without
  everyday sounds. That threshold follows the tail of the highest tenth of the maxima of {hours} h, so it is an
  extrapolation; it is set on the very cabins of the test, which is kind to all.
- *false alarms a day*: at the threshold that hears 95 % (99 %) of the vents at -10 dB. On normal sound they are counted
  in blocks of 2 s. Everyday sounds are what a day has of them ({schedule}; rain and speech in minutes) times the share
  of each kind that reaches the threshold, and normal sound. The intervals do not hold that the threshold itself is a
  quantile of few vents.
- *latency*: median and 95 % from onset, at -10 dB and one false alarm a day on normal sound; of the events that were
  heard.
- Nothing here uses the array but the vote of the microphones: none of these detectors asks where a sound comes from.
  `attention-ae, batch` scores frames in batches and cannot watch a stream."""

_FRAMES = """### Frames, with intervals

Vents are the trials: frames of one vent are not independent. The first second is where an alarm must come from; later
frames have decayed.

"""


def _encoder_note(step: int) -> str:
    if step == 1:
        return ""
    return f" Encoders of other people hear one window in {step} and learn from fewer recordings in this form."


def _chosen_note(results: "Results") -> str:
    if results.chosen is None or len(results.tuned) < 2:
        return ""
    tuned = ", ".join(f"{name} {value:.3f}" for name, value in results.tuned.items())
    return (
        f"**{results.chosen}** was chosen among ours on other takes with a seed of their own (mean frame AUC there: "
        f"{tuned}), before the test."
    )


def _frame_table(results: "Results", able: Sequence[Trained]) -> str:
    head = ["system", *(f"{db:g} dB{what}" for what in ("", ", 0.5 s mean", ", first second") for db in FRAME_SNRS_DB)]
    lines = []
    for t in able:
        f = results.figures[t.system.name]
        lines.append(
            [t.system.name, *(_interval(e) for part in (f.auc, f.auc_mean, f.auc_early) for e in part.values())]
        )
    of_limit = [_interval(e) for part in results.limit for e in part.values()]
    return _table(head, [*lines, [LIMIT, *["-"] * len(FRAME_SNRS_DB), *of_limit]])


def _alarm_table(results: "Results", able: Sequence[Trained]) -> str:
    head = ["system", "normal sound at home, 95 %", "elsewhere, 95 %", "99 %", "everyday sounds, 95 %", "99 %"]
    lines = []
    for t in able:
        f = results.figures[t.system.name]
        normal = [
            f"{r.value:.3g} ({r.low:.3g} to {r.high:.3g}; {r.count} in {r.hours:.2g} h)"
            for r in (f.home_normal, *f.normal.values())
        ]
        everyday = [f"{e.value:.3g} ({e.low:.3g} to {e.high:.3g})" for e in f.everyday.values()]
        lines.append([t.system.name, *normal, *everyday])
    return _table(head, lines)


def _fooled_table(results: "Results", able: Sequence[Trained]) -> str:
    kinds = sorted({found.kind for f in results.figures.values() for found in f.fooled})
    lines = []
    for t in able:
        shares = {found.kind: found.share for found in results.figures[t.system.name].fooled}
        lines.append([t.system.name, *(f"{100 * shares[k]:.0f}" if k in shares else "-" for k in kinds)])
    return _table(["system", *kinds], lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    every = [head, ["---", *["---:"] * (len(head) - 1)], *lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in every)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
