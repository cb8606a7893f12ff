"""Our filter bank is Kaldi's: compared with another implementation of it, and with the definition at single points."""

import math

import kaldi_native_fbank
import numpy as np
import pytest

from trad_array.scoring.embeddings.fbank import kaldi_fbank, n_frames_of


def by_kaldi(samples, window, n_mels):
    """The C++ code of kaldi-native-fbank."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = 16_000
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = window
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = n_mels
    options.mel_opts.low_freq = 20.0
    options.mel_opts.high_freq = 0.0
    options.use_energy = False
    computer = kaldi_native_fbank.OnlineFbank(options)
    computer.accept_waveform(16_000, samples.tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(n) for n in range(computer.num_frames_ready)])


@pytest.mark.parametrize("window", ["povey", "hanning"])
@pytest.mark.parametrize("scale", [1.0, 32_768.0])
@pytest.mark.parametrize("n_samples", [400, 16_000, 12_345])
def test_equal_to_kaldi(rng, window, scale, n_samples):
    """With 80 bands: Kaldi itself refuses 128, some of which hold no bin of the spectrum."""
    samples = scale * (0.1 * rng.standard_normal(n_samples) + 0.05)
    ours, theirs = kaldi_fbank(samples, n_mels=80, window=window), by_kaldi(samples, window, 80)
    assert ours.shape == (n_frames_of(n_samples), 80) == theirs.shape
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def by_definition(samples, n_mels):
    """The encoders' 128 bands, frame by frame and band by band."""
    hann = np.hanning(400)
    mel = [1127 * math.log(1 + 16_000 * bin / 512 / 700) for bin in range(257)]
    low, high = (1127 * math.log(1 + hz / 700) for hz in (20, 8000))
    step = (high - low) / (n_mels + 1)
    frames = []
    for first in range(0, len(samples) - 399, 160):
        frame = samples[first : first + 400] - samples[first : first + 400].mean()
        emphasised = np.array([frame[0] - 0.97 * frame[0], *(frame[1:] - 0.97 * frame[:-1])])
        power = np.abs(np.fft.fft(emphasised * hann**0.85, 512)) ** 2
        bands = []
        for band in range(n_mels):
            centre = low + (band + 1) * step
            weights = [max(0.0, 1 - abs(mel[bin] - centre) / step) for bin in range(256)]
            bands.append(max(float(np.dot(weights, power[:256])), 2.0**-23))
        frames.append(np.log(bands))
    return np.array(frames)


def test_equal_to_the_definition(rng):
    samples = 3_000 * rng.standard_normal(1_200)
    ours = kaldi_fbank(samples)
    np.testing.assert_allclose(ours, by_definition(samples, 128), rtol=1e-5, atol=1e-5)
    # Bands that lie between two bins of the spectrum hold nothing, whatever is heard.
    assert (ours == np.float32(np.log(2.0**-23))).all(axis=0).any()


def test_silence_and_a_constant_are_the_floor():
    floor = np.log(np.finfo(np.float32).eps)
    for level in (0.0, 0.5):
        np.testing.assert_allclose(kaldi_fbank(np.full(16_000, level)), floor, rtol=1e-6)


def test_a_tone_is_in_its_band():
    """1 kHz: mel 1000 of 1127 ln(1 + f/700), which spaces 128 bands evenly between 20 Hz and 8 kHz."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    mel = [1127 * np.log(1 + hz / 700) for hz in (20, 1000, 8000)]
    band = (mel[1] - mel[0]) / ((mel[2] - mel[0]) / 129) - 1
    assert np.abs(kaldi_fbank(tone).mean(axis=0).argmax() - band) <= 1.0


def test_too_short_gives_nothing():
    assert kaldi_fbank(np.zeros(399)).shape == (0, 128)
