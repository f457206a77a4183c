//! Lines and counted octets taken from the front of a buffer.
