"""Servers and consumers are killed under load, clocks jump, disks fill up: nothing is lost or repeated."""
