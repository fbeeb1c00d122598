"""``python -m nnunetv2_fair.study.index FOLDER``: write the index page of a study."""

import sys

from nnunetv2_fair.study.index.index import main

if __name__ == "__main__":
    sys.exit(main())
