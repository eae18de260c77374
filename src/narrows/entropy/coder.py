"""Integers to bytes and back by range coding with cumulative tables.

A walk over integers is written once, for a `Coder` that writes, reads or draws them, so that encoding, decoding and
generating cannot drift apart. The range coder is constriction's. It gets a table as float32 holding the parts less 1:
whole numbers that sum to 2**24 - S, so that its normalisation multiplies by exactly 1 and adds 1 back for each
symbol, and every interval has our integers again, on any machine. A test holds that.
Next door: `cumulative` makes the tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from narrows.entropy.cumulative import PRECISION, TOTAL, CumulativeTables, Integers
from narrows.errors import ArchiveError

# Part of the format.
DIGIT_BITS = 12  # of one digit of an escaped integer
MOST_BITS = 48  # of an escaped integer
_UNIFORM = np.full(1 << DIGIT_BITS, TOTAL >> DIGIT_BITS, np.int64)
_LENGTHS = np.full(16, TOTAL // 16, np.int64)


class Coder(ABC):
    """Codes integers by tables, in an order that is the same for all coders; one that `draws` makes them up."""

    draws = False

    @abstractmethod
    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        """Code `count` symbols (None unless encoding) by one table `(S,)`; returns them. With `escapes`, the last
        symbol is the escape."""

    @abstractmethod
    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        """Code symbols `(N,)` (None unless encoding), each by its own table, `(N, S)` with N > 0; returns them."""

    def by_table(self, values: Integers | None, which: Integers, tables: CumulativeTables) -> Integers:
        """Code integers `(N,)` (None unless encoding), each by the table that `which` `(N,)` names; returns them.

        Any integer below 2**48 in size can be coded. Integers of one table are coded together, in their order.
        """
        return self.by_row(None if values is None else values[:, None], which, tables, 1)[:, 0]

    def by_row(self, values: Integers | None, which: Integers, tables: CumulativeTables, count: int) -> Integers:
        """The same for integers `(K, count)` whose table depends on the row alone, `which` `(K,)`."""
        if not len(which):
            return np.empty((0, count), np.int64)
        if not 0 <= which.min() <= which.max() < len(tables.parts):
            raise ValueError("an integer names a table that is not there")
        order: Integers | slice = slice(None)
        if (which[1:] < which[:-1]).any():
            narrow = np.uint16 if len(tables.parts) <= 1 << 16 else np.int64  # short integers are sorted much faster
            order = np.argsort(which.astype(narrow), kind="stable")
        ordered = which[order]
        starts = np.append(0, np.flatnonzero(ordered[1:] != ordered[:-1]) + 1)
        named, bounds = ordered[starts].tolist(), [*(starts * count).tolist(), len(which) * count]
        lowest, last = (np.array(column)[which][:, None] for column in (tables.lowest, tables.last))
        grouped = None
        if values is not None:
            symbols = values - lowest
            np.copyto(symbols, last, where=(symbols < 0) | (symbols >= last))
            grouped = symbols[order].reshape(-1)
        result = np.empty((len(which), count), np.int64)
        result[order] = self._in_groups(grouped, tables, named, bounds).reshape(result.shape)
        escaped = result == last
        result += lowest
        if escaped.any():
            result[escaped] = self._escaped(None if values is None else values[escaped], int(escaped.sum()))
        return result

    def _in_groups(
        self, symbols: Integers | None, tables: CumulativeTables, named: list[int], bounds: list[int]
    ) -> Integers:
        """Code symbols (None unless encoding) by the tables `named`, those of each between two `bounds`."""
        coded = np.empty(bounds[-1], np.int64)
        for table, start, end in zip(named, bounds, bounds[1:], strict=False):
            given = None if symbols is None else symbols[start:end]
            coded[start:end] = self.one_table(given, end - start, tables.parts[table], escapes=True)
        return coded

    def by_parts(self, symbols: Integers | None, parts: Integers) -> Integers:
        """`own_tables` for any N, 0 included."""
        return self.own_tables(symbols, parts) if len(parts) else np.empty(0, np.int64)

    def _escaped(self, values: Integers | None, count: int) -> Integers:
        """Integers outside their tables, folded to 0, -1, 1, -2, ...: the number of digits, then the digits."""
        folded = None if values is None else np.where(values < 0, -2 * values - 1, 2 * values)
        if folded is not None and (folded >> MOST_BITS).any():
            raise ValueError(f"an integer of more than {MOST_BITS - 1} bits cannot be coded")
        steps = DIGIT_BITS * np.arange(MOST_BITS // DIGIT_BITS)
        lengths = None if folded is None else np.count_nonzero(folded[:, None] >> steps, axis=1)
        lengths = self.one_table(lengths, count, _LENGTHS)
        if (lengths > MOST_BITS // DIGIT_BITS).any():
            raise ArchiveError("a damaged block: an integer with too many digits")
        result = np.zeros(count, np.int64)
        for i in range(MOST_BITS // DIGIT_BITS):
            has = lengths > i
            digits = None if folded is None else folded[has] >> (DIGIT_BITS * i) & ((1 << DIGIT_BITS) - 1)
            if has.any():
                result[has] |= self.one_table(digits, int(has.sum()), _UNIFORM) << (DIGIT_BITS * i)
        return np.where(result & 1, -(result + 1 >> 1), result >> 1)


class RangeEncoder(Coder):
    """Integers in, bytes out."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        assert symbols is not None
        self._coder.encode(symbols.astype(np.int32), _model(parts))
        return symbols

    def _in_groups(
        self, symbols: Integers | None, tables: CumulativeTables, named: list[int], bounds: list[int]
    ) -> Integers:
        assert symbols is not None
        short, encode = symbols.astype(np.int32), self._coder.encode
        for model, start, end in zip(_kept(tables, named), bounds, bounds[1:], strict=False):
            encode(short[start:end], model)
        return symbols

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        assert symbols is not None
        self._coder.encode(symbols.astype(np.int32), _FAMILY, _floats(parts))
        return symbols

    def finish(self) -> bytes:
        """All bytes: the coder's words, little endian."""
        words: npt.NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4").tobytes()


