"""`python -m lab`: what `./sandbox` hands over to."""

import sys

from lab.cli.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
