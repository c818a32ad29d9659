"""The rules of the product: pure, without input or output, and without a clock of their own."""
