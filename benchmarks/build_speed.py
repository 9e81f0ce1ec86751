"""python -m benchmarks.build_speed KIND:PATH: a whole build against two processes that only call kiwi.tokenize.

The peer gets the same documents, read beforehand, half the characters for each process, Kiwi loaded: its time is
tokenising alone. The build's time is everything, from the start of its process. Then: the unchanged rebuild, a build
after 100 documents were added, peak memory of all processes together, and the parts of the index on disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from kiwipiepy import Kiwi

from benchmarks.machine import PeakMemory, machine
from corpora.records import Document
from corpora.sources import parse_source, read
from index_build.manifest import read_manifest

ROOT = Path(__file__).resolve().parents[1]


def _tokenize(texts: Sequence[str], start: Connection) -> None:
    kiwi = Kiwi(num_workers=1)
    start.send("ready")
    start.recv()
    for text in texts:
        kiwi.tokenize(text)
    start.send("done")


def peer_seconds(documents: Sequence[Document]) -> float:
    """Wall time of two spawned processes that tokenise the documents' texts and do nothing else."""
    context = multiprocessing.get_context("spawn")
    halves: list[list[str]] = [[], []]
    sizes = [0, 0]
    for document in documents:
        half = sizes.index(min(sizes))
        halves[half].append(document.text)
        sizes[half] += len(document.text)
    pipes = [context.Pipe() for _ in halves]
    workers = [context.Process(target=_tokenize, args=(h, p[1])) for h, p in zip(halves, pipes, strict=True)]
    for worker in workers:
        worker.start()
    for ours, _ in pipes:
        ours.recv()
    started = time.perf_counter()
    for ours, _ in pipes:
        ours.send("go")
    for ours, _ in pipes:
        ours.recv()
    seconds = time.perf_counter() - started
    for worker in workers:
        worker.join()
    return seconds


def build(sources: Sequence[str], folder: Path, overrides: Sequence[str]) -> tuple[float, int]:
    """(wall seconds, peak bytes) of one build in a process of its own."""
    arguments = [part for source in sources for part in ("--source", source)]
    command = [sys.executable, "-m", "index_build", *arguments, "--out", str(folder / "index")]
    command += [part for override in overrides for part in ("--set", override)]
    started = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--set", f"index_build.cache={folder / 'cache'}"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with PeakMemory(process.pid) as memory:
        if process.wait():
            raise RuntimeError(f"the build failed: {command}")
    return time.perf_counter() - started, memory.peak


def main() -> int:
    """Measure one source and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", metavar="KIND:PATH")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args()
    documents = [item for item in read(parse_source(args.source)) if isinstance(item, Document)]
    characters = sum(len(document.text) for document in documents)
    utf8 = sum(len(document.text.encode()) for document in documents)
    print(machine())
    print(f"{args.source}: {len(documents):,} documents, {characters:,} characters, {utf8 / 1e6:.1f} MB of UTF-8")
    # new text of the same kind: the halves of 100 existing documents, joined crosswise
    pool = [document.text for document in documents if len(document.text) >= 300][:101]
    added = [
        {"id": f"added-{n}", "title": f"새 문서 {n}", "text": one[: len(one) // 2] + "\n" + two[len(two) // 2 :]}
        for n, (one, two) in enumerate(zip(pool, pool[1:], strict=False))
    ]
    peer = peer_seconds(documents)
    del documents
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full, peak = build([args.source], folder, args.overrides)
        unchanged, _ = build([args.source], folder, args.overrides)
        extra = folder / "added.jsonl"
        extra.write_text("".join(json.dumps(a, ensure_ascii=False) + "\n" for a in added), encoding="utf-8")
        files = read_manifest(folder / "index").files
        more, _ = build([args.source, f"jsonl:{extra}"], folder, args.overrides)
    print(f"two processes of kiwi.tokenize alone   {peer:8.1f} s")
    print(f"whole build                            {full:8.1f} s   ratio {full / peer:.2f}")
    print(f"peak memory of all processes           {peak / 2**30:8.2f} GiB")
    print(f"unchanged rebuild                      {unchanged:8.1f} s")
    print(f"{len(added)} documents added                    {more:8.1f} s")
    total = sum(stored.size for stored in files.values())
    print(f"index on disk                          {total / 1e6:8.1f} MB   ratio to UTF-8 {total / utf8:.2f}")
    for part in ("passages", "documents", "morphemes", "bigrams", "vectors"):
        size = sum(stored.size for file, stored in files.items() if file.startswith(part))
        print(f"  {part:36s} {size / 1e6:8.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
