"""``python -m liebench``: the command line, where its script is not on the path."""

from liebench.cli import main

main()
