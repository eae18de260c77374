"""How close samples come back, measured on values of the original dtype.

Next door: `report` and `restored` run a model over a set of samples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from narrows.data.samples import Description
from narrows.io.arrays import Array

Floats = npt.NDArray[np.float64]
SSIM_SIGMA = 1.5  # of the Gaussian window, as in the paper; its window is 11 pixels wide
PSNR_CAP_DB = 100.0  # for a perfect sample, so that means stay finite


def squared_errors(originals: Array, reconstructions: Array, description: Description) -> Floats:
    """Squared error of each sample `(N, ...)`, summed over its values scaled to 0..1: `(N,)`."""
    difference = (reconstructions.astype(np.float64) - originals.astype(np.float64)) / description.spans
    sums: Floats = np.square(difference).reshape(len(originals), -1).sum(axis=1)
    return sums


def psnr_db(mse: npt.ArrayLike) -> Floats:
    """Peak signal-to-noise ratio in dB of each sample from its MSE per value in 0..1, at most 100."""
    ratio: Floats = np.minimum(-10 * np.log10(np.maximum(mse, 1e-30)), PSNR_CAP_DB)
    return ratio


def signal_to_noise_db(originals: Array, reconstructions: Array) -> tuple[Floats, Floats]:
    """SNR in dB of signals `(N, T, C)`, and SI-SDR (Le Roux et al., ICASSP 2019): the same for the signal as loud as
    it came back, so that a change of volume alone is no noise. Each `(N,)` and at most 100; 0 for silence."""
    x, y = (array.astype(np.float64).reshape(len(array), -1) for array in (originals, reconstructions))
    power = np.square(x).sum(axis=1)
    scale = (x * y).sum(axis=1) / np.where(power > 0, power, 1)
    found = []
    for loudness in (np.ones(len(x)), scale):
        wanted = loudness**2 * power
        noise = np.square(y - loudness[:, None] * x).sum(axis=1)
        ratio = np.where(power > 0, wanted / np.maximum(noise, 1e-10 * wanted + 1e-300), 1)
        found.append(10 * np.log10(np.maximum(ratio, 1e-10)))
    return found[0], found[1]


def ssim(originals: Array, reconstructions: Array, description: Description) -> Floats | None:
    """Structural similarity of each image `(N, H, W, C)`, by torchmetrics (Wang et al., IEEE TIP 13, 2004).

    Images with a side under 11 pixels get a smaller window; None with a side under 5 pixels.
    """
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure  # loads Matplotlib and SciPy

    side = min(originals.shape[1:3])
    sigma = SSIM_SIGMA if side >= 11 else {10: 1.2, 9: 1.2, 8: 0.9, 7: 0.9, 6: 0.6, 5: 0.6}.get(side)
    if sigma is None:
        return None
    scaled = [
        torch.from_numpy((array.astype(np.float32) - description.low) / (description.high - description.low))
        for array in (reconstructions, originals)
    ]
    x_hat, x = (tensor.permute(0, 3, 1, 2).float() for tensor in scaled)
    value = structural_similarity_index_measure(x_hat, x, sigma=sigma, data_range=1.0, reduction="none")
    assert isinstance(value, torch.Tensor)
    return value.reshape(-1).double().numpy()


class Score:
    """How close one way brings samples back, added up batch by batch; errors count values scaled to 0..1."""

    def __init__(self, name: str, description: Description) -> None:
        self.name, self.description = name, description
        self._sums: list[float] = []  # the squared error of each sample
        self._sizes: list[int] = []  # and the number of its values
        self._similarities: list[float] = []
        self._ratios: list[tuple[float, float]] = []  # SNR and SI-SDR of each signal
        self._seconds, self._pixels = 0.0, 0

    def add(self, originals: Array, found: Array, seconds: float | None = None) -> None:
        """Count a batch of samples of one size, both `(n, ...)`, and the seconds that it took, if measured."""
        self.add_errors(squared_errors(originals, found, self.description), originals[0].size)
        if originals.ndim == 4 and (alike := ssim(originals, found, self.description)) is not None:
            self._similarities += alike.tolist()
        if originals.ndim == 3:
            self._ratios += zip(*(each.tolist() for each in signal_to_noise_db(originals, found)), strict=True)
        if seconds is not None:
            self._seconds += seconds
            self._pixels += int(np.prod(originals.shape[: 2 if originals.ndim == 3 else 3]))  # or steps

    def add_errors(self, sums: Floats, size: int) -> None:
        """Count samples of `size` values each by their summed squared errors `(n,)`."""
        self._sums += sums.tolist()
        self._sizes += [size] * len(sums)

    def of(self, numbers: npt.NDArray[np.int64]) -> Score:
        """The score of some of the samples that were counted, with the seconds of all."""
        part = Score(self.name, self.description)
        part._sums, part._sizes = ([values[n] for n in numbers] for values in (self._sums, self._sizes))
        if len(self._similarities) == len(self._sums):
            part._similarities = [self._similarities[n] for n in numbers]
        if len(self._ratios) == len(self._sums):
            part._ratios = [self._ratios[n] for n in numbers]
        part._seconds, part._pixels = self._seconds, self._pixels
        return part

    @property
    def samples(self) -> int:
        """How many samples were counted."""
        return len(self._sums)

    @property
    def errors(self) -> Floats:
        """The MSE of each sample, `(N,)`; if sizes differ, large samples count more in `mse` than here."""
        errors: Floats = np.array(self._sums) / np.array(self._sizes)
        return errors

    @property
    def mse(self) -> float:
        """The mean squared error per value."""
        return float(np.sum(self._sums) / np.sum(self._sizes))

    @property
    def squared_error(self) -> float:
        """The squared error summed over a sample, averaged over samples."""
        return float(np.mean(self._sums))

    @property
    def psnr_db(self) -> float:
        """PSNR in dB, averaged over samples."""
        return float(psnr_db(self.errors).mean())

    @property
    def snrs_db(self) -> Floats:
        """The SNR of each signal in dB, `(N,)`; empty for other samples."""
        return np.array([snr for snr, _ in self._ratios])

    @property
    def snr_db(self) -> float | None:
        """SNR in dB, averaged over signals; None for other samples."""
        return float(np.mean([snr for snr, _ in self._ratios])) if self._ratios else None

    @property
    def si_sdr_db(self) -> float | None:
        """SI-SDR in dB, averaged over signals; None for other samples."""
        return float(np.mean([ratio for _, ratio in self._ratios])) if self._ratios else None

    @property
    def ssim(self) -> float | None:
        """SSIM averaged over images; None if no image is large enough."""
        return float(np.mean(self._similarities)) if self._similarities else None

    @property
    def seconds_per_megapixel(self) -> float | None:
        """None if no times were measured."""
        return self._seconds / self._pixels * 1e6 if self._pixels else None
