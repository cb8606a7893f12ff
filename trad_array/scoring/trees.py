"""Boosted trees as arrays: all trees of all frames at once, on NumPy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trad_array.scoring.model_file import require
from trad_array_geometry import frozen_array

MAX_DEPTH = 12
MAX_TREES = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Sum over binary trees, each filled up to one depth. Node k has the children 2 k + 1 and 2 k + 2.

    feature : (n_trees, 2 ** depth - 1), index of the value that a node looks at
    threshold : the same shape; a value below it goes left
    leaf : (n_trees, 2 ** depth)
    base : what the sum starts with
    """

    feature: NDArray[np.intp]
    threshold: NDArray[np.float32]
    leaf: NDArray[np.float32]
    base: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "feature", frozen_array(self.feature, np.intp))
        object.__setattr__(self, "threshold", frozen_array(self.threshold, np.float32))
        object.__setattr__(self, "leaf", frozen_array(self.leaf, np.float32))
        n_trees, n_nodes = self.feature.shape
        if self.threshold.shape != (n_trees, n_nodes) or self.leaf.shape != (n_trees, n_nodes + 1):
            raise ValueError(
                f"trees: expected {n_trees} x {n_nodes} thresholds and one leaf more, found "
                f"{self.threshold.shape} and {self.leaf.shape}"
            )

    @property
    def depth(self) -> int:
        """Questions on the way to a leaf."""
        return int(self.leaf.shape[1]).bit_length() - 1

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum of the leaves, shape (n,), of values, shape (n, n_values)."""
        trees = np.arange(len(self.leaf))
        node = np.zeros((len(values), len(trees)), dtype=np.intp)
        rows = np.arange(len(values))[:, None]
        for _ in range(self.depth):
            right = values[rows, self.feature[trees, node]] >= self.threshold[trees, node]
            node = 2 * node + 1 + right
        leaves = self.leaf[trees, node - self.feature.shape[1]]
        total: NDArray[np.float64] = leaves.sum(axis=1, dtype=np.float64) + self.base
        return total

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Its numbers, by name."""
        return {
            "trees/feature": self.feature.astype(np.int32),
            "trees/threshold": self.threshold,
            "trees/leaf": self.leaf,
            "trees/base": np.array(self.base),
        }

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]], *, n_values: int) -> Self:
        """Opposite of `arrays`; raises KeyError or ValueError when they do not fit trees over `n_values` values."""
        n_trees, n_leaves = np.atleast_2d(arrays["trees/leaf"]).shape
        depth = n_leaves.bit_length() - 1
        if n_leaves != 2**depth or not 1 <= depth <= MAX_DEPTH or not 0 < n_trees <= MAX_TREES:
            raise ValueError(f"trees: expected up to {MAX_TREES} trees of 2 ** depth leaves, found {n_trees, n_leaves}")
        shape = (n_trees, n_leaves - 1)
        feature = require(arrays, "trees/feature", shape, np.float64).astype(np.intp)
        if feature.min() < 0 or feature.max() >= n_values:
            raise ValueError(f"trees: expected values 0 to {n_values - 1}, found {feature.min()} to {feature.max()}")
        return cls(
            feature=feature,
            threshold=require(arrays, "trees/threshold", shape),
            leaf=require(arrays, "trees/leaf", (n_trees, n_leaves)),
            base=float(require(arrays, "trees/base", (), np.float64)),
        )


def filled_trees(trees: list[dict[str, Any]], *, base: float) -> Trees:
    """Trees of any shape, filled up to the depth of the deepest.

    Parameters
    ----------
    trees : of each tree the lists `left_children`, `right_children` (-1 at a leaf), `split_indices` and
        `split_conditions` (threshold of a node, value of a leaf), as XGBoost writes them
    base : what the sum starts with
    """
    depth = max(1, *(_depth(tree, 0) for tree in trees))
    n_nodes = 2**depth - 1
    feature = np.zeros((len(trees), n_nodes), dtype=np.intp)
    # Below a leaf it does not matter where a value goes: all leaves there hold the same.
    threshold = np.zeros((len(trees), n_nodes), dtype=np.float32)
    leaf = np.zeros((len(trees), n_nodes + 1), dtype=np.float32)
    for k, tree in enumerate(trees):
        _fill(tree, 0, 0, feature[k], threshold[k], leaf[k])
    return Trees(feature=feature, threshold=threshold, leaf=leaf, base=base)


def _depth(tree: dict[str, Any], node: int) -> int:
    if tree["left_children"][node] < 0:
        return 0
    return 1 + max(_depth(tree, tree[side][node]) for side in ("left_children", "right_children"))


def _fill(
    tree: dict[str, Any],
    node: int,
    place: int,
    feature: NDArray[np.intp],
    threshold: NDArray[np.float32],
    leaf: NDArray[np.float32],
) -> None:
    """Copy a node of a tree, and all below it, to its place in the filled tree."""
    inner = tree["left_children"][node] >= 0
    if place >= len(feature):
        leaf[place - len(feature)] = tree["split_conditions"][node]
        return
    if inner:
        feature[place], threshold[place] = tree["split_indices"][node], tree["split_conditions"][node]
    for side, child in (("left_children", 2 * place + 1), ("right_children", 2 * place + 2)):
        _fill(tree, tree[side][node] if inner else node, child, feature, threshold, leaf)
