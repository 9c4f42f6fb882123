"""Run the command line as ``python -m superneurons``."""

from superneurons.cli.app import main

if __name__ == "__main__":
    main()
