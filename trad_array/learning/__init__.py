"""Where scorers are fitted and compared. Heavy: torch and scikit-learn, imported only when a fit needs them."""

from trad_array.learning.dataset import Dataset, Segment, find_dataset
from trad_array.learning.evaluation import SystemResult, evaluate
from trad_array.learning.job import Watch
from trad_array.learning.options import TrainingOptions
from trad_array.learning.training import Fitted, fit, train_to_file

__all__ = [
    "Dataset",
    "Fitted",
    "Segment",
    "SystemResult",
    "TrainingOptions",
    "Watch",
    "evaluate",
    "find_dataset",
    "fit",
    "train_to_file",
]
