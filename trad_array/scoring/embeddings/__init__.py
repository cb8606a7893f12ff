"""Windows of sound to vectors by an encoder that somebody else trained, and how far a vector lies from normal ones."""

from trad_array.scoring.embeddings.back_ends import BACK_ENDS, BackEnd
from trad_array.scoring.embeddings.encoder import ENCODERS, Encoder, load_encoder

__all__ = ["BACK_ENDS", "ENCODERS", "BackEnd", "Encoder", "load_encoder"]
