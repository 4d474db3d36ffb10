"""Everything that commands of `foldline` import, imported once by the server that forks them.

What one of them imports when it runs belongs here as well: a child would import it again and again.
"""

import gc

import foldline.sidecar_process  # noqa: F401 - to have them imported is all this module is for

gc.freeze()  # the collector of a child would copy every page it looks at
