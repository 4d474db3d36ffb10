"""The published ports of compose.yaml: `python -m foldline.compose_ports` writes them from the surfaces."""

import re
from pathlib import Path
from typing import Final, get_args

from foldline.surfaces import ProcessName, surfaces_of, surfaces_with_ports

FILE: Final = Path(__file__).parents[1] / "compose.yaml"


def with_ports(text: str) -> str:
    """Return the text of a compose file with the ports of every process that it runs."""
    for process in get_args(ProcessName):
        ports = ", ".join(
            f'"127.0.0.1:${{STACK_{surface.name.upper()}_PORT:-{surface.port}}}:{surface.port}"'
            for surface in surfaces_with_ports(surfaces_of(process))
        )
        text = re.sub(
            rf"(^  {process}:\n(?:    .*\n|\n)*?    ports: ).*$",
            lambda found, ports=ports: f"{found[1]}[{ports}]",  # type: ignore[misc]
            text,
            flags=re.MULTILINE,
        )
    return text


if __name__ == "__main__":
    FILE.write_text(with_ports(FILE.read_text()))
