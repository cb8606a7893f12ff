"""How a scorer is fitted."""

from dataclasses import dataclass, field, replace

from trad_array.errors import ConfigError
from trad_array.features import FeatureSpec
from trad_array.scoring.attention_ae import READINGS, SCORES
from trad_array.scoring.embeddings.back_ends import BACK_ENDS
from trad_array.scoring.wavelet_xgboost import ENERGIES

LABELLINGS = ("segment", "truth")


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How a scorer is fitted; what does not concern its kind is not looked at.

    features : FeatureSpec
    attention : reading of the paper's attention, see `scoring.attention_ae`; "none" is used for the kind "ae"
    distance : "mahalanobis" (equation 4) or "mse", for the autoencoders
    context : frames per decision of the reading "window" and of the cnn; our choice
    epochs, batch, learning_rate : the paper's (section 4)
    train_share : share of the recordings to train with, the paper's
    calibration_share : share of the normal training recordings kept for calibration; our choice
    patch_hop : frames between the patches that the cnn is trained on; our choice
    labels : what the cnn takes for abnormal: "segment" (all of an abnormal recording, the paper's) or "truth" (what
        lies between the true onset and end)
    encoder : file or folder with the weights of an encoder, see `scoring.embeddings.encoder`
    back_end : how vectors of an encoder are compared with normal ones, see `scoring.embeddings.back_ends`
    early_stop : 0, or epochs without progress on recordings kept from the fit after which training ends; the weights of
        the best epoch are kept. Our choice: the paper trains all its epochs.
    validation_share : share of the recordings to fit on that are kept apart for that; our choice
    energies : "relative" or "absolute", of wavelet packets, see `scoring.wavelet_xgboost`
    labels : what a supervised kind takes for abnormal: "segment" (all of an abnormal recording, the paper's) or "truth"
        (what lies between the true onset and end)
    """

    features: FeatureSpec = field(default_factory=FeatureSpec)
    attention: str = "components"
    distance: str = "mahalanobis"
    context: int = 16
    epochs: int = 200
    batch: int = 128
    learning_rate: float = 1e-3
    train_share: float = 0.8
    calibration_share: float = 0.1
    patch_hop: int = 8
    labels: str = "segment"
    encoder: str | None = None
    back_end: str = "knn"
    energies: str = "relative"
    early_stop: int = 0
    validation_share: float = 0.1

    def __post_init__(self) -> None:
        for name, known in (
            ("attention", READINGS),
            ("distance", SCORES),
            ("labels", LABELLINGS),
            ("back_end", BACK_ENDS),
            ("energies", ENERGIES),
        ):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}: expected one of {', '.join(known)}, found {getattr(self, name)!r}")
        for name in ("epochs", "batch", "patch_hop"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: expected at least 1, found {getattr(self, name)}")
        if self.early_stop < 0:
            raise ConfigError(f"early_stop: expected 0 or more epochs, found {self.early_stop}")
        if not 8 <= self.context <= 1024:
            raise ConfigError(f"context: expected 8 to 1024 frames, found {self.context}")
        if not 0 < self.learning_rate < 1:
            raise ConfigError(f"learning_rate: expected more than 0 and less than 1, found {self.learning_rate:g}")


def without_attention(options: TrainingOptions) -> TrainingOptions:
    """The options of the plain autoencoder, whatever reading was asked for."""
    return replace(options, attention="none")


def of_samples(options: TrainingOptions) -> TrainingOptions:
    """The options of a scorer that is fed the waveform, whatever front end was asked for."""
    return replace(options, features=replace(options.features, front_end="waveform"))
