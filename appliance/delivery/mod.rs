//! Mail on the move.
