"""`trad-array demo`: the whole chain on a simulated pack."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trad_array_cli.figures import save_aligned, save_heatmap, save_spectrograms
from trad_array_cli.main import OK, RUNTIME_ERROR
from trad_array_cli.options import json_option, layout_option, seed_option
from trad_array_cli.report import emit, event_line, json_line, say

if TYPE_CHECKING:
    from trad_array_geometry import Layout

SECONDS, RT60_S, SNR_DB = 10.0, 0.4, -3.0
# The second sound: an air tool so far left of the cells, m, or as far as the room lets it.
TOOL_M, TOOL_SECONDS, TOOL_ONSET_S, TOOL_FOR_S, TOOL_SNR_DB = 0.8, 6.0, 2.5, 1.5, 0.0


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="demo",
    show_default=True,
    metavar="DIR",
    help="Folder for the recording, the truth, the events and the pictures.",
)
@layout_option(default="pack-corners")
@seed_option()
@json_option("the events, one a line")
def command(out: Path, layout_name: str, seed: int, as_json: bool) -> int:
    """Hear a simulated cell vent, name it, draw it; hear an air tool beside the pack, and raise no alarm.

    Simulates a pack in a cabin where one cell, drawn by the seed, vents under fan noise; then reads the recording as
    `trad-array localize` would, and says what was found beside what is true. A second recording holds an air tool left
    of the pack, which is heard and reported, but not from a cell. Everything is simulated, and the microphones' places
    are assumed.

    \b
    Example:
      trad-array demo --out demo --seed 7

    Writes recording.wav, truth.json, air-tool.wav, air-tool.truth.json, events.jsonl, heatmap.png, aligned.png and
    spectrogram.png.
    """
    from trad_array_geometry import load_layout

    layout = load_layout(layout_name)
    out.mkdir(parents=True, exist_ok=True)
    say(f"simulating {SECONDS:g} s of {layout.id}: {layout.n_cells} cells, {layout.n_mics} microphones, fan noise")
    truth = _simulate(layout, out, seed)
    _simulate_tool(layout, out, seed)
    say("listening")
    events, tool = _listen(layout, out / "recording.wav"), _listen(layout, out / "air-tool.wav")
    both = [*events, *tool]
    (out / "events.jsonl").write_text("".join(json_line(event) + "\n" for event in both), encoding="utf-8")
    for event in both:
        emit(event) if as_json else click.echo(event_line(event))
    _draw(layout, out, events, truth)
    return max(_verdict(out, events, truth), _tool_verdict(tool))


def _simulate(layout: "Layout", out: Path, seed: int) -> dict[str, Any]:
    """Make the recording; gives back its truth."""
    import numpy as np

    from trad_array.audio.files import write_recording
    from trad_array.simulation import simulate_scene

    rng = np.random.default_rng(seed)
    cell = layout.cell_names[int(rng.integers(layout.n_cells))]
    scene = simulate_scene(layout, rng=rng, cell=cell, rt60_s=RT60_S, snr_db=SNR_DB, seconds=SECONDS)
    write_recording(out / "recording.wav", scene.recording.samples, fs=scene.recording.fs)
    truth = {**scene.truth, "seed": seed}
    (out / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return truth


def _simulate_tool(layout: "Layout", out: Path, seed: int) -> None:
    """Make the recording of the air tool beside the cells, and its truth."""
    import numpy as np

    from trad_array.audio.files import write_recording
    from trad_array.simulation import simulate_scene
    from trad_array.simulation.places import CLEAR_OF_WALLS_M, room_box

    place = layout.cells.mean(axis=0)
    place[0] = max(layout.cells[:, 0].min() - TOOL_M, room_box(layout)[0, 0] + CLEAR_OF_WALLS_M)
    x, y, z = (float(value) for value in place)
    scene = simulate_scene(
        layout,
        rng=np.random.default_rng([seed, 1]),
        negative="air-tool",
        source_m=(x, y, z),
        rt60_s=RT60_S,
        snr_db=TOOL_SNR_DB,
        seconds=TOOL_SECONDS,
        onset_s=TOOL_ONSET_S,
        duration_s=TOOL_FOR_S,
    )
    write_recording(out / "air-tool.wav", scene.recording.samples, fs=scene.recording.fs)
    truth = {**scene.truth, "seed": seed}
    (out / "air-tool.truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")


def _listen(layout: "Layout", path: Path) -> list[dict[str, Any]]:
    """Events of the recording, read from the file like any other."""
    from trad_array.audio.files import RecordingReader, find_source
    from trad_array.chain import make_chain, run
    from trad_array.events import Origin, event_json, events_of

    chain = make_chain(layout)
    source = find_source(str(path), channels=layout.mic_channels)
    with RecordingReader(source, fs=chain.features.fs) as reader:
        origin = Origin(source=path.name, model="excess")
        return [event_json(event, chain, origin) for event in events_of(run(chain, reader.blocks()))]


def _draw(layout: "Layout", out: Path, events: list[dict[str, Any]], truth: dict[str, Any]) -> None:
    from trad_array.audio.files import find_source, read_recording

    path, onset_s = out / "recording.wav", float(truth["onset_s"])
    before = read_recording(path, first_s=max(0.0, onset_s - 2.0), last_s=onset_s)
    after = read_recording(path, first_s=onset_s, last_s=onset_s + 2.0)
    panels = {"normal: 2 s before the vent": before, f"abnormal: {truth['cell']} vents (simulated)": after}
    save_spectrograms(panels, out / "spectrogram.png")
    if events:
        save_heatmap(events[0], layout, out / "heatmap.png", fs=before.fs)
        source = find_source(str(path), channels=layout.mic_channels)
        save_aligned(events[0], source, layout, out / "aligned.png", fs=before.fs)


def _verdict(out: Path, events: list[dict[str, Any]], truth: dict[str, Any]) -> int:
    """Say found and true cell; an error when they differ."""
    found = events[0]["best"] if events else None
    say(f"true cell  {truth['cell']}, vented at {truth['onset_s']:.2f} s (simulated, SNR {truth['snr_db']:.1f} dB)")
    if not events:
        say("found cell none: no event was detected")
        return RUNTIME_ERROR
    say(f"found cell {found}, heard at {events[0]['onset_s']:.2f} s")
    pictures = ", ".join(str(out / f"{name}.png") for name in ("heatmap", "aligned", "spectrogram"))
    say(f"written    {pictures}, events.jsonl, truth.json, recording.wav, air-tool.wav")
    if len(events) > 1 or found != truth["cell"]:
        say(f"expected one event from {truth['cell']}, found {len(events)}, the first from {found}")
        return RUNTIME_ERROR
    return OK


def _tool_verdict(events: list[dict[str, Any]]) -> int:
    """Say what became of the air tool; an error when it raised an alarm."""
    if not events:
        say("air tool   not heard")
        return OK
    if any(event["level"] == "alarm" for event in events):
        say("expected no alarm from the air tool beside the cells, found one")
        return RUNTIME_ERROR
    heard = (events[0]["side"] or "elsewhere") if events[0]["verdict"] == "elsewhere" else "not placed"
    say(f"air tool   {heard}: no alarm (simulated, {TOOL_M:g} m left of the cells)")
    return OK
