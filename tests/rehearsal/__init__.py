"""`make rehearse`: what a stranger does, for real, on a bare Debian system, in some minutes each.

The system is made by mmdebstrap, and started by systemd-nspawn with its own systemd; the image is built and run by
Podman. What is not installed here is skipped with its reason.
"""
