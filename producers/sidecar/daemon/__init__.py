"""The session daemon of a host: applications report to it, and it watches over them."""
