"""The command line as `python -m implicit_compress`."""

from implicit_compress.cli.main import main

if __name__ == "__main__":
    main(prog_name="implicit-compress")
