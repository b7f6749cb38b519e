"""From run records to verdicts: records -> tidy tables -> statistics -> claims, tables, figures. Trains nothing."""
