"""The figures of docs/measured-responses.md: the page's own layout, responses simulated at 48 kHz, one second of hiss.

python benchmarks/localization/measured_room.py [--rooms 10]
"""

import argparse
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve  # noqa: TID253

from trad_array import events_of, load_layout, make_chain, run
from trad_array.audio.files import RecordingReader, find_source, write_recording
from trad_array.simulation.rooms import room_responses
from trad_array.simulation.trials import delayed
from trad_array_geometry import Layout

PAGE = Path(__file__).parents[2] / "docs" / "measured-responses.md"
BOX_M = np.array([[0.0, 0.0, 0.0], [6.0, 4.8, 3.0]])
FS = 48_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rooms", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "my-room.toml"
        page = PAGE.read_text(encoding="utf-8")
        path.write_text(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1], encoding="utf-8")
        layout = load_layout(path)
        late = np.array([0.0, 0.0, 262e-6, 0.0])
        for text, said, snr_db, rt60_s, skew_s, moved_m in (
            ("0 dB", layout, 0.0, 0.57, None, 0.0),
            ("-5 dB", layout, -5.0, 0.57, None, 0.0),
            ("one channel 9 cm (262 us) late", layout, 0.0, 0.57, late, 0.0),
            ("each microphone 3 cm off", layout, 0.0, 0.57, None, 0.03),
            ("air 10 degrees warmer", replace(layout, temperature_c=layout.temperature_c - 10), 0.0, 0.57, None, 0.0),
            ("RT60 1.0 s", layout, 0.0, 1.0, None, 0.0),
            ("with [room], 0 dB", replace(layout, box_m=BOX_M), 0.0, 0.57, None, 0.0),
            ("with [room], -5 dB", replace(layout, box_m=BOX_M), -5.0, 0.57, None, 0.0),
        ):
            right = alarms = wrong_alarms = n = 0
            for room in range(options.rooms):
                rng = np.random.default_rng([room, 3])
                true = replace(layout, mics=layout.mics + moved_m * rng.standard_normal(layout.mics.shape))
                for cell, level, best in _events(said, true, rng, folder, snr_db=snr_db, rt60_s=rt60_s, skew_s=skew_s):
                    n += 1
                    right += best == cell
                    alarms += level == "alarm"
                    wrong_alarms += level == "alarm" and best != cell
            print(f"| {text} | {right} of {n} | {alarms} alarms, {wrong_alarms} of them wrong |", flush=True)


def _events(
    said: Layout,
    true: Layout,
    rng: np.random.Generator,
    folder: str,
    *,
    snr_db: float,
    rt60_s: float,
    skew_s: NDArray[np.float64] | None,
):
    made = room_responses(
        BOX_M, true.cells, true.mics, rt60_s=rt60_s, fs=FS, speed_of_sound=true.speed_of_sound, rng=rng
    )
    for cell, response in enumerate(made.impulse):
        heard = fftconvolve(rng.standard_normal(FS)[None, :], response, axes=1)
        event = 0.02 * rng.standard_normal((true.n_mics, heard.shape[1] + 3 * FS))
        event[:, 2 * FS :][:, : heard.shape[1]] += 0.02 * 10 ** (snr_db / 20) * heard / heard.std()
        if skew_s is not None:
            event = delayed(event, skew_s, fs=FS)
        path = Path(folder) / "event.wav"
        write_recording(path, event.astype(np.float32), fs=FS)
        with RecordingReader(find_source(str(path), channels=said.mic_channels, channel_map=None), fs=16_000) as reader:
            found = list(events_of(run(make_chain(said), reader.blocks())))
        yield cell, found[0].level if found else "none", found[0].cell_map.best if found else -1


if __name__ == "__main__":
    main()
