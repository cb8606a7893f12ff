"""A layout as the localizer is given it, from a study's points."""

from dataclasses import replace

import numpy as np

from trad_array.study.records import Choice, Points, Site
from trad_array_geometry import Layout


def choice_layout(site: Site, points: Points, choice: Choice) -> Layout:
    """The site's layout with microphones at the points of a choice, channels numbered in their order."""
    at = list(choice.points)
    n = len(at)
    return replace(
        site.layout,
        id=choice.name,
        provenance="assumed",
        calibration=None,
        mics=points.positions_m[at],
        mic_names=tuple(points.names[k] for k in at),
        mic_channels=tuple(range(1, n + 1)),
        mic_roles=("array",) * n,
        mic_sigma_m=points.sigma_m[at],
        mic_delay_s=np.zeros(n),
        mic_delay_sigma_s=points.delay_sigma_s[at],
    )
