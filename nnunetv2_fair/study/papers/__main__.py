"""``python -m nnunetv2_fair.study.papers FOLDER JSON``: write a study's tables and figures."""

import sys

from nnunetv2_fair.study.papers.write import main

if __name__ == "__main__":
    sys.exit(main())
