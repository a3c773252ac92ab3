"""From files of the scanner to volumes; quality control."""
