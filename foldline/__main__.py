"""`python -m foldline`: how the supervisor starts its children, whatever the PATH."""

from foldline.cli import main

if __name__ == "__main__":
    main()
