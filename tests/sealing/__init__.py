"""Each step of sealing against known answers, and against independent stock libraries."""
