"""From a tree of DICOM files to a cohort: choice, pairing, pseudonyms, tables."""
