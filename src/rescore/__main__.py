"""`python -m rescore` is the `rescore` command."""

import sys

from rescore.cli import main

sys.exit(main())
