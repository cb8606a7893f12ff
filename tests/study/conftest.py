"""A small site: a few cells of a row in its shipped room, microphones around them."""

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from trad_array.study.records import Choice, Condition, Points, Site, Study
from trad_array_geometry import load_layout


def _points_at(positions_m: np.ndarray) -> Points:
    n = len(positions_m)
    names = tuple(f"p{k}" for k in range(n))
    return Points(names, positions_m, ("here",) * n, np.full(n, 0.005), np.full(n, 30e-6))


@contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limit[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)


@pytest.fixture(scope="session")
def points_at() -> Callable[[np.ndarray], Points]:
    """Points at these places."""
    return _points_at


@pytest.fixture(scope="session")
def files_up_to() -> Callable[[int], AbstractContextManager[None]]:
    """While it lasts, the system refuses to write files larger than so many bytes: a full disk, for real."""
    return _files_up_to


@pytest.fixture(scope="session")
def small_site() -> Site:
    return Site(load_layout("row-corners"), np.array([0, 6, 12]), jet_heights_m=(0.0, 0.05))


@pytest.fixture(scope="session")
def small_points(small_site: Site) -> Points:
    """The four microphones of the layout, then two at other places."""
    return _points_at(np.vstack([small_site.layout.mics, [[1.0, 2.6, 2.1], [4.9, 0.7, 2.2]]]))


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small_study(small_site: Site, small_points: Points) -> Study:
    choices = (Choice("corners", (0, 1, 2, 3)), Choice("other", (0, 1, 4, 5)))
    return Study("small", 7, small_site, small_points, choices, (Condition(0.2, -12.0),))
