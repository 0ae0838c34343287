"""Settings of the sink, checked as they are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import ConfigError
from .mappings import Mapper, MappingOptions, MappingRule
from .rules import make_urls

_UNFIT = frozenset(".[]\"'{}")  # a path would be cut there


@dataclass(frozen=True)
class AmplitudeSettings:
    """`rules` are the mappings of the settings file, `file` where they stand; both keys come from the project."""

    api_key: str = field(repr=False)
    secret_key: str = field(default="", repr=False)
    zone: str = "US"
    host: str | None = None
    batch_events: int = 100
    device_events_per_s: int = -1  # -1: what the endpoint allows; 0: not paced
    dry_run: bool = False
    options: MappingOptions = field(default_factory=MappingOptions)
    rules: tuple[MappingRule, ...] = ()
    file: str = ""

    def check(self) -> None:
        """Raises ConfigError for whatever a sink would not start with."""
        if not self.api_key:
            raise ConfigError("amplitude.api_key is empty; set it to the API key of the Amplitude project")
        for name in ("group_type_trait", "group_value_trait"):
            trait = getattr(self.options, name)
            if _UNFIT & set(trait):
                raise ConfigError(
                    f"amplitude.{name} = {trait!r}: expected a name without dots, brackets and quotes"
                )
        if self.options.group_value_trait and not self.options.group_type_trait:
            raise ConfigError(
                "amplitude.group_value_trait is set and amplitude.group_type_trait is not; set both, or neither"
            )
        make_urls(self.zone, self.host)
        self.make_mapper()

    def make_mapper(self) -> Mapper:
        """Raises ConfigError that names the file as well."""
        try:
            return Mapper(self.rules, self.options)
        except ConfigError as error:
            raise ConfigError(f"{self.file}: {error}" if self.file else str(error)) from None
