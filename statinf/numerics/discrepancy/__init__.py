"""How far two weighted samples differ."""
