"""Learn an autoencoder from your own data and put it to work.

Importing this costs nothing: what needs PyTorch is loaded when it is first used.
"""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING, Any

from narrows.errors import NarrowsError
from narrows.version import __version__

if TYPE_CHECKING:
    from narrows.archive.archive import Archive
    from narrows.codecs.opening import open_archive
    from narrows.data.samples import Samples, from_arrays
    from narrows.data.sources import open_samples
    from narrows.models.base import Model as Model
    from narrows.models.catalogue import build
    from narrows.models.loading import load
    from narrows.tasks.archives import compress, decompress
    from narrows.tasks.codec import Codec
    from narrows.tasks.restore import restore
    from narrows.tasks.train import fit, train
    from narrows.training.loop import Progress as Progress
    from narrows.training.settings import Settings
logging.getLogger(__name__).addHandler(logging.NullHandler())  # what is logged goes where a program says

# Not `Model`, which has all that PyTorch's modules have: `help(narrows)` would be three times as long.
__all__ = [
    "Archive",
    "Codec",
    "NarrowsError",
    "Samples",
    "Settings",
    "__version__",
    "build",
    "compress",
    "decompress",
    "fit",
    "from_arrays",
    "load",
    "open_archive",
    "open_samples",
    "restore",
    "train",
]

_HOMES = {
    "Archive": "narrows.archive.archive",
    "Codec": "narrows.tasks.codec",
    "Progress": "narrows.training.loop",
    "Samples": "narrows.data.samples",
    "Settings": "narrows.training.settings",
    "build": "narrows.models.catalogue",
    "compress": "narrows.tasks.archives",
    "decompress": "narrows.tasks.archives",
    "fit": "narrows.tasks.train",
    "train": "narrows.tasks.train",
    "Model": "narrows.models.base",
    "from_arrays": "narrows.data.samples",
    "load": "narrows.models.loading",
    "open_archive": "narrows.codecs.opening",
    "open_samples": "narrows.data.sources",
    "restore": "narrows.tasks.restore",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'narrows' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
