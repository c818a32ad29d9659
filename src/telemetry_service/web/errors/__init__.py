"""Every refusal in one form: a problem document, a page or a fragment."""
