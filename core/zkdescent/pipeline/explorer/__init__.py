"""`zkdescent explore`: reports of the runs in a folder, and models of a chain, over HTTP.

Read-only: nothing here writes, sends or serves a file; every answer is a page that was rendered.
"""

from zkdescent.pipeline.explorer.chain_models import ChainModels
from zkdescent.pipeline.explorer.pages import Pages
from zkdescent.pipeline.explorer.projects import Projects
from zkdescent.pipeline.explorer.server import ExplorerServer, open_explorer

__all__ = ["ChainModels", "ExplorerServer", "Pages", "Projects", "open_explorer"]
