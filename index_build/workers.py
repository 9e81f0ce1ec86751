"""The processes that share the work of a build: spawned, because a forked Kiwi hangs."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from threading import Thread

from configs.errors import UserError


@contextmanager
def pool_of(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of so many processes (0 = one per core), each started when there is work for it.

    Raises UserError when one dies; what the others have done is in the caches.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count() or 1, mp_context=context, initializer=_start) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise UserError(
                "a worker process died (out of memory?); what is done is kept: run the same command again,"
                " with --set index_build.workers=1 to use less memory"
            ) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def collect_seldom() -> None:
    """Let the collector of garbage look at what is new after 100,000 objects instead of 700.

    A build makes millions of tokens and rows, none of them in cycles; looking at them took a sixth of the analysis.
    """
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


def _start() -> None:
    collect_seldom()
    Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    """End this worker when its parent is gone: a killed build must not leave processes of 600 MiB behind."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
