"""Writers of simulated studies as DICOM, in the ways of scanners: PET, CT, contours, segments."""
