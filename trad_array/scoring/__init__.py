"""Frames to scores: how unlike normal sound each frame is. Scoring runs without torch."""

from trad_array.scoring.frame_scorer import FrameScorer, StoredScorer
from trad_array.scoring.model_file import Model, load_model, save_model

__all__ = ["FrameScorer", "Model", "StoredScorer", "load_model", "save_model"]
