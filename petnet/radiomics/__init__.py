"""IBSI radiomics: preprocessing, intensity, morphology and texture features."""
