"""``python -m dirtylab`` is the command ``dirtylab``."""

from dirtylab.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
