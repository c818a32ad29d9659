"""Every error in the form that its caller can use."""
