"""The families of the line, in one list, and everything that follows from it."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from schemas.family import Body, FactType, Family
from schemas.jobs.family import JOB
from schemas.sessions.family import SESSION
from schemas.streams import Bindings, Stream, bound_subjects, stream_config


class Registry:
    """Families, and what they come to: facts, streams, and which stream binds what.

    Raises ValueError for families that contradict each other.
    """

    def __init__(self, families: Iterable[Family]) -> None:
        self.families: dict[str, Family] = {}
        """By entity."""
        self.fact_types: dict[tuple[str, str], FactType] = {}
        """By entity and name."""
        bindings: dict[Stream, dict[str, list[str]]] = {}
        for family in families:
            if family.entity in self.families:
                raise ValueError(f"two families are called {family.entity}")
            self.families[family.entity] = family
            for fact in family.facts:
                if (family.entity, fact.name) in self.fact_types:
                    raise ValueError(f"two facts of a {family.entity} are called {fact.name}")
                self.fact_types[family.entity, fact.name] = fact
                bindings.setdefault(fact.stream, {}).setdefault(family.entity, []).append(fact.name)
        self.facts: dict[str, frozenset[str]] = {
            entity: frozenset(fact.name for fact in family.facts) for entity, family in self.families.items()
        }
        """The names of the facts of each entity; the server refuses any other subject."""
        self.streams: tuple[Stream, ...] = tuple(bindings)
        self.latest_only: frozenset[str] = frozenset(s.name for s in self.streams if s.newest_only)
        """Streams that keep only the newest message of a subject: their facts may repeat, and have no
        history."""
        self.unreadable: dict[tuple[str, str], Body] = {
            name: fact.unreadable for name, fact in self.fact_types.items() if fact.unreadable is not None
        }
        """What an unreadable body of a fact counts as, by entity and name; of others it is rejected."""
        self.slotted: frozenset[str] = frozenset(
            entity for entity, family in self.families.items() if family.slotted
        )
        """The entities whose stored subjects have a slot instead of the id."""
        self._bindings: dict[str, Bindings] = {stream.name: bound for stream, bound in bindings.items()}
        self._check()

    def stream_of(self, entity: str, fact: str) -> Stream:
        """Return the stream that keeps a fact. Raises KeyError for an unknown fact."""
        return self.fact_types[entity, fact].stream

    def streams_of(self, sites: Collection[str]) -> tuple[Stream, ...]:
        """Return the streams of a site, or those of a centre: the copies it keeps of each of its `sites`."""
        if not sites:
            return self.streams
        mirrored = [stream for stream in self.streams if stream.mirrored]
        return tuple(copy for site in sites for stream in mirrored for copy in stream.mirrors([site]))

    def bindings(self, stream: Stream) -> Bindings:
        """Return the facts that a stream binds; those of its origin for a copy."""
        return self._bindings[stream.name if stream.origin is None else stream.origin[1]]

    def subjects(self, stream: Stream, site: str = "*") -> list[str]:
        """Return the published subjects of the facts that a stream holds."""
        return bound_subjects(self.bindings(stream), site)

    def config(
        self, stream: Stream, *, partitions: int, replicas: int, only_site: str | None = None
    ) -> dict[str, Any]:
        """Return a stream's configuration; with `only_site` it binds the facts of that site only."""
        bindings = self.bindings(stream)
        return stream_config(
            stream,
            bindings,
            slotted=not self.slotted.isdisjoint(bindings),
            partitions=partitions,
            replicas=replicas,
            only_site=only_site,
        )

    def _check(self) -> None:
        if len(self._bindings) < len(self.streams):
            raise ValueError("two streams have the same name")
        for (entity, name), fact in self.fact_types.items():
            if fact.stream.newest_only != (fact.unreadable is not None):
                raise ValueError(
                    f"{entity}.{name}: what an unreadable body counts as has to be declared where the newest "
                    "alone is kept, and nowhere else"
                )
        for stream in self.streams:
            entities = self._bindings[stream.name].keys()
            if len(entities) > 1 and not stream.shared:
                raise ValueError(
                    f"stream {stream.name} binds facts of {', '.join(entities)}: only a shared stream may"
                )
            if self.slotted & entities not in (frozenset(), entities):
                raise ValueError(
                    f"stream {stream.name} binds facts of {', '.join(entities)}: all have slots, or none has"
                )


DECLARED: Final = Registry((SESSION, JOB))
"""The families that Foldline serves."""
