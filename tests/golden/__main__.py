"""Write the golden sets anew: `python -m tests.golden`, in the shell of `make env`."""

from tests.golden.sets import write_all

write_all()
