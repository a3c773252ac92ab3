"""MONAI dictionary transforms, crops and their cache."""
