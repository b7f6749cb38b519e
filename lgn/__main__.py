import sys

from lgn.cli import main

sys.exit(main())
