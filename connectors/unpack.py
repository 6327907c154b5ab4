"""Packed bytes from strangers, unpacked piece by piece: a gzip of 50 KB may hold 50 MB."""

import zlib
from collections.abc import Iterator

__all__ = ["DamagedError", "Unpacker"]

PIECE_BYTES = 64 * 1024
_GZIP = b"\x1f\x8b"


class DamagedError(ValueError):
    """The bytes are not packed as they are said to be, or end too early."""


class Unpacker:
    """Unpacks one body of ``gzip`` or ``deflate``; whoever asks for the pieces counts them.

    Gzip of several members is one body. What follows the last member is not looked at. ``deflate``
    is taken with and without zlib's header, since servers send both.
    """

    def __init__(self) -> None:
        self._unpack: zlib._Decompress | None = None
        self._start = b""
        self._members = 0
        self._ended = False

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What these next bytes hold, at most 64 KiB at a time.

        Raises:
            DamagedError: they are damaged.
        """
        packed, self._start = self._start + packed, b""
        while packed and not self._ended:
            if self._unpack is None:
                if len(packed) < 2:  # which kind it is, the second byte says
                    self._start = packed
                    return
                if self._members and not packed.startswith(_GZIP):
                    self._ended = True  # a tail is kept nowhere: it may be endless
                    return
                self._members += 1
                self._unpack = zlib.decompressobj(_kind(packed))
            try:
                piece = self._unpack.decompress(packed, PIECE_BYTES)
            except zlib.error as error:
                raise DamagedError(str(error)) from error
            packed = self._unpack.unconsumed_tail
            if self._unpack.eof:
                packed = self._unpack.unused_data
                self._unpack = None
            if piece:
                yield piece

    def end(self) -> Iterator[bytes]:
        """What is left once all bytes were given.

        Raises:
            DamagedError: the body ends too early.
        """
        if self._unpack is not None:
            try:
                piece = self._unpack.flush(PIECE_BYTES)
            except zlib.error as error:
                raise DamagedError(str(error)) from error
            if not self._unpack.eof:
                raise DamagedError("cut short")
            if piece:
                yield piece
        elif self._start and not self._members:
            raise DamagedError("cut short")


def _kind(packed: bytes) -> int:
    """The window bits that tell zlib how it is packed."""
    if packed.startswith(_GZIP):
        return zlib.MAX_WBITS | 16
    header = int.from_bytes(packed[:2])
    return zlib.MAX_WBITS if packed[0] & 15 == 8 and header % 31 == 0 else -zlib.MAX_WBITS
