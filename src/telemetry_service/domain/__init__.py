"""The rules of the product. They do no input or output and read no clock."""
