"""Reading PDFs in processes of their own: what hangs, crashes or eats memory there stops nothing here.

A file of many pages is read by all of them: each loads a range of its pages, and one makes the document of these.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import TypeAdapter

from configs.errors import UserError
from configs.pdf import PdfSettings
from corpora.pdf.load import pack, together, unpack
from corpora.pdf.ocr import PAGE_SECONDS, check
from corpora.pdf.reader import PdfResult, count_pages, failed, load_pages, read_pdf

RESULT: TypeAdapter[PdfResult] = TypeAdapter(PdfResult)

# the first byte of what a worker sends
_RESULT = b"r"  # the result in JSON
_PAGES = b"p"  # loaded pages, packed
_LONG = b"l"  # how many pages the file has: too many for one process
_OCR = b"o"  # it begins to recognise pages and has more time now; the result is yet to come
_OUT_OF_MEMORY = 86  # exit status of a worker that ran into its limit


@dataclass(frozen=True, slots=True)
class PdfJob:
    """One file to read."""

    path: Path
    doc_id: str
    source: str


class _Task(NamedTuple):
    """What a worker is asked for: a file, pages [first, after) of it, or the document from pages loaded."""

    number: int  # of the job
    kind: Literal["file", "pages", "document"] = "file"
    first: int = 0
    after: int = 0


@dataclass(slots=True)
class _File:
    """A file that is being read."""

    job: PdfJob
    deadline: float = inf  # from the first task on
    ranges: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)  # packed pages by the first of them
    is_done: bool = False


@dataclass(slots=True)
class _Worker:
    """A process that does one task after the other, and the one it is at."""

    process: BaseProcess
    pipe: Connection
    task: _Task | None = None


def read_pdf_isolated(
    path: Path, *, doc_id: str, source: str, settings: PdfSettings, password: str | None = None
) -> PdfResult:
    """`read_pdf` in processes of its own, under the time and memory limits of the settings."""
    return next(read_isolated([PdfJob(path, doc_id, source)], settings=settings, password=password))


def read_isolated(jobs: Sequence[PdfJob], *, settings: PdfSettings, password: str | None = None) -> Iterator[PdfResult]:
    """The result of each job, in the order of the jobs, read by `workers` processes at once.

    A file over a limit, or one that kills its process, becomes a result that says so. Raises UserError
    when OCR is forced and cannot be done.
    """
    check(settings)
    readers = _Readers(jobs, settings, password)
    try:
        for number in range(len(jobs)):
            while number not in readers.results:
                readers.step()
            yield readers.results.pop(number)
    finally:
        readers.stop()


class _Readers:
    """The workers, the files, and the tasks that wait, the next one last."""

    def __init__(self, jobs: Sequence[PdfJob], settings: PdfSettings, password: str | None) -> None:
        self.results: dict[int, PdfResult] = {}  # by job, those that nobody has taken yet
        self._settings, self._password = settings, password
        self._files = [_File(job) for job in jobs]
        self._waiting = [_Task(number) for number in range(len(jobs))][::-1]
        self._most = settings.workers or multiprocessing.cpu_count()
        self._workers: list[_Worker] = []

    def step(self) -> None:
        """Give idle workers a task, and take what the others have, or the time of one that is late."""
        idle = [worker for worker in self._workers if worker.task is None]
        while self._waiting and (idle or len(self._workers) < self._most):
            if not idle:
                idle.append(self._start())
            self._assign(idle.pop(), self._waiting.pop())
        busy = [worker for worker in self._workers if worker.task is not None]
        nearest = min((self._files[worker.task.number].deadline for worker in busy if worker.task), default=0.0)
        wait([worker.pipe for worker in busy], timeout=max(nearest - time.monotonic(), 0.0))
        for worker in busy:
            if worker.task is not None and not self._collect(worker, worker.task):
                self._end(worker)

    def stop(self) -> None:
        """End all workers."""
        for worker in list(self._workers):
            self._end(worker)

    def _start(self) -> _Worker:
        # spawn: a fork would carry locks and pdfium's state along
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        is_alone = self._most == 1
        arguments = (there, self._settings.model_dump_json(), self._password, is_alone)
        process = context.Process(target=_serve, args=arguments, daemon=True)
        process.start()
        there.close()
        worker = _Worker(process, here)
        self._workers.append(worker)
        return worker

    def _end(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()

    def _assign(self, worker: _Worker, task: _Task) -> None:
        worker.task = task
        file = self._files[task.number]
        if file.deadline == inf:
            file.deadline = time.monotonic() + self._settings.seconds
        parts = [part for _, part in sorted(file.parts.items())] if task.kind == "document" else []
        job = file.job
        header = [task.kind, str(job.path), job.doc_id, job.source, task.first, task.after, len(parts)]
        try:
            for message in (json.dumps(header).encode(), *parts):
                worker.pipe.send_bytes(message)
        except OSError:  # it died between two tasks; the next look at it says so
            file.deadline = 0.0

    def _collect(self, worker: _Worker, task: _Task) -> bool:
        """Take what a worker has to say, if anything; whether it may live on."""
        if worker.pipe.poll():
            try:
                self._take(worker, task, worker.pipe.recv_bytes())
                return True
            except (EOFError, ConnectionResetError):
                worker.process.join()
                self._give_up(task, _death(worker.process.exitcode, self._settings))
        elif time.monotonic() >= self._files[task.number].deadline:
            self._give_up(task, f"took longer than {self._settings.seconds:g} s (corpora.pdf.seconds)")
        else:
            return True
        return False

    def _take(self, worker: _Worker, task: _Task, message: bytes) -> None:
        """What a worker said; of a file that was given up nothing counts."""
        file = self._files[task.number]
        kind, content = message[:1], message[1:]
        if kind == _OCR:
            file.deadline += self._settings.ocr_seconds + PAGE_SECONDS
            return
        worker.task = None
        if file.is_done:
            return
        if kind == _RESULT:
            self._finish(task, RESULT.validate_json(content))
        elif kind == _LONG:
            size, end = self._settings.pages_at_once, int(content) + 1
            ranges = [_Task(task.number, "pages", n, min(n + size, end)) for n in range(1, end, size)]
            file.ranges = len(ranges)
            self._waiting += ranges[::-1]
        else:
            file.parts[task.first] = content
            if len(file.parts) == file.ranges:
                self._waiting.append(_Task(task.number, "document"))

    def _give_up(self, task: _Task, reason: str) -> None:
        self._waiting = [other for other in self._waiting if other.number != task.number]
        if not self._files[task.number].is_done:
            self._finish(task, failed(self._files[task.number].job.path, reason))

    def _finish(self, task: _Task, result: PdfResult) -> None:
        file = self._files[task.number]
        file.is_done, file.parts = True, {}
        self.results[task.number] = result


def _death(status: int | None, settings: PdfSettings) -> str:
    """Why a process that sent nothing is gone."""
    if status == _OUT_OF_MEMORY:
        return f"needs more than {settings.memory_mib} MiB (corpora.pdf.memory_mib)"
    name = signal.Signals(-status).name if status is not None and status < 0 else f"status {status}"
    return f"damaged: reading it ended the process ({name}); it may need more than {settings.memory_mib} MiB"


def _serve(pipe: Connection, settings_json: str, password: str | None, is_alone: bool) -> None:
    """The life of a worker: tasks in, pages and results out."""
    settings = PdfSettings.model_validate_json(settings_json)
    _limit_memory(settings.memory_mib)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    before_ocr = partial(pipe.send_bytes, _OCR)
    while True:
        try:
            kind, path, doc_id, source, first, after, count = json.loads(pipe.recv_bytes())
            parts = [pipe.recv_bytes() for _ in range(count)]
        except EOFError:
            return
        read = partial(read_pdf, Path(path), doc_id=doc_id, source=source, settings=settings, password=password)
        load = partial(load_pages, Path(path), settings=settings, password=password)
        try:
            pages = 0 if is_alone or kind != "file" else count_pages(Path(path), settings=settings, password=password)
            if pages > 2 * settings.pages_at_once:
                reply = _LONG + b"%d" % pages
            elif kind == "pages":
                reply = _PAGES + pack(load(range(first, after)))
            else:
                loaded = together([unpack(part) for part in parts]) if parts else None
                reply = _RESULT + RESULT.dump_json(read(before_ocr=before_ocr, loaded=loaded))
        except MemoryError:
            raise SystemExit(_OUT_OF_MEMORY) from None
        except UserError as error:
            reply = _RESULT + RESULT.dump_json(failed(Path(path), str(error)))
        pipe.send_bytes(reply)


def _limit_memory(mebibytes: int) -> None:
    """Bound the address space to what is taken already and `mebibytes` more."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + mebibytes * 2**20, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
