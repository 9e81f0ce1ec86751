"""Reading PDFs in processes of their own: what hangs, crashes or eats memory there stops nothing here."""

from __future__ import annotations

import json
import multiprocessing
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from pydantic import TypeAdapter

from configs.errors import UserError
from configs.pdf import PdfSettings
from corpora.pdf.ocr import PAGE_SECONDS, check
from corpora.pdf.reader import PdfResult, failed, read_pdf

RESULT: TypeAdapter[PdfResult] = TypeAdapter(PdfResult)


@dataclass(frozen=True, slots=True)
class PdfJob:
    """One file to read."""

    path: Path
    doc_id: str
    source: str


@dataclass(slots=True)
class _Worker:
    """A process that reads one file after the other, and the job it is at."""

    process: BaseProcess
    pipe: Connection
    number: int = -1
    deadline: float = 0.0


def read_pdf_isolated(
    path: Path, *, doc_id: str, source: str, settings: PdfSettings, password: str | None = None
) -> PdfResult:
    """`read_pdf` in a process of its own, under the time and memory limits of the settings."""
    return next(read_isolated([PdfJob(path, doc_id, source)], settings=settings, password=password))


def read_isolated(jobs: Sequence[PdfJob], *, settings: PdfSettings, password: str | None = None) -> Iterator[PdfResult]:
    """The result of each job, in the order of the jobs, read by `workers` processes at once.

    A file over a limit, or one that kills its process, becomes a result that says so. Raises UserError
    when OCR is forced and cannot be done.
    """
    check(settings)
    results: dict[int, PdfResult] = {}
    waiting = list(range(len(jobs)))[::-1]
    count = min(settings.workers or multiprocessing.cpu_count(), len(jobs))
    workers = [_start(settings, password) for _ in range(count)]
    given = 0
    try:
        while given < len(jobs):
            for worker in workers:
                if worker.number < 0 and waiting:
                    _assign(worker, waiting.pop(), jobs, settings)
            workers = [_collect(worker, jobs, results, settings, password) for worker in _ready(workers)]
            while given in results:
                yield results.pop(given)
                given += 1
    finally:
        for worker in workers:
            _stop(worker)


def _start(settings: PdfSettings, password: str | None) -> _Worker:
    # spawn: a fork would carry locks and pdfium's state along
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, settings.model_dump_json(), password), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here)


def _stop(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


def _assign(worker: _Worker, number: int, jobs: Sequence[PdfJob], settings: PdfSettings) -> None:
    job = jobs[number]
    worker.number, worker.deadline = number, time.monotonic() + settings.seconds
    try:
        worker.pipe.send_bytes(json.dumps([str(job.path), job.doc_id, job.source]).encode())
    except OSError:  # it died between two files; the next look at it says so
        worker.deadline = 0.0


def _ready(workers: list[_Worker]) -> list[_Worker]:
    """The workers, after one of them has something to say or the nearest deadline is over."""
    busy = [worker for worker in workers if worker.number >= 0]
    nearest = min((worker.deadline for worker in busy), default=0.0)
    wait([worker.pipe for worker in busy], timeout=max(nearest - time.monotonic(), 0.0))
    return workers


def _collect(
    worker: _Worker, jobs: Sequence[PdfJob], results: dict[int, PdfResult], settings: PdfSettings, password: str | None
) -> _Worker:
    """Take a worker's result if there is one; a worker that is dead or late is replaced."""
    if worker.number < 0:
        return worker
    path = jobs[worker.number].path
    if worker.pipe.poll():
        try:
            message = worker.pipe.recv_bytes()
            if message == _OCR:
                worker.deadline += settings.ocr_seconds + PAGE_SECONDS
                return worker
            results[worker.number] = RESULT.validate_json(message)
            worker.number = -1
            return worker
        except EOFError:
            worker.process.join()
            results[worker.number] = failed(path, _death(worker.process.exitcode, settings))
    elif time.monotonic() >= worker.deadline:
        results[worker.number] = failed(path, f"took longer than {settings.seconds:g} s (corpora.pdf.seconds)")
    else:
        return worker
    _stop(worker)
    return _start(settings, password)


def _death(status: int | None, settings: PdfSettings) -> str:
    """Why a process that sent nothing is gone."""
    if status == _OUT_OF_MEMORY:
        return f"needs more than {settings.memory_mib} MiB (corpora.pdf.memory_mib)"
    name = signal.Signals(-status).name if status is not None and status < 0 else f"status {status}"
    return f"damaged: reading it ended the process ({name}); it may need more than {settings.memory_mib} MiB"


_OCR = b"ocr"  # what a worker sends before it begins to recognise pages: it has more time now
_OUT_OF_MEMORY = 86  # exit status of a worker that ran into its limit


def _serve(pipe: Connection, settings_json: str, password: str | None) -> None:
    """The life of a worker: jobs in, results out, as JSON."""
    settings = PdfSettings.model_validate_json(settings_json)
    _limit_memory(settings.memory_mib)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    while True:
        try:
            path, doc_id, source = json.loads(pipe.recv_bytes())
        except EOFError:
            return
        try:
            result = read_pdf(
                Path(path),
                doc_id=doc_id,
                source=source,
                settings=settings,
                password=password,
                before_ocr=partial(pipe.send_bytes, _OCR),
            )
        except MemoryError:
            raise SystemExit(_OUT_OF_MEMORY) from None
        except UserError as error:
            result = failed(Path(path), str(error))
        pipe.send_bytes(RESULT.dump_json(result))


def _limit_memory(mebibytes: int) -> None:
    """Bound the address space to what is taken already and `mebibytes` more."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + mebibytes * 2**20, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
