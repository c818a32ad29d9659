"""The rules of the product. They read no clock, and no file but the payload schemas that are part of the package."""
