"""`python -m benchmarks engine|model|end-to-end`: measure, print tables, write JSON."""

import sys

from benchmarks.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
