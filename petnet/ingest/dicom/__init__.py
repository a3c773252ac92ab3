"""DICOM files: found, read, put in order as series, and made into volumes."""
