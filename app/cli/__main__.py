"""Let `python -m app.cli` be `civitas`: how `civitas run` starts its children."""

from app.cli import main

if __name__ == "__main__":
    main(prog_name="civitas")
