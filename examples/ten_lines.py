"""A recording to a picture of the suspected cells, in ten lines: python examples/ten_lines.py RECORDING.wav OUT.png."""

import sys

from matplotlib.figure import Figure

from trad_array import blocks, cell_heatmap, events_of, load_layout, make_chain, read_recording, run

layout = load_layout("pack-corners")
recording = read_recording(sys.argv[1])
chain = make_chain(layout)
for event in events_of(run(chain, blocks(recording))):
    print(f"{event.detection.onset / recording.fs:.2f} s: {event.level}")
    if event.cell_map is not None:
        print("best cell:", layout.cell_names[event.cell_map.best])
        figure = Figure(figsize=(12, 9))
        cell_heatmap(event.cell_map, layout, figure.subplots())
        figure.savefig(sys.argv[2])
