//! Which entries of a profile a model gets to see, and in which order.
