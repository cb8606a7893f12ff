"""Tables 2 and 3 of the paper with our columns, as Markdown, and the same as JSON values."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trad_array_cli.evaluation_tables import alarm_record, alarm_tables, auc_text, number

if TYPE_CHECKING:
    from trad_array.learning.evaluation import SetResult, SystemResult
    from trad_array.learning.published import Published


@dataclass(frozen=True, slots=True)
class Run:
    """What was run, and what came out.

    data : folder
    simulated : share of its recordings that are simulated
    counts : recordings by label
    epochs, seed : as asked for
    splits : ways to split that were run, and what each is
    systems : names, in the order asked for
    results : by system and split
    notes : one line about each split that could not be run
    """

    data: str
    simulated: float
    counts: Mapping[str, int]
    epochs: int
    seed: int
    splits: Mapping[str, str]
    systems: Sequence[str]
    results: "Mapping[tuple[str, str], SystemResult]"
    notes: Sequence[str]

    @property
    def about(self) -> str:
        """What the figures are of, in a few sentences."""
        share = self.simulated
        sound = "simulated" if share == 1.0 else f"simulated to {share:.0%}" if share else "not marked as simulated"
        counts = " and ".join(f"{n} {label}" for label, n in self.counts.items())
        return (
            f"Data: `{self.data}`, {counts} recordings, {sound}. {self.epochs} epochs, seed {self.seed}. "
            "The published figures are of the LiB-TRAD data set itself: they stand beside ours, they are no comparison"
            f"{', least of all with simulated sound' if share else ''}."
        )


def run_record(run: Run) -> dict[str, Any]:
    """JSON object of a run."""
    from trad_array.learning.published import PUBLISHED

    return {
        "schema": "trad-array/protocol/1",
        "protocol": "libtrad",
        "data": run.data,
        "simulated_share": run.simulated,
        "recordings": dict(run.counts),
        "epochs": run.epochs,
        "seed": run.seed,
        "splits": dict(run.splits),
        "notes": list(run.notes),
        "results": [_result_record(*key, result) for key, result in run.results.items()],
        "published": [asdict(system) for system in PUBLISHED],
    }


def _result_record(system: str, split: str, result: "SystemResult") -> dict[str, Any]:
    return {
        "system": system,
        "split": split,
        "sets": [asdict(s) for s in result.sets],
        "harmonic_mean": dict(result.harmonic_mean),
        "ms_per_frame": result.ms_per_frame,
        "false_alarms": result.false_alarms if result.alarm.at_recall else None,
        "normal_s": result.normal_s,
        "alarm": alarm_record(result.alarm),
        "suspects": list(result.suspects.names),
        "unusable": list(result.unusable),
    }


def table_2(run: Run) -> str:
    """How well abnormal sound is told from normal: AUC."""
    lines = ["# Table 2: abnormal sound against normal, AUC", "", run.about, ""]
    lines += [f"- {split}: {about}" for split, about in run.splits.items()]
    lines += [f"- {note}" for note in run.notes]
    lines += [
        "",
        "AUC of frames, every frame of an abnormal recording counts as abnormal (if a vent lasts 2 of 10 s, a perfect",
        "scorer ends near 0.6); harmonic mean over sets. A published figure in brackets is computed from the published",
        "figures of its three sets. Set by set, `true frames` counts only those between true onset and end.",
        "",
        *_main_table(run),
    ]
    for split in run.splits:
        lines += ["", f"## {split}: set by set", "", *_set_table(run, split)]
    return "\n".join(lines) + "\n"


def table_3(run: Run) -> str:
    """How long it takes, and what an alarm is judged by."""
    rows = [["system", "published, ms", "ours, ms"]]
    for name, published in _rows(run):
        ours = [result.ms_per_frame for (system, _), result in run.results.items() if system == name]
        told = number(published.ms_per_frame if published else None, ".2f")
        rows.append([_title(name, published), told, number(sorted(ours)[len(ours) // 2], ".4f") if ours else "-"])
    lines = ["# Table 3: time to score one frame", "", run.about, ""]
    lines += ["Ours: one frame of one microphone, one thread, median, on the machine that ran this.", ""]
    lines += markdown(rows)
    # Half seconds drawn at random are no stretch of sound in which alarms could be counted.
    for split in (split for split in run.splits if split != "random"):
        alarms = [(name, run.results[name, split].alarm) for name in run.systems if (name, split) in run.results]
        for title, table in alarm_tables(alarms):
            lines += ["", f"## {split}: {title[0].lower()}{title[1:]}", "", *markdown(table)]
    return "\n".join(lines) + "\n"


def _rows(run: Run) -> "list[tuple[str, Published | None]]":
    """Every published system and every one that was run."""
    from trad_array.learning.published import PUBLISHED

    published = {system.kind: system for system in PUBLISHED}
    return [(name, published.get(name)) for name in dict.fromkeys([*published, *run.systems])]


def _title(name: str, published: "Published | None") -> str:
    return f"`{name}`" if published is None else f"{published.system}, `{name}`"


def _main_table(run: Run) -> list[str]:
    rows = [["system", "published", *run.splits]]
    for name, published in _rows(run):
        ours = [run.results.get((name, split)) for split in run.splits]
        means = [auc_text(result.harmonic_mean["frame_auc"]) if result else "-" for result in ours]
        rows.append([_title(name, published), _published_mean(published), *means])
    return markdown(rows)


def _published_mean(published: "Published | None") -> str:
    from trad_array.learning.evaluation import harmonic_mean

    if published is None or (published.harmonic_mean is None and not published.auc):
        return "-"
    if published.harmonic_mean is None:
        return f"({auc_text(harmonic_mean(published.auc))})"
    return auc_text(published.harmonic_mean)


def _set_table(run: Run, split: str) -> list[str]:
    results = {name: run.results[name, split] for name in run.systems if (name, split) in run.results}
    names = sorted({s.set_name for result in results.values() for s in result.sets})
    header = ["system", "published sets"]
    measures = [("frame_auc", "frames"), ("frame_pauc", "frames, pAUC(0.1)"), ("clip_auc", "recordings")]
    if any(s.true_frame_auc is not None for result in results.values() for s in result.sets):
        measures.append(("true_frame_auc", "true frames"))
    header += [f"{name}: {word}" for _, word in measures for name in names]
    rows = [header]
    for name, published in _rows(run):
        if name in results:
            of_set = {s.set_name: s for s in results[name].sets}
            told = " / ".join(auc_text(value) for value in published.auc) if published and published.auc else "-"
            ours = [_measure(of_set.get(n), measure) for measure, _ in measures for n in names]
            rows.append([_title(name, published), told, *ours])
    return markdown(rows)


def _measure(of_set: "SetResult | None", measure: str) -> str:
    return "-" if of_set is None else auc_text(getattr(of_set, measure))


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines of a Markdown table, the first row is the header; names lean left, numbers right."""
    first, *others = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return [first, "| --- |" + " ---: |" * (len(rows[0]) - 1), *others]
