import pytest

GOOD = """schema = 1
id = "bench"
provenance = "measured"

[air]
temperature_c = 20.0

[room]
max_m = [4.0, 3.0, 2.5]

[cells]
rows = 2
columns = 3
pitch_m = 0.1
row_pitch_m = 0.2
origin_m = [1.0, 1.0, 0.5]
valve_offset_m = [0.0, 0.0, 0.2]

[[mics]]
name = "A"
position_m = [0.9, 0.9, 0.8]

[[mics]]
name = "B"
position_m = [1.3, 0.9, 0.9]

[[mics]]
name = "C"
position_m = [1.3, 1.3, 0.75]

[[mics]]
name = "D"
channel = 7
position_m = [0.9, 1.3, 1.2]
role = "reference"

[[guards]]
name = "fan"
position_m = [0.2, 0.2, 2.0]
"""


@pytest.fixture(scope="session")
def good() -> str:
    return GOOD
