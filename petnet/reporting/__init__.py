"""The HTML report; reads the files of a run and recomputes nothing."""
