"""The results of a run, and their comparison."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import Any

from benchmarks.cases import Case
from benchmarks.engines import INT8, OURS, OWN


@dataclass
class EngineResult:
    """Milliseconds of one engine in one case, or why there are none."""

    engine: str
    samples: list[float] = field(default_factory=list)
    skipped: str | None = None
    error: float | None = None  # largest logit error / largest logit
    peak_mb: float | None = None  # of the whole process, where each sample is a process

    @property
    def median(self) -> float:
        """Median of the samples, in milliseconds."""
        return statistics.median(self.samples)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with every sample in the order of measurement."""
        out: dict[str, Any] = {"engine": self.engine}
        if self.samples:
            out |= {"median_ms": self.median, "min_ms": min(self.samples)}
            out["samples_ms"] = [round(s, 4) for s in self.samples]
        for name in ("skipped", "error", "peak_mb"):
            if getattr(self, name) is not None:
                out[name] = getattr(self, name)
        return out

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> EngineResult:
        """The inverse of `to_dict`."""
        kept = {name: record.get(name) for name in ("skipped", "error", "peak_mb")}
        return cls(record["engine"], list(record.get("samples_ms", ())), **kept)


@dataclass
class CaseResult:
    """All engines in one case."""

    case: Case
    engines: list[EngineResult]
    skipped: str | None = None
    others: float | None = None  # cores kept busy by other programs meanwhile

    @property
    def measured(self) -> list[EngineResult]:
        """Engines that were timed, fastest median first."""
        return sorted((e for e in self.engines if e.samples), key=lambda e: e.median)

    def median_of(self, name: str) -> float | None:
        """The median of an engine, if it was timed."""
        return next((e.median for e in self.measured if e.engine == name), None)

    @property
    def ours(self) -> EngineResult | None:
        """sqznet's result, if it was timed."""
        own = INT8[OURS] if self.case.kind == "int8" else OURS
        return next((e for e in self.measured if e.engine == own), None)

    @property
    def best_rival(self) -> EngineResult | None:
        """The fastest of the others."""
        return next((e for e in self.measured if e.engine not in OWN), None)

    @property
    def ratio(self) -> float | None:
        """Median of sqznet / median of the best rival: below 1, sqznet is faster."""
        ours, rival = self.ours, self.best_rival
        return ours.median / rival.median if ours and rival else None

    @property
    def loser(self) -> str | None:
        """Which of sqznet and its best rival is slower."""
        ratio, rival = self.ratio, self.best_rival
        if ratio is None or rival is None:
            return None
        return OURS if ratio > 1 else rival.engine

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        case = self.case
        out: dict[str, Any] = {
            "case": case.name,
            "title": case.title,
            "kind": case.kind,
            "variant": case.variant,
            "batch": case.batch,
            "threads": case.threads,
            "engines": [e.to_dict() for e in self.engines],
        }
        rival = self.best_rival
        extra = {
            "best_rival": rival.engine if rival else None,
            "ratio": self.ratio,
            "loser": self.loser,
            "skipped": self.skipped,
            "others_cores": self.others,
        }
        return out | {name: value for name, value in extra.items() if value is not None}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> CaseResult:
        """The inverse of `to_dict`."""
        fields = (record[name] for name in ("case", "kind", "variant", "batch", "threads"))
        return cls(
            Case(*fields),
            [EngineResult.from_dict(engine) for engine in record["engines"]],
            record.get("skipped"),
            record.get("others_cores"),
        )
