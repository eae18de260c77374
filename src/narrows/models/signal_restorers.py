"""How models that restore signals are built for a request. Next door: `makers` builds all others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import nn

from narrows.degradations.base import Degradation
from narrows.errors import SettingsError
from narrows.models.base import Grid, Recipe
from narrows.models.makers import Request
from narrows.models.restorer import Restorer
from narrows.networks import spectral, waveform

CROP_WINDOWS = 16  # windows of spectra in the crops that signals are learned from


def of_spectra(request: Request, recipe: Recipe) -> Restorer:
    """A network over spectra, for signals."""
    inputs, channels, degradation = _signals(request)
    width, window = request.chosen_width("width", spectral.WIDTH, 8, 2048), _window(request)
    with request.random_weights():
        noise = degradation.task == "denoise"
        halves = spectral.spectral(inputs, channels, width, window, noise, degradation.scale)
    return _of_signals(request, recipe, width, degradation, *halves)


def of_waveforms(request: Request, recipe: Recipe) -> Restorer:
    """A network over the waveform, for signals."""
    inputs, channels, degradation = _signals(request)
    width = request.chosen_width("width", waveform.WIDTH, 8, 2048)
    with request.random_weights():
        fold = waveform.fold_of(request.description.rate, degradation.scale)
        halves = waveform.waveform(inputs, channels, width, fold)
    return _of_signals(request, recipe, width, degradation, *halves)


def _signals(request: Request) -> tuple[int, int, Degradation]:
    """How many channels a network for signals sees, how many of them are signals, and what it undoes."""
    description, degradation = request.description, request.degradation
    assert degradation is not None
    if request.code is not None:
        raise SettingsError(f"a code of {request.code} was given, but {request.network} has none; leave it out")
    return description.channels + degradation.condition_channels, description.channels, degradation


def _of_signals(
    request: Request, recipe: Recipe, width: int, degradation: Degradation, encoder: nn.Module, decoder: nn.Module
) -> Restorer:
    recipe, grid = replace(recipe, crop=CROP_WINDOWS * _window(request)), Grid(degradation.scale, axes=1)
    begin, specification = partial(spectral.start, encoder), request.specified(0, width)
    return Restorer(encoder, decoder, specification, request.description, grid, recipe, degradation, begin)


def _window(request: Request) -> int:
    return spectral.window_of(request.description.rate)
