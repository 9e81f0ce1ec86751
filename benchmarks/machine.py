"""What every benchmark needs: the machine in words, and the memory of a tree of processes."""

from __future__ import annotations

import os
import platform
import threading
from pathlib import Path

import psutil


def machine() -> str:
    """The processor, cores and memory that a figure was measured on."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    model = models[0] if models else platform.processor()
    memory = psutil.virtual_memory().total / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


class PeakMemory:
    """The largest memory of a process and all below it, in bytes, sampled every two seconds.

    Proportional set size: pages that processes share are counted once.
    """

    def __init__(self, pid: int) -> None:
        self.peak = 0
        self._root = psutil.Process(pid)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(2):
            try:
                family = [self._root, *self._root.children(recursive=True)]
                self.peak = max(self.peak, sum(process.memory_full_info().pss for process in family))
            except psutil.NoSuchProcess:  # one ended between listing and reading
                continue
