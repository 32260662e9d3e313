"""An HTTP server: photos and the Open Inference Protocol, and a page for browsers."""
