"""What users write about the world: rules, expressions, concepts."""
