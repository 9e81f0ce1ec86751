"""Texts that are alike: k-means over the embedded encoder's vectors, and the texts nearest to each centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from configs.examples import MineSettings
from index_build.encoder import Vectors

_RESTARTS = 10
_SAMPLED = 5_000  # silhouettes of more texts are estimated on so many


@dataclass(frozen=True, slots=True)
class Clustering:
    """Rows in clusters numbered from 0, the largest first."""

    members: tuple[tuple[int, ...], ...]  # of each cluster, nearest to its centre first
    silhouettes: dict[int, float]  # k -> mean silhouette, of every k that was tried; {} for a fixed k

    @property
    def labels(self) -> dict[int, int]:
        """Row -> its cluster."""
        return {row: number for number, rows in enumerate(self.members) for row in rows}


def cluster(vectors: Vectors, names: Sequence[str], settings: MineSettings) -> Clustering:
    """Cluster rows; names decide between equals. One cluster for fewer than three different vectors.

    k: as set, or that of the highest mean silhouette from 2 to `most_clusters`, the smaller of equals.
    Sources: Lloyd, IEEE Trans. Inf. Theory 28, 1982; Rousseeuw, J. Comput. Appl. Math. 20, 1987.
    """
    most = len(np.unique(vectors, axis=0))
    if most < 3:
        return Clustering(_ordered(np.zeros(len(vectors), dtype=np.int64), np.zeros(len(vectors)), names), {})
    if settings.clusters != "silhouette":
        return Clustering(_fitted(vectors, min(settings.clusters, most), names, settings.seed), {})
    found: dict[int, tuple[tuple[int, ...], ...]] = {}
    silhouettes: dict[int, float] = {}
    for k in range(2, min(settings.most_clusters, most - 1) + 1):
        found[k] = _fitted(vectors, k, names, settings.seed)
        labels = [0] * len(vectors)
        for row, label in Clustering(found[k], {}).labels.items():
            labels[row] = label
        size = min(_SAMPLED, len(vectors))
        silhouettes[k] = float(silhouette_score(vectors, labels, sample_size=size, random_state=settings.seed))
    best = max(silhouettes, key=lambda k: (silhouettes[k], -k))
    return Clustering(found[best], silhouettes)


def _fitted(vectors: Vectors, k: int, names: Sequence[str], seed: int) -> tuple[tuple[int, ...], ...]:
    model = KMeans(n_clusters=k, n_init=_RESTARTS, random_state=seed).fit(vectors)
    distances = np.linalg.norm(vectors - model.cluster_centers_[model.labels_], axis=1)
    return _ordered(model.labels_, distances, names)


def _ordered(
    labels: NDArray[np.int64], distances: NDArray[np.floating], names: Sequence[str]
) -> tuple[tuple[int, ...], ...]:
    """Rows by cluster; distances that differ by rounding alone count as equal."""
    clusters: dict[int, list[int]] = {}
    for row, label in enumerate(labels.tolist()):
        clusters.setdefault(label, []).append(row)
    for rows in clusters.values():
        rows.sort(key=lambda row: (round(float(distances[row]), 6), names[row]))
    ordered = sorted(clusters.values(), key=lambda rows: (-len(rows), min(names[row] for row in rows)))
    return tuple(tuple(rows) for rows in ordered)
