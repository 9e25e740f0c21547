"""``python -m mlspec`` is ``mlspec``."""

from mlspec.cli import main

main()
