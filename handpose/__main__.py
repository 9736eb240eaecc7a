"""`python -m handpose`: the command line."""
import sys

from .command.cli import main

sys.exit(main())
