"""A Monte Carlo twin for every formula: seeds in, mean and standard error out."""
