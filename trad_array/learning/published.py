"""What the LiB-TRAD paper reports, to stand beside our figures.

It was measured on other data: the figures may stand beside ours, but cannot be compared with them.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the paper's tables.

    kind : our scorer of that kind, see `learning.kinds.KINDS`
    auc : AUC of the three sets, or () where only their mean is published
    harmonic_mean : over the three sets, or None where only the sets are published
    ms_per_frame : inference time, or None
    """

    system: str
    kind: str
    auc: tuple[float, ...] = ()
    harmonic_mean: float | None = None
    ms_per_frame: float | None = None


# Tables 2 and 3 of the LiB-TRAD paper.
PUBLISHED = (
    Published("AE", "ae", harmonic_mean=0.5012, ms_per_frame=0.12),
    Published("BEATs", "beats", harmonic_mean=0.5173, ms_per_frame=3.52),
    Published("EAT", "eat", harmonic_mean=0.5697, ms_per_frame=1.84),
    Published("Dasheng", "dasheng", harmonic_mean=0.6112, ms_per_frame=0.95),
    Published("attention-AE", "attention-ae", harmonic_mean=0.6291, ms_per_frame=0.17),
    Published("CNN (supervised)", "cnn", auc=(0.9971, 0.9876, 0.9893)),
)
