"""Whether what is asked is still like what the classifiers were measured on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from threading import Lock as Mutex

from superneurons.serve.figures import Figure
from superneurons.serve.jobs import Answer, Fitted, Job
from superneurons.shortcut.lock import Locked
from superneurons.shortcut.reference import EDGES, bin_of, measured, psi, psi_by_chance

__all__ = ["Drift"]

_HALF_LIFE = 1000
_GIVEN = ("given", "goes on")


class Drift:
    """Counts what each classifier answered and was shown, in bins, beside a lock's reference.

    An observer of answers: it costs some microseconds for each, whatever the size of its pictures,
    and keeps a few hundred numbers for each classifier, however many are asked.

    Two sorts of numbers come of it. Counts since the start, by label and by bin; and, where a lock
    says how it was, the population stability index
    (:func:`~superneurons.shortcut.reference.psi`) of recent answers against that: a histogram in
    which an answer counts half as much after ``half_life`` others. Beside it stands what to expect
    by chance, from as few answers as there are
    (:func:`~superneurons.shortcut.reference.psi_by_chance`).

    Labels and confidences are those of answers that the classifier gave itself, at the lock's
    threshold or above: what it would have said to the others isn't known once they have gone on.
    How many go on is a histogram of its own, ``given``.

    Parameters
    ----------
    fitted
        The classifiers that are served; answers of the base model are not looked at.
    locked
        What a lock says of them, by name; those that it doesn't know are only counted.
    half_life
        Answers.

    Examples
    --------
    >>> Drift({}, {}).metrics()
    []
    """

    def __init__(
        self,
        fitted: Mapping[str, Fitted],
        locked: Mapping[str, Locked],
        *,
        half_life: float = _HALF_LIFE,
    ) -> None:
        self._keep = 0.5 ** (1 / half_life)
        self._mutex = Mutex()
        self._seen = {name: _Seen(one.labels, locked.get(name)) for name, one in fitted.items()}

    def __call__(self, _request_id: str, job: Job, answer: Answer) -> None:
        """Count an answer."""
        seen = self._seen.get(job.classifier or "")
        if seen is None:
            return
        pictures = [measured(picture) for picture in job.pictures]
        with self._mutex:
            seen.add(answer, pictures, self._keep)

    def metrics(self) -> list[Figure]:
        """Return all numbers, as ``/metrics`` has them."""
        with self._mutex:
            return [figure for name, seen in self._seen.items() for figure in seen.figures(name)]


class _Histogram:
    """Counts in bins: of all, and with older ones counting less."""

    def __init__(self, bins: int, reference: Sequence[int] | None) -> None:
        self.total = [0] * bins
        self.recent = [0.0] * bins
        self.squares = 0.0
        self.reference = reference

    def add(self, place: int, keep: float) -> None:
        self.total[place] += 1
        self.recent = [keep * weight for weight in self.recent]
        self.recent[place] += 1
        self.squares = keep * keep * self.squares + 1

    @property
    def independent(self) -> float:
        """Equally counted answers that would tell as much (Kish)."""
        return sum(self.recent) ** 2 / self.squares if self.squares else 0.0


class _Seen:
    """What one classifier answered and was shown."""

    def __init__(self, labels: Sequence[str], locked: Locked | None) -> None:
        self._threshold, reference = 0.0, None
        if locked is not None:
            on = locked.escalated
            self._threshold = locked.threshold
            reference = {**locked.reference, "given": (on.n - on.hits, on.hits)}
        sizes = {"label": len(labels), "given": len(_GIVEN)} | {
            name: len(edges) + 1 for name, edges in EDGES.items()
        }
        self._labels = tuple(labels)
        self._histograms = {
            name: _Histogram(bins, None if reference is None else reference[name])
            for name, bins in sizes.items()
            if bins  # a classifier whose records bring their options has no labels to count
        }

    def add(self, answer: Answer, pictures: Sequence[Mapping[str, float]], keep: float) -> None:
        given = answer.depth == "exit" and answer.confidence >= self._threshold
        self._histograms["given"].add(0 if given else 1, keep)
        if given and answer.label in self._labels:
            self._histograms["label"].add(self._labels.index(answer.label), keep)
        if given:
            self._histograms["confidence"].add(bin_of("confidence", answer.confidence), keep)
        for picture in pictures:
            for name, value in picture.items():
                self._histograms[name].add(bin_of(name, value), keep)

    def figures(self, classifier: str) -> Iterator[Figure]:
        known = {"label": self._labels, "given": _GIVEN}
        for name, histogram in self._histograms.items():
            own = {"classifier": classifier, "of": name}
            names = known.get(name) or _ranges(EDGES[name])
            for bin_name, count in zip(names, histogram.total, strict=True):
                yield Figure("seen", count, own | {"bin": bin_name})
            if histogram.reference is None:
                continue
            bins, before = len(histogram.total), float(sum(histogram.reference))
            yield Figure("psi", psi(histogram.reference, histogram.recent), own)
            yield Figure("psi_by_chance", psi_by_chance(bins, before, histogram.independent), own)


def _ranges(edges: Sequence[float]) -> tuple[str, ...]:
    starts = ["", *(f"{edge:g}" for edge in edges)]
    ends = [*(f"{edge:g}" for edge in edges), ""]
    return tuple(f"{start}..{end}" for start, end in zip(starts, ends, strict=True))
