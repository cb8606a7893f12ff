import pytest

from trad_array_geometry import Layout, load_layout


@pytest.fixture(scope="session")
def pack() -> Layout:
    return load_layout("pack-corners")


@pytest.fixture(scope="session")
def row() -> Layout:
    return load_layout("row-corners")
