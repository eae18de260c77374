"""All networks by name: what each is for, how it is built and how it is trained.

This table is the only place that knows them all. A new network is a module in `networks` and a row here; a test walks
the table. Next door: `makers` builds the kinds of model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from narrows.checks import brief, whole
from narrows.data.columns import Column
from narrows.data.samples import Description
from narrows.degradations import Cells, Custom, Degradation, Grey, from_json, parts_of, settled
from narrows.degradations.base import TASKS
from narrows.errors import SettingsError
from narrows.models import makers, signal_restorers, waves
from narrows.models.base import Model, Purpose, Recipe, Specification
from narrows.models.coded import LinearStart
from narrows.models.makers import Effort, Request
from narrows.networks import conv, dense, lesson
from narrows.networks.klt import PRIMAL_LIMIT, WORK_LIMIT
from narrows.surroundings import own

RESTORING: tuple[Purpose, ...] = TASKS
RGB = 3  # channels from which images are coded exactly as residuals, which learn much faster there
REFERENCES_MOST = 4096  # training samples that a lossy model keeps


@dataclass(frozen=True)
class Network:
    """One row of the table.

    `make` builds a model for a `Request`. The row is the usual choice for its `purposes` where it `suits` the request
    and no row before it does; by name it may be asked for whatever it can take. `efforts` multiply the usual width,
    `accepts` names options that only some networks have. Those with `axes`, 1 for signals and 2 for images, keep an
    image's plane, or a signal's time, and so take such samples of any size; others take samples of one size.
    """

    make: Callable[[Request, Recipe], Model]
    recipe: Recipe
    purposes: tuple[Purpose, ...]
    suits: Callable[[Request], bool] = lambda request: False
    axes: tuple[int, ...] = ()
    efforts: Mapping[Effort, float] = field(default_factory=dict)
    accepts: tuple[str, ...] = ()


def _small(request: Request) -> bool:
    return 0 < request.description.values <= PRIMAL_LIMIT


def _cells(request: Request) -> bool:
    return isinstance(request.degradation, Cells)


def _image(request: Request) -> bool:
    return request.description.axes == 2


def _signal(request: Request) -> bool:
    return request.description.axes == 1


_CODED: tuple[Purpose, ...] = ("reconstruct", "embed", *RESTORING)
_RISING = LinearStart(partial(lesson.start_conv, rising=True))
_LESSON = Recipe(32, 2.5e-2, 10, muon=5e-2, printed_batch=20)

CATALOGUE: dict[str, Network] = {
    "lesson-linear": Network(
        makers.Halves(lesson.linear, 32, LinearStart(lesson.start_linear, WORK_LIMIT / 10)),
        Recipe(256, 1e-2, 30, printed_batch=20),
        _CODED,
    ),
    "lesson-conv": Network(
        makers.Halves(lesson.conv, 4, LinearStart(partial(lesson.start_conv, rising=False)), step=lambda shape: 4),
        _LESSON,
        _CODED,
        axes=(2,),
    ),
    "lesson-upsample": Network(
        makers.Halves(lesson.upsample, 4, _RISING, step=lambda shape: 4),
        _LESSON,
        _CODED,
        axes=(2,),
    ),
    "lesson-denoise": Network(
        makers.Halves(lesson.denoise, 8, _RISING, step=lambda shape: 8, offset=4),
        _LESSON,
        _CODED,
        axes=(2,),
    ),
    "resnet": Network(
        makers.levelless,
        Recipe(64, 1e-3, 100, muon=1e-2, crop=64, crops=8, views=8),
        RESTORING,
        lambda request: _image(request) and request.purpose == "upscale",
        axes=(2,),
    ),
    "unet": Network(
        makers.restorer, Recipe(64, 1e-3, 100, muon=1e-2, crop=64, crops=8, views=8), RESTORING, _image, axes=(2,)
    ),
    "waveform": Network(
        signal_restorers.of_waveforms,
        Recipe(8, 1e-3, 30, muon=1e-2),
        RESTORING,
        lambda request: _signal(request) and request.purpose == "upscale",
        axes=(1,),
    ),
    "spectral": Network(signal_restorers.of_spectra, Recipe(8, 1e-3, 30, muon=1e-2), RESTORING, _signal, axes=(1,)),
    "tabular": Network(
        makers.imputer,
        Recipe(1024, 3e-3, 100, muon=3e-2, half=False),  # rows are too small to gain by bfloat16
        ("inpaint",),
        _cells,
    ),
    "dense": Network(
        makers.Halves(
            dense.dense,
            32,
            LinearStart(dense.start, rescale=dense.rescale),
            width=lambda values: min(1000, max(256, 4 * values)),
            embedding=0.8,
        ),
        Recipe(1500, 3e-3, 20, muon=4e-2, shift=1),
        _CODED,
        lambda request: _small(request) and not _cells(request),
    ),
    "conv": Network(
        makers.Halves(conv.conv, 0, LinearStart(conv.start), width=lambda values: 64, step=conv.step),
        Recipe(64, 1e-3, 10, muon=1e-2),
        _CODED,
        lambda request: not _small(request) and not _cells(request),
        axes=(1, 2),
    ),
    "advice": Network(
        makers.advising,
        Recipe(16, 3e-3, 20, crop=4096, half=False),
        ("exact",),
        lambda request: request.description.axes == 1,
        axes=(1,),
        efforts={"fast": 0.5, "best": 2},
    ),
    "residuals": Network(
        makers.residual,
        Recipe(64, 2e-3, 2, muon=1e-2, crop=64, crops=8),
        ("exact",),
        lambda request: request.description.channels >= RGB,
        axes=(2,),
        efforts={"fast": 0.5, "best": 2},
    ),
    "pixels": Network(
        makers.density,
        Recipe(64, 2e-3, 2, muon=2e-2, crop=64, crops=12),
        ("exact",),
        lambda request: True,
        axes=(2,),
        efforts={"fast": 0.5, "best": 2},
    ),
    "flat": Network(
        makers.flat,
        Recipe(1000, 2e-3, 60, muon=1e-2),
        ("compress",),
        lambda request: request.effort == "fast" and _small(request),
    ),
    "levels": Network(
        makers.levelled,
        Recipe(64, 2e-3, 4, muon=1e-2, crop=64, crops=12),
        ("compress",),
        lambda request: _small(request) and _image(request),
        axes=(2,),
        efforts={"best": 2},
    ),
    "pyramid": Network(
        makers.pyramidal,
        Recipe(8, 1e-3, 40, muon=5e-3, views=2),
        ("compress",),
        axes=(2,),
    ),
    "transform": Network(
        makers.transformed,
        Recipe(8, 2e-3, 40, muon=1e-2),
        ("compress",),
        _image,
        axes=(2,),
        efforts={"fast": 0.5, "best": 1.5},
        accepts=("memory", "fold"),
    ),
    "waves": Network(
        waves.waves,
        Recipe(16, 2e-3, 60, muon=1e-2, crop=8192, half=False),
        ("compress",),
        lambda request: request.description.axes == 1,
        axes=(1,),
        efforts={"fast": 0.5, "best": 1.5},
        accepts=("fold", "hearing"),
    ),
    "transform-vectors": Network(
        makers.of_vectors,
        Recipe(1500, 3e-3, 40, muon=1e-2),
        ("compress",),
        lambda request: True,
        efforts={"fast": 0.5, "best": 1.5},
    ),
}


@own
def build(
    description: Description,
    network: str | None = None,
    code: int | None = None,
    width: int | None = None,
    seed: int = 0,
    purpose: Purpose = "reconstruct",
    memory: int = 0,
    fold: int | None = None,
    degradation: Degradation | None = None,
    effort: Effort = "usual",
    columns: Sequence[Column] | None = None,
    hearing: bool = False,
) -> Model:
    """An untrained model for samples of this description, with PyTorch's random weights of this seed.

    The network is the usual one for the `purpose` ("reconstruct", "embed", "compress", "exact") unless named. With a
    `degradation` (see `narrows.degradations`) the model restores: it undoes it. `code` counts numbers, for networks
    that keep an image's plane channels; `width` scales the hidden layers; `effort` chooses them for models that
    compress. A `memory` above 0 lets a transform keep that many training images as references, for images of one size
    that are often much alike; its blocks are `fold` pixels a side: 8, or 4, which suits drawings. Blocks of signals
    have `fold` steps, 24 ms if not given; with `hearing` their errors count less where frequencies are usually loud,
    and the envelopes of their bands count too, which sounds better at equal bytes, and has a lower signal-to-noise
    ratio.

    Raises `SettingsError` for unknown names, numbers out of range, or a network that cannot take the samples.
    """
    if not isinstance(description, Description):
        raise SettingsError(
            f"{brief(description)} was given; what is needed is a description: narrows.from_arrays(data).description"
        )
    seed, memory = whole("seed", seed, 0, 2**63 - 1), whole("memory", memory, 0, REFERENCES_MOST)
    purpose = _purpose(description, purpose, degradation)
    degradation = None if degradation is None else settled(degradation, description.dtype, description.rate)
    given = (network or "", description, purpose, code, width, seed, memory, fold, degradation, effort)
    request = Request(*given, hearing=bool(hearing))
    name = usual(request) if network is None else network
    row = named(name, purpose, None if network is None else description)
    if isinstance(degradation, Cells) and not row.suits(request):
        raise SettingsError("a network was chosen, but tables have a network of their own; leave it out")
    for option, value in (("memory", memory or None), ("fold", fold), ("hearing", hearing or None)):
        if value is not None and option not in row.accepts:
            able = ", ".join(n for n, other in CATALOGUE.items() if option in other.accepts)
            raise SettingsError(f"a {option} of {brief(value)} was given; network {name} has none, {able} has")
    made = row.make(replace(request, network=name, stretch=row.efforts.get(effort, 1.0)), row.recipe)
    if columns is not None:
        made.specification = replace(made.specification, columns=[column.to_json() for column in columns])
    return made


def _purpose(description: Description, purpose: Purpose, degradation: Degradation | None) -> Purpose:
    """What the model is for; raises `SettingsError` where purpose, degradation and samples exclude each other."""
    damaged = degradation is not None and purpose == degradation.task
    if purpose not in ("reconstruct", "embed", "compress", "exact") and not damaged:
        raise SettingsError(
            f"purpose {purpose!r} was given; allowed are reconstruct, embed, compress and exact; what restores needs "
            "a degradation in its place"
        )
    if degradation is None:
        return purpose
    if purpose in ("compress", "exact"):
        raise SettingsError(f"a degradation was given with purpose {purpose}; models that restore need no other")
    grey = any(isinstance(part, Grey) for part in parts_of(degradation))
    if grey and (description.axes != 2 or description.channels < 3):
        raise SettingsError(f"to add colour, colour has to be learned: RGB images are needed, not {description.form}")
    if (degradation.axes == 1) != (description.axes == 1) and not isinstance(degradation, Custom):
        these = "signals" if degradation.axes == 1 else "images and vectors"
        raise SettingsError(f"{degradation} was given for {description.form}; only {these} have such damage")
    if degradation.scale > 1 and description.axes == 0:
        raise SettingsError(
            f"a scale of {degradation.scale} was given; it needs images or signals, not {description.form}"
        )
    return degradation.task


def usual(request: Request) -> str:
    """The name of the usual network for a request."""
    return next(name for name, row in CATALOGUE.items() if request.purpose in row.purposes and row.suits(request))


def rebuild(description: Description, specification: Specification) -> Model:
    """The model that a specification describes; raises as `build` does."""
    undone = None if specification.degradation is None else from_json(specification.degradation)
    return build(
        description,
        specification.network,
        specification.code or None,
        specification.width or None,
        purpose=specification.purpose,
        memory=specification.memory,
        fold=specification.fold or None,
        degradation=undone,
        hearing=specification.hearing,
        columns=None if specification.columns is None else [Column.from_json(each) for each in specification.columns],
    )


def named(network: str, purpose: Purpose = "reconstruct", description: Description | None = None) -> Network:
    """The row of the table; raises `SettingsError` for names that are not in it, not for this purpose, or not for
    samples of the description, if there is one."""
    rows = {name: row for name, row in CATALOGUE.items() if purpose in row.purposes}
    if description is not None:
        rows = {name: row for name, row in rows.items() if not row.axes or description.axes in row.axes}
    if not isinstance(network, str) or network not in rows:
        of = "" if description is None else f" {description.form}"
        raise SettingsError(f"network {brief(network)} was given; there are {', '.join(rows)} to {purpose}{of}")
    return rows[network]
