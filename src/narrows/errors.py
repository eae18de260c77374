"""Every error that narrows raises on purpose.

    NarrowsError                 anything below; the message is one line
    ├── DataError (ValueError)       samples that cannot be read or do not fit the request
    ├── ModelError (ValueError)      a model file that cannot be trusted or does not fit the samples
    ├── ArchiveError (ValueError)    an archive that is damaged, foreign or newer
    ├── SettingsError (ValueError)   an option out of its range, or two that exclude each other
    ├── TrainingError                training went wrong and cannot continue
    ├── OutputError (OSError)        a result that could not be written
    ├── OutOfMemoryError (MemoryError)  something that is sound does not fit into memory
    └── MissingExtraError (ImportError)  an optional package is needed; names the install command

A message says what was given, what is allowed and what to do. The command line prints it after ``narrows:`` and
exits with code 2.
"""


class NarrowsError(Exception):
    """Base of all errors raised on purpose by this package."""


class DataError(NarrowsError, ValueError):
    """Samples that cannot be read, are empty, or do not fit the request."""


class ModelError(NarrowsError, ValueError):
    """A model file that is damaged, foreign or newer, or a model that does not fit the samples."""


class ArchiveError(NarrowsError, ValueError):
    """An archive, or a block of one, that is damaged, foreign or newer."""


class SettingsError(NarrowsError, ValueError):
    """A setting out of its range, or settings that exclude each other."""


class TrainingError(NarrowsError):
    """Training that cannot continue, such as a loss that is no longer a number."""


class OutputError(NarrowsError, OSError):
    """A result that could not be written; nothing is left half-written."""


class OutOfMemoryError(NarrowsError, MemoryError):
    """Something that does not fit into memory; nothing is said to be wrong with it."""


class MissingExtraError(NarrowsError, ImportError):
    """An optional package is not installed."""
