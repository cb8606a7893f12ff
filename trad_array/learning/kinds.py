"""Every kind of scorer that can be fitted: adding one is a module with a function, and one line here.

Its scorer class is listed in `scoring.model_file.STORED_SCORERS` under the same name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from trad_array.learning.job import Job
from trad_array.scoring.embeddings.encoder import ENCODERS
from trad_array.scoring.frame_scorer import StoredScorer

FitKind = Callable[[Job], tuple[StoredScorer, tuple[float, ...]]]

# Packages that fits import, and what they are called when they are installed.
TRAINING_PACKAGES: Mapping[str, str] = {"torch": "torch", "sklearn": "scikit-learn", "xgboost": "xgboost-cpu"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How a scorer is fitted.

    fit : "module:function", which takes a `Job` and gives the scorer and the loss of every epoch, () without epochs
    about : one line for a person
    supervised : whether it learns from abnormal recordings too
    prepare : "module:function" from the options asked for to those of this kind, such as its features, or None
    packages : whose versions are stored with the model
    epochs : whether it is trained in epochs, and may stop early
    """

    fit: str
    about: str
    supervised: bool = False
    prepare: str | None = None
    packages: tuple[str, ...] = ("scikit-learn",)
    epochs: bool = False


def _encoder(name: str) -> Kind:
    """A bank of vectors that an encoder of somebody else gives of normal sound."""
    return Kind(
        "trad_array.learning.embedding:fit_kind",
        ENCODERS[name].about,
        prepare=f"trad_array.learning.embedding:for_{name}",
        packages=ENCODERS[name].packages,
    )


_NETWORK = ("scikit-learn", "torch")
KINDS: Mapping[str, Kind] = {
    "gaussian": Kind("trad_array.learning.covariance:fit_kind", "distance of a frame from normal ones"),
    "ae": Kind(
        "trad_array.learning.torch_autoencoder:fit_kind",
        "the paper's autoencoder without attention",
        prepare="trad_array.learning.options:without_attention",
        packages=_NETWORK,
        epochs=True,
    ),
    "attention-ae": Kind(
        "trad_array.learning.torch_autoencoder:fit_kind",
        "the paper's autoencoder with attention",
        packages=_NETWORK,
        epochs=True,
    ),
    "cnn": Kind(
        "trad_array.learning.torch_cnn:fit_kind",
        "the paper's supervised network",
        supervised=True,
        packages=_NETWORK,
        epochs=True,
    ),
    "bottleneck-ae": Kind(
        "trad_array.learning.torch_bottleneck:fit_kind",
        "autoencoder of five frames, as in DCASE task 2",
        packages=_NETWORK,
        epochs=True,
    ),
    "wavelet-xcorr": Kind(
        "trad_array.learning.thresholds:fit_kind",
        "what a wavelet threshold leaves over, after Lyu 2021",
        prepare="trad_array.learning.options:of_samples",
        packages=(),
    ),
    "wavelet-xgboost": Kind(
        "trad_array.learning.boosted:fit_kind",
        "wavelet packet energies and boosted trees, after Su 2021",
        supervised=True,
        prepare="trad_array.learning.options:of_samples",
        packages=("xgboost-cpu",),
        epochs=True,
    ),
    **{name: _encoder(name) for name in ENCODERS},
}


def named(where: str) -> Any:
    """What stands at "module:name"."""
    module, _, name = where.partition(":")
    return getattr(import_module(module), name)
