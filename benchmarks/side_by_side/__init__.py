"""This daemon beside other index servers: the same upstream, the same requests, in turns, in one run."""

import sys
from pathlib import Path

# The scripts in the folder above find each other by their bare names, and those of the tests by this repository's root.
for _place in (Path(__file__).parents[1], Path(__file__).parents[2]):
    if str(_place) not in sys.path:
        sys.path.append(str(_place))
