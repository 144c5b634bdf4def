"""``python -m app`` is ``mien``."""

from app.entry import main

if __name__ == "__main__":
    main()
