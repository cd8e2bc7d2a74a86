"""Wait, inside the server namespace, until every server answers: ``python -m lab.wait RUN PORTS``."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.servers import wait_until_up

if __name__ == "__main__":
    wait_until_up(Path(sys.argv[1]), tuple(int(port) for port in sys.argv[2].split(",")))
