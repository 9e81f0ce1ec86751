"""What a fitted gate belongs to: the index, the reader and the way of retrieving, as digests."""

from __future__ import annotations

from corpora.files import fingerprint
from rag.gate import Circumstances
from rag.hybrid import TUNED
from rag.index import Index
from rag.pipeline import Pipeline
from rag.reader import digest_of


def index_digest(index: Index) -> str:
    """The digest of everything an index holds."""
    return digest_of({name: stored.digest for name, stored in index.manifest.files.items()})


def circumstances(pipeline: Pipeline) -> Circumstances:
    """What a fitted gate belongs to."""
    return Circumstances(
        index=index_digest(pipeline.library.index) if pipeline.library is not None else "",
        reader=pipeline.reader.identity.digest,
        retrieval=_retrieval_digest(pipeline),
    )


def _retrieval_digest(pipeline: Pipeline) -> str:
    """The digest of how passages are found and shown: all of `rag` but paths, reader and gate, and tuned fusion."""
    facts = pipeline.settings.model_dump(mode="json", exclude={"index", "reader", "gate"})
    tuned = pipeline.library.index.path / TUNED if pipeline.library is not None else None
    return digest_of({**facts, "tuned": fingerprint(tuned) if tuned is not None and tuned.is_file() else ""})
