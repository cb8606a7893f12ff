"""Checkpoints of other people to networks of ours: only numbers are read, and every tensor must fit."""

import argparse
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from trad_array.errors import WeightsError

State = dict[str, torch.Tensor]

# Plain containers of numbers that training frameworks leave in their checkpoints. They can do nothing when loaded.
_SCALAR: Any = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    # Under the names of both generations of NumPy.
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
    *(type(np.dtype(code)) for code in "?bhilBHILfd"),
]


def read_checkpoint(path: Path, *keys: str) -> dict[str, Any]:
    """What a torch checkpoint holds; never runs code that is in it.

    Parameters
    ----------
    keys : which it must hold, each a dictionary

    Raises
    ------
    WeightsError
        If it cannot be read, holds objects other than numbers, texts and containers of them, or lacks a key.
    """
    try:
        with torch.serialization.safe_globals(_HARMLESS), warnings.catch_warnings():
            # torch wonders about unusual pickles, which the line below is about.
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as trouble:
        raise WeightsError(f"{path}: cannot be read: {trouble.strerror or trouble}") from trouble
    except pickle.UnpicklingError as trouble:
        raise WeightsError(
            f"{path}: expected a checkpoint that holds numbers only, found a damaged one or one that wants to run "
            "code when it is loaded; nothing was run"
        ) from trouble
    except Exception as trouble:  # torch, zipfile and pickle each have their own ways to say "damaged"
        raise WeightsError(
            f"{path}: expected a torch checkpoint, found something else or a damaged one ({type(trouble).__name__})"
        ) from trouble
    if not isinstance(found, dict):
        raise WeightsError(f"{path}: expected a checkpoint with {_listed(keys)}, found {type(found).__name__}")
    for key in keys:
        if not isinstance(found.get(key), Mapping):
            has = _listed(sorted(str(name) for name in found)[:6]) or "nothing"
            raise WeightsError(f"{path}: expected a checkpoint with {_listed(keys)}, found {has}")
    return found


def number(path: Path, settings: Mapping[str, Any], name: str, default: int, *, highest: int = 65_536) -> int:
    """A whole number from 1 to `highest` of a checkpoint's settings."""
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
        raise WeightsError(f"{path}: {name}: expected a whole number from 1 to {highest}, found {value!r}")
    return value


def check_heads(path: Path, n_values: int, n_heads: int) -> None:
    """Raise WeightsError unless a vector can be shared among that many heads."""
    if n_values % n_heads:
        raise WeightsError(f"{path}: expected vectors of a multiple of {n_heads} heads, found {n_values} numbers")


def filled(path: Path, what: str, make: Callable[[], nn.Module], state: Mapping[str, Any]) -> nn.Module:
    """A network with the weights of a checkpoint, ready to run; tensors that it has no use for are passed over.

    Raises
    ------
    WeightsError
        If a tensor is missing, of another shape, or not finite.
    """
    with torch.device("meta"):
        # Nothing is allocated, whatever size the checkpoint's settings ask for.
        net = make()
    wanted: State = {}
    for name, like in net.state_dict().items():
        wanted[name] = tensor(path, what, state, name, tuple(like.shape))
    net.load_state_dict(wanted, assign=True)
    return net.eval().requires_grad_(False)


def tensor(path: Path, what: str, state: Mapping[str, Any], name: str, shape: tuple[int, ...] | None) -> torch.Tensor:
    """One tensor of a checkpoint in single precision; `shape` None takes any."""
    values = state.get(name)
    if not isinstance(values, torch.Tensor):
        raise WeightsError(f"{path}: expected {name!r} in the weights of {what}, found none")
    if shape is not None and tuple(values.shape) != shape:
        raise WeightsError(f"{path}: {name}: expected shape {shape}, found {tuple(values.shape)}")
    if not values.dtype.is_floating_point and values.dtype not in (torch.int64, torch.int32):
        raise WeightsError(f"{path}: {name}: expected numbers, found {values.dtype}")
    values = values.to(torch.float32)
    if not bool(torch.isfinite(values).all()):
        raise WeightsError(f"{path}: {name}: expected finite numbers, found NaN or infinities")
    return values


def _listed(names: Any) -> str:
    return ", ".join(f"{name!r}" for name in names)
