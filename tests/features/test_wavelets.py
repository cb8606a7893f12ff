"""Wavelets give what PyWavelets gives, and lose nothing."""

import numpy as np
import pytest
import pywt

from trad_array.errors import AudioError
from trad_array.features.wavelets import DB4, decomposed, halves, packet_energies, recomposed, soft_threshold


@pytest.fixture
def sound():
    return np.random.default_rng(5).normal(size=(3, 256))


@pytest.mark.parametrize("name", ["db1", "db4", "sym5", "db8"])
def test_decomposition_is_that_of_pywavelets(sound, name):
    low = np.array(pywt.Wavelet(name).dec_lo)
    expected = pywt.wavedec(sound, name, mode="periodization", level=4)
    for found, wanted in zip(decomposed(sound, low, levels=4), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("name", ["db1", "db4", "db8"])
def test_packets_are_those_of_pywavelets_in_order_of_frequency(sound, name):
    packets = pywt.WaveletPacket(sound[0], name, mode="periodization", maxlevel=4)
    expected = [np.sum(node.data**2) for node in packets.get_level(4, "freq")]
    found = packet_energies(sound, np.array(pywt.Wavelet(name).dec_lo), levels=4)
    np.testing.assert_allclose(found[0], expected, rtol=1e-9)
    np.testing.assert_allclose(found.sum(axis=1), np.sum(sound**2, axis=1))


def test_the_filter_is_daubechies_four():
    np.testing.assert_allclose(DB4, pywt.Wavelet("db4").dec_lo, atol=1e-12)


def test_a_tone_lies_in_its_band():
    tone = np.sin(2 * np.pi * 2_900 / 16_000 * np.arange(1024))
    energies = packet_energies(tone, DB4, levels=5)
    assert energies.argmax() == 2_900 // 250
    assert energies[10:13].sum() > 0.8 * energies.sum()


@pytest.mark.parametrize("levels", [1, 5])
def test_nothing_is_lost(sound, levels):
    parts = decomposed(sound, DB4, levels=levels)
    assert sum(np.sum(part**2) for part in parts) == pytest.approx(np.sum(sound**2))
    np.testing.assert_allclose(recomposed(parts, DB4), sound, atol=1e-12)


def test_what_is_below_the_threshold_is_gone():
    np.testing.assert_array_equal(soft_threshold(np.array([-3.0, -1.0, 0.5, 2.0]), 1.0), [-2.0, 0.0, 0.0, 1.0])


def test_an_odd_number_of_samples_is_said():
    with pytest.raises(AudioError, match="expected an even number of samples, found 7"):
        halves(np.zeros(7), DB4)
