"""`python -m w2sg` is the command `w2sg`."""

from w2sg.cli import main

if __name__ == "__main__":
    main()
