"""Sound to frames: log-mel and the tracked noise floor."""

from trad_array.features.log_mel import FeatureSpec, band_centres_hz, frames_of, log_mel
from trad_array.features.noise_floor import NoiseFloor

__all__ = ["FeatureSpec", "NoiseFloor", "band_centres_hz", "frames_of", "log_mel"]
