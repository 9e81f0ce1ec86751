"""Files as they lie on users' disks: found in order, opened whatever their packing and encoding."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import xxhash
from charset_normalizer import from_bytes

from configs.errors import UserError

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_PACKED = (".gz", ".bz2", ".xz")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text file, decoded; `text` is None when no encoding fits."""

    number: int  # from 1
    text: str | None
    encoding: str


def discover(path: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The file itself, or the files below a folder with one of the suffixes, in order of their paths.

    A suffix also matches with .gz, .bz2 or .xz behind it. A file named by the user is taken whatever
    its suffix. Hidden files are passed over. Raises UserError when there is nothing.
    """
    if path.is_file():
        return [path]
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.startswith(".") and unpacked_suffix(file) in suffixes
    ]
    if not found:
        raise UserError(f"{path}: no file here ends in {', '.join(suffixes)} (or those with .gz, .bz2, .xz)")
    return found


def unpacked_suffix(path: Path) -> str:
    """The suffix of a file's name with the packing taken off: `.xml` of `dump.xml.bz2`."""
    name = path.name.lower()
    for packed in _PACKED:
        name = name.removesuffix(packed)
    return Path(name).suffix


def open_binary(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked if its name ends in .gz, .bz2 or .xz."""
    match path.suffix.lower():
        case ".gz":
            return cast(IO[bytes], gzip.open(path, "rb"))
        case ".bz2":
            return bz2.open(path, "rb")
        case ".xz":
            return lzma.open(path, "rb")
        case _:
            return path.open("rb")


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a text file, one at a time, in UTF-8, UTF-16 or, line by line, CP949.

    Raises UserError when the packing is broken (a truncated .gz, say).
    """
    try:
        with open_binary(path) as stream:
            head = stream.read(4096)
            encoding = next((name for bom, name in _BOMS if head.startswith(bom)), "") or _utf16_without_bom(head)
            stream.seek(0)
            if encoding.startswith("utf-16"):
                yield from _whole(stream.read(), encoding)
                return
            for number, raw in enumerate(stream, start=1):
                yield _decode_line(number, raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)
    except (EOFError, OSError, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise UserError(f"{path}: cannot be unpacked ({error}); is the download complete?") from None


def _whole(raw: bytes, encoding: str) -> Iterator[Line]:
    text = raw.decode(encoding, errors="replace")
    for number, line in enumerate(text.split("\n"), start=1):
        yield Line(number, line, "utf-16")


def _decode_line(number: int, raw: bytes) -> Line:
    for encoding in ("utf-8", "cp949"):
        try:
            return Line(number, raw.decode(encoding), encoding)
        except UnicodeDecodeError:
            continue
    return Line(number, None, "unknown")


def _utf16_without_bom(head: bytes) -> str:
    """The UTF-16 that a file without a mark is in, or "": JSON and Markdown have ASCII, so NULs alternate."""
    if len(head) < 4 or b"\x00" not in head:
        return ""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd > 4 * max(even, 1) and odd > len(head) // 16:
        return "utf-16-le"
    if even > 4 * max(odd, 1) and even > len(head) // 16:
        return "utf-16-be"
    return ""


def decode(raw: bytes) -> tuple[str, str] | None:
    """(text, encoding) of a whole text file's bytes; None for what is no text.

    A byte-order mark decides; then UTF-8, UTF-16 without a mark, CP949, and charset-normalizer's guess.
    """
    for bom, name in _BOMS:
        if raw.startswith(bom):
            return raw.decode(name, errors="replace"), name.removesuffix("-sig")
    for encoding in ("utf-8", _utf16_without_bom(raw[:4096]), "cp949"):
        if encoding:
            try:
                return raw.decode(encoding), encoding
            except UnicodeDecodeError:
                continue
    best = from_bytes(raw).best()
    return (str(best), best.encoding) if best is not None else None


def fingerprint(path: Path) -> str:
    """XXH3-128 of a file's bytes as 32 hexadecimal digits: tells change and damage, not malice."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as stream:
        while block := stream.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
