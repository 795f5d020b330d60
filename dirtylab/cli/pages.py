"""Voila as the dashboard runs it: ``python -m dirtylab.cli.pages FOLDER`` opens on the start page.

Voila alone opens on a list of files, which stays at ``/voila/tree``.
"""

from typing import Any

from jupyter_server.utils import url_path_join
from tornado.web import RedirectHandler
from voila.app import Voila

from dirtylab.cli.lab import START


class Dashboard(Voila):  # type: ignore[misc]
    """Voila with the start page at its address."""

    def init_handlers(self) -> list[Any]:
        """Return Voila's handlers behind one that leads to the start page."""
        start = url_path_join(self.base_url, "voila", "render", START)
        first = (self.server_url, RedirectHandler, {"url": start, "permanent": False})
        return [first, *super().init_handlers()]


if __name__ == "__main__":
    Dashboard.launch_instance()
