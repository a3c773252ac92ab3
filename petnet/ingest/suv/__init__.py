"""SUV of a PET series by its header's own rules."""