class RangeDecoder(Coder):
    """Bytes in, integers out. Raises `ArchiveError` for bytes that are visibly damaged."""

    def __init__(self, data: bytes) -> None:
        if len(data) % 4:
            raise ArchiveError(f"a damaged block: {len(data)} bytes, not a multiple of 4")
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(data, "<u4").astype(np.uint32))

    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        return self._decode(_model(parts), count).astype(np.int64)

    def _in_groups(
        self, symbols: Integers | None, tables: CumulativeTables, named: list[int], bounds: list[int]
    ) -> Integers:
        coded, decode = np.empty(bounds[-1], np.int64), self._decode
        for model, start, end in zip(_kept(tables, named), bounds, bounds[1:], strict=False):
            coded[start:end] = decode(model, end - start)
        return coded

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        return self._decode(_FAMILY, _floats(parts)).astype(np.int64)

    def _decode(self, *arguments: Any) -> npt.NDArray[np.int32]:
        try:
            decoded: npt.NDArray[np.int32] = self._coder.decode(*arguments)
        except (AssertionError, ValueError):
            raise ArchiveError("a damaged block: its bytes are not a valid code") from None
        return decoded

    def finish(self) -> None:
        """Raise `ArchiveError` if bytes are left over."""
        if not self._coder.maybe_exhausted():
            raise ArchiveError("a damaged block: bytes are left over")


class Sampler(Coder):
    """Draws symbols in place of reading them, so that a walk makes new samples. Escapes are never drawn."""

    draws = True

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def one_table(self, symbols: Integers | None, count: int, parts: Integers, escapes: bool = False) -> Integers:
        ends = np.cumsum(parts[:-1] if escapes else parts)
        drawn: Integers = np.searchsorted(ends, self._random.integers(0, ends[-1], count), side="right")
        return drawn

    def own_tables(self, symbols: Integers | None, parts: Integers) -> Integers:
        points = self._random.integers(0, TOTAL, len(parts))
        drawn: Integers = np.count_nonzero(np.cumsum(parts, axis=1) <= points[:, None], axis=1)
        return drawn


_FAMILY = constriction.stream.model.Categorical(perfect=False)


def _floats(parts: Integers) -> npt.NDArray[np.float32]:
    assert PRECISION == 24  # that of constriction's models; whole numbers up to it are exact in float32
    return (parts - 1).astype(np.float32)


def _model(parts: Integers) -> Any:
    return constriction.stream.model.Categorical(_floats(parts), perfect=False)


def _kept(tables: CumulativeTables, named: list[int]) -> list[Any]:
    """The models of some tables, each made once."""
    for number in named:
        if number not in tables.kept:
            tables.kept[number] = _model(tables.parts[number])
    return [tables.kept[number] for number in named]
