"""The mel filter bank for the spectrograms of several models."""

from functools import cache

import numpy as np
from numpy.typing import DTypeLike, NDArray

from jasco.data.audio import SAMPLING_RATE


@cache
def mel_filters(
    bands: int, lowest: float, highest: float, fft: int, dtype: DTypeLike = np.float64
) -> NDArray[np.floating]:
    """Compute triangular filters of equal width on the mel scale, linear on that scale.

    The scale is that of HTK, ``1127 ln(1 + f / 700)``.

    Parameters
    ----------
    bands : int
        Number of filters.
    lowest, highest : float
        Edges of the first and the last filter, in Hz.
    fft : int
        Points of the Fourier transform of audio at 16 kHz.
    dtype : dtype
        Precision of the computation, which matters for narrow filters.

    Returns
    -------
    ndarray of dtype, shape (fft // 2 + 1, bands)

    Examples
    --------
    >>> mel_filters(bands=64, lowest=125, highest=7_500, fft=512).shape
    (257, 64)
    """
    low, high = 1127 * np.log1p(np.array([lowest, highest]) / 700)
    edges = low.astype(dtype) + np.arange(bands + 2, dtype=dtype) * ((high - low) / (bands + 1))
    edges = edges.astype(dtype)
    hertz = np.arange(fft // 2 + 1, dtype=dtype)[:, None] * (SAMPLING_RATE / fft)
    mel = 1127 * np.log1p(hertz / 700)
    rising = (mel - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mel) / (edges[2:] - edges[1:-1])
    filters: NDArray[np.floating] = np.maximum(0, np.minimum(rising, falling))
    return filters
